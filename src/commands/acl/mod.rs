//! `ACL`: users, and what they may do.
//!
//! Whether a command may run is asked by the dispatcher ([`refusal`]); here are the commands that
//! show users and change them. A user is changed as a whole or not at all, and for all who are
//! logged in at once. Who is subscribed to what is closed from now on is disconnected, and so is
//! who was logged in as a user who is no more.

pub mod refusal;
pub mod request;
mod show;

use std::path::PathBuf;
use std::rc::Rc;

use super::context::{CmdResult, Ctx};
use super::error::CmdError;
use super::pubsub::registry::TopicKind;
use super::row::{Arg, CommandGroup, Flags, IsSecret, Row};
use super::session::Session;
use super::wording;
use crate::acl::patterns::Channels;
use crate::acl::selector::Rules;
use crate::acl::users::{DEFAULT, is_name};
use crate::acl::{User, file};
use crate::base::errno::os_text;
use crate::base::numbers::parse_i64;
use crate::config::{AclPubsubDefault, Settings};
use crate::resp::args::{Args, OwnedArgs};

const ANYBODY: Flags = Flags::NOSCRIPT
    .union(Flags::LOADING)
    .union(Flags::STALE)
    .union(Flags::SENTINEL);

const SUB: Row = Row {
    flags: ANYBODY.union(Flags::ADMIN),
    group: CommandGroup::Server,
    since: "6.0.0",
    ..Row::BASE
};

/// Names of users, and what they may do, are nobody else's business.
const IS_BEHIND_SUBCOMMAND: IsSecret = |_, at| at >= 2;

const EVERYWHERE: &[&str] = &["request_policy:all_nodes", "response_policy:all_succeeded"];

const OF_USERS: &str = "O(N), N being the number of users";

/// The rows of this family.
pub static ROWS: &[Row] = &[Row {
    name: "acl",
    flags: Flags::SENTINEL,
    complexity: "That of the subcommand",
    summary: "Holds the commands about users and what they may do.",
    subcommands: SUBCOMMANDS,
    ..SUB
}];

