//! Loading a data set, a slice at a time, while the reactor goes on.
//!
//! At the start the snapshot file is loaded; a replica loads what its master sent, from the file
//! it was stored in or straight from the socket. Between two slices clients are told `-LOADING`,
//! or, when the new set is loaded aside, served from the old one. A load that `key-load-delay`
//! slows down sleeps nowhere: it leaves out its turns until the time of its last keys has passed.

use std::path::Path;
use std::time::Duration;

use super::aof::{AofAtStart, Replay};
use super::load_delay::LoadDelay;
use super::runtime::{FileOf, Runtime};
use super::snapshot::snapshot_path;
use super::world::{Lifecycle, World};
use crate::base::disk::{Disk, DiskFile};
use crate::base::time::Now;
use crate::commands::env::Env;
use crate::commands::functions::libraries::{Libraries, Taken};
use crate::commands::gates::Loading;
use crate::commands::host::LoadingFacts;
use crate::keyspace::Keyspace;
use crate::persist::rdb::check;
use crate::persist::rdb::decoder::{DecoderOptions, Purpose, Unknown};
use crate::persist::rdb::file::{FileLoader, LoadError, LoadProgress};
use crate::persist::rdb::fill::{AccessBits, DuplicateKeys, ExpiredKeys, Fill, FillOptions};
use crate::persist::rdb::load;
use crate::replication::{Retrace, StreamPlace};

/// Where the data comes from.
enum Source<F> {
    /// A file.
    File(Box<FileLoader<F>>),
    /// Our master's connection; bytes are pushed as they come.
    Pushed(Box<load::StreamLoader>),
    /// The files of the append-only file.
    Aof(Box<Replay<F>>),
}

/// What a load is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LoadFor {
    /// The data set of the start.
    Start,
    /// `DEBUG RELOAD`.
    Reload {
        /// Loaded keys replace those that are there.
        merge: bool,
    },
    /// A full sync with our master.
    Sync,
}

/// A data set: what a snapshot is of.
pub struct DataSet {
    /// All keys.
    pub keyspace: Keyspace,
    /// All libraries of functions.
    pub functions: Libraries,
}

/// A running load.
pub struct Loader<F> {
    source: Source<F>,
    fill: Fill,
    purpose: LoadFor,
    /// The set that is loaded aside; none loads into the set that is served.
    aside: Option<DataSet>,
    /// Reads are served meanwhile.
    serves_reads: bool,
    /// Keys that had expired, as the commands that replicas must hear.
    expired: Vec<(usize, Vec<u8>)>,
    total_bytes: u64,
    started: Now,
    delay: LoadDelay,
}

/// How the base of the append-only file is loaded: whole, since the commands behind it say what
/// becomes of keys whose time has come.
pub fn aof_fill(env: &Env) -> FillOptions {
    FillOptions {
        now_ms: env.now.unix_ms(),
        expired: ExpiredKeys::Keep,
        duplicates: DuplicateKeys::Refuse,
        access: match env.config.maxmemory_policy.is_lfu() {
            true => AccessBits::Lfu,
            false => AccessBits::Lru,
        },
        stream_bytes: None,
    }
}

/// How a load ended.
pub enum Loaded {
    /// Not yet.
    More,
    /// Well; what the snapshot said of itself.
    Done,
    /// Badly.
    Failed(String),
}

impl<F: DiskFile> Loader<F> {
    pub fn options(env: &Env, stream_bytes: Option<u64>) -> DecoderOptions {
        DecoderOptions {
            purpose: Purpose::Load,
            unknown: match env.config.rdb_skip_unknown {
                true => Unknown::Skip,
                false => Unknown::Refuse,
            },
            verify_checksum: env.config.rdbchecksum && !env.skip_checksums,
            limits: env.loading_limits(),
            stream_bytes,
        }
    }

