//! What a command *is*: one row per command and subcommand.
//!
//! Arity errors, the gates of the dispatcher, key extraction and every `COMMAND` reply read the
//! row; nothing else knows a command by name. A row is plain constant data, written with struct
//! update syntax over [`Row::BASE`], so a family file opens with its rows and continues with the
//! handlers under them:
//!
//! ```text
//! pub static ROWS: &[Row] = &[Row {
//!     name: "get",
//!     arity: 2,
//!     flags: Flags::READONLY.union(Flags::FAST),
//!     acl: Acl::STRING,
//!     keys: &[KeySpec::first(KeyFlags::RO.union(KeyFlags::ACCESS))],
//!     group: CommandGroup::String,
//!     since: "1.0.0",
//!     complexity: "O(1)",
//!     summary: "Reads the string stored at a key.",
//!     args: &[Arg::key("key", 0)],
//!     handler: get,
//!     ..Row::BASE
//! }];
//! ```

mod docs;
mod flags;
mod keys;
mod shape;

pub use self::docs::{Arg, ArgKind, CommandGroup, Deprecation};
pub use self::flags::{Acl, Flags, KeyFlags};
pub use self::keys::{BeginSearch, ChannelSpec, FindKeys, GetKeys, KeyRef, KeySpec};
pub use self::shape::{Guard, IsSecret, RowOf};
use super::context::{CmdResult, Ctx, Handler};
use super::error::CmdError;
use crate::resp::args::Args;

/// One command or subcommand, with its handler.
pub type Row = RowOf<Handler>;

impl Row {
    /// A row with everything empty, to be completed with struct update syntax.
    pub const BASE: Row = Row {
        name: "",
        arity: -2,
        flags: Flags::empty(),
        guard: None,
        acl: Acl::empty(),
        keys: &[],
        get_keys: None,
        channels: None,
        secrets: None,
        group: CommandGroup::Generic,
        since: "1.0.0",
        complexity: "",
        summary: "",
        history: &[],
        tips: &[],
        deprecated: None,
        syscmd: false,
        args: &[],
        subcommands: &[],
        handler: container,
    };
}

/// The handler of a container called without a subcommand; its arity refuses that before.
fn container(_: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    Err(CmdError::Syntax)
}
