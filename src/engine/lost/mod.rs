//! Writes that a new master lacks: what may become such is copied from the log, and what did goes
//! into a ledger.
//!
//! The machines say when ([`Action::KeepLost`](crate::replication::Action::KeepLost)), from where
//! on, and what of the stream the log need not hold any more (`tail_piece`). What is copied stands
//! in a spool ([`tail`]); a ledger ([`crate::persist::ledger`]) is made of spool and log, picks the
//! writes, and is durable before the old data go. All ledgers in the folder are bounded together,
//! by size and age, the oldest going first.

pub mod tail;

use std::collections::HashSet;
use std::hash::BuildHasher;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::runtime::{FileOf, Runtime};
use super::world::World;
use crate::base::disk::{Disk, DiskFile};
use crate::base::errno::os_text;
use crate::commands::context::CommandTable;
use crate::commands::env::Env;
use crate::commands::keyspec;
use crate::persist::aof::records::{Item, Records};
use crate::persist::ledger::sieve::Sieve;
use crate::persist::ledger::{Head, Tail, is_ledger_name};
use crate::replication::{Action, CommandStart, LostWrites};
use crate::resp::args::Args;

/// Where clients can hear of it.
const CHANNEL: &str = "__replica__:lost-writes";
/// The file of a ledger that is not complete.
const UNFINISHED: &str = "temp-lost-writes";
/// What was picked is written in pieces of this size.
const WRITE_BYTES: usize = 1024 * 1024;
/// So many keys are told apart; further ones count as the same.
const KEYS_MAX: usize = 1 << 20;
/// Ledgers are looked at once in so many seconds.
const LOOK_PERIOD_S: u64 = 60;
/// The head of a ledger stands in its first bytes.
const HEAD_BYTES_MAX: usize = 4096;

/// A ledger on its way to disk. The file is made when there is something to write.
struct Ledger<F> {
    head: Head,
    file: Option<F>,
    path: PathBuf,
    sieve: Sieve,
    picked: Vec<u8>,
    keys: Keys,
}

/// Counts keys.
struct Keys {
    table: &'static CommandTable,
    seen: HashSet<u64>,
    hasher: std::hash::RandomState,
}

impl Keys {
    fn note(&mut self, db: u32, args: &Args<'_>) {
        if self.seen.len() >= KEYS_MAX {
            return;
        }
        let Some(command) = self.table.find(args) else {
            return;
        };
        let mut found = Vec::new();
        keyspec::keys_of(command.row, args, &mut found);
        for key in found {
            let key = args.get(key.index).unwrap_or_default();
            self.seen.insert(self.hasher.hash_one((db, key)));
        }
    }
}

impl<F: DiskFile> Ledger<F> {
    fn take<D: Disk<File = F>>(&mut self, disk: &mut D, bytes: &[u8]) -> io::Result<()> {
        let Ledger {
            sieve,
            picked,
            keys,
            ..
        } = self;
        let understood = sieve.push(bytes, picked, |db, args| keys.note(db, args));
        if picked.len() >= WRITE_BYTES {
            self.write(disk)?;
        }
        understood.map_err(|e| io::Error::other(format!("the stream makes no sense: {e}")))
    }

    fn write<D: Disk<File = F>>(&mut self, disk: &mut D) -> io::Result<()> {
        if self.picked.is_empty() {
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let mut head = Vec::new();
                self.head.encode(&mut head);
                let mut file = disk.create(&self.path)?;
                file.write_all(&head)?;
                self.file.insert(file)
            }
        };
        file.write_all(&self.picked)?;
        self.picked.clear();
        Ok(())
    }

    /// Makes it durable under its own name, if there is a write in it.
    fn finish<D: Disk<File = F>>(mut self, disk: &mut D) -> io::Result<Option<(PathBuf, Tail)>> {
        if self.sieve.commands() == 0 {
            return Ok(None);
        }
        let tail = Tail {
            up_to: self.sieve.up_to(),
            commands: self.sieve.commands(),
            keys: self.keys.seen.len() as u64,
        };
        tail.encode(&mut self.picked);
        self.write(disk)?;
        if let Some(file) = &mut self.file {
            file.sync()?;
        }
        let target = self.head.file_name();
        disk.rename(&self.path, &target)?;
        disk.sync_folder_of(&target)?;
        Ok(Some((target, tail)))
    }
}

