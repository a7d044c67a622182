//! Floor 4: the Sentinel.

pub mod action;
pub mod address;
pub mod timing;
