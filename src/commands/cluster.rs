//! `CLUSTER`, and the commands of its clients: a server whose cluster support is off says so.

use super::context::{CmdResult, Ctx};
use super::error::CmdError;
use super::row::{Acl, Arg, CommandGroup, Deprecation, Flags, Row};
use crate::resp::args::Args;

/// What all have in common.
const CLUSTER: Row = Row {
    arity: 1,
    group: CommandGroup::Cluster,
    since: "3.0.0",
    complexity: "O(1)",
    handler: refuse,
    ..Row::BASE
};

/// What the subcommands have in common that only show something.
const SHOWS: Row = Row {
    arity: 2,
    flags: Flags::STALE,
    ..CLUSTER
};

/// And those that change something.
const CHANGES: Row = Row {
    arity: 2,
    flags: Flags::ADMIN
        .union(Flags::STALE)
        .union(Flags::NO_ASYNC_LOADING),
    ..CLUSTER
};

const CHANGES_IN_NO_SCRIPT: Flags = Flags::ADMIN.union(Flags::NOSCRIPT).union(Flags::STALE);

/// The rows of this family.
pub static ROWS: &[Row] = &[
    Row {
        name: "asking",
        flags: Flags::FAST,
        acl: Acl::CONNECTION,
        summary: "Says that the next command follows an `-ASK` redirection.",
        ..CLUSTER
    },
    Row {
        name: "readonly",
        flags: OF_CLIENTS,
        acl: Acl::CONNECTION,
        summary: "Lets the connection read from a replica of a cluster.",
        ..CLUSTER
    },
    Row {
        name: "readwrite",
        flags: OF_CLIENTS,
        acl: Acl::CONNECTION,
        summary: "Has the connection read from masters of a cluster only.",
        ..CLUSTER
    },
    Row {
        name: "cluster",
        arity: -2,
        complexity: "That of the subcommand",
        summary: "A container for commands of a cluster.",
        subcommands: SUBCOMMANDS,
        ..CLUSTER
    },
];

const OF_CLIENTS: Flags = Flags::LOADING.union(Flags::STALE).union(Flags::FAST);

const RANGES_OF_SLOTS: &[Arg] = &[Arg::block(
    "range",
    &[Arg::integer("start-slot"), Arg::integer("end-slot")],
)
.multiple()];