    fn fill(env: &Env, purpose: LoadFor, stream_bytes: Option<u64>) -> Fill {
        let keep = purpose == LoadFor::Sync || env.gates.replica;
        let lfu = env.config.maxmemory_policy.is_lfu();
        Fill::new(FillOptions {
            now_ms: env.now.unix_ms(),
            expired: if keep {
                ExpiredKeys::Keep
            } else {
                ExpiredKeys::Drop
            },
            duplicates: match purpose {
                LoadFor::Reload { merge: true } => DuplicateKeys::Replace,
                _ => DuplicateKeys::Refuse,
            },
            access: if lfu {
                AccessBits::Lfu
            } else {
                AccessBits::Lru
            },
            stream_bytes,
        })
    }

    /// A load from a file.
    pub fn from_file<D>(
        disk: &mut D,
        env: &Env,
        path: &Path,
        purpose: LoadFor,
    ) -> std::io::Result<Loader<F>>
    where
        D: Disk<File = F>,
    {
        let file = FileLoader::open(disk, path, Self::options(env, None))?;
        let total_bytes = file.total();
        Ok(Loader {
            source: Source::File(Box::new(file)),
            fill: Self::fill(env, purpose, Some(total_bytes)),
            purpose,
            aside: None,
            serves_reads: false,
            expired: Vec::new(),
            total_bytes,
            started: env.now,
            delay: LoadDelay::default(),
        })
    }

    /// A load of the append-only file at the start.
    pub fn of_aof(env: &Env, replay: Box<Replay<F>>) -> Loader<F> {
        Loader {
            total_bytes: replay.total_bytes(),
            fill: Fill::new(aof_fill(env)),
            source: Source::Aof(replay),
            purpose: LoadFor::Start,
            aside: None,
            serves_reads: false,
            expired: Vec::new(),
            started: env.now,
            delay: LoadDelay::default(),
        }
    }

    /// A load from our master's connection. `aside` loads beside the old set, which serves reads
    /// meanwhile if `serves_reads`.
    pub fn pushed(env: &Env, size: Option<u64>, aside: bool, serves_reads: bool) -> Loader<F> {
        Loader {
            source: Source::Pushed(Box::new(load::StreamLoader::new(Self::options(env, size)))),
            fill: Self::fill(env, LoadFor::Sync, size),
            purpose: LoadFor::Sync,
            aside: aside.then(|| DataSet {
                keyspace: env.keyspace.new_like(),
                functions: Libraries::default(),
            }),
            serves_reads,
            expired: Vec::new(),
            total_bytes: size.unwrap_or(0),
            started: env.now,
            delay: LoadDelay::default(),
        }
    }

    /// Which commands a running load refuses.
    pub fn gate(&self) -> Loading {
        if self.serves_reads {
            Loading::Aside
        } else {
            Loading::Exclusive
        }
    }

    /// Whether the load needs no bytes from outside.
    pub(super) fn is_self_driven(&self) -> bool {
        matches!(self.source, Source::File(_) | Source::Aof(_))
    }

    /// Keys of snapshots and commands of files that were loaded: what `key-load-delay` counts.
    fn loaded(&self) -> u64 {
        let commands = match &self.source {
            Source::Aof(replay) => replay.commands,
            Source::File(_) | Source::Pushed(_) => 0,
        };
        self.fill.loaded() + commands
    }

    /// Has the load pause as `key-load-delay` wants it, after a slice before which `loaded` keys
    /// and commands were there.
    fn pause_after(&mut self, loaded: u64, env: &Env) {
        let now_loaded = self.loaded();
        self.delay
            .pause_after(loaded, now_loaded, &env.config, env.now);
    }

    /// Bytes to load in the next slice.
    pub fn slice_bytes(&self, env: &Env) -> usize {
        self.delay.slice_bytes(&env.config)
    }

    /// What `INFO persistence` shows.
    pub fn facts(&self) -> LoadingFacts {
        LoadingFacts {
            started_unix_s: self.started.unix_s(),
            total_bytes: self.total_bytes,
            loaded_bytes: match &self.source {
                Source::File(file) => file.loaded(),
                Source::Pushed(loader) => loader.offset(),
                Source::Aof(replay) => replay.loaded_bytes(),
            },
            started_mono_ms: self.started.mono_ms(),
        }
    }

