//! Loading the append-only file: the base into the keyspace, then the commands of the increments,
//! run as anybody's are, in the name of nobody.
//!
//! A file may be cut short where its process or its machine ended. That is forgiven to the last one
//! only (`aof-load-truncated`), and it is cut where the last whole command ended, or, if that is
//! within a transaction, before its `MULTI`: half of one was never done. Anything else that makes
//! no sense stops the start, and the files stay as they are.

use std::collections::VecDeque;
use std::io::ErrorKind;

use super::file::{Aof, Places, State};
use super::reading::{Content, Part, READ_BYTES, Reading, Replay, ToLoad, bad_format};
use crate::base::disk::{Disk, DiskFile};
use crate::base::errno::os_text;
use crate::commands::context::Ctx;
use crate::commands::dispatch;
use crate::commands::env::Env;
use crate::commands::error::CmdError;
use crate::commands::functions::libraries::Taken;
use crate::commands::session::Session;
use crate::engine::batch::{BATCH_COMMANDS_MAX, Parsed};
use crate::engine::loading::{Loader, aof_fill};
use crate::engine::look_ahead::look_ahead;
use crate::engine::runtime::{FileOf, Runtime};
use crate::engine::world::World;
use crate::persist::aof::records::{End, Records};
use crate::persist::rdb::dialect::MAGIC_BYTES;
use crate::persist::rdb::file::LoadProgress;
use crate::persist::rdb::fill::Fill;
use crate::resp::writer::{Protocol, Reply};

/// In whose name commands run, and what is known of the file that they stand in.
struct Run<'a> {
    session: &'a mut Session,
    reply: &'a mut Reply,
    transaction_at: &'a mut Option<u64>,
    file: &'a str,
}

impl<W: World> Runtime<W> {
    /// Opens the files that the manifest names.
    ///
    /// # Errors
    ///
    /// One cannot be opened, or is a snapshot without a single byte.
    pub(super) fn open_replay(&mut self, env: &Env) -> Result<Replay<FileOf<W>>, String> {
        let places = Places::of(&env.config);
        let manifest = &self.aof.manifest;
        let base = manifest.base().map(|base| (base, Part::Base));
        let increments = manifest.increments().iter();
        let named = base
            .into_iter()
            .chain(increments.map(|i| (i, Part::Increment)));
        let mut files = VecDeque::new();
        for (entry, part) in named {
            let path = places.path(&entry.name);
            let opened = self.world.disk().open(&path);
            let (file, bytes) = opened
                .and_then(|file| Ok((file.size()?, file)))
                .map_or_else(
                    |e| {
                        let name = Places::shown(&path);
                        let reason = os_text(&e);
                        Err(match e.kind() {
                            ErrorKind::NotFound => {
                                format!(
                                    "Unable to obtain the AOF file {name} length. stat: {reason}"
                                )
                            }
                            _ => format!(
                                "can't open the append log file {name} for reading: {reason}"
                            ),
                        })
                    },
                    |(bytes, file)| Ok((file, bytes)),
                )?;
            if bytes == 0 && part == Part::Base && entry.is_snapshot() {
                // Whoever has no keys has a snapshot of none. To load what follows alone would
                // bring back something that never was.
                return Err(format!(
                    "Error reading the RDB file {}, AOF loading aborted: it is empty (at offset 0)",
                    Places::shown(&path)
                ));
            }
            files.push_back(ToLoad {
                file,
                path,
                part,
                bytes,
            });
        }
        Ok(Replay::new(files, env.config.repl_backlog_size))
    }

