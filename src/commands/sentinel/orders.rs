//! What users order, and peers ask for.

use super::{NO_SUCH_MASTER, answer_when_saved, of, wait_for_answer};
use crate::commands::call::reply_verdict;
use crate::commands::context::{CmdResult, Ctx};
use crate::commands::error::CmdError;
use crate::commands::operand::{integer, integer_within};
use crate::config::sentinel::is_plain_word;
use crate::resp::args::Args;
use crate::sentinel::Verdict;
use crate::sentinel::orders::OrderError;

/// An order's refusal in the words of the wire.
fn refusal(error: OrderError) -> CmdError {
    match error {
        OrderError::NoSuchMaster => NO_SUCH_MASTER,
        OrderError::InProgress => CmdError::Fixed("INPROG Failover already in progress"),
        OrderError::NoGoodReplica => CmdError::Fixed("NOGOODSLAVE No suitable replica to promote"),
        OrderError::DuplicateName => CmdError::Fixed("ERR Duplicate master name."),
        OrderError::BadHost => BAD_HOST,
        OrderError::MasterDown => CmdError::Fixed("ERR The master is down, so it cannot hand over"),
        OrderError::NoSuchInstance => {
            CmdError::Fixed("ERR No such replica or Sentinel of that master")
        }
    }
}

const BAD_HOST: CmdError = CmdError::Fixed("ERR Invalid IP address or hostname specified");

fn text(word: &[u8]) -> String {
    String::from_utf8_lossy(word).into_owned()
}

pub(super) fn is_master_down(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let port = integer(&args[3])?;
    let epoch = integer(&args[4])? as u64;
    let host = text(&args[2]);
    let candidate = Some(text(&args[5])).filter(|candidate| candidate != "*");
    let (client, now) = (ctx.session.id, ctx.env.now);
    let verdict = match u16::try_from(port) {
        Ok(port) => {
            let candidate = candidate.as_deref();
            of(ctx.env).is_master_down(client, &host, port, epoch, candidate, now)
        }
        // Nobody is there.
        Err(_) => Some(Verdict::default()),
    };
    match verdict {
        Some(verdict) => {
            reply_verdict(ctx.reply, &verdict);
            Ok(())
        }
        None => wait_for_answer(ctx),
    }
}

pub(super) fn monitor(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let any = i64::MIN..=i64::MAX;
    let quorum = integer_within(&args[5], any.clone(), "ERR Invalid quorum")?;
    let port = integer_within(&args[4], any, "ERR Invalid port")?;
    if quorum <= 0 {
        return Err(CmdError::err("Quorum must be 1 or greater."));
    }
    let quorum = u32::try_from(quorum).map_err(|_| CmdError::err("Invalid quorum"))?;
    let (name, host) = (&args[2], &args[3]);
    let now = ctx.env.now;
    let sentinel = of(ctx.env);
    if !sentinel.common().accepts_host(host) {
        return Err(BAD_HOST);
    }
    let port = u16::try_from(port).ok().filter(|port| *port != 0);
    let port = port.ok_or(CmdError::err("Invalid port number."))?;
    if !is_plain_word(name) {
        return Err(CmdError::err(
            "Invalid master name: it may not be empty, nor have blanks, commas or control \
             characters in it.",
        ));
    }
    sentinel
        .monitor(&text(name), &text(host), port, quorum, now)
        .map_err(refusal)?;
    answer_when_saved(ctx)
}

pub(super) fn remove(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let now = ctx.env.now;
    of(ctx.env).remove(&args[2], now).map_err(refusal)?;
    answer_when_saved(ctx)
}

pub(super) fn reset(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let now = ctx.env.now;
    let count = of(ctx.env).reset(&args[2], now);
    ctx.reply.int(count as i64);
    Ok(())
}

pub(super) fn forget(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let port = integer_within(&args[4], 0..=u16::MAX.into(), "ERR Invalid port")?;
    let now = ctx.env.now;
    of(ctx.env)
        .forget(&args[2], &text(&args[3]), port as u16, now)
        .map_err(refusal)?;
    answer_when_saved(ctx)
}

pub(super) fn failover(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let (client, now) = (ctx.session.id, ctx.env.now);
    let name = &args[2];
    match (args.len(), args.get(3)) {
        (3, _) => {
            of(ctx.env).force_failover(name, now).map_err(refusal)?;
            ctx.reply.ok();
            Ok(())
        }
        (4, Some(word)) if word.eq_ignore_ascii_case(b"coordinated") => {
            let sentinel = of(ctx.env);
            let begun = sentinel.coordinate_failover(name, client, now);
            begun.map_err(refusal)?;
            wait_for_answer(ctx)
        }
        _ => Err(CmdError::Arity("sentinel|failover".into())),
    }
}

pub(super) fn flush_config(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    answer_when_saved(ctx)
}
