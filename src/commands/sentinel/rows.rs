//! The rows of a Sentinel, and its help.

use super::{aids, options, orders, show};
use crate::commands::context::{CmdResult, Ctx};
use crate::commands::pubsub;
use crate::commands::replication;
use crate::commands::row::{Arg, ArgKind, CommandGroup, Deprecation, Flags, Row};
use crate::commands::wording;
use crate::resp::args::Args;

const OURS: Flags = Flags::SENTINEL.union(Flags::ONLY_SENTINEL);

const SUB: Row = Row {
    flags: OURS.union(Flags::ADMIN),
    group: CommandGroup::Sentinel,
    since: "2.8.4",
    complexity: "O(1)",
    ..Row::BASE
};

/// A subcommand about one master.
const OF_MASTER: Row = Row {
    arity: 3,
    args: &[Arg::string("master-name")],
    ..SUB
};

const REPLICAS: Row = Row {
    name: "replicas",
    since: "5.0.0",
    complexity: "O(N), N being the number of replicas",
    summary: "Describes the replicas of a master.",
    handler: show::replicas,
    ..OF_MASTER
};

/// The rows of this family.
pub static ROWS: &[Row] = &[
    Row {
        name: "sentinel",
        arity: -2,
        complexity: "That of the subcommand",
        summary: "Holds the commands about what a Sentinel watches.",
        subcommands: SUBCOMMANDS,
        ..SUB
    },
    Row {
        flags: pubsub::PUBLISH.flags.union(OURS),
        channels: None,
        handler: super::publish,
        ..pubsub::PUBLISH
    },
    Row {
        flags: replication::ROLE.flags.union(OURS),
        handler: super::role,
        ..replication::ROLE
    },
];

const SUBCOMMANDS: &[Row] = &[
    Row {
        name: "masters",
        arity: 2,
        complexity: "O(N), N being the number of masters",
        summary: "Describes all masters.",
        handler: show::masters,
        ..SUB
    },
    Row {
        name: "master",
        summary: "Describes a master.",
        handler: show::master,
        ..OF_MASTER
    },
    REPLICAS,
    Row {
        name: "slaves",
        since: "2.8.0",
        deprecated: Some(Deprecation {
            since: "5.0.0",
            replaced_by: "`SENTINEL REPLICAS`",
        }),
        ..REPLICAS
    },
    Row {
        name: "sentinels",
        complexity: "O(N), N being the number of Sentinels",
        summary: "Describes the other Sentinels that watch a master.",
        handler: show::peers,
        ..OF_MASTER
    },
    Row {
        name: "get-master-addr-by-name",
        summary: "Tells where a master is at present.",
        handler: show::address,
        ..OF_MASTER
    },
    Row {
        name: "ckquorum",
        complexity: "O(N), N being the number of Sentinels",
        summary: "Tells whether enough Sentinels can be reached for a failover.",
        handler: show::check_quorum,
        ..OF_MASTER
    },
    Row {
        name: "myid",
        arity: 2,
        since: "6.2.0",
        summary: "Tells the id of this Sentinel.",
        handler: show::my_id,
        ..SUB
    },
    Row {
        name: "info-cache",
        arity: -3,
        since: "3.2.0",
        complexity: "O(N), N being the number of instances",
        summary: "Shows what masters and their replicas have last replied to INFO.",
        args: &[Arg::string("nodename").multiple()],
        handler: show::info_cache,
        ..SUB
    },
    Row {
        name: "pending-scripts",
        arity: 2,
        complexity: "O(N), N being the number of scripts",
        summary: "Describes the scripts that run or wait.",
        handler: show::pending_scripts,
        ..SUB
    },
    Row {
        name: "is-master-down-by-addr",
        arity: 6,
        summary: "Tells a peer whether a master is down, and for whom this Sentinel votes.",
        args: &[
            Arg::string("ip"),
            Arg::integer("port"),
            Arg::integer("current-epoch"),
            Arg::string("runid"),
        ],
        handler: orders::is_master_down,
        ..SUB
    },
    Row {
        name: "monitor",
        arity: 6,
        summary: "Begins to watch a master.",
        args: &[
            Arg::string("name"),
            Arg::string("ip"),
            Arg::integer("port"),
            Arg::integer("quorum"),
        ],
        handler: orders::monitor,
        ..SUB
    },
    Row {
        name: "remove",
        summary: "Ceases to watch a master.",
        handler: orders::remove,
        ..OF_MASTER
    },
    Row {
        name: "reset",
        arity: 3,
        complexity: "O(N), N being the number of masters",
        summary: "Forgets what is known of masters: state, replicas and other Sentinels.",
        args: &[Arg::new("pattern", ArgKind::Pattern)],
        handler: orders::reset,
        ..SUB
    },
    Row {
        name: "forget",
        arity: 5,
        since: "7.2.4",
        complexity: "O(N), N being the number of replicas and Sentinels",
        summary: "Forgets one replica of a master, or another Sentinel.",
        args: &[
            Arg::string("master-name"),
            Arg::string("ip"),
            Arg::integer("port"),
        ],
        handler: orders::forget,
        ..SUB
    },
    Row {
        name: "failover",
        arity: -3,
        complexity: "O(N), N being the number of replicas",
        summary: "Begins a failover without asking other Sentinels.",
        args: &[
            Arg::string("master-name"),
            Arg::pure("coordinated", "COORDINATED").optional(),
        ],
        handler: orders::failover,
        ..SUB
    },
    Row {
        name: "flushconfig",
        arity: 2,
        summary: "Writes the configuration file anew.",
        handler: orders::flush_config,
        ..SUB
    },
    Row {
        name: "set",
        arity: -5,
        summary: "Changes options of a master.",
        args: &[
            Arg::string("master-name"),
            Arg::block("data", &[Arg::string("option"), Arg::string("value")]).multiple(),
        ],
        handler: options::set,
        ..SUB
    },
    Row {
        name: "config",
        arity: -4,
        since: "6.2.0",
        complexity: "O(N), N being the number of options given",
        summary: "Shows or changes what holds for all masters.",
        history: &[("7.2.0", "Takes several options.")],
        args: &[Arg::one_of(
            "action",
            &[
                Arg::block("set", &[Arg::string("parameter"), Arg::string("value")])
                    .token("SET")
                    .multiple(),
                Arg::string("parameter").token("GET").multiple(),
            ],
        )],
        handler: options::config,
        ..SUB
    },
    Row {
        name: "debug",
        arity: -2,
        since: "7.0.0",
        complexity: "O(N), N being the number of periods and limits",
        summary: "Shows or changes the periods and limits that are no options.",
        args: &[
            Arg::block("data", &[Arg::string("parameter"), Arg::string("value")])
                .optional()
                .multiple(),
        ],
        handler: aids::debug,
        ..SUB
    },
    Row {
        name: "simulate-failure",
        arity: -3,
        since: "3.2.0",
        summary: "Has the process end in the midst of a failover.",
        args: &[Arg::one_of(
            "mode",
            &[
                Arg::pure("crash-after-election", "CRASH-AFTER-ELECTION"),
                Arg::pure("crash-after-promotion", "CRASH-AFTER-PROMOTION"),
                Arg::pure("help", "HELP"),
            ],
        )
        .optional()
        .multiple()],
        handler: aids::simulate_failure,
        ..SUB
    },
    Row {
        name: "help",
        arity: 2,
        flags: OURS.union(Flags::LOADING).union(Flags::STALE),
        since: "6.2.0",
        summary: "Explains the subcommands.",
        handler: help,
        ..SUB
    },
];

