//! What a row says of a command, but for what runs it.
//!
//! A handler gets the table of all rows, since `COMMAND` describes them and `EXEC` looks commands
//! up. So that rows and their table can be understood before handlers, what runs a command is a
//! parameter of both; [`Handler`](crate::commands::context::Handler) is the only one.

use super::docs::{Arg, CommandGroup, Deprecation};
use super::flags::{Acl, Flags};
use super::keys::{ChannelSpec, GetKeys, KeySpec};
use crate::config::{ProtectedAction, Settings};
use crate::resp::args::Args;

/// Whether the word at this place is not to be shown to those who watch what is run.
pub type IsSecret = fn(&Args<'_>, usize) -> bool;

/// A directive that says who may run a command.
#[derive(Clone, Copy, Debug)]
pub struct Guard {
    /// The command, as the refusal names it.
    pub command: &'static str,
    /// The directive's name.
    pub directive: &'static str,
    /// Its value.
    pub setting: fn(&Settings) -> ProtectedAction,
}

/// One command or subcommand.
#[derive(Clone, Copy)]
pub struct RowOf<Handler: 'static> {
    /// Lower-case name; for a subcommand its own word only.
    pub name: &'static str,
    /// The number of words including the name(s); negative: at least as many.
    pub arity: i32,
    /// Behaviour.
    pub flags: Flags,
    /// The directive that says who may run it, if there is one.
    pub guard: Option<Guard>,
    /// Access-control categories, without those that follow from the flags.
    pub acl: Acl,
    /// Where the keys are.
    pub keys: &'static [KeySpec],
    /// Finds the keys where the specifications cannot (see [`crate::commands::keyspec`]).
    pub get_keys: Option<GetKeys>,
    /// Which arguments are channels that somebody sends to or listens to.
    pub channels: Option<ChannelSpec>,
    /// Which arguments are kept from `MONITOR` and the slow log.
    pub secrets: Option<IsSecret>,
    /// Documentation group.
    pub group: CommandGroup,
    /// The Redis version that brought it.
    pub since: &'static str,
    /// Cost.
    pub complexity: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// What changed when.
    pub history: &'static [(&'static str, &'static str)],
    /// Hints for clients, as `COMMAND INFO` shows them.
    pub tips: &'static [&'static str],
    /// Set when deprecated.
    pub deprecated: Option<Deprecation>,
    /// A system command, not meant for people.
    pub syscmd: bool,
    /// Documented arguments.
    pub args: &'static [Arg],
    /// Subcommands; when there are any, the container's own handler runs only without one.
    pub subcommands: &'static [RowOf<Handler>],
    /// What runs.
    pub handler: Handler,
}

impl<Handler> RowOf<Handler> {
    /// The categories as `COMMAND INFO` shows them: the row's own, with those that its flags
    /// imply.
    pub fn acl_categories(&self) -> Acl {
        let mut acl = self.acl;
        let f = self.flags;
        for (flag, category) in [
            (Flags::WRITE, Acl::WRITE),
            (Flags::ADMIN, Acl::ADMIN.union(Acl::DANGEROUS)),
            (Flags::PUBSUB, Acl::PUBSUB),
            (Flags::BLOCKING, Acl::BLOCKING),
            (Flags::FAST, Acl::FAST),
        ] {
            if f.contains(flag) {
                acl |= category;
            }
        }
        if f.contains(Flags::READONLY) && !acl.contains(Acl::SCRIPTING) {
            acl |= Acl::READ;
        }
        if !f.contains(Flags::FAST) {
            acl |= Acl::SLOW;
        }
        acl
    }
}
