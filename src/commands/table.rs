//! The command table: rows made findable, with the index under which each is counted.
//!
//! Built once at the top from the families' rows and handed down as a `&'static` value, so that
//! clients, the replica link, scripts and AOF loading run commands through the same thing. Names
//! are matched without regard to case. A lookup hashes the length and the first eight letters,
//! which tells all the names apart but a few, and compares once.

use std::borrow::Cow;
use std::ops::Range;

use super::error::CmdError;
use super::keyspec::member_index;
use super::row::{BeginSearch, FindKeys, Flags, KeyFlags, KeySpec, RowOf};
use crate::resp::args::Args;

/// What kind of server a table is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// One that has data.
    Server,
    /// A Sentinel.
    Sentinel,
}

impl Mode {
    /// As the banner and `INFO` call it.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Server => "standalone",
            Mode::Sentinel => "sentinel",
        }
    }

    /// Whether such a server has a command with these flags.
    fn has(self, flags: Flags) -> bool {
        match self {
            Mode::Server => !flags.contains(Flags::ONLY_SENTINEL),
            Mode::Sentinel => flags.contains(Flags::SENTINEL),
        }
    }
}

/// A command as the dispatcher finds it.
pub struct Command<Handler: 'static> {
    /// What it is.
    pub row: &'static RowOf<Handler>,
    /// Its place in the table; its counters have the same.
    pub id: usize,
    /// The name that `COMMAND` and statistics show: `get`, `client|list`.
    pub full_name: &'static str,
    /// The row's flags with those that follow from its key specifications and its guard.
    pub flags: Flags,
    /// First key, last key and step, as clients of old read them.
    pub legacy_range: (i32, i32, i32),
    /// Where the first word is that names a member of the collection under its first key.
    pub member_index: Option<usize>,
    /// The places of its subcommands.
    members: Range<usize>,
}

/// All commands by name.
pub struct CommandTable<Handler: 'static> {
    /// Every command and subcommand, a container before its members.
    commands: Vec<Command<Handler>>,
    /// Open addressing, a power of two; 0 is free, n stands for `commands[n - 1]` under `names`.
    slots: Vec<u16>,
    /// Under which name each is found; empty for subcommands, and for what was taken away.
    names: Vec<Box<str>>,
}

/// Names longer than this are no command's.
const NAME_MAX: usize = 64;

fn hash(name: &[u8]) -> usize {
    let mut word = [0u8; 8];
    let n = name.len().min(8);
    word[..n].copy_from_slice(&name[..n]);
    // Setting bit 5 folds upper onto lower case; what it does to other bytes is only a collision.
    let folded = u64::from_le_bytes(word) | 0x2020_2020_2020_2020;
    let mixed = (folded ^ (name.len() as u64) << 58).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 40) as usize
}

impl<Handler> CommandTable<Handler> {
    /// A table of those rows of several families that this kind of server has. `renames` are pairs
    /// of an old and a new name; an empty new name takes the command away.
    ///
    /// # Errors
    ///
    /// The text says which renaming names no command or takes a name that is in use.
    pub fn build(
        mode: Mode,
        families: &[&'static [RowOf<Handler>]],
        renames: &[(String, String)],
    ) -> Result<CommandTable<Handler>, String> {
        let mut commands = Vec::new();
        let mut names: Vec<Box<str>> = Vec::new();
        let rows = families.iter().flat_map(|rows| rows.iter());
        for row in rows.filter(|row| mode.has(row.flags)) {
            Command::push(row, mode, &mut commands);
            names.push(row.name.into());
            names.resize(commands.len(), Box::default());
        }
        for (old, new) in renames {
            let at = names
                .iter()
                .position(|n| !n.is_empty() && n.eq_ignore_ascii_case(old))
                .ok_or_else(|| "No such command in rename-command".to_owned())?;
            if !new.is_empty() && names.iter().any(|n| n.eq_ignore_ascii_case(new)) {
                return Err("Target command name already exists".to_owned());
            }
            names[at] = new.as_str().into();
        }
        let named = names.iter().filter(|n| !n.is_empty()).count();
        let size = (named * 4).next_power_of_two();
        let mut table = CommandTable {
            commands,
            slots: vec![0; size],
            names,
        };
        for i in 0..table.names.len() {
            if !table.names[i].is_empty() {
                let mut at = hash(table.names[i].as_bytes()) & (size - 1);
                while table.slots[at] != 0 {
                    at = (at + 1) & (size - 1);
                }
                table.slots[at] = i as u16 + 1;
            }
        }
        Ok(table)
    }

    /// How many commands and subcommands have counters.
    pub fn counted(&self) -> usize {
        self.commands.len()
    }

    /// The commands that have a name, in table order.
    pub fn iter(&self) -> impl Iterator<Item = &Command<Handler>> {
        self.commands
            .iter()
            .zip(&self.names)
            .filter(|(_, n)| !n.is_empty())
            .map(|(c, _)| c)
    }

    /// Every command and subcommand, a container before its members.
    pub fn iter_all(&self) -> impl Iterator<Item = &Command<Handler>> {
        self.commands.iter()
    }

    /// The command at a place.
    #[inline]
    pub fn by_id(&self, id: usize) -> &Command<Handler> {
        &self.commands[id]
    }

    /// The subcommands of a command.
    #[inline]
    pub fn members(&self, command: &Command<Handler>) -> &[Command<Handler>] {
        &self.commands[command.members.clone()]
    }

    /// The subcommand of this name.
    pub fn member(&self, command: &Command<Handler>, name: &[u8]) -> Option<&Command<Handler>> {
        let mut members = self.members(command).iter();
        members.find(|c| c.row.name.as_bytes().eq_ignore_ascii_case(name))
    }

    /// The command of this name, without regard to subcommands.
    pub fn by_name(&self, name: &[u8]) -> Option<&Command<Handler>> {
        let mask = self.slots.len() - 1;
        let mut at = hash(name) & mask;
        loop {
            let i = usize::from(self.slots[at]).checked_sub(1)?;
            if self.names[i].as_bytes().eq_ignore_ascii_case(name) {
                return Some(&self.commands[i]);
            }
            at = (at + 1) & mask;
        }
    }

    /// The command that `container|member` or `name` stands for.
    pub fn by_full_name(&self, name: &[u8]) -> Option<&Command<Handler>> {
        match name.iter().position(|b| *b == b'|') {
            None => self.by_name(name),
            Some(bar) => self.member(self.by_name(&name[..bar])?, &name[bar + 1..]),
        }
    }

    /// The command that these arguments call.
    #[inline]
    pub fn find(&self, args: &Args<'_>) -> Option<&Command<Handler>> {
        let command = self.by_name(&args[0])?;
        if command.members.is_empty() || args.len() == 1 {
            return Some(command);
        }
        self.member(command, &args[1])
    }

    /// What to say when [`find`](Self::find) found nothing.
    pub fn unknown(&self, args: &Args<'_>) -> CmdError {
        let clip = |word: &[u8], max: usize| -> Vec<u8> {
            let end = word.iter().position(|b| *b == 0).unwrap_or(word.len());
            word[..end.min(max)].to_vec()
        };
        let mut text = Vec::new();
        if args.len() > 1 && self.by_name(&args[0]).is_some() {
            text.extend_from_slice(b"unknown subcommand '");
            text.extend(clip(&args[1], NAME_MAX * 2));
            text.extend_from_slice(b"'. Try ");
            text.extend(args[0].to_ascii_uppercase());
            text.extend_from_slice(b" HELP.");
        } else {
            let mut shown: Vec<u8> = Vec::new();
            for word in args.iter().skip(1) {
                if shown.len() >= NAME_MAX * 2 {
                    break;
                }
                let room = NAME_MAX * 2 - shown.len();
                shown.push(b'\'');
                shown.extend(clip(word, room));
                shown.extend_from_slice(b"' ");
            }
            text.extend_from_slice(b"unknown command '");
            text.extend(clip(&args[0], NAME_MAX * 2));
            text.extend_from_slice(b"', with args beginning with: ");
            text.extend(shown);
        }
        CmdError::err(text)
    }
}

impl<Handler> std::fmt::Debug for Command<Handler> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.full_name)
    }
}