fn help(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    wording::help(ctx, args, HELP)
}

const HELP: &[&str] = &[
    "CKQUORUM <master-name>",
    "    Check if the current Sentinel configuration is able to reach the quorum",
    "    needed to failover a master and the majority needed to authorize the",
    "    failover.",
    "CONFIG SET param value [param value ...]",
    "    Set a global Sentinel configuration parameter.",
    "CONFIG GET <param> [param param param ...]",
    "    Get global Sentinel configuration parameter.",
    "DEBUG [<param> <value> ...]",
    "    Show a list of configurable time parameters and their values (milliseconds).",
    "    Or update current configurable parameters values (one or more).",
    "GET-MASTER-ADDR-BY-NAME <master-name>",
    "    Return the ip and port number of the master with that name.",
    "FAILOVER <master-name>",
    "    Manually failover a master node without asking for agreement from other",
    "    Sentinels",
    "FAILOVER <master-name> COORDINATED",
    "    Have the master hand over to a replica, so that no write is lost.",
    "FLUSHCONFIG",
    "    Force Sentinel to rewrite its configuration on disk, including the current",
    "    Sentinel state.",
    "FORGET <master-name> <ip> <port>",
    "    Forget a replica of the specified master, or another Sentinel.",
    "INFO-CACHE <master-name>",
    "    Return last cached INFO output from masters and all its replicas.",
    "IS-MASTER-DOWN-BY-ADDR <ip> <port> <current-epoch> <runid>",
    "    Check if the master specified by ip:port is down from current Sentinel's",
    "    point of view.",
    "MASTER <master-name>",
    "    Show the state and info of the specified master.",
    "MASTERS",
    "    Show a list of monitored masters and their state.",
    "MONITOR <name> <ip> <port> <quorum>",
    "    Start monitoring a new master with the specified name, ip, port and quorum.",
    "MYID",
    "    Return the ID of the Sentinel instance.",
    "PENDING-SCRIPTS",
    "    Get pending scripts information.",
    "REMOVE <master-name>",
    "    Remove master from Sentinel's monitor list.",
    "REPLICAS <master-name>",
    "    Show a list of replicas for this master and their state.",
    "RESET <pattern>",
    "    Reset masters for specific master name matching this pattern.",
    "SENTINELS <master-name>",
    "    Show a list of Sentinel instances for this master and their state.",
    "SET <master-name> <option> <value> [<option> <value> ...]",
    "    Set configuration parameters for certain masters.",
    "SIMULATE-FAILURE [CRASH-AFTER-ELECTION] [CRASH-AFTER-PROMOTION] [HELP]",
    "    Simulate a Sentinel crash.",
];