    /// Loads about so many bytes.
    ///
    /// # Errors
    ///
    /// The files cannot be loaded; the text says which one, where, and why.
    pub fn replay_slice(
        &mut self,
        env: &mut Env,
        replay: &mut Replay<FileOf<W>>,
        fill: &mut Fill,
        budget: usize,
    ) -> Result<LoadProgress, String> {
        let mut reading = match replay.reading.take() {
            Some(reading) => reading,
            None => match replay.files.pop_front() {
                Some(next) => Reading::new(next, env.now),
                None => return Ok(LoadProgress::Finished),
            },
        };
        let at_end = match &mut reading.content {
            // What says that it is empty may be something to read from without end.
            _ if reading.of.bytes == 0 => true,
            Content::Commands(records) => {
                let read = records.read_from(&mut reading.of.file, budget.clamp(1, READ_BYTES));
                read.map_err(|e| reading.unreadable(&e))? == 0
            }
            Content::Unknown | Content::Snapshot(_) => {
                self.load_snapshot(env, replay, &mut reading, fill, budget)?
            }
        };
        self.run_commands(env, replay, &mut reading)?;
        if !at_end {
            replay.reading = Some(reading);
            return Ok(LoadProgress::More);
        }
        self.end_file(env, replay, &mut reading)?;
        replay.done_bytes += reading.of.bytes;
        replay.retrace.on_next_file();
        match replay.files.is_empty() {
            true => Ok(LoadProgress::Finished),
            false => Ok(LoadProgress::More),
        }
    }

    /// Reads and loads what belongs to the snapshot that a file begins with, if it does. Whether
    /// the end of the file was met.
    fn load_snapshot(
        &mut self,
        env: &mut Env,
        replay: &mut Replay<FileOf<W>>,
        reading: &mut Reading<FileOf<W>>,
        fill: &mut Fill,
        budget: usize,
    ) -> Result<bool, String> {
        let mut buf = std::mem::take(&mut replay.buf);
        // The first piece is never shorter than the mark that tells what it is.
        let wanted = budget.clamp(MAGIC_BYTES, READ_BYTES);
        let mut count = 0;
        let at_end = loop {
            let read = reading.read(&mut buf[count..wanted])?;
            count += read;
            let is_known = !matches!(reading.content, Content::Unknown);
            if read == 0 || is_known || count >= MAGIC_BYTES {
                break read == 0;
            }
        };
        if matches!(reading.content, Content::Unknown) && count > 0 {
            let options = Loader::<FileOf<W>>::options(env, Some(reading.of.bytes));
            reading.recognize(&buf[..count], options);
        }
        match &mut reading.content {
            Content::Unknown => {}
            Content::Commands(records) => records.push(&buf[..count]),
            Content::Snapshot(loader) => {
                let seed = env.rng.next_u64();
                let mut sink = fill.sink(
                    &mut env.keyspace,
                    |_, _| {},
                    |code| env.functions.load_saved(code, Taken::Refuse, seed),
                );
                let pushed = match at_end {
                    true => Err(loader.unexpected_end()),
                    false => loader.push(&buf[..count], &mut sink),
                };
                let used = match pushed {
                    Ok(used) => used,
                    Err(e) => return Err(reading.bad_snapshot(&e)),
                };
                if loader.is_done() {
                    let mut records = Records::new(loader.offset());
                    records.push(&buf[used..count]);
                    if used < count {
                        log::info!("Reading the remaining AOF tail...");
                    }
                    reading.content = Content::Commands(Box::new(records));
                }
            }
        }
        replay.buf = buf;
        Ok(at_end)
    }

    /// Runs the commands that were read, as far as they are complete.
    fn run_commands(
        &mut self,
        env: &mut Env,
        replay: &mut Replay<FileOf<W>>,
        reading: &mut Reading<FileOf<W>>,
    ) -> Result<(), String> {
        let shown = reading.shown();
        let Content::Commands(records) = &mut reading.content else {
            return Ok(());
        };
        let session = replay.session.take();
        let mut session = session.expect("one slice is replayed at a time");
        let mut reply = Reply::with_buf(self.clients.pool.take(), Protocol::Resp2);
        env.is_replaying = true;
        let result = loop {
            let (mut count, mut stop) = (0, None);
            while count < BATCH_COMMANDS_MAX && stop.is_none() {
                let parsed = &mut replay.batch.parsed[count];
                let retrace = &mut replay.retrace;
                let next = records.next_command(&mut parsed.ranges, |comment, end| {
                    retrace.on_comment(comment, end);
                });
                match next {
                    Ok(Some(start)) => {
                        parsed.start = start;
                        count += 1;
                        if retrace.is_counting() {
                            let (buffer, buffer_at) = records.buffer();
                            let at = buffer_at + start as u64..records.offset();
                            let end = (at.end - buffer_at) as usize;
                            retrace.on_command(&buffer[start..end], at);
                        }
                    }
                    Ok(None) => stop = Some(Ok(())),
                    Err(e) => stop = Some(Err(bad_format(&shown, &e))),
                }
            }
            let mut run = Run {
                session: &mut session,
                reply: &mut reply,
                transaction_at: &mut reading.transaction_at,
                file: &shown,
            };
            let parsed = &mut replay.batch.parsed[..count];
            if let Err(e) = self.run_batch(env, &mut run, records.buffer(), parsed) {
                break Err(e);
            }
            replay.commands += count as u64;
            if let Some(stop) = stop {
                break stop;
            }
        };
        env.is_replaying = false;
        self.clients.pool.give(reply.take_buf());
        replay.session = Some(session);
        result
    }

