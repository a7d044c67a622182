//! `MIGRATE`: keys go to another server, and are gone from here when that has taken them.
//!
//! Here is decided what is sent and what the answers mean; talking to the other server is the
//! host's part. A key is deleted only after it was acknowledged, so whatever breaks in between
//! leaves it on one of the two servers at least. Replicas hear of the deletions as `DEL`.

use std::ops::Range;
use std::time::Duration;

use super::dump::payload_of;
use crate::commands::context::{CmdResult, Ctx};
use crate::commands::error::CmdError;
use crate::commands::events::Class;
use crate::commands::host::{Migration, MigrationFailure};
use crate::commands::lookup::Access;
use crate::commands::operand::integer;
use crate::commands::row::{
    Acl, Arg, BeginSearch, FindKeys, Flags, KeyFlags, KeyRef, KeySpec, Row,
};
use crate::resp::args::{Args, encode_command};

/// Where the options begin.
const OPTIONS: usize = 6;
/// How long each step may take when nothing sensible is said.
const TIMEOUT_MS: i64 = 1000;

const MOVED: KeyFlags = KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE);

/// The command of this file.
pub static ROWS: &[Row] = &[Row {
    name: "migrate",
    arity: -6,
    flags: Flags::WRITE,
    acl: Acl::KEYSPACE.union(Acl::DANGEROUS),
    keys: &[
        KeySpec::range(MOVED, 3, 0, 1),
        KeySpec {
            begin: BeginSearch::Keyword {
                keyword: "KEYS",
                start_from: -2,
            },
            find: FindKeys::Range {
                last: -1,
                step: 1,
                limit: 0,
            },
            flags: MOVED.union(KeyFlags::INCOMPLETE),
            notes: "",
        },
    ],
    get_keys: Some(migrated_keys),
    secrets: Some(is_secret),
    since: "2.6.0",
    complexity: "That of DUMP and DEL here and of RESTORE there, and O(N) for N bytes on the way.",
    summary: "Moves keys to another server.",
    history: &[
        ("3.0.0", "`COPY` and `REPLACE` came."),
        ("3.0.6", "`KEYS` came."),
        ("4.0.7", "`AUTH` came."),
        ("6.0.0", "`AUTH2` came."),
    ],
    tips: &["nondeterministic_output"],
    args: &[
        Arg::string("host"),
        Arg::integer("port"),
        Arg::one_of(
            "key-selector",
            &[Arg::key("key", 0), Arg::pure("empty-string", "")],
        ),
        Arg::integer("destination-db"),
        Arg::integer("timeout"),
        Arg::pure("copy", "COPY").since("3.0.0").optional(),
        Arg::pure("replace", "REPLACE").since("3.0.0").optional(),
        Arg::one_of(
            "authentication",
            &[
                Arg::string("auth")
                    .token("AUTH")
                    .display("password")
                    .since("4.0.7"),
                Arg::block("auth2", &[Arg::string("username"), Arg::string("password")])
                    .token("AUTH2")
                    .since("6.0.0"),
            ],
        )
        .optional(),
        Arg::key("keys", 1)
            .token("KEYS")
            .display("key")
            .since("3.0.6")
            .optional()
            .multiple(),
    ],
    handler: migrate,
    ..Row::BASE
}];

/// How many words an option takes behind its name.
fn words_behind(option: &[u8]) -> usize {
    match option.to_ascii_lowercase().as_slice() {
        b"auth" => 1,
        b"auth2" => 2,
        _ => 0,
    }
}

/// Whether a word stands behind `AUTH` or `AUTH2`.
fn is_secret(args: &Args<'_>, at: usize) -> bool {
    let mut option = OPTIONS;
    while option < args.len() && !args[option].eq_ignore_ascii_case(b"keys") {
        let words = words_behind(&args[option]);
        if (option + 1..=option + words).contains(&at) {
            return true;
        }
        option += 1 + words;
    }
    false
}

/// The one key in its place, or those behind `KEYS`.
fn migrated_keys(args: &Args<'_>, out: &mut Vec<KeyRef>) {
    let (mut keys, mut at) = (3..4, OPTIONS);
    while at < args.len() {
        if args[at].eq_ignore_ascii_case(b"keys") {
            // With a key in its place as well it is an error, which the command will tell.
            keys = match args[3].is_empty() {
                true => at + 1..args.len(),
                false => 0..0,
            };
            break;
        }
        at += 1 + words_behind(&args[at]);
    }
    let key = |index| KeyRef {
        index,
        flags: MOVED,
    };
    out.extend(keys.map(key));
}

/// The words of the command, understood.
struct Options {
    copy: bool,
    replace: bool,
    /// The words of `AUTH`.
    credentials: Range<usize>,
    /// Where the keys stand.
    keys: Range<usize>,
}

