//! `LCS`: what two strings have in common, in order but not in one piece.
//!
//! The textbook table: for all pairs of beginnings of both strings the length of what they have in
//! common, filled row by row. From its last cell one walks back along the choices that led there.
//! Where two choices are equally good the walk takes the reference's, since replies show it.
//!
//! The table is large, so `proto-max-bulk-len` bounds it.

use crate::commands::context::{Access, CmdResult, Ctx};
use crate::commands::error::CmdError;
use crate::commands::operand::integer;
use crate::commands::row::{Acl, Arg, CommandGroup, Flags, KeyFlags, KeySpec, Row};
use crate::resp::args::Args;
use crate::resp::writer::Reply;

/// The commands of this file.
pub static ROWS: &[Row] = &[Row {
    name: "lcs",
    arity: -3,
    flags: Flags::READONLY,
    acl: Acl::STRING,
    keys: &[KeySpec::range(
        KeyFlags::RO.union(KeyFlags::ACCESS),
        1,
        1,
        1,
    )],
    group: CommandGroup::String,
    since: "7.0.0",
    complexity: "O(N*M), N and M being the lengths of the strings.",
    summary: "Finds the longest common subsequence of two strings.",
    args: &[
        Arg::key("key1", 0),
        Arg::key("key2", 0),
        Arg::pure("len", "LEN").optional(),
        Arg::pure("idx", "IDX").optional(),
        Arg::integer("min-match-len")
            .token("MINMATCHLEN")
            .optional(),
        Arg::pure("withmatchlen", "WITHMATCHLEN").optional(),
    ],
    handler: lcs,
    ..Row::BASE
}];

/// The options of `LCS`.
#[derive(Default)]
struct Options {
    len: bool,
    idx: bool,
    with_match_len: bool,
    min_match_len: i64,
}

impl Options {
    fn parse(args: &Args<'_>) -> Result<Options, CmdError> {
        let mut options = Options::default();
        let mut at = 3;
        while at < args.len() {
            let word = &args[at];
            at += 1;
            if word.eq_ignore_ascii_case(b"IDX") {
                options.idx = true;
            } else if word.eq_ignore_ascii_case(b"LEN") {
                options.len = true;
            } else if word.eq_ignore_ascii_case(b"WITHMATCHLEN") {
                options.with_match_len = true;
            } else if word.eq_ignore_ascii_case(b"MINMATCHLEN") && at < args.len() {
                options.min_match_len = integer(&args[at])?;
                at += 1;
            } else {
                return Err(CmdError::Syntax);
            }
        }
        if options.len && options.idx {
            return Err(CmdError::Fixed(
                "ERR If you want both the length and indexes, please just use IDX.",
            ));
        }
        Ok(options)
    }
}

fn lcs(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let a = string_or_empty(ctx, &args[1]);
    let b = string_or_empty(ctx, &args[2]);
    let (Ok(a), Ok(b)) = (a, b) else {
        return Err(CmdError::Fixed(
            "ERR The specified keys must contain string values",
        ));
    };
    let options = Options::parse(args)?;
    let table = LcsTable::build(&a, &b, ctx.env.config.proto_max_bulk_len)?;
    if options.idx {
        reply_matches(ctx.reply, &table, &options);
    } else if options.len {
        ctx.reply.int(table.len() as i64);
    } else {
        ctx.reply.bulk(table.text());
    }
    Ok(())
}

fn string_or_empty(ctx: &mut Ctx<'_>, key: &[u8]) -> Result<Vec<u8>, CmdError> {
    let found = ctx.env.lookup_string(ctx.session, key, Access::Read)?;
    Ok(found.map_or_else(Vec::new, |entry| entry.string().bytes().into_owned()))
}

