//! Hashes: the commands of the reference's `hash` group.
//!
//! One file a topic: [`write`] and [`read`] for fields, [`counter`] for numbers in them, [`random`]
//! for fields by chance.

pub mod counter;
pub mod random;
pub mod read;
pub mod write;

#[cfg(test)]
mod tests;
