//! Snapshots of the keyspace: in this process (`SAVE`, shutdown), and in a forked child.
//!
//! The child shares our memory as it was at the fork; it closes every descriptor that is not its
//! own business, writes, reports through a pipe how far it is, and leaves by `_exit`. While it
//! lives, the table moves nothing and reads leave no access times, so that little is copied.

use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::time::Duration;

use mio::Interest;
use mio::unix::pipe::{self, Receiver, Sender};

use super::children::{SnapshotChild, SnapshotPurpose};
use super::hub::{Hub, Wake};
use super::oom::Part;
use super::{path_of, shutdown, startup};
use crate::base::errno::os_text;
use crate::base::version::REDIS_VERSION;
use crate::commands::context::Env;
use crate::keyspace::Keyspace;
use crate::persist::rdb::encoder::EncoderOptions;
use crate::persist::rdb::file;
use crate::persist::rdb::format::Version;
use crate::persist::rdb::save::{
    ReplicationPoint, SaveObserver, SaveOptions, SavedUsage, SnapshotInfo, save_snapshot,
};
use crate::replication::Contents;
use crate::sys;
use crate::sys::process::ForkResult;
use crate::sys::signals::{self, Signal};

/// The child looks at the clock once in so many keys.
const KEYS_PER_CLOCK_CHECK: u64 = 1024;
/// The child reports this often.
const REPORT_PERIOD_NS: u64 = 1_000_000_000;

/// What the child tells its parent, in this order, as little-endian numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Keys written.
    pub keys: u64,
    /// Bytes of memory that copy-on-write has cost so far.
    pub copied_bytes: u64,
}

impl Report {
    /// Its length on the pipe.
    pub const BYTES: usize = 16;

    /// Its form on the pipe.
    pub fn encode(self) -> [u8; Report::BYTES] {
        let mut bytes = [0; Report::BYTES];
        bytes[..8].copy_from_slice(&self.keys.to_le_bytes());
        bytes[8..].copy_from_slice(&self.copied_bytes.to_le_bytes());
        bytes
    }

    /// A report from the pipe.
    pub fn decode(bytes: &[u8; Report::BYTES]) -> Report {
        let (keys, copied) = bytes.split_at(8);
        Report {
            keys: u64::from_le_bytes(keys.try_into().expect("eight bytes")),
            copied_bytes: u64::from_le_bytes(copied.try_into().expect("eight bytes")),
        }
    }
}

/// Observes a save in the child: reports, and dawdles where a test asks for it.
struct Reporter<'a> {
    pipe: &'a mut Sender,
    /// The file that is written, if one is.
    target: PathBuf,
    delay: Duration,
    last_report_ns: u64,
    keys: u64,
}

impl Reporter<'_> {
    fn report(&mut self) {
        let copied_bytes = sys::usage::private_dirty_bytes().unwrap_or(0);
        let report = Report {
            keys: self.keys,
            copied_bytes,
        };
        match self.pipe.write_all(&report.encode()) {
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => self.die_with_parent(&e),
            // A parent that is slow to read reports is not worth failing for.
            Ok(()) | Err(_) => {}
        }
        self.last_report_ns = sys::clock::monotonic_ns();
    }
}

impl Reporter<'_> {
    /// The parent is gone. Nobody waits for the snapshot, and a server that has taken its place
    /// must not find its file replaced.
    fn die_with_parent(&self, e: &io::Error) -> ! {
        let reason = os_text(e);
        log::warn!("Child failed reporting info to parent, exiting. {reason}");
        file::remove_temporary(&self.target, std::process::id());
        sys::process::exit_now(1)
    }
}

impl SaveObserver for Reporter<'_> {
    fn key_saved(&mut self, keys: u64) {
        self.keys = keys;
        if !self.delay.is_zero() {
            std::thread::sleep(self.delay);
        } else if !keys.is_multiple_of(KEYS_PER_CLOCK_CHECK) {
            return;
        }
        if sys::clock::monotonic_ns() - self.last_report_ns >= REPORT_PERIOD_NS {
            self.report();
        }
    }
}

/// How a snapshot of this instant is written.
fn options_of<'a>(env: &Env, used_memory: u64) -> SaveOptions<'a> {
    let policy = env.config.maxmemory_policy;
    let usage = if policy.is_lfu() {
        SavedUsage::Frequency(env.lfu_tuning())
    } else if policy.is_lru() {
        SavedUsage::Idle
    } else {
        SavedUsage::None
    };
    let place = env.replication.saved_identity().map(|saved| {
        let mut id = [0; 40];
        id.copy_from_slice(saved.id.as_bytes());
        ReplicationPoint {
            stream_db: i64::from(saved.stream_db),
            id,
            offset: saved.offset as i64,
        }
    });
    SaveOptions {
        encoder: EncoderOptions {
            version: Version::from_number(env.config.rdb_version),
            compression: env.config.rdbcompression,
            checksum: env.config.rdbchecksum,
        },
        info: SnapshotInfo {
            redis_version: REDIS_VERSION,
            created_at_s: env.now.unix_s(),
            used_memory,
            replication: place,
            aof_base: false,
        },
        usage,
    }
}

