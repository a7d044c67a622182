//! Children: the one that is forked and writes a snapshot, and programs.
//!
//! The former closes every descriptor that is not its own business, writes, reports through a pipe
//! how far it is, and leaves by `_exit`.

use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use mio::unix::pipe::{self, Receiver, Sender};

use super::oom;
use super::process;
use crate::base::disk::Disk;
use crate::base::errno::os_text;
use crate::engine::snapshot_work::{Product, SnapshotWork};
use crate::engine::world::{ChildReport, ProcessRole};
use crate::persist::rdb::save::SaveObserver;
use crate::sys;
use crate::sys::disk::OsDisk;
use crate::sys::process::ForkResult;
use crate::sys::signals;

/// The child looks at the clock once in so many keys.
const KEYS_PER_CLOCK_CHECK: u64 = 1024;
/// The child reports this often.
const REPORT_PERIOD_NS: u64 = 1_000_000_000;
/// A report on the pipe: keys, then copied bytes, as little-endian numbers. That is less than
/// `PIPE_BUF`, so reports are never torn.
const REPORT_BYTES: usize = 16;

/// A child as its parent sees it.
pub struct Child {
    /// Its process id.
    pub pid: i32,
    /// Its reports.
    pub reports: Receiver,
    /// Its data on the way to replicas' sockets.
    pub data: Option<Receiver>,
}

fn encode(report: ChildReport) -> [u8; REPORT_BYTES] {
    let mut bytes = [0; REPORT_BYTES];
    bytes[..8].copy_from_slice(&report.keys.to_le_bytes());
    bytes[8..].copy_from_slice(&report.copied_bytes.to_le_bytes());
    bytes
}

fn decode(bytes: &[u8; REPORT_BYTES]) -> ChildReport {
    let (keys, copied) = bytes.split_at(8);
    ChildReport {
        keys: u64::from_le_bytes(keys.try_into().expect("eight bytes")),
        copied_bytes: u64::from_le_bytes(copied.try_into().expect("eight bytes")),
    }
}

/// Starts a program in a process group of its own. Nobody waits for it here: its end is told by a
/// signal, as that of any child. Of our descriptors it gets the standard ones, and nothing to read;
/// all others are closed when it begins.
///
/// # Errors
///
/// It cannot be started.
pub fn spawn(program: &Path, args: &[String]) -> io::Result<i32> {
    let mut command = Command::new(program);
    let child = command
        .args(args)
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()?;
    Ok(child.id() as i32)
}

impl Child {
    /// What it reported last; `None` when nothing new has come.
    pub fn last_report(&mut self) -> Option<ChildReport> {
        let mut last = None;
        let mut bytes = [0; REPORT_BYTES];
        while let Ok(REPORT_BYTES) = self.reports.read(&mut bytes) {
            last = Some(decode(&bytes));
        }
        last
    }
}

/// Forks a child that does this work.
///
/// # Errors
///
/// The system has no pipe or no process for us.
pub fn fork(work: &SnapshotWork<'_>, oom_base: Option<i32>) -> io::Result<Child> {
    let (report_out, reports) = pipe::new()?;
    let data = match work.product {
        Product::Pipe => Some(pipe::new()?),
        Product::File(_) | Product::AofBase { .. } => None,
    };
    match sys::process::fork()? {
        ForkResult::Child => {
            let sink = data.map(|(sender, _)| sender);
            let _ = oom::apply(work.settings, ProcessRole::Child, oom_base);
            live(work, report_out, sink)
        }
        ForkResult::Parent { child } => Ok(Child {
            pid: child,
            reports,
            data: data.map(|(_, receiver)| receiver),
        }),
    }
}