    /// Loads a slice of a file.
    fn step(&mut self, env: &mut Env) -> Loaded {
        let (loaded, slice_bytes) = (self.loaded(), self.slice_bytes(env));
        let Source::File(file) = &mut self.source else {
            return Loaded::More;
        };
        let expired = &mut self.expired;
        let seed = env.rng.next_u64();
        let taken = match self.purpose {
            LoadFor::Reload { merge: true } => Taken::Replace,
            _ => Taken::Refuse,
        };
        let mut sink = self.fill.sink(
            &mut env.keyspace,
            |db, key| expired.push((db, key.to_vec())),
            |code| env.functions.load_saved(code, taken, seed),
        );
        match file.step(slice_bytes, &mut sink) {
            Ok(LoadProgress::More) => {
                self.pause_after(loaded, env);
                Loaded::More
            }
            Ok(LoadProgress::Finished) => Loaded::Done,
            Err(e) => Loaded::Failed(e.to_string()),
        }
    }

    /// Loads bytes of a pushed load.
    pub fn push(&mut self, bytes: &[u8], env: &mut Env) -> Result<(), String> {
        let loaded = self.loaded();
        let Source::Pushed(loader) = &mut self.source else {
            return Err("nothing can be pushed into a load from a file".to_owned());
        };
        let seed = env.rng.next_u64();
        let (keyspace, functions) = match &mut self.aside {
            Some(aside) => (&mut aside.keyspace, &mut aside.functions),
            None => (&mut env.keyspace, &mut env.functions),
        };
        let mut sink = self.fill.sink(
            keyspace,
            |_, _| {},
            |code| functions.load_saved(code, Taken::Refuse, seed),
        );
        let used = loader.push(bytes, &mut sink).map_err(|e| e.to_string())?;
        self.pause_after(loaded, env);
        // Where a mark ends the snapshot, nothing but the mark may follow what is loaded.
        match used < bytes.len() && self.total_bytes == 0 {
            true => Err("Replication stream EOF marker is broken".to_owned()),
            false => Ok(()),
        }
    }

    /// Where in the replication stream the append-only file has ended, if that was loaded.
    fn into_retrace(self) -> Option<Retrace> {
        match self.source {
            Source::Aof(replay) => Some(replay.into_retrace()),
            Source::File(_) | Source::Pushed(_) => None,
        }
    }

    /// Whether a pushed load has met its end.
    pub fn is_complete(&self) -> bool {
        match &self.source {
            Source::File(_) | Source::Aof(_) => false,
            Source::Pushed(loader) => loader.is_done(),
        }
    }

    /// What the replication stream has come to, as the snapshot says.
    pub fn stream_place(&self) -> StreamPlace {
        let facts = self.fill.facts();
        StreamPlace {
            db: facts.replication_db.and_then(|db| u32::try_from(db).ok()),
            sum: facts.stream_sum,
        }
    }

    /// Whether a set that is loaded aside has a key by now.
    pub fn holds_key_aside(&self) -> bool {
        let aside = self.aside.as_ref();
        aside.is_some_and(|set| !set.keyspace.is_empty())
    }

    /// The set loaded aside.
    pub fn take_aside(&mut self) -> Option<DataSet> {
        self.aside.take()
    }
}

/// Logs what the checker has to say of the snapshot file: where it is damaged, and in which key.
fn log_damage(disk: &mut impl Disk, env: &Env) {
    let mut report = Vec::new();
    let Ok(file) = disk.open(&snapshot_path(env)) else {
        return;
    };
    let checked = check::check(file, env.now.unix_ms(), &mut report);
    checked.expect("a vector takes everything");
    for line in String::from_utf8_lossy(&report).lines() {
        log::warn!("{line}");
    }
}

impl<W: World> Runtime<W> {
    /// Puts a load in force.
    pub fn begin_load(&mut self, env: &mut Env, loader: Loader<FileOf<W>>) {
        env.gates.loading = loader.gate();
        self.loader = Some(loader);
    }

