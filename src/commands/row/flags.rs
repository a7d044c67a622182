//! The vocabulary of flags: how a command behaves, to whom it is open, what it does with its keys.

use bitflags::bitflags;

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
        /// Has a guard; rows need not say so.
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
        /// A Sentinel has it, too.
        SENTINEL = 24, "";
        /// Runs at once inside of a transaction that was begun.
        NOT_QUEUED = 25, "";
        /// Runs the commands of a transaction: gates look at them too.
        RUNS_QUEUE = 26, "";
        /// Only a Sentinel has it.
        ONLY_SENTINEL = 27, "";
        /// Runs a script: what it is depends on which.
        RUNS_SCRIPT = 28, "";
        /// Calls a function of a library: what it is depends on which.
        RUNS_FUNCTION = 29, "";
    }
}

impl Flags {
    /// Runs code of users.
    pub const RUNS_CODE: Flags = Flags::RUNS_SCRIPT.union(Flags::RUNS_FUNCTION);
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