/// The life of the child.
fn live(work: &SnapshotWork<'_>, report: Sender, sink: Option<Sender>) -> ! {
    signals::prepare_child();
    let (cpus, directive) = match work.product {
        Product::AofBase { .. } => (&work.settings.aof_rewrite_cpulist, "aof_rewrite_cpulist"),
        Product::File(_) | Product::Pipe => (&work.settings.bgsave_cpulist, "bgsave_cpulist"),
    };
    process::pin(cpus.as_deref(), directive);
    let mut kept = vec![report.as_raw_fd()];
    kept.extend(sink.as_ref().map(AsRawFd::as_raw_fd));
    sys::process::close_descriptors_except(&kept);
    let mut reporter = Reporter {
        pipe: report,
        unfinished: work.product.unfinished(std::process::id()),
        delay: work.key_delay,
        last_report_ns: sys::clock::monotonic_ns(),
        keys: 0,
    };
    let result = match sink {
        None => work.write_file(&mut OsDisk, std::process::id(), &mut reporter),
        Some(sink) => match sink.set_nonblocking(false) {
            Ok(()) => work.write_pipe(sink, &mut reporter),
            Err(e) => Err(format!("Write error while sending DB to replicas: {e}")),
        },
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

/// Observes the save: reports, and slows it down where a test asks for that.
struct Reporter {
    pipe: Sender,
    /// The file that is written, if one is.
    unfinished: Option<PathBuf>,
    delay: Duration,
    last_report_ns: u64,
    keys: u64,
}

impl Reporter {
    fn report(&mut self) {
        let report = ChildReport {
            keys: self.keys,
            copied_bytes: sys::usage::private_dirty_bytes().unwrap_or(0),
        };
        match self.pipe.write_all(&encode(report)) {
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => self.die_with_parent(&e),
            // A parent that is slow to read reports is not worth failing for.
            Ok(()) | Err(_) => {}
        }
        self.last_report_ns = sys::clock::monotonic_ns();
    }

    /// The parent is gone. Nobody waits for the snapshot, and a server that has taken its place
    /// must not find its file replaced.
    fn die_with_parent(&self, e: &io::Error) -> ! {
        let reason = os_text(e);
        log::warn!("Child failed reporting info to parent, exiting. {reason}");
        if let Some(unfinished) = &self.unfinished {
            // Nothing is lost if it cannot be removed.
            let _ = OsDisk.remove(unfinished);
        }
        sys::process::exit_now(1)
    }
}

impl SaveObserver for Reporter {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::process::{Exit, send_signal_to_group, wait_for};

    #[test]
    fn a_report_survives_the_pipe() {
        let report = ChildReport {
            keys: 77,
            copied_bytes: u64::MAX - 1,
        };
        assert_eq!(decode(&encode(report)), report);
    }

    fn run(script: &str, args: &[&str]) -> i32 {
        let mut all = vec!["-c".to_owned(), script.to_owned()];
        all.extend(args.iter().map(|arg| (*arg).to_owned()));
        spawn(Path::new("/bin/sh"), &all).expect("there is a shell")
    }

    #[test]
    fn a_program_leads_a_group_and_has_nothing_to_read_and_nothing_of_ours() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("seen");
        let path = path.to_str().expect("plain");
        let ours = folder.path().join("ours");
        let _ours = std::fs::File::create(&ours).expect("there is room");
        let script = "cut -d ' ' -f 5 /proc/$$/stat > $0; cat >> $0; \
                      readlink /proc/$$/fd/0 /proc/$$/fd/* >> $0; exit 7";
        let pid = run(script, &[path]);
        assert_eq!(wait_for(pid).expect("it is ours"), Exit::Code(7));
        let seen = std::fs::read_to_string(path).expect("it was written");
        let mut lines = seen.lines();
        assert_eq!(lines.next(), Some(pid.to_string().as_str()));
        assert_eq!(lines.next(), Some("/dev/null"));
        assert!(!seen.contains("ours"), "{seen}");
    }

    #[test]
    fn what_a_program_has_started_is_killed_with_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("fifo");
        let path = path.to_str().expect("plain");
        // Whoever reads hears the end when the last one is gone that could write.
        let pid = run(
            "mkfifo $0.new; mv $0.new $0; sleep 1000 > $0 & wait",
            &[path],
        );
        let mut fifo = loop {
            match std::fs::File::open(path) {
                Ok(fifo) => break fifo,
                Err(e) if e.kind() == io::ErrorKind::NotFound => std::thread::yield_now(),
                Err(e) => panic!("{e}"),
            }
        };
        send_signal_to_group(pid, libc::SIGKILL).expect("it is there");
        assert_eq!(fifo.read_to_end(&mut Vec::new()).expect("it ends"), 0);
        assert_eq!(
            wait_for(pid).expect("it is ours"),
            Exit::Signal(libc::SIGKILL)
        );
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error() {
        assert!(spawn(Path::new("/nonexistent/program"), &[]).is_err());
    }
}
