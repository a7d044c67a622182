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
//!     group: Group::String,
//!     since: "1.0.0",
//!     complexity: "O(1)",
//!     summary: "Reads the string stored at a key.",
//!     args: &[Arg::key("key", 0)],
//!     handler: get,
//!     ..Row::BASE
//! }];
//! ```

mod keys;

use bitflags::bitflags;

pub use self::keys::{BeginSearch, FindKeys, KeySpec};
use super::context::{CmdResult, Ctx};
use crate::config::{ProtectedAction, Settings};
use crate::resp::args::Args;

/// Runs a command: computes, changes the keyspace, replies once.
pub type Handler = fn(&mut Ctx<'_>, &mut Args<'_>) -> CmdResult;

/// A set of flags whose members have names that clients see, written beside them.
macro_rules! named_flags {
    ($(#[$doc:meta])* $name:ident : $int:ty {
        $($(#[$($fdoc:tt)*])* $flag:ident = $bit:expr, $text:expr;)*
    }) => {
        bitflags! {
            $(#[$doc])*
            #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
            pub struct $name: $int {
                $($(#[$($fdoc)*])* const $flag = 1 << $bit;)*
            }
        }

        impl $name {
            /// Every member with the name that clients see, in the order in which they see it.
            pub const NAMES: &'static [($name, &'static str)] = &[$(($name::$flag, $text)),*];

            /// The visible names of the members, in wire order.
            pub fn names(self) -> impl Iterator<Item = &'static str> {
                let shown = move |(f, n): &&($name, &str)| self.contains(*f) && !n.is_empty();
                Self::NAMES.iter().filter(shown).map(|(_, n)| *n)
            }
        }
    };
}

named_flags! {
    /// How a command behaves; the dispatcher's gates read these. Order and names are those of
    /// `COMMAND INFO`; a member with an empty name is not shown.
    Flags: u32 {
        /// May change the keyspace.
        WRITE = 0, "write";
        /// Reads keys and changes none.
        READONLY = 1, "readonly";
        /// Refused when memory is above `maxmemory` and nothing can be evicted.
        DENYOOM = 2, "denyoom";
        /// Administrative.
        ADMIN = 3, "admin";
        /// Belongs to publish/subscribe.
        PUBSUB = 4, "pubsub";
        /// Not callable from scripts.
        NOSCRIPT = 5, "noscript";
        /// May block the client.
        BLOCKING = 6, "blocking";
        /// Allowed while a data set is being loaded.
        LOADING = 7, "loading";
        /// Allowed on a replica with a broken link and `replica-serve-stale-data no`.
        STALE = 8, "stale";
        /// Not shown to MONITOR.
        SKIP_MONITOR = 9, "skip_monitor";
        /// Not entered into the slow log.
        SKIP_SLOWLOG = 10, "skip_slowlog";
        /// Implies ASKING in a cluster.
        ASKING = 11, "asking";
        /// Constant or logarithmic time.
        FAST = 12, "fast";
        /// Allowed before authentication.
        NO_AUTH = 13, "no_auth";
        /// May be propagated although it writes no key.
        MAY_REPLICATE = 14, "";
        /// Callable with zero keys.
        NO_MANDATORY_KEYS = 15, "no_mandatory_keys";
        /// Has a [`Guard`]; rows need not say so.
        GUARDED = 16, "";
        /// Refused during an asynchronous (swapdb) load.
        NO_ASYNC_LOADING = 17, "no_async_loading";
        /// Refused inside MULTI.
        NO_MULTI = 18, "no_multi";
        /// Its key positions depend on its arguments.
        MOVABLE_KEYS = 19, "movablekeys";
        /// Allowed while a script runs too long.
        ALLOW_BUSY = 20, "allow_busy";
        /// Touches keys that its arguments do not name.
        TOUCHES_ARBITRARY_KEYS = 21, "";
        /// Allowed to a RESP2 client that is subscribed to something.
        IN_SUBSCRIBED_STATE = 22, "";
        /// Refused like a write when snapshots fail, although it writes nothing.
        DENIED_ON_DISK_ERROR = 23, "";
        /// Shown by a Sentinel too.
        SENTINEL = 24, "";
        /// Runs at once inside of a transaction that was begun.
        NOT_QUEUED = 25, "";
        /// Runs the commands of a transaction: gates look at them too.
        RUNS_QUEUE = 26, "";
    }
}

named_flags! {
    /// Access-control categories, in the order of the reference.
    Acl: u32 {
        /// Works on keys of any type.
        KEYSPACE = 0, "keyspace";
        /// Reads.
        READ = 1, "read";
        /// Writes.
        WRITE = 2, "write";
        /// Sets.
        SET = 3, "set";
        /// Sorted sets.
        SORTEDSET = 4, "sortedset";
        /// Lists.
        LIST = 5, "list";
        /// Hashes.
        HASH = 6, "hash";
        /// Strings.
        STRING = 7, "string";
        /// Bitmaps.
        BITMAP = 8, "bitmap";
        /// HyperLogLog.
        HYPERLOGLOG = 9, "hyperloglog";
        /// Geospatial.
        GEO = 10, "geo";
        /// Streams.
        STREAM = 11, "stream";
        /// Publish/subscribe.
        PUBSUB = 12, "pubsub";
        /// Administrative.
        ADMIN = 13, "admin";
        /// Fast.
        FAST = 14, "fast";
        /// Not fast.
        SLOW = 15, "slow";
        /// Blocking.
        BLOCKING = 16, "blocking";
        /// Dangerous.
        DANGEROUS = 17, "dangerous";
        /// Connection state.
        CONNECTION = 18, "connection";
        /// Transactions.
        TRANSACTION = 19, "transaction";
        /// Scripts.
        SCRIPTING = 20, "scripting";
    }
}

named_flags! {
    /// What a command does with the keys of a [`KeySpec`].
    KeyFlags: u16 {
        /// Reads the value.
        RO = 0, "RO";
        /// Reads and writes the value.
        RW = 1, "RW";
        /// Overwrites the value.
        OW = 2, "OW";
        /// Removes the key.
        RM = 3, "RM";
        /// Returns or copies user data.
        ACCESS = 4, "access";
        /// Changes data, possibly depending on what was there.
        UPDATE = 5, "update";
        /// Adds data.
        INSERT = 6, "insert";
        /// Removes part of the data.
        DELETE = 7, "delete";
        /// Not a key, only routed like one.
        NOT_KEY = 8, "not_key";
        /// The specification may miss keys.
        INCOMPLETE = 9, "incomplete";
        /// The real flags depend on the arguments.
        VARIABLE_FLAGS = 10, "variable_flags";
    }
}

/// The group under which a command is documented.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Group {
    Generic,
    String,
    List,
    Set,
    SortedSet,
    Hash,
    Pubsub,
    Transactions,
    Connection,
    Server,
    Scripting,
    Hyperloglog,
    Cluster,
    Sentinel,
    Geo,
    Stream,
    Bitmap,
}

impl Group {
    /// The name in `COMMAND DOCS`.
    pub const fn name(self) -> &'static str {
        match self {
            Group::Generic => "generic",
            Group::String => "string",
            Group::List => "list",
            Group::Set => "set",
            Group::SortedSet => "sorted-set",
            Group::Hash => "hash",
            Group::Pubsub => "pubsub",
            Group::Transactions => "transactions",
            Group::Connection => "connection",
            Group::Server => "server",
            Group::Scripting => "scripting",
            Group::Hyperloglog => "hyperloglog",
            Group::Cluster => "cluster",
            Group::Sentinel => "sentinel",
            Group::Geo => "geo",
            Group::Stream => "stream",
            Group::Bitmap => "bitmap",
        }
    }
}