    /// Ends the load in force, if there is one.
    pub fn end_load(&mut self, env: &mut Env) -> Option<Loader<FileOf<W>>> {
        env.gates.loading = Loading::No;
        let loader = self.loader.take()?;
        env.persistence.last_load_keys_loaded = loader.fill.loaded();
        env.persistence.last_load_keys_expired = loader.fill.expired();
        Some(loader)
    }

    /// Whether the data set of the start is being loaded.
    pub fn loads_at_start(&self) -> bool {
        let loader = self.loader.as_ref();
        loader.is_some_and(|loader| loader.purpose == LoadFor::Start)
    }

    /// Whether a load pauses (`key-load-delay`), so that no bytes are to be pushed into it.
    pub fn load_pauses(&self, env: &Env) -> bool {
        let pauses =
            |loader: &Loader<FileOf<W>>| !loader.is_self_driven() && loader.delay.pauses(env.now);
        self.loader.as_ref().is_some_and(pauses)
    }

    /// When the load goes on without anything from outside, in monotonic microseconds.
    pub fn load_wakes_at_us(&self) -> Option<u64> {
        let loader = self.loader.as_ref()?;
        let goes_on = loader.is_self_driven() || self.link.has_more;
        goes_on.then_some(loader.delay.resumes_at_us())
    }

    /// Loads a slice, if a load from a file runs.
    ///
    /// # Errors
    ///
    /// The data set of the start cannot be loaded: the server must not go on.
    pub fn step_load(&mut self, env: &mut Env) -> Result<(), String> {
        let Some(loader) = &mut self.loader else {
            return Ok(());
        };
        loader.delay.follow(&env.config);
        if !loader.is_self_driven() || loader.delay.pauses(env.now) {
            return Ok(());
        }
        if matches!(loader.source, Source::Aof(_)) {
            return self.step_aof(env);
        }
        match loader.step(env) {
            Loaded::More => Ok(()),
            Loaded::Done => {
                if let Some(loader) = self.end_load(env) {
                    self.after_file_load(env, loader);
                }
                Ok(())
            }
            Loaded::Failed(e) => self.fail_file_load(env, &e),
        }
    }

    /// Loads a slice of the append-only file. Its commands run as anybody's do, so the load is out
    /// of its place meanwhile.
    fn step_aof(&mut self, env: &mut Env) -> Result<(), String> {
        let Some(mut loader) = self.loader.take() else {
            return Ok(());
        };
        let (loaded, slice_bytes) = (loader.loaded(), loader.slice_bytes(env));
        let Source::Aof(replay) = &mut loader.source else {
            unreachable!("somebody looked");
        };
        let step = self.replay_slice(env, replay, &mut loader.fill, slice_bytes);
        loader.pause_after(loaded, env);
        let (started, gone) = (loader.started, step.as_ref() != Ok(&LoadProgress::More));
        self.loader = Some(loader);
        if !gone {
            return Ok(());
        }
        let ended = self.end_load(env);
        step?;
        let retrace = ended.and_then(Loader::into_retrace);
        let spent_ms = env.now.mono_ms() - started.mono_ms();
        log::info!(
            "DB loaded from append only file: {:.3} seconds",
            spent_ms as f64 / 1000.0
        );
        if let Some(retrace) = retrace {
            self.restore_retraced(env, retrace);
        }
        self.open_aof(env)?;
        self.announce_ready(env);
        Ok(())
    }

    fn after_file_load(&mut self, env: &mut Env, loader: Loader<FileOf<W>>) {
        let spent_ms = env.now.mono_ms() - loader.started.mono_ms();
        match loader.purpose {
            LoadFor::Start => {
                log::info!(
                    "DB loaded from disk: {:.3} seconds",
                    spent_ms as f64 / 1000.0
                );
                self.restore_identity(env, loader.fill.facts());
                let lazily = env.config.lazyfree_lazy_expire;
                for (db, key) in &loader.expired {
                    env.propagate_deletion(*db, key, lazily);
                    env.end_unit();
                }
                self.announce_ready(env);
            }
            LoadFor::Reload { .. } => {}
            LoadFor::Sync => {
                self.remove_file_from_master(env);
                let place = loader.stream_place();
                self.drive(env, |r, e, out| r.on_load_finished(place, e, out));
            }
        }
    }