/// The snapshot file.
pub fn snapshot_path(env: &Env) -> PathBuf {
    path_of(&env.config.dbfilename)
}

/// Takes away what a killed child has left.
pub fn remove_temporary(env: &Env, pid: i32) {
    file::remove_temporary(&snapshot_path(env), pid as u32);
}

impl Hub {
    /// Writes the snapshot in this process; everybody waits.
    ///
    /// # Errors
    ///
    /// The text of the error is already in the log.
    pub fn save_now(&mut self, env: &mut Env) -> Result<(), String> {
        self.save_here(env, &mut Dawdler(key_delay(env)))
    }

    /// The same before the server leaves because a signal told it to. An interrupt meanwhile means
    /// that this takes too long: the process ends, and leaves the old file as it is.
    ///
    /// # Errors
    ///
    /// As above.
    pub fn save_unless_interrupted(&mut self, env: &mut Env) -> Result<(), String> {
        let mut observer = Interruptible {
            dawdler: Dawdler(key_delay(env)),
            target: snapshot_path(env),
        };
        self.save_here(env, &mut observer)
    }

    fn save_here(&mut self, env: &mut Env, observer: &mut impl SaveObserver) -> Result<(), String> {
        env.persistence.saves += 1;
        let options = options_of(env, self.meter.used_memory() as u64);
        let target = snapshot_path(env);
        let sync = env.config.rdb_save_incremental_fsync;
        let result = file::save(&target, std::process::id(), sync, |sink| {
            save_snapshot(sink, &env.keyspace, &options, observer)
        });
        match result {
            Ok(_) => {
                log::info!("DB saved on disk");
                env.persistence.dirty = 0;
                env.persistence.last_save_unix_s = env.now.unix_s();
                env.persistence.last_bgsave_ok = true;
                Ok(())
            }
            Err(e) => {
                log::warn!("{e}");
                Err(e.to_string())
            }
        }
    }

    /// Forks a child that writes a snapshot.
    ///
    /// # Errors
    ///
    /// No pipe, or no child, is to be had; already in the log.
    pub fn start_snapshot(
        &mut self,
        env: &mut Env,
        purpose: SnapshotPurpose,
        contents: Contents,
    ) -> io::Result<()> {
        assert!(
            self.children.snapshot.is_none(),
            "one snapshot child at a time"
        );
        env.persistence.last_try_unix_s = env.now.unix_s();
        env.persistence.dirty_before_fork = env.persistence.dirty;
        let result = self.fork_snapshot(env, purpose, contents);
        if let Err(e) = &result {
            log::warn!("Can't save in background: fork: {e}");
            env.persistence.last_bgsave_ok = false;
        } else if purpose == SnapshotPurpose::ReplicasByDisk {
            self.note_file_for_replicas(env);
        }
        result
    }

    fn fork_snapshot(
        &mut self,
        env: &mut Env,
        purpose: SnapshotPurpose,
        contents: Contents,
    ) -> io::Result<()> {
        let (mut report_out, mut report_in) = pipe::new()?;
        let data = match purpose {
            SnapshotPurpose::Save | SnapshotPurpose::ReplicasByDisk => None,
            SnapshotPurpose::ReplicasBySocket { .. } => Some(pipe::new()?),
        };
        let used_memory = self.meter.used_memory() as u64;
        env.persistence.saves += 1;
        let start_ns = sys::clock::monotonic_ns();
        let child = match sys::process::fork()? {
            ForkResult::Child => {
                let sender = data.map(|(sender, _)| sender);
                let options = options_of(env, used_memory);
                let _ = self.apply_oom_score(&env.config, Part::Child);
                child_main(env, &options, contents, &mut report_out, sender)
            }
            ForkResult::Parent { child } => child,
        };
        env.stats.total_forks += 1;
        env.stats.latest_fork_us = (sys::clock::monotonic_ns() - start_ns) / 1000;
        let registry = self.poll.registry();
        registry.register(
            &mut report_in,
            Wake::ChildReport.token(),
            Interest::READABLE,
        )?;
        let data = match data {
            None => None,
            Some((_, mut receiver)) => {
                registry.register(&mut receiver, Wake::ChildData.token(), Interest::READABLE)?;
                Some(receiver)
            }
        };
        let what = match purpose {
            SnapshotPurpose::ReplicasBySocket { .. } => "Background RDB transfer",
            _ => "Background saving",
        };
        log::info!("{what} started by pid {child}");
        self.children.snapshot = Some(SnapshotChild::new(
            child,
            purpose,
            report_in,
            data,
            env.keyspace.len() as u64,
            env.now,
        ));
        env.keyspace.hold_growth(true);
        env.hold_access_times = true;
        Ok(())
    }