fn reply_matches(reply: &mut Reply, table: &LcsTable<'_>, options: &Options) {
    let min_len = u64::try_from(options.min_match_len).unwrap_or(0);
    reply.map(2);
    reply.bulk("matches");
    let matches = reply.begin_array();
    let mut shown = 0;
    table.walk_back(|found| {
        if u64::from(found.len) < min_len {
            return;
        }
        shown += 1;
        reply.array(2 + usize::from(options.with_match_len));
        for start in [found.a, found.b] {
            reply.array(2);
            reply.int(i64::from(start));
            reply.int(i64::from(start + found.len - 1));
        }
        if options.with_match_len {
            reply.int(i64::from(found.len));
        }
    });
    reply.end(matches, shown);
    reply.bulk("len");
    reply.int(table.len() as i64);
}

/// Strings from this length on are refused.
const LCS_BYTES_MAX: usize = u32::MAX as usize - 1;

/// The lengths of the longest common subsequences of all pairs of beginnings of two strings.
struct LcsTable<'a> {
    a: &'a [u8],
    b: &'a [u8],
    /// Rows of `b.len() + 1`; the one at `i` belongs to the first `i` bytes of `a`.
    lens: Vec<u32>,
}

/// A run of bytes that both strings have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Match {
    /// Where it begins in the first string.
    a: u32,
    /// Where it begins in the second.
    b: u32,
    /// How long it is.
    len: u32,
}

impl<'a> LcsTable<'a> {
    /// Fills the table, which may take up to `bytes_max`.
    fn build(a: &'a [u8], b: &'a [u8], bytes_max: usize) -> Result<LcsTable<'a>, CmdError> {
        if a.len() >= LCS_BYTES_MAX || b.len() >= LCS_BYTES_MAX {
            return Err(CmdError::Fixed("ERR String too long for LCS"));
        }
        let width = b.len() + 1;
        let cells = (a.len() + 1).checked_mul(width);
        let bytes = cells.and_then(|cells| cells.checked_mul(size_of::<u32>()));
        if bytes.is_some_and(|bytes| bytes > bytes_max) {
            return Err(CmdError::Fixed(
                "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
            ));
        }
        let mut lens = Vec::new();
        if bytes.is_none() || lens.try_reserve_exact(cells.unwrap_or(0)).is_err() {
            return Err(CmdError::Fixed(
                "ERR Insufficient memory, failed allocating transient memory for LCS",
            ));
        }
        lens.resize(cells.unwrap_or(0), 0u32);
        for (i, byte) in a.iter().enumerate() {
            let (above, row) = lens[i * width..(i + 2) * width].split_at_mut(width);
            let mut left = 0;
            for (j, other) in b.iter().enumerate() {
                left = if byte == other {
                    above[j] + 1
                } else {
                    left.max(above[j + 1])
                };
                row[j + 1] = left;
            }
        }
        Ok(LcsTable { a, b, lens })
    }

    fn at(&self, i: usize, j: usize) -> u32 {
        self.lens[i * (self.b.len() + 1) + j]
    }

    /// The length of the longest common subsequence.
    fn len(&self) -> usize {
        self.at(self.a.len(), self.b.len()) as usize
    }

    /// The longest common subsequence. Where there are several, the one that the reference finds.
    fn text(&self) -> Vec<u8> {
        let mut text = vec![0; self.len()];
        let mut end = text.len();
        self.walk_back(|found| {
            let (start, len) = (found.a as usize, found.len as usize);
            text[end - len..end].copy_from_slice(&self.a[start..start + len]);
            end -= len;
        });
        text
    }

    /// Shows the runs that make up the longest common subsequence, the last one first.
    fn walk_back(&self, mut show: impl FnMut(Match)) {
        let (mut i, mut j) = (self.a.len(), self.b.len());
        let mut len = 0;
        loop {
            let same = i > 0 && j > 0 && self.a[i - 1] == self.b[j - 1];
            if same {
                (i, j, len) = (i - 1, j - 1, len + 1);
                continue;
            }
            if len > 0 {
                show(Match {
                    a: i as u32,
                    b: j as u32,
                    len,
                });
                len = 0;
            }
            if i == 0 || j == 0 {
                return;
            }
            if self.at(i - 1, j) > self.at(i, j - 1) {
                i -= 1;
            } else {
                j -= 1;
            }
        }
    }
}