const SUBCOMMANDS: &[Row] = &[
    Row {
        name: "addslots",
        arity: -3,
        complexity: "O(N), N being the number of slots",
        summary: "Gives hash slots to the node.",
        args: &[Arg::integer("slot").multiple()],
        ..CHANGES
    },
    Row {
        name: "addslotsrange",
        arity: -4,
        since: "7.0.0",
        complexity: "O(N), N being the number of slots",
        summary: "Gives ranges of hash slots to the node.",
        args: RANGES_OF_SLOTS,
        ..CHANGES
    },
    Row {
        name: "bumpepoch",
        summary: "Moves the configuration epoch of the node ahead.",
        tips: &["nondeterministic_output"],
        ..CHANGES
    },
    Row {
        name: "count-failure-reports",
        arity: 3,
        flags: Flags::ADMIN.union(Flags::STALE),
        complexity: "O(N), N being the number of reports",
        summary: "Counts the reports that a node has failed.",
        tips: &["nondeterministic_output"],
        args: &[Arg::string("node-id")],
        ..SHOWS
    },
    Row {
        name: "countkeysinslot",
        arity: 3,
        summary: "Counts the keys of a hash slot.",
        args: &[Arg::integer("slot")],
        ..SHOWS
    },
    Row {
        name: "delslots",
        arity: -3,
        complexity: "O(N), N being the number of slots",
        summary: "Takes hash slots away from the node.",
        args: &[Arg::integer("slot").multiple()],
        ..CHANGES
    },
    Row {
        name: "delslotsrange",
        arity: -4,
        since: "7.0.0",
        complexity: "O(N), N being the number of slots",
        summary: "Takes ranges of hash slots away from the node.",
        args: RANGES_OF_SLOTS,
        ..CHANGES
    },
    Row {
        name: "failover",
        arity: -2,
        summary: "Has a replica take over from its master.",
        args: &[Arg::one_of(
            "options",
            &[
                Arg::pure("force", "FORCE"),
                Arg::pure("takeover", "TAKEOVER"),
            ],
        )
        .optional()],
        ..CHANGES
    },
    Row {
        name: "flushslots",
        summary: "Takes all hash slots away from the node.",
        ..CHANGES
    },
    Row {
        name: "forget",
        arity: 3,
        summary: "Forgets a node.",
        args: &[Arg::string("node-id")],
        ..CHANGES
    },
    Row {
        name: "getkeysinslot",
        arity: 4,
        complexity: "O(N), N being the number of keys",
        summary: "Names keys of a hash slot.",
        tips: &["nondeterministic_output"],
        args: &[Arg::integer("slot"), Arg::integer("count")],
        ..SHOWS
    },
    Row {
        name: "help",
        flags: Flags::LOADING.union(Flags::STALE),
        since: "5.0.0",
        summary: "Explains the subcommands.",
        ..SHOWS
    },
    Row {
        name: "info",
        summary: "Tells how the node takes the cluster to be.",
        tips: &["nondeterministic_output"],
        ..SHOWS
    },
    Row {
        name: "keyslot",
        arity: 3,
        complexity: "O(N), N being the length of the key",
        summary: "Tells the hash slot of a key.",
        args: &[Arg::string("key")],
        ..SHOWS
    },
    Row {
        name: "links",
        since: "7.0.0",
        complexity: "O(N), N being the number of nodes",
        summary: "Lists the connections to other nodes.",
        tips: &["nondeterministic_output"],
        ..SHOWS
    },
    Row {
        name: "meet",
        arity: -4,
        summary: "Makes the node known to another one.",
        history: &[("4.0.0", "`cluster-bus-port`.")],
        args: &[
            Arg::string("ip"),
            Arg::integer("port"),
            Arg::integer("cluster-bus-port").since("4.0.0").optional(),
        ],
        ..CHANGES
    },
    Row {
        name: "myid",
        summary: "Tells the id of the node.",
        ..SHOWS
    },
    Row {
        name: "myshardid",
        since: "7.2.0",
        summary: "Tells the id of the shard of the node.",
        tips: &["nondeterministic_output"],
        ..SHOWS
    },
    Row {
        name: "nodes",
        complexity: "O(N), N being the number of nodes",
        summary: "Lists the nodes with their slots.",
        tips: &["nondeterministic_output"],
        ..SHOWS
    },
    Row {
        name: "replicas",
        arity: 3,
        flags: Flags::ADMIN.union(Flags::STALE),
        since: "5.0.0",
        complexity: "O(N), N being the number of replicas",
        summary: "Lists the replicas of a node.",
        tips: &["nondeterministic_output"],
        args: &[Arg::string("node-id")],
        ..SHOWS
    },
    Row {
        name: "replicate",
        arity: 3,
        summary: "Makes the node the replica of another one.",
        args: &[Arg::string("node-id")],
        ..CHANGES
    },
    Row {
        name: "reset",
        arity: -2,
        flags: CHANGES_IN_NO_SCRIPT,
        complexity: "O(N), N being the number of nodes; all keys may go, too",
        summary: "Has the node forget the cluster.",
        args: &[Arg::one_of(
            "reset-type",
            &[Arg::pure("hard", "HARD"), Arg::pure("soft", "SOFT")],
        )
        .optional()],
        ..SHOWS
    },
    Row {
        name: "saveconfig",
        summary: "Writes what the node knows of the cluster down.",
        ..CHANGES
    },
    Row {
        name: "set-config-epoch",
        arity: 3,
        summary: "Sets the configuration epoch of a new node.",
        args: &[Arg::integer("config-epoch")],
        ..CHANGES
    },
    Row {
        name: "setslot",
        arity: -4,
        summary: "Says where a hash slot is, or where it goes.",
        args: &[
            Arg::integer("slot"),
            Arg::one_of(
                "subcommand",
                &[
                    Arg::string("importing")
                        .token("IMPORTING")
                        .display("node-id"),
                    Arg::string("migrating")
                        .token("MIGRATING")
                        .display("node-id"),
                    Arg::string("node").token("NODE").display("node-id"),
                    Arg::pure("stable", "STABLE"),
                ],
            ),
        ],
        ..CHANGES
    },
    Row {
        name: "shards",
        flags: Flags::LOADING.union(Flags::STALE),
        since: "7.0.0",
        complexity: "O(N), N being the number of nodes",
        summary: "Lists the shards with their slots and nodes.",
        tips: &["nondeterministic_output"],
        ..SHOWS
    },
    Row {
        name: "slaves",
        arity: 3,
        flags: Flags::ADMIN.union(Flags::STALE),
        complexity: "O(N), N being the number of replicas",
        summary: "Lists the replicas of a node.",
        tips: &["nondeterministic_output"],
        deprecated: Some(Deprecation {
            since: "5.0.0",
            replaced_by: "`CLUSTER REPLICAS`",
        }),
        args: &[Arg::string("node-id")],
        ..SHOWS
    },
    Row {
        name: "slots",
        flags: Flags::LOADING.union(Flags::STALE),
        complexity: "O(N), N being the number of nodes",
        summary: "Lists which slots are at which nodes.",
        tips: &["nondeterministic_output"],
        history: &[
            ("4.0.0", "Ids of nodes."),
            ("7.0.0", "More about the addresses of nodes."),
        ],
        deprecated: Some(Deprecation {
            since: "7.0.0",
            replaced_by: "`CLUSTER SHARDS`",
        }),
        ..SHOWS
    },
];

fn refuse(_: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    Err(CmdError::Fixed(
        "ERR This instance has cluster support disabled",
    ))
}