    fn fail_file_load(&mut self, env: &mut Env, reason: &str) -> Result<(), String> {
        let Some(loader) = self.end_load(env) else {
            return Ok(());
        };
        match loader.purpose {
            LoadFor::Start => {
                log::warn!("{reason}");
                log_damage(self.world.disk(), env);
                Err("Terminating server after rdb file reading failure.".to_owned())
            }
            LoadFor::Reload { .. } => {
                log::warn!("Error trying to load the RDB dump: {reason}");
                Ok(())
            }
            LoadFor::Sync => {
                log::warn!("Failed trying to load the MASTER synchronization DB: {reason}");
                self.remove_file_from_master(env);
                self.drive(env, |r, e, out| r.on_load_failed(e, out));
                Ok(())
            }
        }
    }

    /// Begins to load the snapshot file of the start, if there is one.
    ///
    /// # Errors
    ///
    /// There is one, and it cannot be opened.
    pub fn load_at_start(&mut self, env: &mut Env) -> Result<(), String> {
        self.find_aof(env)?;
        let path = snapshot_path(env);
        if env.config.appendonly {
            return self.load_aof_at_start(env, &path);
        }
        self.remove_history(&env.config);
        match Loader::from_file(self.world.disk(), env, &path, LoadFor::Start) {
            Ok(loader) => {
                self.begin_load(env, loader);
                Ok(())
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                self.announce_ready(env);
                Ok(())
            }
            Err(e) => {
                let e = LoadError::Io(e);
                Err(format!(
                    "can't open the RDB file {} for reading: {e}",
                    path.display()
                ))
            }
        }
    }

    /// Begins to load the append-only file. Where there is one it has all the data there are, and
    /// where there is none there are none, whatever the snapshot file at `snapshot` holds.
    fn load_aof_at_start(&mut self, env: &mut Env, snapshot: &Path) -> Result<(), String> {
        match self.aof_at_start(env)? {
            AofAtStart::Files(replay) => {
                let loader = Loader::of_aof(env, replay);
                self.begin_load(env, loader);
                return Ok(());
            }
            AofAtStart::Nothing { is_new } => {
                if !is_new {
                    log::info!("DB loaded from append only file: 0.000 seconds");
                }
                if is_new && self.world.disk().exists(snapshot).unwrap_or(false) {
                    log::warn!(
                        "WARNING: There is no append only file yet, so the server starts without \
                         any keys, though there is a snapshot file, {}, which is not loaded and \
                         will be overwritten. To keep its keys, stop the server now, start it with \
                         'appendonly no', and then say 'CONFIG SET appendonly yes'.",
                        snapshot.display()
                    );
                }
            }
        }
        self.open_aof(env)?;
        self.announce_ready(env);
        Ok(())
    }

    /// Loads the snapshot file whole, before anything else happens (`DEBUG RELOAD`); with `merge`
    /// its keys take the place of those that are there.
    ///
    /// # Errors
    ///
    /// The file cannot be opened, or is damaged.
    pub fn load_whole(&mut self, env: &mut Env, merge: bool) -> Result<(), String> {
        let path = snapshot_path(env);
        let purpose = LoadFor::Reload { merge };
        let opened = Loader::from_file(self.world.disk(), env, &path, purpose);
        let mut loader = opened.map_err(|e| e.to_string())?;
        loop {
            match loader.step(env) {
                Loaded::More => {
                    let pause = Duration::from_micros(loader.delay.pause_us(env.now));
                    self.world.sleep(pause);
                }
                Loaded::Done => return Ok(()),
                Loaded::Failed(e) => return Err(e),
            }
        }
    }

    /// Says that clients are welcome.
    pub(super) fn announce_ready(&mut self, env: &Env) {
        for kind in self.world.listeners() {
            log::info!("Ready to accept connections {kind}");
        }
        let replica = env.replication.is_replica();
        self.world.tell_supervisor(Lifecycle::Ready { replica });
    }
}
