//! Keys of any type: the reference's `generic` group, and the commands for whole databases.
//!
//! One file a topic: [`presence`] and [`scan`] say which keys there are, [`expire`] and [`ttl`]
//! until when, [`transfer`] takes values to other keys, [`dump`] turns them into bytes and back,
//! [`migrate`] takes them to other servers, [`object`] looks at how they are kept, [`sort`] puts
//! the elements of collections in order, and [`database`] works on all keys of a database.

pub mod database;
pub mod dump;
pub mod expire;
pub mod migrate;
pub mod object;
pub mod presence;
pub mod scan;
pub mod sort;
pub mod transfer;
pub mod ttl;

#[cfg(test)]
mod dump_tests;
#[cfg(test)]
mod tests;
