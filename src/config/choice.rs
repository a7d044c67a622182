//! Settings that are one of a few names.
//!
//! Each becomes an enum of ours with the names beside the variants; reading, showing and the list
//! in the error text come from that one place.

use super::value::{NumberRule, Occasion, Reason, Value, only_arg};

macro_rules! choices {
    ($(
        $(#[$doc:meta])*
        pub enum $choice:ident {
            $($(#[$variant_doc:meta])* $variant:ident = $name:literal $(| $other:literal)*,)*
        }
    )*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $choice {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $choice {
            /// The name that the directive takes.
            pub const fn name(self) -> &'static str {
                match self {
                    $($choice::$variant => $name,)*
                }
            }
        }

        impl Value for $choice {
            fn set(
                &mut self,
                args: &[Vec<u8>],
                _: &NumberRule,
                _: Occasion,
            ) -> Result<(), Reason> {
                const NAMES: &[(&str, $choice)] = &[
                    $(($name, $choice::$variant), $(($other, $choice::$variant),)*)*
                ];
                *self = pick(only_arg(args)?, NAMES)?;
                Ok(())
            }

            fn show(&self, _: &NumberRule) -> Vec<u8> {
                self.name().as_bytes().to_vec()
            }
        }
    )*};
}

/// The choice called `arg`, in any case.
pub(super) fn pick<T: Copy>(arg: &[u8], names: &[(&str, T)]) -> Result<T, Reason> {
    let named = names
        .iter()
        .find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(arg));
    named
        .map(|(_, choice)| *choice)
        .ok_or_else(|| not_one_of(names))
}

/// The error that lists all names.
pub(super) fn not_one_of<T>(names: &[(&str, T)]) -> Reason {
    let names: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
    format!(
        "argument(s) must be one of the following: {}",
        names.join(", ")
    )
    .into()
}

choices! {
    /// The least severe message that is logged.
    pub enum LogLevel {
        /// Everything, for those who work on the server.
        Debug = "debug",
        /// More than is useful every day.
        Verbose = "verbose",
        /// What an operator wants to know.
        Notice = "notice",
        /// What an operator must know.
        Warning = "warning",
        /// Nothing at all.
        Nothing = "nothing",
    }

    /// Which service manager waits for a sign that the server is up.
    pub enum Supervised {
        /// Upstart: the process stops itself and is continued.
        Upstart = "upstart",
        /// systemd: a datagram to `NOTIFY_SOCKET`.
        Systemd = "systemd",
        /// Whichever of both the environment shows.
        Auto = "auto",
        /// None.
        No = "no",
    }

    /// The sender's class in the system log.
    pub enum SyslogFacility {
        /// A user's process.
        User = "user",
        /// For local use, 0.
        Local0 = "local0",
        /// For local use, 1.
        Local1 = "local1",
        /// For local use, 2.
        Local2 = "local2",
        /// For local use, 3.
        Local3 = "local3",
        /// For local use, 4.
        Local4 = "local4",
        /// For local use, 5.
        Local5 = "local5",
        /// For local use, 6.
        Local6 = "local6",
        /// For local use, 7.
        Local7 = "local7",
    }

    /// What gives way when `maxmemory` is reached.
    pub enum MaxmemoryPolicy {
        /// Keys with a time to live, least recently used first.
        VolatileLru = "volatile-lru",
        /// Keys with a time to live, least frequently used first.
        VolatileLfu = "volatile-lfu",
        /// Keys with a time to live, at random.
        VolatileRandom = "volatile-random",
        /// Keys with a time to live, soonest to expire first.
        VolatileTtl = "volatile-ttl",
        /// All keys, least recently used first.
        AllkeysLru = "allkeys-lru",
        /// All keys, least frequently used first.
        AllkeysLfu = "allkeys-lfu",
        /// All keys, at random.
        AllkeysRandom = "allkeys-random",
        /// None: commands that need memory are refused.
        Noeviction = "noeviction",
    }

    /// When the append only file is made durable.
    pub enum Appendfsync {
        /// Once a second.
        Everysec = "everysec",
        /// Before each reply.
        Always = "always",
        /// When the kernel sees fit.
        No = "no",
    }

    /// Where a replica puts a snapshot that it receives.
    pub enum ReplDisklessLoad {
        /// In a file first.
        Disabled = "disabled",
        /// Straight into memory where the old data set is empty.
        OnEmptyDb = "on-empty-db",
        /// Straight into memory beside the old data set.
        Swapdb = "swapdb",
    }

    /// Whose full sync a replica that holds data refuses, of those whose history it does not know.
    pub enum ReplicaLineageGuard {
        /// That of a master without data.
        Yes = "yes",
        /// Nobody's.
        No = "no",
        /// Everybody's.
        Strict = "strict",
    }

    /// Whether TLS clients must show a certificate.
    pub enum TlsAuthClients {
        /// Not asked for.
        No = "no",
        /// Required.
        Yes = "yes",
        /// Checked where shown.
        Optional = "optional",
    }

    /// Whether the server sets its out-of-memory score, and how.
    pub enum OomScoreAdj {
        /// Not at all.
        No = "no",
        /// Relative to the score at start.
        Relative = "yes" | "relative",
        /// As given.
        Absolute = "absolute",
    }

    /// Which channels a new user may use.
    pub enum AclPubsubDefault {
        /// All of them.
        Allchannels = "allchannels",
        /// None.
        Resetchannels = "resetchannels",
    }

    /// Whose serialized values are checked in depth.
    pub enum SanitizeDumpPayload {
        /// Nobody's.
        No = "no",
        /// Everybody's.
        Yes = "yes",
        /// Those of clients, not those of a master or a snapshot.
        Clients = "clients",
    }

    /// Who may do what could harm.
    pub enum ProtectedAction {
        /// Nobody.
        No = "no",
        /// Everybody.
        Yes = "yes",
        /// Clients on this host.
        Local = "local",
    }

    /// The name by which cluster nodes are told to clients.
    pub enum ClusterPreferredEndpointType {
        /// The address.
        Ip = "ip",
        /// The host name.
        Hostname = "hostname",
        /// None: clients use the one they know.
        UnknownEndpoint = "unknown-endpoint",
    }

    /// What to do when a command from the master or the append only file fails.
    pub enum PropagationErrorBehavior {
        /// Count it and go on.
        Ignore = "ignore",
        /// Stop the server.
        Panic = "panic",
        /// Stop the server if it is a replica.
        PanicOnReplicas = "panic-on-replicas",
    }
}

impl MaxmemoryPolicy {
    /// Whether keys give way in the order of their last use.
    pub const fn is_lru(self) -> bool {
        matches!(
            self,
            MaxmemoryPolicy::VolatileLru | MaxmemoryPolicy::AllkeysLru
        )
    }

    /// Whether entries record how often they are used instead of when.
    pub const fn is_lfu(self) -> bool {
        matches!(
            self,
            MaxmemoryPolicy::VolatileLfu | MaxmemoryPolicy::AllkeysLfu
        )
    }
}

impl ProtectedAction {
    /// Whether a client may act, `is_local` if it is on this host.
    pub const fn allows(self, is_local: bool) -> bool {
        match self {
            ProtectedAction::No => false,
            ProtectedAction::Yes => true,
            ProtectedAction::Local => is_local,
        }
    }
}
