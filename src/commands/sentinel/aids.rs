//! Aids for tests: periods that are no options, and failures on demand.

use super::of;
use crate::base::numbers::parse_i64;
use crate::commands::context::{CmdResult, Ctx};
use crate::commands::error::CmdError;
use crate::commands::wording;
use crate::resp::args::Args;
use crate::sentinel::TIMING_ROWS;
use crate::sentinel::settings::SimulatedFailure;

/// `SENTINEL DEBUG`: shows all periods and limits, or changes some, all of those named or none.
pub(super) fn debug(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let sentinel = of(ctx.env);
    let mut timing = sentinel.timing().clone();
    if args.len() == 2 {
        ctx.reply.map(TIMING_ROWS.len());
        for (name, value) in TIMING_ROWS {
            ctx.reply.bulk(name);
            ctx.reply.bulk_int(*value(&mut timing) as i64);
        }
        return Ok(());
    }
    let words: Vec<&[u8]> = args.iter_from(2).collect();
    for pair in words.chunks(2) {
        let name = pair[0];
        let is_it = |row: &&(&str, _)| row.0.as_bytes().eq_ignore_ascii_case(name);
        let (Some((_, field)), Some(value)) = (TIMING_ROWS.iter().find(is_it), pair.get(1)) else {
            let before = "Unknown option or number of arguments for SENTINEL DEBUG '";
            return Err(wording::quoting(before, name, "'"));
        };
        let ms = parse_i64(value).filter(|ms| *ms > 0);
        let ms = ms.ok_or_else(|| {
            wording::quoting_both(
                ["Invalid argument '", "' for SENTINEL DEBUG '", "'"],
                [value, name],
            )
        })?;
        *field(&mut timing) = ms as u64;
    }
    sentinel.set_timing(timing);
    ctx.reply.ok();
    Ok(())
}

/// `SENTINEL SIMULATE-FAILURE`: on which occasions the process is to end. Each call says all of
/// them, so that one which only asks what there is takes back what was ordered before.
pub(super) fn simulate_failure(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let mut when = SimulatedFailure::default();
    for word in args.iter_from(2) {
        match word.to_ascii_lowercase().as_slice() {
            b"crash-after-election" => when.after_election = true,
            b"crash-after-promotion" => when.after_promotion = true,
            b"help" => {
                of(ctx.env).simulate_failure(when);
                ctx.reply.array(2);
                ctx.reply.bulk("crash-after-election");
                ctx.reply.bulk("crash-after-promotion");
                return Ok(());
            }
            _ => return Err(CmdError::err("Unknown failure simulation specified")),
        }
    }
    if when.after_election {
        log::warn!("A failure is simulated: the process will end when it is elected leader.");
    }
    if when.after_promotion {
        log::warn!("A failure is simulated: the process will end when it has promoted a replica.");
    }
    of(ctx.env).simulate_failure(when);
    ctx.reply.ok();
    Ok(())
}