impl Options {
    fn parse(args: &Args<'_>) -> Result<Options, CmdError> {
        let mut options = Options {
            copy: false,
            replace: false,
            credentials: 0..0,
            keys: 3..4,
        };
        let mut at = OPTIONS;
        while at < args.len() {
            let option = args[at].to_ascii_lowercase();
            let behind = at + 1..at + 1 + words_behind(&option);
            match option.as_slice() {
                b"copy" => options.copy = true,
                b"replace" => options.replace = true,
                b"auth" | b"auth2" if behind.end <= args.len() => {
                    options.credentials = behind.clone();
                }
                b"keys" if !args[3].is_empty() => {
                    return Err(CmdError::err(
                        "When using MIGRATE KEYS option, the key argument must be set to the \
                         empty string",
                    ));
                }
                b"keys" => {
                    options.keys = at + 1..args.len();
                    break;
                }
                _ => return Err(CmdError::Syntax),
            }
            at = behind.end;
        }
        Ok(options)
    }

    /// The words that log in at the other server, as a command; nothing if none are given.
    fn login(&self, args: &Args<'_>) -> Vec<u8> {
        let mut login = Vec::new();
        if !self.credentials.is_empty() {
            let mut words: Vec<&[u8]> = vec![b"AUTH"];
            words.extend(self.credentials.clone().map(|at| &args[at]));
            encode_command(&words, &mut login);
        }
        login
    }
}

fn migrate(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let options = Options::parse(args)?;
    let timeout_ms = match integer(&args[5])? {
        ms @ 1.. => ms,
        _ => TIMEOUT_MS,
    };
    let db = integer(&args[4])?;
    let (keys, commands) = commands_for(ctx, args, &options);
    if keys.is_empty() {
        ctx.reply.simple("NOKEY");
        return Ok(());
    }
    let migration = Migration {
        host: &args[1],
        port: &args[2],
        timeout: Duration::from_millis(timeout_ms as u64),
        login: &options.login(args),
        db,
        commands: &commands,
        count: keys.len(),
    };
    let outcome = ctx.host.migrate(ctx.env, &migration);
    if !options.copy {
        let answered = keys.iter().zip(&outcome.answers);
        let taken = answered.filter(|(_, answer)| answer.is_ok());
        let moved: Vec<usize> = taken.map(|(key, _)| *key).collect();
        delete_moved(ctx, args, &moved);
    }
    let refusal = outcome.answers.into_iter().find_map(Result::err);
    match (refusal, outcome.failure) {
        (Some(text), _) => {
            let text = [b"Target instance replied with error: ", text.as_slice()].concat();
            Err(CmdError::err(text))
        }
        (None, Some(failure)) => Err(CmdError::Fixed(match failure {
            MigrationFailure::Connect => "IOERR error or timeout connecting to the client",
            MigrationFailure::Write => "IOERR error or timeout writing to target instance",
            MigrationFailure::Read => "IOERR error or timeout reading to target instance",
        })),
        (None, None) => {
            ctx.reply.ok();
            Ok(())
        }
    }
}

/// The keys that there are, and a `RESTORE` for each of them.
fn commands_for(ctx: &mut Ctx<'_>, args: &Args<'_>, options: &Options) -> (Vec<usize>, Vec<u8>) {
    let (mut keys, mut commands) = (Vec::new(), Vec::new());
    let now_ms = ctx.now_ms();
    for at in options.keys.clone() {
        let key = &args[at];
        if ctx.env.lookup(ctx.session, key, Access::Read).is_none() {
            continue;
        }
        let found = ctx.env.keyspace.db(ctx.session.db).get(key);
        let found = found.expect("the key was found above");
        // A key that expires at this very instant still lives; 0 would be for ever.
        let ttl = found.expire_at_ms().map_or(0, |at| (at - now_ms).max(1));
        let payload = payload_of(ctx.env, found.value());
        let mut text = itoa::Buffer::new();
        let words: [&[u8]; 5] = [
            b"RESTORE",
            key,
            text.format(ttl).as_bytes(),
            &payload,
            b"REPLACE",
        ];
        let count = if options.replace { 5 } else { 4 };
        encode_command(&words[..count], &mut commands);
        keys.push(at);
    }
    (keys, commands)
}

fn delete_moved(ctx: &mut Ctx<'_>, args: &Args<'_>, moved: &[usize]) {
    let lazily = ctx.env.config.lazyfree_lazy_server_del;
    for at in moved {
        let key = &args[*at];
        let removed = ctx.db().remove(key);
        ctx.env.discard(removed, lazily);
        ctx.wrote(Class::GENERIC, "del", key);
    }
    if !moved.is_empty() {
        let mut words: Vec<&[u8]> = vec![b"DEL"];
        words.extend(moved.iter().map(|at| &args[*at]));
        ctx.propagate_instead(&words);
    }
}