const SUBCOMMANDS: &[Row] = &[
    Row {
        name: "cat",
        flags: ANYBODY,
        complexity: "O(1), since there are only so many categories and commands",
        summary: "Lists the categories, or the commands of one.",
        args: &[Arg::string("category").optional()],
        handler: show::cat,
        ..SUB
    },
    Row {
        name: "deluser",
        secrets: Some(IS_BEHIND_SUBCOMMAND),
        arity: -3,
        complexity: "O(1) for each user",
        summary: "Deletes users, and closes the connections of who is logged in as one of them.",
        tips: EVERYWHERE,
        args: &[Arg::string("username").multiple()],
        handler: delete,
        ..SUB
    },
    Row {
        name: "dryrun",
        arity: -4,
        since: "7.0.0",
        complexity: "O(1)",
        summary: "Tells whether a user could run a command, without running it.",
        args: &[
            Arg::string("username"),
            Arg::string("command"),
            Arg::string("arg").optional().multiple(),
        ],
        handler: dry_run,
        ..SUB
    },
    Row {
        name: "genpass",
        flags: ANYBODY,
        complexity: "O(1)",
        summary: "Makes up a password that nobody can guess.",
        args: &[Arg::integer("bits").optional()],
        handler: generate_password,
        ..SUB
    },
    Row {
        name: "getuser",
        secrets: Some(IS_BEHIND_SUBCOMMAND),
        arity: 3,
        complexity: "O(N), N being the number of the user's passwords and rules",
        summary: "Shows what a user may do.",
        history: &[
            ("6.2.0", "Shows patterns of channels."),
            (
                "7.0.0",
                "Shows selectors, and patterns of keys and channels as rules.",
            ),
        ],
        args: &[Arg::string("username")],
        handler: show::user,
        ..SUB
    },
    Row {
        name: "list",
        arity: 2,
        complexity: OF_USERS,
        summary: "Lists all users as the lines that make them.",
        handler: show::list,
        ..SUB
    },
    Row {
        name: "load",
        arity: 2,
        complexity: OF_USERS,
        summary: "Puts the users of the file in the place of all.",
        handler: load,
        ..SUB
    },
    Row {
        name: "log",
        complexity: "O(N), N being the number of entries shown",
        summary: "Shows what was refused of late, or forgets it.",
        history: &[(
            "7.2.0",
            "Entries have a number, and the times of their first and last refusal.",
        )],
        args: &[Arg::one_of(
            "operation",
            &[Arg::integer("count"), Arg::pure("reset", "RESET")],
        )
        .optional()],
        handler: show::log,
        ..SUB
    },
    Row {
        name: "save",
        arity: 2,
        complexity: OF_USERS,
        summary: "Writes all users into the file.",
        tips: EVERYWHERE,
        handler: save,
        ..SUB
    },
    Row {
        name: "setuser",
        secrets: Some(IS_BEHIND_SUBCOMMAND),
        arity: -3,
        complexity: "O(N), N being the number of rules",
        summary: "Makes a user, or changes what one may do.",
        history: &[
            ("6.2.0", "Knows patterns of channels."),
            (
                "7.0.0",
                "Knows selectors, and patterns of keys to be read or to be written.",
            ),
        ],
        tips: EVERYWHERE,
        args: &[
            Arg::string("username"),
            Arg::string("rule").optional().multiple(),
        ],
        handler: set,
        ..SUB
    },
    Row {
        name: "users",
        arity: 2,
        complexity: OF_USERS,
        summary: "Lists the names of all users.",
        handler: show::names,
        ..SUB
    },
    Row {
        name: "whoami",
        arity: 2,
        flags: ANYBODY,
        complexity: "O(1)",
        summary: "Tells as whom the client is logged in.",
        handler: show::who_am_i,
        ..SUB
    },
    Row {
        name: "help",
        arity: 2,
        flags: Flags::LOADING.union(Flags::STALE).union(Flags::SENTINEL),
        complexity: "O(1)",
        summary: "Explains the subcommands.",
        handler: show::help,
        ..SUB
    },
];

/// What the meaning of rules depends on, by these settings.
pub fn all_channels_by_default(settings: &Settings) -> bool {
    settings.acl_pubsub_default == AclPubsubDefault::Allchannels
}

fn rules<'a>(ctx: &Ctx<'_>) -> Rules<'a> {
    Rules {
        catalog: ctx.table,
        all_channels: all_channels_by_default(&ctx.env.config),
    }
}

fn set(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let name = &args[2];
    if !is_name(name) {
        return Err(CmdError::err(
            "Usernames can't contain spaces or null characters",
        ));
    }
    let planned = ctx.env.users.plan(name, args.iter_from(3), rules(ctx));
    let rights = planned.map_err(|bad| CmdError::err(bad.text()))?;
    let user = ctx.env.users.get(name).cloned();
    if let Some(user) = user {
        let (before, after) = (user.rights().channels(), rights.channels());
        if takes_away(&before, &after) {
            let is_lost = |session: &Session| {
                Rc::ptr_eq(&session.user, &user) && listens_elsewhere(session, &after)
            };
            ctx.host.close_clients(ctx.env, ctx.session, &is_lost);
        }
    }
    ctx.env.users.put(name, rights);
    ctx.reply.ok();
    Ok(())
}

/// Whether less may be open after a change.
fn takes_away(before: &Channels, after: &Channels) -> bool {
    match (before, after) {
        (_, Channels::All) => false,
        (Channels::All, _) => true,
        (Channels::Matching(patterns), _) => !patterns.iter().all(|pattern| after.include(pattern)),
    }
}

/// Whether a client is subscribed to something else than these channels.
fn listens_elsewhere(session: &Session, channels: &Channels) -> bool {
    let Some(own) = session.subscriptions.as_deref() else {
        return false;
    };
    TopicKind::ALL.into_iter().any(|kind| {
        own.of(kind)
            .any(|topic| !channels.admit(topic, kind == TopicKind::Pattern))
    })
}