/// The type of a documented argument.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum ArgKind {
    String,
    Integer,
    Double,
    Key,
    Pattern,
    UnixTime,
    PureToken,
    OneOf,
    Block,
}

impl ArgKind {
    /// The name in `COMMAND DOCS`.
    pub const fn name(self) -> &'static str {
        match self {
            ArgKind::String => "string",
            ArgKind::Integer => "integer",
            ArgKind::Double => "double",
            ArgKind::Key => "key",
            ArgKind::Pattern => "pattern",
            ArgKind::UnixTime => "unix-time",
            ArgKind::PureToken => "pure-token",
            ArgKind::OneOf => "oneof",
            ArgKind::Block => "block",
        }
    }
}

/// A documented argument.
#[derive(Clone, Copy, Debug)]
pub struct Arg {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: ArgKind,
    /// The index of its [`KeySpec`], for keys; -1 for none.
    pub key_spec: i32,
    /// What stands for its value in a synopsis, where that is not its name; empty for none.
    pub display: &'static str,
    /// The token before (or instead of) the value; empty for none.
    pub token: &'static str,
    /// The version that brought it, where later than the command's; empty for none.
    pub since: &'static str,
    /// The version that deprecated it; empty for none.
    pub deprecated_since: &'static str,
    /// May be left out.
    pub optional: bool,
    /// May be repeated.
    pub multiple: bool,
    /// The token is repeated with every repetition.
    pub multiple_token: bool,
    /// The members of a `oneof` or `block`.
    pub args: &'static [Arg],
}

