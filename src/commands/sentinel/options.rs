//! `SENTINEL SET` and `SENTINEL CONFIG`: options of one master, and of all.
//!
//! What options there are and what they accept is the tables' business
//! ([`crate::config::sentinel`]). `SENTINEL CONFIG` takes the directives of TLS as well, under
//! their names: a Sentinel has no `CONFIG`, and certificates have to be exchanged while it runs.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::{answer_when_saved, master, of};
use crate::commands::config::set_directives;
use crate::commands::context::{CmdResult, Ctx};
use crate::commands::error::CmdError;
use crate::config::sentinel::SetContext;
use crate::resp::args::Args;
use crate::sys::access;

/// `SENTINEL SET`: all options or none.
pub(super) fn set(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let now = ctx.env.now;
    let name = &args[2];
    let sentinel = of(ctx.env);
    let mut options = master(sentinel, name)?.options.clone();
    let context = SetContext {
        deny_scripts: sentinel.common().deny_scripts_reconfig,
        is_executable: &|path| access::is_executable(Path::new(OsStr::from_bytes(path))).is_ok(),
    };
    let words: Vec<&[u8]> = args.iter_from(3).collect();
    let mut left = words.as_slice();
    let mut changes = Vec::new();
    while !left.is_empty() {
        let change = options.set(left, &context);
        let change = change.map_err(|error| CmdError::err(error.to_string()))?;
        left = &left[change.words..];
        changes.push(change);
    }
    *sentinel.options_mut(name).expect("it was found above") = options;
    for change in changes {
        sentinel.option_set(name, &change.shown, change.drops_links, now);
    }
    answer_when_saved(ctx)
}

/// `SENTINEL CONFIG GET` and `SENTINEL CONFIG SET`.
pub(super) fn config(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let action = &args[2];
    if action.eq_ignore_ascii_case(b"get") {
        config_get(ctx, args)
    } else if action.eq_ignore_ascii_case(b"set") && args.len() >= 5 {
        config_set(ctx, args)
    } else {
        Err(CmdError::err(
            "Only SENTINEL CONFIG GET <param> [<param> <param> ...]/ SET <param> <value> [<param> \
             <value> ...] are supported.",
        ))
    }
}

fn config_get(ctx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let patterns: Vec<&[u8]> = args.iter_from(3).collect();
    let loglevel = ctx.env.config.loglevel;
    let shown = of(ctx.env).common().show(loglevel, &patterns);
    let of_tls: Vec<&[u8]> = patterns.into_iter().filter(|p| is_of_tls(p)).collect();
    let of_tls = crate::config::get(&ctx.env.config, &of_tls);
    ctx.reply.map(shown.len() + of_tls.len());
    for (name, value) in shown {
        ctx.reply.bulk(name);
        ctx.reply.bulk(value);
    }
    for (name, value) in of_tls {
        ctx.reply.bulk(name);
        ctx.reply.bulk(value);
    }
    Ok(())
}

/// Whether a word names directives of TLS.
fn is_of_tls(name: &[u8]) -> bool {
    name.get(..4)
        .is_some_and(|start| start.eq_ignore_ascii_case(b"tls-"))
}

fn config_set(ctx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let now = ctx.env.now;
    let words: Vec<&[u8]> = args.iter_from(3).collect();
    let (mut own, mut directives) = (Vec::new(), Vec::new());
    for pair in words.chunks(2) {
        match pair {
            [name, value] if is_of_tls(name) => directives.push((*name, *value)),
            _ => own.extend_from_slice(pair),
        }
    }
    let change = of(ctx.env).common().plan(&own);
    let change = change.map_err(|error| CmdError::err(error.to_string()))?;
    if let Some(level) = change.loglevel {
        directives.push((b"loglevel", level.name().as_bytes()));
    }
    if !directives.is_empty() {
        set_directives(ctx, &directives)?;
    }
    of(ctx.env).set_common(change.common, change.drops_peer_links, now);
    answer_when_saved(ctx)
}