fn delete(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    if args.iter_from(2).any(|name| name == DEFAULT) {
        return Err(CmdError::err("The 'default' user cannot be removed"));
    }
    let names = args.iter_from(2);
    let removed: Vec<_> = names
        .filter_map(|name| ctx.env.users.remove(name))
        .collect();
    log_out(ctx, &removed);
    ctx.reply.int(removed.len() as i64);
    Ok(())
}

/// Closes the connections of who is logged in as one of these users, who are no more.
fn log_out(ctx: &mut Ctx<'_>, users: &[Rc<User>]) {
    let is_gone = |session: &Session| users.iter().any(|user| Rc::ptr_eq(user, &session.user));
    if users.is_empty() {
        return;
    }
    ctx.host.close_clients(ctx.env, ctx.session, &is_gone);
    if is_gone(ctx.session) {
        // What it has sent already must not be run in the name of who is no more.
        ctx.session.user = ctx.env.users.default_user().clone();
        ctx.session.authenticated = false;
    }
}

fn dry_run(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let Some(user) = ctx.env.users.get(&args[2]).cloned() else {
        return Err(wording::quoting("User '", &args[2], "' not found"));
    };
    let inner = OwnedArgs::new(args.iter_from(3));
    let inner = inner.args();
    let Some(command) = ctx.table.find(&inner) else {
        return Err(wording::quoting("Command '", &args[3], "' not found"));
    };
    if !command.accepts(inner.len()) {
        return Err(command.arity_error());
    }
    match request::check(&user, command, &inner, &mut ctx.env.acl_scratch) {
        Ok(()) => ctx.reply.ok(),
        Err(denied) => {
            let text = refusal::describe(&user, command, &inner, denied);
            ctx.reply.bulk(text);
        }
    }
    Ok(())
}

/// Passwords of more bits are not made.
const PASSWORD_BITS_MAX: i64 = 4096;

fn generate_password(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    if args.len() > 3 {
        return Err(wording::bad_subcommand(args));
    }
    let bits = match args.get(2) {
        None => 256,
        Some(word) => parse_i64(word).ok_or(CmdError::NotInteger)?,
    };
    if !(1..=PASSWORD_BITS_MAX).contains(&bits) {
        return Err(CmdError::err(format!(
            "ACL GENPASS argument must be the number of bits for the output password, a positive \
             number up to {PASSWORD_BITS_MAX}"
        )));
    }
    let digits = bits as usize;
    let password = ctx.env.users.generate_password(digits.div_ceil(4));
    ctx.reply.bulk(password);
    Ok(())
}

/// Where the file of users is, and what it is called.
fn file_of(ctx: &Ctx<'_>) -> Result<(PathBuf, String), CmdError> {
    let settings = &ctx.env.config;
    if settings.aclfile.is_empty() {
        return Err(CmdError::err(
            "This Redis instance is not configured to use an ACL file. You may want to specify \
             users via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have \
             a Redis configuration file set) in order to store users in the Redis configuration.",
        ));
    }
    let name = String::from_utf8_lossy(&settings.aclfile).into_owned();
    Ok((settings.dir.join(&settings.aclfile), name))
}

fn load(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    let (path, name) = file_of(ctx)?;
    let users = file::load(&path, &name, rules(ctx)).map_err(CmdError::err)?;
    let removed = ctx.env.users.replace(users);
    log_out(ctx, &removed);
    ctx.reply.ok();
    Ok(())
}

fn save(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    let (path, _) = file_of(ctx)?;
    if let Err(error) = file::save(&path, &ctx.env.users.lines()) {
        let text = format!("Writing the ACL file for ACL SAVE: {}", os_text(&error));
        ctx.host.log(log::Level::Warn, &text);
        return Err(CmdError::err(
            "There was an error trying to save the ACLs. Please check the server logs for more \
             information",
        ));
    }
    ctx.reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests;
