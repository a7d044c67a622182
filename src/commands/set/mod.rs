//! Sets: the commands of the reference's `set` group.
//!
//! One file a topic: [`change`] adds, removes and moves members, [`read`] asks for them, [`random`]
//! picks and pops them by chance, [`combine`] is unions, intersections and differences.

pub mod change;
pub mod combine;
pub mod random;
pub mod read;

#[cfg(test)]
mod tests;
