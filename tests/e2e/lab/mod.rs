//! The failover lab: its words, its checker, and the experiments that are shipped.

mod checker;
mod experiments;
mod words;
