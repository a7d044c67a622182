//! What is known of the append-only file: see the head of [`super`].

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::attempts::Attempts;
use super::increment::{Increment, Trouble};
use crate::commands::env::Env;
use crate::config::Settings;
use crate::persist::aof::folder::path_in;
use crate::persist::aof::manifest::{BaseFormat, Manifest};

/// Whether there is an append-only file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    /// There is none, or nothing is written to it.
    Off,
    /// It counts once its first rewrite has succeeded.
    Waiting,
    /// There is one.
    On,
}

/// See the module's head.
pub struct Aof<F> {
    pub(super) state: State,
    /// What the manifest on disk says.
    pub(super) manifest: Manifest,
    /// The increment that grows.
    pub(super) increment: Option<Increment<F>>,
    /// Bytes of the base and of the increments before the last.
    pub(super) closed_bytes: u64,
    /// Bytes of all files after the last rewrite, or at the start.
    pub(super) rewritten_bytes: u64,
    /// What keeps it from being written.
    pub(super) trouble: Trouble,
    pub(super) rewriting: Attempts,
    /// How often a write did not wait for a sync any longer.
    pub(super) delayed_syncs: u64,
    /// The number of the last sync that was asked for.
    pub(super) last_request: u64,
    /// Why the server must not go on.
    pub(super) fatal: Option<String>,
    /// How much longer each write takes, for tests.
    pub write_delay_us: u64,
}

impl<F> Default for Aof<F> {
    fn default() -> Aof<F> {
        Aof {
            state: State::Off,
            manifest: Manifest::default(),
            increment: None,
            closed_bytes: 0,
            rewritten_bytes: 0,
            trouble: Trouble::default(),
            rewriting: Attempts::default(),
            delayed_syncs: 0,
            last_request: 0,
            fatal: None,
            write_delay_us: 0,
        }
    }
}

/// Where the files are.
pub(super) struct Places {
    pub(super) folder: PathBuf,
    pub(super) name: Vec<u8>,
}

impl Places {
    pub(super) fn of(settings: &Settings) -> Places {
        Places {
            folder: PathBuf::from(OsStr::from_bytes(&settings.appenddirname)),
            name: settings.appendfilename.clone(),
        }
    }

    pub(super) fn path(&self, name: &[u8]) -> PathBuf {
        path_in(&self.folder, name)
    }

    pub(super) fn shown(path: &Path) -> String {
        path.file_name()
            .map_or(String::new(), |name| name.to_string_lossy().into_owned())
    }
}

/// How a base is written.
pub fn base_format(settings: &Settings) -> BaseFormat {
    match settings.aof_use_rdb_preamble {
        true => BaseFormat::Rdb,
        false => BaseFormat::Commands,
    }
}

impl<F> Aof<F> {
    /// Bytes of all files.
    pub(super) fn bytes(&self) -> u64 {
        let growing = self.increment.as_ref().map_or(0, |i| i.bytes);
        self.closed_bytes + growing
    }

    /// Whether it is switched on, be it complete or not.
    pub fn is_wanted(&self) -> bool {
        self.state != State::Off
    }

    /// Whether it counts: it does not wait for its first rewrite.
    #[cfg(test)]
    pub fn is_on(&self) -> bool {
        self.state == State::On
    }

    /// By how much the file has grown since the last rewrite, in percent, if that is enough.
    pub(super) fn growth_percent_if_due(&self, env: &Env) -> Option<u64> {
        let percent = u64::from(env.config.auto_aof_rewrite_percentage);
        let bytes = self.bytes();
        if self.state != State::On || percent == 0 || bytes <= env.config.auto_aof_rewrite_min_size
        {
            return None;
        }
        let before = self.rewritten_bytes.max(1);
        let growth = (u128::from(bytes) * 100 / u128::from(before)) as u64;
        let growth = growth.saturating_sub(100);
        (growth >= percent).then_some(growth)
    }

    /// Why writes have to be refused, as the system words it.
    pub fn refusal(&self) -> Option<&str> {
        match self.state {
            State::Off => None,
            State::Waiting | State::On => self.trouble.reason(),
        }
    }
}
