//! `XADD`: an entry at the end of a stream.

use super::options::{AddOptions, Giver};
use crate::commands::context::{CmdResult, Ctx};
use crate::commands::error::CmdError;
use crate::commands::events::Class;
use crate::commands::row::{Acl, Arg, CommandGroup, Flags, KeyFlags, KeySpec, Row};
use crate::commands::stream::shorten::threshold_text;
use crate::data::stream::{AppendError, NewId, Stream, StreamId};
use crate::resp::args::Args;

/// The commands of this file.
pub static ROWS: &[Row] = &[Row {
    name: "xadd",
    arity: -5,
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    acl: Acl::STREAM,
    keys: &[KeySpec::first(KeyFlags::RW.union(KeyFlags::UPDATE))
        .notes("Not INSERT, since trimming may remove entries.")],
    group: CommandGroup::Stream,
    since: "5.0.0",
    complexity: "O(1) to add an entry; O(N) to trim N entries.",
    summary: "Adds an entry to the end of a stream, which is created if it does not exist.",
    history: &[
        (
            "6.2.0",
            "`NOMKSTREAM`, trimming by `MINID`, and `LIMIT` were added.",
        ),
        ("7.0.0", "Ids of the form `<ms>-*` were added."),
    ],
    tips: &["nondeterministic_output"],
    args: &[
        Arg::key("key", 0),
        Arg::pure("nomkstream", "NOMKSTREAM")
            .since("6.2.0")
            .optional(),
        super::shorten::TRIM.optional(),
        Arg::one_of(
            "id-selector",
            &[Arg::pure("auto-id", "*"), Arg::string("id")],
        ),
        Arg::block("data", &[Arg::string("field"), Arg::string("value")]).multiple(),
    ],
    handler: xadd,
    ..Row::BASE
}];

fn xadd(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let limits = ctx.env.stream_limits();
    let options = AddOptions::parse(args, Giver::of(ctx))?;
    let first_word = options.id_at + 1;
    if args.len() == first_word || !(args.len() - first_word).is_multiple_of(2) {
        return Err(CmdError::Arity("xadd".into()));
    }
    if options.id == NewId::Exact(StreamId::MIN) {
        return Err(CmdError::Fixed(
            "ERR The ID specified in XADD must be greater than 0-0",
        ));
    }

    let key = &args[1];
    let now_ms = ctx.now_ms() as u64;
    let mut stream = if options.creates {
        ctx.adding(key);
        ctx.env.edit_or_new::<Box<Stream>>(ctx.session, key)?
    } else {
        match ctx.env.edit(ctx.session, key)? {
            Some(stream) => stream,
            None => {
                ctx.reply.null();
                return Ok(());
            }
        }
    };
    let log = stream.log_mut();
    if log.last_id() == StreamId::MAX {
        return Err(CmdError::Fixed(
            "ERR The stream has exhausted the last possible ID, unable to add more items",
        ));
    }
    let words = (first_word..args.len()).map(|at| &args[at]);
    let id = log
        .append(options.id, words, now_ms, limits)
        .map_err(refusal)?;
    let trim = options.trim.as_ref();
    let trimmed = trim.map_or(0, |option| log.trim(&option.trim));
    let rewritten = trim
        .filter(|option| option.trim.by_node)
        .map(|option| (option.threshold_at, threshold_text(log, option.trim.to)));
    drop(stream);

    let id = id.text();
    ctx.reply.bulk(id);
    ctx.wrote(Class::STREAM, "xadd", key);
    if trimmed > 0 {
        ctx.notify(Class::STREAM, "xtrim", key);
    }
    let threshold = rewritten.as_ref().map(|(at, text)| (*at, &text[..]));
    tell(ctx, args, &options, id.as_ref(), threshold);
    Ok(())
}

/// Tells replicas, with the id that was chosen here and the exact threshold of an approximate trim.
fn tell(
    ctx: &mut Ctx<'_>,
    args: &Args<'_>,
    options: &AddOptions,
    id: &[u8],
    threshold: Option<(usize, &[u8])>,
) {
    // An id that was given stays as it was written.
    let is_given = matches!(options.id, NewId::Exact(_));
    let id_at = if is_given { usize::MAX } else { options.id_at };
    match threshold {
        None if is_given => {}
        None => ctx.propagate_with(args, &[(id_at, id)]),
        Some((at, exact)) => ctx.propagate_with(args, &[(id_at, id), (at - 1, b"="), (at, exact)]),
    }
}

fn refusal(error: AppendError) -> CmdError {
    CmdError::Fixed(match error {
        AppendError::IdTooSmall => {
            "ERR The ID specified in XADD is equal or smaller than the target stream top item"
        }
        AppendError::TooLarge => "ERR Elements are too large to be stored",
    })
}
