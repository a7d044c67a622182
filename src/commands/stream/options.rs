//! The options of `XADD` and `XTRIM`: which id, and how much to trim.

use super::{BAD_ID, id};
use crate::commands::context::Ctx;
use crate::commands::error::CmdError;
use crate::commands::operand::integer;
use crate::data::stream::{NewId, Trim, TrimTo};
use crate::resp::args::Args;

/// How many nodes an approximate trim without `LIMIT` looks at.
const NODES_TRIMMED_MAX: i64 = 100;
/// The most entries that it removes.
const ENTRIES_TRIMMED_MAX: i64 = 1_000_000;
/// The same where the size of nodes is not limited.
const ENTRIES_TRIMMED_DEFAULT: i64 = 10_000;

/// What `XADD` was asked.
#[derive(Debug)]
pub(super) struct AddOptions {
    /// The id of the entry.
    pub id: NewId,
    /// Which argument is the id; fields and values follow.
    pub id_at: usize,
    /// Whether a stream is created where there is none.
    pub creates: bool,
    /// What to trim afterwards.
    pub trim: Option<TrimOption>,
}

/// A trim, and where it was written.
#[derive(Debug)]
pub(super) struct TrimOption {
    /// What to trim.
    pub trim: Trim,
    /// Which argument is the threshold; behind `~`, if only whole nodes go.
    pub threshold_at: usize,
}

/// Who gives the options, and under which settings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Giver {
    /// The setting `stream-node-max-entries`.
    pub node_max_entries: u64,
    /// What our master or a file says is done as it is said.
    pub is_obeyed: bool,
}

impl Giver {
    /// The client whose command is running.
    pub(super) fn of(ctx: &Ctx<'_>) -> Giver {
        Giver {
            node_max_entries: ctx.env.config.stream_node_max_entries,
            is_obeyed: ctx.session.must_be_obeyed(),
        }
    }
}

impl AddOptions {
    /// Reads the options of `XADD`, up to and with the id.
    pub(super) fn parse(args: &Args<'_>, giver: Giver) -> Result<AddOptions, CmdError> {
        let mut words = Words::new(args);
        let mut creates = true;
        let id = loop {
            let word = words.next().ok_or(CmdError::Arity("xadd".into()))?;
            if word == b"*" {
                break NewId::Auto;
            }
            if words.trim_option(word)? {
                continue;
            }
            if word.eq_ignore_ascii_case(b"NOMKSTREAM") {
                creates = false;
                continue;
            }
            break NewId::parse(word).ok_or(BAD_ID)?;
        };
        let id_at = words.at - 1;
        let trim = words.finish(giver)?;
        Ok(AddOptions {
            id,
            id_at,
            creates,
            trim,
        })
    }
}

impl TrimOption {
    /// Reads the options of `XTRIM`.
    pub(super) fn parse(args: &Args<'_>, giver: Giver) -> Result<TrimOption, CmdError> {
        let mut words = Words::new(args);
        while let Some(word) = words.next() {
            if !words.trim_option(word)? {
                return Err(CmdError::Syntax);
            }
        }
        words.finish(giver)?.ok_or(CmdError::Fixed(
            "ERR syntax error, XTRIM must be called with a trimming strategy",
        ))
    }
}

/// The words that are being read, and what they said of trimming so far.
struct Words<'a> {
    args: &'a Args<'a>,
    at: usize,
    to: Option<(TrimTo, usize)>,
    by_node: bool,
    limit: Option<i64>,
}

impl<'a> Words<'a> {
    fn new(args: &'a Args<'a>) -> Words<'a> {
        Words {
            args,
            at: 2,
            to: None,
            by_node: false,
            limit: None,
        }
    }

    fn next(&mut self) -> Option<&'a [u8]> {
        let word = self.args.get(self.at)?;
        self.at += 1;
        Some(word)
    }

    /// Reads an option that `XADD` and `XTRIM` share; says whether `word` was one.
    fn trim_option(&mut self, word: &[u8]) -> Result<bool, CmdError> {
        if self.at == self.args.len() {
            return Ok(false);
        }
        if word.eq_ignore_ascii_case(b"MAXLEN") {
            let threshold = self.threshold()?;
            let len = u64::try_from(integer(threshold)?)
                .map_err(|_| CmdError::Fixed("ERR The MAXLEN argument must be >= 0."))?;
            self.to = Some((TrimTo::Len(len), self.at - 1));
        } else if word.eq_ignore_ascii_case(b"MINID") {
            let threshold = self.threshold()?;
            self.to = Some((TrimTo::Id(id(threshold)?), self.at - 1));
        } else if word.eq_ignore_ascii_case(b"LIMIT") {
            let limit = integer(self.next().unwrap_or_default())?;
            if limit < 0 {
                return Err(CmdError::Fixed("ERR The LIMIT argument must be >= 0."));
            }
            self.limit = Some(limit);
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// The word behind a strategy and its operator.
    fn threshold(&mut self) -> Result<&'a [u8], CmdError> {
        if self.to.is_some() {
            return Err(CmdError::Fixed(
                "ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
            ));
        }
        let word = self.next().unwrap_or_default();
        let more = self.at < self.args.len();
        self.by_node = more && word == b"~";
        if more && matches!(word, b"~" | b"=") {
            return Ok(self.next().unwrap_or_default());
        }
        Ok(word)
    }

    fn finish(self, giver: Giver) -> Result<Option<TrimOption>, CmdError> {
        let Some((to, threshold_at)) = self.to else {
            return match self.limit {
                None | Some(0) => Ok(None),
                Some(_) => Err(CmdError::Fixed(
                    "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
                )),
            };
        };
        let limit = match self.limit {
            // Whoever we obey has trimmed already and says how far.
            _ if giver.is_obeyed => 0,
            Some(_) if !self.by_node => {
                return Err(CmdError::Fixed(
                    "ERR syntax error, LIMIT cannot be used without the special ~ option",
                ));
            }
            Some(limit) => limit as u64,
            None if self.by_node => default_limit(giver.node_max_entries),
            None => 0,
        };
        Ok(Some(TrimOption {
            trim: Trim {
                to,
                by_node: self.by_node,
                limit,
            },
            threshold_at,
        }))
    }
}

/// How much an approximate trim removes if nobody says: enough for all but rare cases, and not so
/// much that others have to wait.
fn default_limit(node_max_entries: u64) -> u64 {
    let entries =
        NODES_TRIMMED_MAX.saturating_mul(i64::try_from(node_max_entries).unwrap_or(i64::MAX));
    match entries {
        0 => ENTRIES_TRIMMED_DEFAULT as u64,
        _ => entries.min(ENTRIES_TRIMMED_MAX) as u64,
    }
}