    /// Runs commands that were parsed.
    fn run_batch(
        &mut self,
        env: &mut Env,
        run: &mut Run<'_>,
        (buffer, buffer_at): (&[u8], u64),
        parsed: &mut [Parsed],
    ) -> Result<(), String> {
        let table = self.table;
        look_ahead(table, env, run.session, buffer, parsed);
        for p in &mut *parsed {
            let mut args = p.ranges.args(&buffer[p.start..]);
            let Some(command) = p.command else {
                return Err(format!(
                    "Unknown command '{}' reading the append only file {}, at offset {}",
                    String::from_utf8_lossy(&args[0]),
                    run.file,
                    buffer_at + p.start as u64
                ));
            };
            let errors_before = env.stats.error_replies;
            let mut ctx = Ctx {
                env,
                session: run.session,
                reply: run.reply,
                table,
                host: self,
            };
            // Nothing holds back what was done before.
            let _ = dispatch::process_found(&mut ctx, command, &mut args);
            if env.stats.error_replies > errors_before {
                log_refused(run.reply, run.session, env);
            }
            run.reply.truncate(0);
            match (&run.session.transaction, *run.transaction_at) {
                (Some(_), None) => *run.transaction_at = Some(buffer_at + p.start as u64),
                (None, Some(_)) => *run.transaction_at = None,
                _ => {}
            }
            if env.waiters.has_ready() {
                self.serve_waiters(env);
            }
        }
        parsed.iter_mut().for_each(|p| p.ranges.release());
        Ok(())
    }

    /// The end of a file was read: it must be the end of a command, too, or be cut there.
    fn end_file(
        &mut self,
        env: &mut Env,
        replay: &mut Replay<FileOf<W>>,
        reading: &mut Reading<FileOf<W>>,
    ) -> Result<(), String> {
        let torn_at = match &reading.content {
            Content::Commands(records) => match records.end() {
                End::Whole => None,
                End::Torn { at } | End::TornAnnotation { at } => Some(at),
            },
            _ => None,
        };
        if let Some(complete_to) = reading.transaction_at.or(torn_at) {
            // A file that was begun behind it, and nothing else, changes nothing.
            let is_last = replay.files.iter().all(|file| file.bytes == 0);
            self.cut_file(env, reading, complete_to, is_last)?;
            if let Some(session) = &mut replay.session {
                session.transaction = None;
            }
            reading.of.bytes = complete_to;
        }
        if let Some(session) = &mut replay.session {
            // Each file selects its databases anew.
            session.db = 0;
        }
        if reading.of.bytes == 0 {
            return Ok(());
        }
        let spent_ms = self.world.now().mono_ms() - reading.began.mono_ms();
        log::info!(
            "DB loaded from {} file {}: {:.3} seconds",
            reading.of.part.name(),
            reading.shown(),
            spent_ms as f64 / 1000.0
        );
        Ok(())
    }

