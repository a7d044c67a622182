//! The vocabulary of documentation, as `COMMAND DOCS` shows it: groups and arguments.

/// The group under which a command is documented.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum CommandGroup {
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

impl CommandGroup {
    /// The name in `COMMAND DOCS`.
    pub const fn name(self) -> &'static str {
        match self {
            CommandGroup::Generic => "generic",
            CommandGroup::String => "string",
            CommandGroup::List => "list",
            CommandGroup::Set => "set",
            CommandGroup::SortedSet => "sorted-set",
            CommandGroup::Hash => "hash",
            CommandGroup::Pubsub => "pubsub",
            CommandGroup::Transactions => "transactions",
            CommandGroup::Connection => "connection",
            CommandGroup::Server => "server",
            CommandGroup::Scripting => "scripting",
            CommandGroup::Hyperloglog => "hyperloglog",
            CommandGroup::Cluster => "cluster",
            CommandGroup::Sentinel => "sentinel",
            CommandGroup::Geo => "geo",
            CommandGroup::Stream => "stream",
            CommandGroup::Bitmap => "bitmap",
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
    /// The index of its key specification, for keys; -1 for none.
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