impl<Handler> Command<Handler> {
    /// Adds a command and its subcommands to those that have places.
    fn push(row: &'static RowOf<Handler>, mode: Mode, commands: &mut Vec<Command<Handler>>) {
        let members = || row.subcommands.iter().filter(|row| mode.has(row.flags));
        let id = commands.len();
        let first = id + 1;
        let range = first..first + members().count();
        commands.push(Command::new(row, row.name, id, range));
        for member in members() {
            let full_name = format!("{}|{}", row.name, member.name);
            let id = commands.len();
            commands.push(Command::new(member, full_name.leak(), id, 0..0));
        }
    }

    fn new(
        row: &'static RowOf<Handler>,
        full_name: &'static str,
        id: usize,
        members: Range<usize>,
    ) -> Command<Handler> {
        let (legacy_range, movable) = legacy_range(row);
        let mut flags = row.flags;
        if movable {
            flags = flags.union(Flags::MOVABLE_KEYS);
        }
        if row.guard.is_some() {
            flags = flags.union(Flags::GUARDED);
        }
        Command {
            row,
            id,
            full_name,
            flags,
            legacy_range,
            member_index: member_index(row),
            members,
        }
    }

    /// The places of its subcommands.
    pub fn member_ids(&self) -> Range<usize> {
        self.members.clone()
    }

    /// Whether so many words fit its arity.
    #[inline]
    pub fn accepts(&self, words: usize) -> bool {
        let arity = self.row.arity;
        if arity >= 0 {
            words == arity as usize
        } else {
            words >= arity.unsigned_abs() as usize
        }
    }

    /// The refusal of a wrong number of arguments.
    pub fn arity_error(&self) -> CmdError {
        CmdError::Arity(Cow::Borrowed(self.full_name))
    }
}

/// Folds key specifications into first key, last key and step, as clients of old read them; the
/// second value tells whether that misses keys, so that they must ask with `COMMAND GETKEYS`.
fn legacy_range<H>(row: &RowOf<H>) -> ((i32, i32, i32), bool) {
    let plain = |spec: &KeySpec| match (spec.begin, spec.find) {
        (BeginSearch::Index(pos), FindKeys::Range { last, step, .. }) => Some((pos, last, step)),
        _ => None,
    };
    let absolute = |pos: i32, last: i32| if last >= 0 { pos + last } else { last };
    let incomplete = row
        .keys
        .iter()
        .any(|spec| spec.flags.contains(KeyFlags::INCOMPLETE));
    match row.keys {
        [] => return ((0, 0, 0), false),
        [only] => {
            if let Some((pos, last, step)) = plain(only) {
                return ((pos, absolute(pos, last), step), incomplete);
            }
        }
        _ => {}
    }
    let mut range: Option<(i32, i32)> = None;
    let mut movable = incomplete;
    for spec in row.keys {
        match (plain(spec), range) {
            (Some((pos, last, 1)), None) => range = Some((pos, absolute(pos, last))),
            (Some((pos, last, 1)), Some((first, end))) if end == pos - 1 => {
                range = Some((first, absolute(pos, last)));
            }
            _ => movable = true,
        }
    }
    match range {
        Some((first, last)) => ((first, last, 1), movable),
        None => ((0, 0, 0), true),
    }
}