    /// Cuts what is no whole command off the end of the last file, if that is allowed.
    fn cut_file(
        &mut self,
        env: &Env,
        reading: &Reading<FileOf<W>>,
        complete_to: u64,
        is_last: bool,
    ) -> Result<(), String> {
        let name = reading.shown();
        if reading.transaction_at.is_some() {
            log::warn!("Revert incomplete MULTI/EXEC transaction in AOF file {name}");
        }
        if !is_last {
            return Err(format!(
                "Fatal error: the truncated file is not the last file: {name} ends in the middle \
                 of what begins at offset {complete_to}"
            ));
        }
        if env.config.aof_load_truncated {
            log::warn!("!!! Warning: short read while loading the AOF file {name}!!!");
            log::warn!("!!! Truncating the AOF {name} at offset {complete_to} !!!");
            let cut = self.world.disk().open_append(&reading.of.path);
            let cut = cut.and_then(|mut file| {
                file.truncate(complete_to)?;
                file.sync()
            });
            match cut {
                Ok(()) => {
                    log::warn!("AOF {name} loaded anyway because aof-load-truncated is enabled");
                    return Ok(());
                }
                Err(e) => log::warn!("Error truncating the AOF file {name}: {}", os_text(&e)),
            }
        }
        Err(format!(
            "Unexpected end of file reading the append only file {name}: it ends in the middle of \
             what begins at offset {complete_to}. You can: 1) Make a backup of your AOF file, then \
             use ./redis-check-aof --fix <filename.manifest>. 2) Alternatively you can set the \
             'aof-load-truncated' configuration option to yes and restart the server."
        ))
    }

    /// `DEBUG LOADAOF`: loads the data set anew from the files, whole.
    ///
    /// # Errors
    ///
    /// The files cannot be loaded; the log says why.
    pub fn reload_aof(&mut self, env: &mut Env) -> Result<(), CmdError> {
        const FAILED: CmdError =
            CmdError::Fixed("ERR Error trying to load the AOF files, check server logs.");
        if let Err(e) = self.write_increment(env, super::writing::Occasion::Forced) {
            log::warn!("{e}");
            return Err(FAILED);
        }
        if self.aof.state == State::On && !env.aof.bytes().is_empty() {
            log::warn!("The append only file lacks what cannot be written");
            return Err(FAILED);
        }
        let aof: &Aof<FileOf<W>> = &self.aof;
        if aof.state == State::Off
            && let Err(e) = self.read_manifest(env)
        {
            log::warn!("{e}");
            return Err(FAILED);
        }
        let opened = match self.aof.manifest.is_empty() {
            true => Err("There is no append only file".to_owned()),
            false => self.open_replay(env),
        };
        let loaded = opened.and_then(|replay| {
            self.empty_all(env, false);
            self.load_aof_whole(env, replay)
        });
        env.persistence.dirty = 0;
        if let Err(e) = loaded {
            log::warn!("{e}");
            return Err(FAILED);
        }
        log::info!("Append Only File loaded by DEBUG LOADAOF");
        Ok(())
    }

    fn load_aof_whole(
        &mut self,
        env: &mut Env,
        mut replay: Replay<FileOf<W>>,
    ) -> Result<(), String> {
        let mut fill = Fill::new(aof_fill(env));
        let loading = std::mem::replace(
            &mut env.gates.loading,
            crate::commands::gates::Loading::Exclusive,
        );
        let result = loop {
            match self.replay_slice(env, &mut replay, &mut fill, READ_BYTES) {
                Ok(LoadProgress::More) => {}
                Ok(LoadProgress::Finished) => break Ok(()),
                Err(e) => break Err(e),
            }
        };
        env.gates.loading = loading;
        result
    }
}

/// Logs an error that a command of the file met: it was none when it was written.
fn log_refused(reply: &Reply, session: &Session, env: &mut Env) {
    let text = String::from_utf8_lossy(reply.as_bytes());
    // Of a transaction the reply is an array, and the error stands inside.
    let error = text.lines().find_map(|line| line.strip_prefix('-'));
    env.stats.unexpected_error_replies += 1;
    log::warn!(
        "== CRITICAL == This server is sending an error to its AOF-loading-client: '{}' after \
         processing the command '{}'",
        error.unwrap_or_default(),
        session.last_command
    );
}
