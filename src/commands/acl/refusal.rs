//! Refusals: what is said of them to clients, and what is noted.

use super::request;
use crate::acl::log::{Context, Reason, Refusal};
use crate::acl::{Denied, User};
use crate::commands::context::{CmdResult, Command, Ctx};
use crate::commands::env::Env;
use crate::commands::error::CmdError;
use crate::commands::host::ClientFilter;
use crate::resp::args::Args;

/// Whether the client's user may run a command. If not, that is noted.
#[cold]
pub fn admit(ctx: &mut Ctx<'_>, command: &Command, args: &Args<'_>) -> CmdResult {
    let context = match ctx.session.transaction {
        Some(_) => Context::Multi,
        None => Context::Toplevel,
    };
    check(ctx, command, args, context)
        .map_err(|denied| no_permission(b"NOPERM ", &ctx.session.user, command, denied))
}

/// Whether the user of a script's client may run a command of the script. If not, that is noted.
#[cold]
pub fn admit_in_script(ctx: &mut Ctx<'_>, command: &Command, args: &Args<'_>) -> CmdResult {
    let start = b"NOPERM ACL failure in script: ";
    check(ctx, command, args, Context::Lua)
        .map_err(|denied| no_permission(start, &ctx.session.user, command, denied))
}

fn no_permission(start: &[u8], user: &User, command: &Command, denied: Denied) -> CmdError {
    let what = match denied {
        Denied::Command => no_command(user, command),
        Denied::Key(_) => b"No permissions to access a key".to_vec(),
        Denied::Channel(_) => b"No permissions to access a channel".to_vec(),
    };
    CmdError::Text([start, &what].concat())
}

/// Whether the client's user may still run a command that has waited for `EXEC`. If not, that is
/// noted.
#[cold]
pub fn admit_queued(ctx: &mut Ctx<'_>, command: &Command, args: &Args<'_>) -> CmdResult {
    check(ctx, command, args, Context::Multi).map_err(|denied| {
        let reason = match denied {
            Denied::Command => "no permission to execute the command or subcommand",
            Denied::Key(_) => "no permission to touch the specified keys",
            Denied::Channel(_) => "no permission to access one of the channels used as arguments",
        };
        let text = format!(
            "NOPERM ACLs rules changed between the moment the transaction was accumulated and the \
             EXEC call. This command is no longer allowed for the following reason: {reason}"
        );
        CmdError::Text(text.into_bytes())
    })
}

/// Whether the client's user may run a command. If not, that is noted as having happened there.
pub fn check(
    ctx: &mut Ctx<'_>,
    command: &Command,
    args: &Args<'_>,
    context: Context,
) -> Result<(), Denied> {
    let user = ctx.session.user.clone();
    let checked = request::check(&user, command, args, &mut ctx.env.acl_scratch);
    if let Err(denied) = checked {
        let (reason, object) = match denied {
            Denied::Command => (Reason::Command, command.full_name.as_bytes()),
            Denied::Key(index) => (Reason::Key, &args[index]),
            Denied::Channel(index) => (Reason::Channel, &args[index]),
        };
        note(
            ctx,
            Refusal {
                reason,
                context,
                object: object.to_vec(),
                user: user.name().to_vec(),
            },
        );
    }
    checked
}

/// Notes that somebody could not log in as this user, with a command of this name.
pub fn note_failed_login(ctx: &mut Ctx<'_>, command: &[u8], user: &[u8]) {
    let context = match ctx.session.transaction.is_some() || ctx.env.unit.is_nested() {
        true => Context::Multi,
        false => Context::Toplevel,
    };
    note(
        ctx,
        Refusal {
            reason: Reason::Auth,
            context,
            object: command.to_vec(),
            user: user.to_vec(),
        },
    );
}

fn note(ctx: &mut Ctx<'_>, refusal: Refusal) {
    *counter(ctx.env, refusal.reason) += 1;
    let this = ClientFilter {
        ids: Some(vec![ctx.session.id]),
        ..ClientFilter::default()
    };
    let mut client = ctx.host.describe_clients(ctx.env, ctx.session, &this);
    client.truncate(client.trim_ascii_end().len());
    let (now_ms, max) = (ctx.env.now.unix_ms(), ctx.env.config.acllog_max_len);
    ctx.env.acl_log.enter(refusal, client, now_ms, max);
}

fn counter(env: &mut Env, reason: Reason) -> &mut u64 {
    match reason {
        Reason::Command => &mut env.stats.acl_access_denied_cmd,
        Reason::Key => &mut env.stats.acl_access_denied_key,
        Reason::Channel => &mut env.stats.acl_access_denied_channel,
        Reason::Auth => &mut env.stats.acl_access_denied_auth,
    }
}

/// That a user may not run a command.
fn no_command(user: &User, command: &Command) -> Vec<u8> {
    let name = command.full_name.as_bytes();
    let parts: [&[u8]; 5] = [
        b"User ",
        user.name(),
        b" has no permissions to run the '",
        name,
        b"' command",
    ];
    parts.concat()
}

/// What of a command is refused to a user, in full.
pub fn describe(user: &User, command: &Command, args: &Args<'_>, denied: Denied) -> Vec<u8> {
    let what: &[u8] = match denied {
        Denied::Command => return no_command(user, command),
        Denied::Key(_) => b"' key",
        Denied::Channel(_) => b"' channel",
    };
    let parts: [&[u8]; 5] = [
        b"User ",
        user.name(),
        b" has no permissions to access the '",
        &args[denied.index()],
        what,
    ];
    parts.concat()
}
