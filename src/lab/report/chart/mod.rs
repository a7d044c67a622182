//! The picture of a run: charts one below the other that share one axis of time.
//!
//! ```text
//!   axis.rs      which times have a tick, and their words
//!   canvas.rs    where a time is drawn; rows with their names; the height that grows
//!   labels.rs    labels that stand close: which goes where
//!   lanes.rs     nodes with their roles, and the stages of failovers
//!   cables.rs    links as they were disturbed
//!   marks.rs     events as marks with words
//!   writes.rs    accepted and failed writes
//!   curves.rs    what servers hold, and how old it is
//!   timeline.rs  all of them, with steps and the gap drawn through
//! ```
//!
//! The picture is SVG without scripts. It is drawn twice, for wide and for narrow windows, as a
//! style sheet shows one of them: text that is shrunk with a picture cannot be read. However long
//! a run was, its picture stays small: what is closer together than pixels are is put together.

mod axis;
mod cables;
mod canvas;
mod curves;
mod labels;
mod lanes;
mod marks;
mod timeline;
mod writes;

pub use canvas::{Form, View};
pub use timeline::{definitions, draw};