impl<W: World> Runtime<W> {
    /// Copies what replicas may lack from the log, as far as memory is too small for it. To be
    /// called in the write phase.
    pub(super) fn spool_tail(&mut self, env: &mut Env) {
        let Some(piece) = env.replication.tail_piece(env.now) else {
            return;
        };
        if env.replication.spooled().is_none() {
            self.clear_tail();
        }
        // One write for all of it.
        let mut bytes = Vec::with_capacity(piece.bytes as usize);
        for chunk in env.replication.tail_chunks() {
            let left = piece.bytes as usize - bytes.len();
            if left == 0 {
                break;
            }
            bytes.extend_from_slice(&chunk[..chunk.len().min(left)]);
        }
        let bytes_max = env.config.lost_writes_max_size;
        let disk = self.world.disk();
        let added = self
            .lost
            .tail
            .add(disk, &self.run_id, (piece.start, &bytes), bytes_max);
        match added {
            Ok(passed) => {
                env.replication.on_tail_copied(piece);
                self.on_tail_cut(env, passed);
            }
            Err(e) => {
                log::warn!(
                    "Writes that a replica may lack cannot be kept on disk: {}. If it is promoted, \
                     its ledger of lost writes will not be complete.",
                    os_text(&e)
                );
                self.fail_tail(env);
            }
        }
    }

    /// The oldest of what was copied has gone.
    fn on_tail_cut(&mut self, env: &mut Env, passed: Vec<FileOf<W>>) {
        if !passed.is_empty()
            && let Some(start) = self.lost.tail.start()
        {
            env.replication.on_spool_cut(start);
        }
        self.close_elsewhere(passed);
    }

    /// The disk has failed: what is left is not all of it, and is given up.
    fn fail_tail(&mut self, env: &mut Env) {
        self.clear_tail();
        env.replication.on_spool_failed(env.now);
    }

    fn clear_tail(&mut self) {
        let passed = self.lost.tail.clear();
        self.close_elsewhere(passed);
    }

    /// Once a second: lets go of what is not needed any more.
    pub(super) fn tend_lost_writes(&mut self, env: &mut Env) {
        if env.sentinel.is_some() {
            return;
        }
        if !self.lost.tail.is_empty() {
            if env.replication.spooled().is_none() {
                self.clear_tail();
            } else if let Some(base) = env.replication.tail_base() {
                let passed = self.lost.tail.drop_up_to(base);
                self.on_tail_cut(env, passed);
            }
        }
        let now_s = env.now.mono_ms() / 1000;
        if now_s >= self.lost.look_s {
            self.lost.look_s = now_s + LOOK_PERIOD_S;
            self.prune_ledgers(env, None);
        }
    }

    /// Keeps writes that are about to be lost, and answers whether they are.
    pub(super) fn keep_lost(&mut self, env: &mut Env, lost: &LostWrites, more: &mut Vec<Action>) {
        let result = self.write_ledger(env, lost).map_err(|e| {
            let _ = self.world.disk().remove(Path::new(UNFINISHED));
            os_text(&e)
        });
        let facts = self.facts_of(env);
        env.replication.on_lost_kept(result, facts, more);
    }

    fn write_ledger(&mut self, env: &mut Env, lost: &LostWrites) -> io::Result<()> {
        let log_start = env.replication.begin_reading_tail(lost.after);
        let spooled = env.replication.spooled().map(|(start, _)| start);
        let Some(start) = spooled.or(log_start) else {
            return Ok(());
        };
        let mut ledger = self.begin_ledger(env, lost, start);
        let disk = self.world.disk();
        if spooled.is_some() {
            debug_assert_eq!(self.lost.tail.start(), spooled);
            let mut taken = Ok(());
            let read = self.lost.tail.read(|piece| {
                taken = ledger.take(disk, piece);
                taken.as_ref().map_err(|e| e.kind().into()).copied()
            });
            taken?;
            if read.is_err() {
                // The next time does with what is in the log.
                self.fail_tail(env);
            }
            read?;
        }
        let disk = self.world.disk();
        for chunk in env.replication.tail_chunks() {
            ledger.take(disk, chunk)?;
        }
        let is_complete = ledger.head.is_complete;
        let written = ledger.finish(disk)?;
        match written {
            Some((path, tail)) => self.on_ledger_written(env, lost, &path, tail, is_complete),
            None if is_complete => {}
            None => log::warn!(
                "LOST WRITES: writes of history {} from offset {} on are lost to the new master \
                 {}, and nothing of them was kept.",
                lost.id,
                lost.after + 1,
                lost.master
            ),
        }
        Ok(())
    }