    /// Tells the snapshot child to stop, since nobody wants its file any more; its end is noticed
    /// like any other, so replicas that wait for it learn of it.
    pub fn call_off_snapshot(&self) {
        if let Some(child) = &self.children.snapshot {
            let _ = sys::process::send_signal(child.pid, libc::SIGUSR1);
        }
    }

    /// Kills the snapshot child; its end is noticed like any other.
    pub fn kill_snapshot_child(&mut self, env: &mut Env) {
        let Some(child) = self.children.snapshot.take() else {
            return;
        };
        let _ = sys::process::send_signal(child.pid, libc::SIGUSR1);
        let _ = sys::process::wait_for(child.pid);
        remove_temporary(env, child.pid);
        self.after_snapshot_child(env);
    }

    /// What any end of a snapshot child brings.
    pub fn after_snapshot_child(&mut self, env: &mut Env) {
        env.keyspace.hold_growth(false);
        env.hold_access_times = false;
    }
}

/// Only dawdles.
struct Dawdler(Duration);

impl SaveObserver for Dawdler {
    fn key_saved(&mut self, _: u64) {
        if !self.0.is_zero() {
            std::thread::sleep(self.0);
        }
    }
}

/// Ends the process when somebody insists.
struct Interruptible {
    dawdler: Dawdler,
    target: PathBuf,
}

impl SaveObserver for Interruptible {
    fn key_saved(&mut self, keys: u64) {
        self.dawdler.key_saved(keys);
        let looks = !self.dawdler.0.is_zero() || keys.is_multiple_of(KEYS_PER_CLOCK_CHECK);
        if looks && signals::is_pending(Signal::Interrupt) {
            shutdown::insist(&self.target, Some(std::process::id()));
        }
    }
}

fn key_delay(env: &Env) -> Duration {
    Duration::from_micros(env.config.rdb_key_save_delay.max(0) as u64)
}

/// The life of the child.
fn child_main(
    env: &Env,
    options: &SaveOptions<'_>,
    contents: Contents,
    report: &mut Sender,
    data: Option<Sender>,
) -> ! {
    signals::prepare_child();
    startup::pin(env.config.bgsave_cpulist.as_deref(), "bgsave_cpulist");
    let mut kept = vec![report.as_raw_fd()];
    kept.extend(data.as_ref().map(AsRawFd::as_raw_fd));
    sys::process::close_descriptors_except(&kept);
    let empty = Keyspace::new(0, [0, 0]);
    let keyspace = match contents {
        Contents::All => &env.keyspace,
        Contents::FunctionsOnly | Contents::Nothing => &empty,
    };
    let mut reporter = Reporter {
        pipe: report,
        target: snapshot_path(env),
        delay: key_delay(env),
        last_report_ns: sys::clock::monotonic_ns(),
        keys: 0,
    };
    let result = match data {
        None => file::save(
            &snapshot_path(env),
            std::process::id(),
            env.config.rdb_save_incremental_fsync,
            |sink| save_snapshot(sink, keyspace, options, &mut reporter),
        )
        .map(drop)
        .map_err(|e| e.to_string()),
        Some(sink) => sink
            .set_nonblocking(false)
            .and_then(|()| save_snapshot(sink, keyspace, options, &mut reporter))
            .map(drop)
            .map_err(|e| format!("Write error while sending DB to replicas: {e}")),
    };
    let code = match result {
        Ok(()) => {
            reporter.report();
            0
        }
        Err(e) => {
            log::warn!("{e}");
            1
        }
    };
    sys::process::exit_now(code)
}

/// Reads what a child reported last; `None` when nothing whole has come.
pub fn read_report(pipe: &mut Receiver) -> Option<Report> {
    use std::io::Read;
    let mut last = None;
    let mut bytes = [0; Report::BYTES];
    // Reports are shorter than PIPE_BUF, so they are never torn.
    while let Ok(Report::BYTES) = pipe.read(&mut bytes) {
        last = Some(Report::decode(&bytes));
    }
    last
}
