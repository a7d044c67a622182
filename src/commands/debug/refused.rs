//! Subcommands of `DEBUG` that the reference has and that make no sense here.

use crate::commands::error::CmdError;
use crate::commands::wording;
use crate::resp::args::Args;

const NO_CLUSTER: &str = "there is no cluster mode here";
const NO_STDOUT: &str = "it would write to the standard output; DEBUG OBJECT tells what there is";

/// Each with the reason.
const REFUSED: &[(&str, &str)] = &[
    ("clusterlink", NO_CLUSTER),
    ("drop-cluster-packet-filter", NO_CLUSTER),
    ("listpack", NO_STDOUT),
    (
        "mallctl-str",
        "nothing tells whether a setting of the allocator is a text; DEBUG MALLCTL reads numbers",
    ),
    ("quicklist", NO_STDOUT),
    (
        "stringmatch-test",
        "this server tests its patterns before it is built",
    ),
    (
        "structsize",
        "this server is not made of the reference's structures",
    ),
];

/// Why a subcommand is not run that is none of ours.
pub(super) fn refusal(args: &Args<'_>) -> CmdError {
    let is_named = |(name, _): &&(&str, &str)| args[1].eq_ignore_ascii_case(name.as_bytes());
    match REFUSED.iter().find(is_named) {
        Some((name, why)) => {
            let name = name.to_ascii_uppercase();
            CmdError::err(format!("DEBUG {name} is not supported: {why}"))
        }
        None => wording::bad_subcommand(args),
    }
}
