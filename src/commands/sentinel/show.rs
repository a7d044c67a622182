//! What users look at: masters, their replicas, peers, scripts.

use super::{master as find_master, of};
use crate::commands::context::{CmdResult, Ctx};
use crate::commands::error::CmdError;
use crate::resp::args::Args;
use crate::resp::writer::Reply;
use crate::sentinel::describe::{CachedInfo, Field, ScriptProgress, ScriptView};
use crate::sentinel::instance::Master;
use crate::sentinel::orders::QuorumCheck;

fn reply_fields(reply: &mut Reply, fields: &[Field]) {
    reply.map(fields.len());
    for (name, value) in fields {
        reply.bulk(name);
        reply.bulk(value);
    }
}

fn reply_all(reply: &mut Reply, instances: &[Vec<Field>]) {
    reply.array(instances.len());
    for fields in instances {
        reply_fields(reply, fields);
    }
}

pub(super) fn masters(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    let now = ctx.env.now;
    let sentinel = of(ctx.env);
    ctx.reply.array(sentinel.masters_len());
    for master in sentinel.masters() {
        reply_fields(ctx.reply, &sentinel.describe_master(master, now));
    }
    Ok(())
}

pub(super) fn master(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let now = ctx.env.now;
    let sentinel = of(ctx.env);
    let master = find_master(sentinel, &args[2])?;
    reply_fields(ctx.reply, &sentinel.describe_master(master, now));
    Ok(())
}

pub(super) fn replicas(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let now = ctx.env.now;
    let sentinel = of(ctx.env);
    let master = find_master(sentinel, &args[2])?;
    reply_all(ctx.reply, &sentinel.describe_replicas(master, now));
    Ok(())
}

pub(super) fn peers(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let now = ctx.env.now;
    let sentinel = of(ctx.env);
    let master = find_master(sentinel, &args[2])?;
    reply_all(ctx.reply, &sentinel.describe_peers(master, now));
    Ok(())
}

pub(super) fn address(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let sentinel = of(ctx.env);
    let Some(master) = sentinel.master(&args[2]) else {
        ctx.reply.null_array();
        return Ok(());
    };
    let address = master.current_address();
    ctx.reply.array(2);
    ctx.reply.bulk(sentinel.shown_host(address));
    ctx.reply.bulk_int(address.port.into());
    Ok(())
}

pub(super) fn check_quorum(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let sentinel = of(ctx.env);
    let check = sentinel.check_quorum(find_master(sentinel, &args[2])?);
    ctx.reply.simple(quorum_line(check)?);
    Ok(())
}

fn quorum_line(check: QuorumCheck) -> Result<String, CmdError> {
    quorum_words(check).map_err(|text| CmdError::Text(text.into_bytes()))
}

/// Whether a failover could be begun, in words.
///
/// # Errors
///
/// It could not; the text begins with the code word.
pub fn quorum_words(check: QuorumCheck) -> Result<String, String> {
    let usable = check.usable;
    let lacks = match (check.has_quorum, check.has_majority) {
        (true, true) => {
            return Ok(format!(
                "OK {usable} usable Sentinels. Quorum and failover authorization can be reached"
            ));
        }
        (false, true) => [NO_QUORUM, "", ""],
        (true, false) => ["", "", NO_MAJORITY],
        (false, false) => [NO_QUORUM, ". ", NO_MAJORITY],
    };
    Err(format!(
        "NOQUORUM {usable} usable Sentinels. {}",
        lacks.concat()
    ))
}

const NO_QUORUM: &str =
    "Not enough available Sentinels to reach the specified quorum for this master";
const NO_MAJORITY: &str =
    "Not enough available Sentinels to reach the majority and authorize a failover";

pub(super) fn my_id(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    ctx.reply.bulk(of(ctx.env).id());
    Ok(())
}

pub(super) fn info_cache(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let now = ctx.env.now;
    let sentinel = of(ctx.env);
    let mut asked: Vec<&Master> = Vec::new();
    for master in args.iter_from(2).filter_map(|name| sentinel.master(name)) {
        if !asked.iter().any(|other| other.id == master.id) {
            asked.push(master);
        }
    }
    ctx.reply.array(asked.len() * 2);
    for master in asked {
        ctx.reply.bulk(&master.name);
        let infos = master.cached_infos(now);
        ctx.reply.array(infos.len());
        for CachedInfo { age_ms, text } in infos {
            ctx.reply.array(2);
            ctx.reply.int(age_ms as i64);
            match text {
                Some(text) => ctx.reply.bulk(text),
                None => ctx.reply.null(),
            }
        }
    }
    Ok(())
}

pub(super) fn pending_scripts(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    let now = ctx.env.now;
    let scripts = of(ctx.env).describe_scripts(now);
    ctx.reply.array(scripts.len());
    for script in &scripts {
        reply_script(ctx.reply, script);
    }
    Ok(())
}

pub(super) fn reply_script(reply: &mut Reply, script: &ScriptView<'_>) {
    reply.map(5);
    reply.bulk("argv");
    reply.array(1 + script.args.len());
    reply.bulk(script.path);
    for word in script.args {
        reply.bulk(word);
    }
    let (state, name, ms) = match script.progress {
        ScriptProgress::Running(ms) => ("running", "run-time", ms),
        ScriptProgress::Scheduled(ms) => ("scheduled", "run-delay", ms),
    };
    reply.bulk("flags");
    reply.bulk(state);
    reply.bulk("pid");
    reply.bulk_int(script.pid.into());
    reply.bulk(name);
    reply.bulk_int(ms as i64);
    reply.bulk("retry-num");
    reply.bulk_int(script.tries.into());
}