    fn begin_ledger(&self, env: &Env, lost: &LostWrites, start: CommandStart) -> Ledger<FileOf<W>> {
        let head = Head {
            id: lost.id.to_string(),
            after: lost.after,
            end: lost.end,
            is_complete: start.offset <= lost.after + 1,
            is_exact: lost.is_exact,
            new_id: lost.new_id.map_or("?".to_owned(), |id| id.to_string()),
            master: lost.master.clone(),
            unix_s: env.now.unix_s(),
        };
        Ledger {
            head,
            file: None,
            path: PathBuf::from(UNFINISHED),
            sieve: Sieve::new(start.offset, start.db, lost.after),
            picked: Vec::new(),
            keys: Keys {
                table: self.table,
                seen: HashSet::new(),
                hasher: std::hash::RandomState::new(),
            },
        }
    }

    fn on_ledger_written(
        &mut self,
        env: &mut Env,
        lost: &LostWrites,
        path: &Path,
        tail: Tail,
        is_complete: bool,
    ) {
        let name = path.display().to_string();
        let Tail { commands, keys, .. } = tail;
        log::warn!(
            "LOST WRITES: {commands} commands on {keys} keys that we ran (history {}, offsets {} \
             to {}) are not in the history of the new master {}. {}{}They are kept in {name}; \
             'redis-check-aof --show-lost {name}' shows them, 'redis-cli --pipe < {name}' \
             runs them.",
            lost.id,
            lost.after + 1,
            lost.end,
            lost.master,
            if lost.is_exact {
                ""
            } else {
                "It does not tell where the two part, so it may have some of them. "
            },
            if is_complete {
                ""
            } else {
                "They are not complete: older ones were let go for want of room. "
            },
        );
        let figures = &mut env.persistence.lost;
        figures.commands += commands;
        figures.keys += keys;
        figures.last_file.clone_from(&name);
        let exact = if lost.is_exact { "exact" } else { "inexact" };
        let complete = if is_complete {
            "complete"
        } else {
            "incomplete"
        };
        let message = format!("kept {name} {commands} {keys} {exact} {complete}");
        env.pubsub
            .publish(CHANNEL.as_bytes(), message.as_bytes(), &mut env.outbox);
        self.prune_ledgers(env, Some(path));
    }

    /// Removes ledgers that are too old, and the oldest as long as all are too large together; not
    /// the one to be kept.
    fn prune_ledgers(&mut self, env: &mut Env, keep: Option<&Path>) {
        let (size_max, age_max_s) = (
            env.config.lost_writes_max_size,
            env.config.lost_writes_max_age,
        );
        let mut ledgers = find_ledgers(self.world.disk());
        let mut bytes: u64 = ledgers.iter().map(|ledger| ledger.bytes).sum();
        let is_off = size_max == 0 || age_max_s == 0;
        let now_s = env.now.unix_s();
        let disk = self.world.disk();
        ledgers.retain(|ledger| {
            let age_s = u64::try_from(now_s - ledger.unix_s).unwrap_or(0);
            let goes = age_s > age_max_s || bytes > size_max;
            if is_off || !goes || keep.is_some_and(|keep| ledger.path.ends_with(keep)) {
                return true;
            }
            let name = ledger.path.display();
            match disk.remove(&ledger.path) {
                Ok(()) => log::info!("The ledger of lost writes {name} was removed."),
                Err(e) => log::warn!(
                    "The ledger of lost writes {name} cannot be removed: {}",
                    os_text(&e)
                ),
            }
            bytes -= ledger.bytes;
            false
        });
        env.persistence.lost.ledgers = ledgers.len() as u64;
    }
}

/// A ledger in the folder.
struct Found {
    path: PathBuf,
    bytes: u64,
    unix_s: i64,
}

/// All ledgers in the folder, the oldest first.
fn find_ledgers<D: Disk>(disk: &mut D) -> Vec<Found> {
    let mut found = Vec::new();
    for path in disk.files_in(Path::new("")).unwrap_or_default() {
        let name = path.file_name().and_then(|name| name.to_str());
        if !name.is_some_and(is_ledger_name) {
            continue;
        }
        let Ok(mut file) = disk.open(&path) else {
            continue;
        };
        let (Ok(bytes), Some(head)) = (file.size(), read_head(&mut file)) else {
            continue;
        };
        let unix_s = head.unix_s;
        found.push(Found {
            path,
            bytes,
            unix_s,
        });
    }
    found.sort_by(|a, b| (a.unix_s, &a.path).cmp(&(b.unix_s, &b.path)));
    found
}

fn read_head(file: &mut impl Read) -> Option<Head> {
    let mut records = Records::new(0);
    records.read_from(file, HEAD_BYTES_MAX).ok()?;
    match records.next_item() {
        Ok(Some(Item::Command { args, .. })) => Head::parse(args.get(1)?),
        _ => None,
    }
}