impl Arg {
    /// An argument of a kind; refine it with the methods below.
    pub const fn new(name: &'static str, kind: ArgKind) -> Arg {
        Arg {
            name,
            kind,
            key_spec: -1,
            display: "",
            token: "",
            since: "",
            deprecated_since: "",
            optional: false,
            multiple: false,
            multiple_token: false,
            args: &[],
        }
    }

    /// A key of key specification `spec`.
    pub const fn key(name: &'static str, spec: i32) -> Arg {
        Arg {
            key_spec: spec,
            ..Arg::new(name, ArgKind::Key)
        }
    }

    /// A string.
    pub const fn string(name: &'static str) -> Arg {
        Arg::new(name, ArgKind::String)
    }

    /// An integer.
    pub const fn integer(name: &'static str) -> Arg {
        Arg::new(name, ArgKind::Integer)
    }

    /// A bare token.
    pub const fn pure(name: &'static str, token: &'static str) -> Arg {
        Arg::new(name, ArgKind::PureToken).token(token)
    }

    /// Which part of an ordered result is wanted.
    pub const LIMIT: Arg = Arg::block("limit", &[Arg::integer("offset"), Arg::integer("count")])
        .token("LIMIT")
        .optional();

    /// Which way a result is ordered.
    pub const ORDER: Arg = Arg::one_of(
        "order",
        &[Arg::pure("asc", "ASC"), Arg::pure("desc", "DESC")],
    )
    .optional();

    /// One of several arguments.
    pub const fn one_of(name: &'static str, args: &'static [Arg]) -> Arg {
        Arg {
            args,
            ..Arg::new(name, ArgKind::OneOf)
        }
    }

    /// Several arguments that go together.
    pub const fn block(name: &'static str, args: &'static [Arg]) -> Arg {
        Arg {
            args,
            ..Arg::new(name, ArgKind::Block)
        }
    }

    /// With a token.
    pub const fn token(self, token: &'static str) -> Arg {
        Arg { token, ..self }
    }

    /// With a text that stands for its value in a synopsis.
    pub const fn display(self, display: &'static str) -> Arg {
        Arg { display, ..self }
    }

    /// With the version that brought it.
    pub const fn since(self, since: &'static str) -> Arg {
        Arg { since, ..self }
    }

    /// With the version that deprecated it.
    pub const fn deprecated_since(self, deprecated_since: &'static str) -> Arg {
        Arg {
            deprecated_since,
            ..self
        }
    }

    /// Optional.
    pub const fn optional(self) -> Arg {
        Arg {
            optional: true,
            ..self
        }
    }

    /// Repeatable.
    pub const fn multiple(self) -> Arg {
        Arg {
            multiple: true,
            ..self
        }
    }

    /// Repeatable, with its token each time.
    pub const fn multiple_token(self) -> Arg {
        Arg {
            multiple: true,
            multiple_token: true,
            ..self
        }
    }
}

/// The state of a command's documentation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Deprecation {
    /// The version that deprecated the command.
    pub since: &'static str,
    /// What to use instead.
    pub replaced_by: &'static str,
}

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
pub struct Row {
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
    /// Finds the keys where the specifications cannot (see [`super::keyspec`]).
    pub get_keys: Option<super::keyspec::GetKeys>,
    /// Documentation group.
    pub group: Group,
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
    pub subcommands: &'static [Row],
    /// What runs.
    pub handler: Handler,
}

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
        group: Group::Generic,
        since: "1.0.0",
        complexity: "",
        summary: "",
        history: &[],
        tips: &[],
        deprecated: None,
        syscmd: false,
        args: &[],
        subcommands: &[],
        handler: super::dispatch::container,
    };

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
