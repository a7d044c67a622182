//! Users, categories and refusals shown.

use super::request;
use crate::acl::log::LogEntry;
use crate::acl::selector::Selector;
use crate::base::numbers::parse_i64;
use crate::commands::context::{CmdResult, Ctx};
use crate::commands::error::CmdError;
use crate::commands::row::Acl;
use crate::commands::wording;
use crate::resp::args::Args;
use crate::resp::writer::Reply;

/// Entries of the log that are shown if nobody says how many.
const ENTRIES_DEFAULT: i64 = 10;

/// `ACL CAT`.
pub(super) fn cat(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let name = match args.len() {
        2 => {
            ctx.reply.array(Acl::NAMES.len());
            for (_, name) in Acl::NAMES {
                ctx.reply.bulk(name);
            }
            return Ok(());
        }
        3 => &args[2],
        _ => return Err(wording::bad_subcommand(args)),
    };
    let Some(category) = request::category(name) else {
        let shown = &name[..name.len().min(128)];
        return Err(wording::quoting("Unknown category '", shown, "'"));
    };
    let open = ctx.reply.begin_array();
    let mut shown = 0;
    for command in ctx.table.iter_all() {
        if command.row.acl_categories().intersects(category) {
            ctx.reply.bulk(command.full_name);
            shown += 1;
        }
    }
    ctx.reply.end(open, shown);
    Ok(())
}

/// `ACL LIST`.
pub(super) fn list(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    let lines = ctx.env.users.lines();
    ctx.reply.array(lines.len());
    for line in lines {
        ctx.reply.bulk(line);
    }
    Ok(())
}

/// `ACL USERS`.
pub(super) fn names(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    let users = ctx.env.users.iter();
    ctx.reply.array(users.len());
    for user in users {
        ctx.reply.bulk(user.name());
    }
    Ok(())
}

/// `ACL WHOAMI`.
pub(super) fn who_am_i(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    ctx.reply.bulk(ctx.session.user.name());
    Ok(())
}

/// `ACL GETUSER`.
pub(super) fn user(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let Some(user) = ctx.env.users.get(&args[2]) else {
        ctx.reply.null();
        return Ok(());
    };
    let rights = user.rights();
    let reply = &mut *ctx.reply;
    reply.map(6);
    reply.bulk("flags");
    reply.set(rights.flags().count());
    for flag in rights.flags() {
        reply.bulk(flag);
    }
    reply.bulk("passwords");
    reply.array(rights.passwords().len());
    for hash in rights.passwords() {
        reply.bulk(hash);
    }
    let mut selectors = rights.selectors();
    if let Some(root) = selectors.next() {
        selector(reply, root);
    }
    reply.bulk("selectors");
    reply.array(rights.selectors().count() - 1);
    for other in selectors {
        reply.map(3);
        selector(reply, other);
    }
    Ok(())
}

/// The three pairs that describe a selector.
fn selector(reply: &mut Reply, selector: &Selector) {
    for (name, rules) in [
        ("commands", selector.commands.rules()),
        ("keys", selector.keys.rules()),
        ("channels", selector.channels.rules()),
    ] {
        reply.bulk(name);
        reply.bulk(rules);
    }
}

/// `ACL LOG`.
pub(super) fn log(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let count = match args.len() {
        2 => ENTRIES_DEFAULT,
        3 if args[2].eq_ignore_ascii_case(b"reset") => {
            ctx.env.acl_log.clear();
            ctx.reply.ok();
            return Ok(());
        }
        3 => parse_i64(&args[2]).ok_or(CmdError::NotInteger)?,
        _ => return Err(wording::bad_subcommand(args)),
    };
    let entries = ctx.env.acl_log.entries();
    let count = usize::try_from(count).unwrap_or(0).min(entries.len());
    let now_ms = ctx.env.now.unix_ms();
    ctx.reply.array(count);
    for shown in entries.take(count) {
        entry(ctx.reply, shown, now_ms);
    }
    Ok(())
}

fn entry(reply: &mut Reply, entry: &LogEntry, now_ms: i64) {
    let refusal = &entry.refusal;
    reply.map(10);
    reply.bulk("count");
    reply.int(entry.count as i64);
    for (name, text) in [
        ("reason", refusal.reason.name().as_bytes()),
        ("context", refusal.context.name().as_bytes()),
        ("object", &refusal.object),
        ("username", &refusal.user),
    ] {
        reply.bulk(name);
        reply.bulk(text);
    }
    reply.bulk("age-seconds");
    reply.double((now_ms - entry.updated_ms) as f64 / 1000.0);
    reply.bulk("client-info");
    reply.bulk(&entry.client);
    for (name, number) in [
        ("entry-id", entry.id as i64),
        ("timestamp-created", entry.created_ms),
        ("timestamp-last-updated", entry.updated_ms),
    ] {
        reply.bulk(name);
        reply.int(number);
    }
}

/// `ACL HELP`.
pub(super) fn help(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    wording::help(ctx, args, HELP)
}

const HELP: &[&str] = &[
    "CAT [<category>]",
    "    List the categories, or the commands of one.",
    "DELUSER <username> [<username> ...]",
    "    Delete users and close their connections.",
    "DRYRUN <username> <command> [<arg> ...]",
    "    Tell whether the user could run the command, without running it.",
    "GENPASS [<bits>]",
    "    Make up a password, of 256 bits if not said otherwise.",
    "GETUSER <username>",
    "    Show what a user may do.",
    "LIST",
    "    List all users as the lines that make them.",
    "LOAD",
    "    Put the users of the file in the place of all.",
    "LOG [<count> | RESET]",
    "    Show what was refused of late, or forget it.",
    "SAVE",
    "    Write all users into the file.",
    "SETUSER <username> [<rule> ...]",
    "    Make a user, or change what one may do.",
    "USERS",
    "    List the names of all users.",
    "WHOAMI",
    "    Tell as whom this connection is logged in.",
];
