//! Access control: who may log in, and which commands, keys and channels are open to whom.
//!
//! A user ([`user`]) has passwords and one or more selectors ([`selector`]); a command is allowed
//! if one selector allows all of it: the command itself ([`commands`]), its keys and its channels
//! ([`patterns`]). What a user may do is written as a list of rules, and read back as one that
//! makes the same user.
//!
//! Nothing here knows what a command does. The table of commands shows itself as a [`Catalog`]:
//! numbers, names, categories. Who runs a command says, as a [`Request`], which number it has and
//! which of its words are keys and channels.
//!
//! [`users`] holds all users by name; [`file`](mod@file) their lines, as files have them; [`log`]
//! what was refused of late.

pub mod catalog;
pub mod commands;
pub mod error;
pub mod file;
pub mod log;
mod password;
pub mod patterns;
pub mod selector;
pub mod user;
pub mod users;
mod words;

pub use catalog::Catalog;
pub use error::RuleError;
pub use patterns::Access;
pub use selector::{Denied, KeyUse, Request};
pub use user::{Rights, User};
pub use users::Users;
