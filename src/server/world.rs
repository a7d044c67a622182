//! The world that the operating system makes: what the engine asks for, carried out.
//!
//! Nothing here decides. [`OsWorld`] holds what has a descriptor or belongs to the process, and
//! [`OsWorld::poll`] turns what happened to it into the engine's [`Event`]s.

use std::ffi::OsStr;
use std::io::{self, ErrorKind, Read};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Poll, Token, Waker};

use super::child::{self, Child};
use super::listener::Listeners;
use super::logger::{Logger, SENTINEL_LETTER};
use super::socket::{self, OsSocket};
use super::supervisor::Supervisor;
use super::tls::Tls;
use super::token::{CHILD_DATA, CHILD_REPORT, SIGNALS, WORKERS, token_of, wake_of};
use super::workers::{Workers, resolve};
use super::{oom, process};
use crate::base::errno::os_text;
use crate::base::time::Now;
use crate::commands::error::CmdError;
use crate::commands::table::Mode;
use crate::config::{Apply, Reason, Settings};
use crate::engine::path_of;
use crate::engine::snapshot_work::SnapshotWork;
use crate::engine::watchdog_period_ms;
use crate::engine::world::{
    Accepted, Clock, Event, Interest, Job, Jobs, Lifecycle, Network, ProcessChange, ProcessControl,
    ProcessEnd, ProcessRole, Transport, Wake, WorkFigures,
};
use crate::sys;
use crate::sys::disk::OsDisk;
use crate::sys::memory::{MemoryStats, Meter};
use crate::sys::process::Exit;
use crate::sys::signals::{Signal, Signals};
use crate::sys::title::ProcessTitle;
use crate::sys::watchdog::Watchdog;

/// Events taken from the poll at once.
const EVENTS_MAX: usize = 1024;

/// What the poll is to tell of a socket. One that has bytes of its own to send is always told when
/// it takes more.
fn interest_of(socket: &OsSocket, interest: Interest) -> mio::Interest {
    match interest {
        Interest::Read if !socket.has_own_bytes() => mio::Interest::READABLE,
        Interest::Read => mio::Interest::READABLE | mio::Interest::WRITABLE,
        Interest::ReadWrite => mio::Interest::READABLE | mio::Interest::WRITABLE,
    }
}

/// What a process is started with.
pub struct Process {
    /// The log.
    pub logger: Logger,
    /// The path of the executable.
    pub executable: PathBuf,
    /// The word by which it was called, which may be another name of the executable.
    pub name: Vec<u8>,
    /// What it is there for.
    pub mode: Mode,
    /// The arguments, without that word.
    pub args: Vec<Vec<u8>>,
    /// Its place in the list of processes.
    pub title: Option<ProcessTitle>,
    /// The signals that were sent to it.
    pub signals: Signals,
    /// Who supervises it.
    pub supervisor: Supervisor,
}

/// See the module's head.
pub struct OsWorld {
    poll: Poll,
    listeners: Listeners,
    tls: Tls,
    workers: Workers,
    meter: Meter,
    disk: OsDisk,
    child: Option<Child>,
    process: Process,
    /// The kernel's score for killing us that we were started with, while we set another.
    oom_base: Option<i32>,
    /// The watch on the loop, while one is wanted.
    watchdog: Option<Watchdog>,
    /// What is polled into while the loop is in the middle of a tick.
    inner_events: Option<Events>,
}

impl OsWorld {
    /// A world with nothing open.
    ///
    /// # Errors
    ///
    /// The system gives no poll, or no thread.
    pub fn new(process: Process, settings: &Settings) -> io::Result<OsWorld> {
        let poll = Poll::new()?;
        let registry = poll.registry();
        let fd = process.signals.as_raw_fd();
        registry.register(&mut SourceFd(&fd), SIGNALS, mio::Interest::READABLE)?;
        let meter = Meter::new()?;
        let waker = Waker::new(registry, WORKERS)?;
        let workers = Workers::start(&meter.share(), settings.bio_cpulist.as_deref(), waker)?;
        let mut world = OsWorld {
            poll,
            listeners: Listeners::default(),
            tls: Tls::default(),
            workers,
            meter,
            disk: OsDisk,
            child: None,
            process,
            oom_base: None,
            watchdog: None,
            inner_events: None,
        };
        world.watch(settings)?;
        Ok(world)
    }

    /// Waits for something to happen, at most so long.
    ///
    /// # Errors
    ///
    /// The poll is broken; the server cannot go on.
    pub fn poll(&mut self, events: &mut Events, time: Duration) -> Result<(), String> {
        match self.poll.poll(events, Some(time)) {
            Err(e) if e.kind() != ErrorKind::Interrupted => Err(format!("Polling failed: {e}")),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// What an event of the poll is to the engine, if it is not about our own affairs.
    #[inline]
    pub fn translate(event: &mio::event::Event) -> Option<Event> {
        let wake = wake_of(event.token())?;
        let ended = event.is_read_closed();
        Some(Event::Ready {
            wake,
            readable: event.is_readable() || ended || event.is_error(),
            writable: event.is_writable(),
            ended,
        })
    }

    /// What has happened behind one of our own tokens, one thing at a time.
    pub fn next_own_event(&mut self, token: Token) -> Option<Event> {
        match token {
            WORKERS => self.workers.events.try_recv().ok(),
            CHILD_REPORT => {
                let child = self.child.as_mut()?;
                let report = child.last_report()?;
                let pid = child.pid;
                Some(Event::ChildReport { pid, report })
            }
            SIGNALS => self.next_signal(),
            _ => None,
        }
    }

    /// The next signal, or the next child that has ended.
    fn next_signal(&mut self) -> Option<Event> {
        loop {
            if let Some((pid, exit)) = self.next_exit() {
                return Some(Event::ChildExited { pid, exit });
            }
            match self.process.signals.next()?.signal {
                Signal::Child | Signal::User1 => {}
                signal @ (Signal::Terminate | Signal::Interrupt) => {
                    return Some(Event::Signal(signal));
                }
            }
        }
    }

    fn next_exit(&mut self) -> Option<(i32, Exit)> {
        let (pid, exit) = sys::process::reap_any().ok().flatten()?;
        Some((pid, exit))
    }

    /// Sets TLS up as the settings ask for.
    ///
    /// # Errors
    ///
    /// A text for the log. Everything is as it was before.
    pub fn configure_tls(&mut self, settings: &Settings) -> Result<(), String> {
        self.tls.configure(settings)
    }

    /// Shows in the list of processes what this one is.
    pub fn show_title(&mut self, settings: &Settings, config_file: Option<&Path>) {
        if settings.set_proc_title
            && let Some(title) = &mut self.process.title
        {
            let name = String::from_utf8_lossy(&self.process.name);
            let mode = self.process.mode;
            title.set(&process::process_title(settings, &name, mode, config_file));
        }
    }

    fn apply_oom_score(
        &mut self,
        settings: &Settings,
        role: ProcessRole,
    ) -> Result<(), &'static str> {
        self.oom_base = oom::apply(settings, role, self.oom_base)?;
        Ok(())
    }

    /// Replaces this process by a fresh one of the same executable, name and arguments; returns if
    /// that fails.
    fn restart(&self) {
        sys::signals::prepare_program();
        let args = self.process.args.iter().map(|arg| OsStr::from_bytes(arg));
        let e = std::process::Command::new(&self.process.executable)
            .arg0(OsStr::from_bytes(&self.process.name))
            .args(args)
            .exec();
        log::warn!("Can't restart: {e}");
    }
}

impl Clock for OsWorld {
    fn now(&self) -> Now {
        sys::clock::now()
    }

    fn mono_ns(&self) -> u64 {
        sys::clock::monotonic_ns()
    }

    fn ahead_of_utc_s(&self) -> i32 {
        sys::clock::ahead_of_utc_s()
    }

    fn sleep(&mut self, time: Duration) {
        std::thread::sleep(time);
    }
}

impl Network for OsWorld {
    type Socket = OsSocket;

    fn listen(&mut self, settings: &Settings) -> Result<(), String> {
        self.listeners.replace(self.poll.registry(), settings)
    }

    fn settle_listening(&mut self) {
        self.listeners.settle();
    }

    fn listeners(&self) -> Vec<&'static str> {
        self.listeners.kinds()
    }

    fn listener_numbers(&self) -> Vec<usize> {
        self.listeners.numbers()
    }

    fn stop_listening(&mut self) {
        self.listeners.clear();
    }

    fn accept(&mut self, listener: usize) -> io::Result<Accepted<OsSocket>> {
        let (listener, service) = self.listeners.get(listener).ok_or(ErrorKind::WouldBlock)?;
        let accepted = listener.accept(&self.tls)?;
        Ok(Accepted {
            service,
            ..accepted
        })
    }

    fn connect(
        &mut self,
        to: SocketAddr,
        from: Option<&str>,
        transport: Transport,
    ) -> io::Result<OsSocket> {
        let stream = socket::begin_connect(to, from)?;
        Ok(match transport {
            Transport::Plain => OsSocket::Tcp(stream),
            Transport::Tls => OsSocket::Tls(Box::new(self.tls.client_side(stream, to.ip())?)),
        })
    }

    fn take_events(&mut self, into: &mut Vec<Event>) {
        let mut events = self.inner_events.take().unwrap_or_else(events);
        if let Err(e) = self.poll(&mut events, Duration::ZERO) {
            log::warn!("{e}");
        }
        for event in &events {
            match OsWorld::translate(event) {
                Some(event) => into.push(event),
                None => into.extend(std::iter::from_fn(|| self.next_own_event(event.token()))),
            }
        }
        events.clear();
        self.inner_events = Some(events);
    }

    fn watch(&mut self, socket: &mut OsSocket, wake: Wake, interest: Interest) -> io::Result<()> {
        let interest = interest_of(socket, interest);
        let registry = self.poll.registry();
        registry.register(socket, token_of(wake), interest)
    }

    fn rewatch(&mut self, socket: &mut OsSocket, wake: Wake, interest: Interest) -> io::Result<()> {
        let interest = interest_of(socket, interest);
        let registry = self.poll.registry();
        registry.reregister(socket, token_of(wake), interest)
    }

    fn close(&mut self, mut socket: OsSocket) {
        socket.say_goodbye();
        // One that was never watched cannot be forgotten, and need not.
        let _ = self.poll.registry().deregister(&mut socket);
    }

    fn wait_for(&mut self, socket: &mut OsSocket, to_write: bool, time: Duration) -> bool {
        sys::wait::wait_for(socket.fd(), to_write, time)
    }

    fn resolve(&mut self, request: u64, host: &str, port: u16) {
        self.workers.look_up(request, host, port);
    }

    fn resolve_now(&mut self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        resolve(host, port)
    }
}

impl Jobs for OsWorld {
    type Disk = OsDisk;

    fn disk(&mut self) -> &mut OsDisk {
        &mut self.disk
    }

    fn fork(&mut self, work: &SnapshotWork<'_>) -> io::Result<i32> {
        let mut child = child::fork(work, self.oom_base)?;
        let registry = self.poll.registry();
        registry.register(&mut child.reports, CHILD_REPORT, mio::Interest::READABLE)?;
        if let Some(data) = &mut child.data {
            registry.register(data, CHILD_DATA, mio::Interest::READABLE)?;
        }
        let pid = child.pid;
        self.child = Some(child);
        Ok(pid)
    }

    fn read_child(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.child.as_mut().and_then(|child| child.data.as_mut()) {
            Some(data) => data.read(into),
            None => Ok(0),
        }
    }

    fn stop_child(&mut self, pid: i32) {
        let _ = sys::process::send_signal(pid, libc::SIGUSR1);
    }

    fn disown_child(&mut self, pid: i32) {
        if self.child.as_ref().is_some_and(|child| child.pid == pid) {
            self.child = None;
        }
    }

    fn spawn(&mut self, program: &Path, args: &[String]) -> io::Result<i32> {
        child::spawn(program, args)
    }

    fn kill_program(&mut self, pid: i32) {
        let _ = sys::process::send_signal_to_group(pid, libc::SIGKILL);
    }

    fn submit(&mut self, job: Job<std::fs::File>) {
        self.workers.submit(job);
    }

    fn work(&self) -> WorkFigures {
        self.workers.figures()
    }

    fn reset_work(&mut self) {
        self.workers.reset();
    }
}

impl ProcessControl for OsWorld {
    fn on_second(&mut self) {
        self.process.logger.note_time_zone();
    }

    fn pid(&self) -> u32 {
        std::process::id()
    }

    fn interrupt_is_pending(&self) -> bool {
        sys::signals::is_pending(Signal::Interrupt)
    }

    #[inline]
    fn used_memory(&self) -> usize {
        self.meter.used_memory()
    }

    fn watch_loop(&mut self, period: Duration) {
        if let Some(watchdog) = &self.watchdog {
            watchdog.expect_within(period);
        }
    }

    fn memory(&self) -> MemoryStats {
        self.meter.stats()
    }

    fn apply(&mut self, hook: Apply, change: &ProcessChange<'_>) -> Result<(), Reason> {
        let settings = change.settings;
        match hook {
            Apply::LogLevel => self.process.logger.set_level(settings.loglevel),
            Apply::MaxClients => process::grow_descriptors(settings)?,
            Apply::JemallocBgThread => {
                sys::memory::set_background_thread(settings.jemalloc_bg_thread)
                    .map_err(|e| format!("cannot switch the allocator's thread: {e}"))?;
            }
            Apply::Dir => {
                std::env::set_current_dir(&settings.dir.0).map_err(|e| os_text(&e))?;
            }
            Apply::ProcTitle => self.show_title(settings, change.config_file),
            Apply::OomScore => self.apply_oom_score(settings, change.role)?,
            Apply::CrashLog => {
                sys::crash::test_memory(settings.crash_memcheck_enabled);
                sys::crash::report_crashes(settings.crash_log_enabled).map_err(|e| os_text(&e))?
            }
            Apply::Tls => self.configure_tls(settings).map_err(|text| {
                log::warn!("{text}");
                "Unable to update TLS configuration. Check server logs."
            })?,
            Apply::Watchdog => self.watch(settings).map_err(|e| os_text(&e))?,
            // The engine asks for nothing else.
            _ => {}
        }
        Ok(())
    }

    fn set_role(&mut self, role: ProcessRole, settings: &Settings) {
        let letter = match role {
            ProcessRole::Master => b'M',
            ProcessRole::Replica => b'S',
            ProcessRole::Sentinel => SENTINEL_LETTER,
            ProcessRole::Child => b'C',
        };
        self.process.logger.set_role(letter);
        // A refusal is in the log; the change of role goes on.
        let _ = self.apply_oom_score(settings, role);
    }

    fn tell_supervisor(&mut self, state: Lifecycle) {
        let supervisor = &self.process.supervisor;
        match state {
            Lifecycle::Ready { replica } => supervisor.ready(replica),
            Lifecycle::InSync(after) => supervisor.in_sync(after),
            Lifecycle::Stopping => supervisor.stopping(),
            Lifecycle::SavingAtEnd => supervisor.status("Saving the final RDB snapshot"),
            Lifecycle::CannotSaveAtEnd => {
                supervisor.status("Error trying to save the DB, can't exit.");
            }
        }
    }

    fn supervised(&self) -> &'static str {
        self.process.supervisor.name()
    }

    fn executable(&self) -> &Path {
        &self.process.executable
    }

    fn leave(&mut self, settings: &Settings) {
        if let Some(path) = settings.pidfile.as_deref().filter(|path| !path.is_empty()) {
            log::info!("Removing the pid file.");
            let _ = sys::process::remove_pid_file(&path_of(path));
        }
        if let Some(path) = settings
            .unixsocket
            .as_deref()
            .filter(|path| !path.is_empty())
        {
            log::info!("Removing the unix socket file.");
            if let Err(e) = std::fs::remove_file(path_of(path)) {
                log::warn!("Error removing the unix socket file: {e}");
            }
        }
        self.listeners.clear();
        let who = match self.process.mode {
            Mode::Server => "Redis",
            Mode::Sentinel => "Sentinel",
        };
        log::warn!("{who} is now ready to exit, bye bye...");
    }

    fn end_process(&mut self, how: ProcessEnd) -> CmdError {
        let status = match how {
            ProcessEnd::Segfault => sys::process::crash_by_bad_access(),
            ProcessEnd::Exit(status) => status,
            ProcessEnd::Restart => {
                self.restart();
                1
            }
        };
        sys::process::exit_now(status)
    }
}

impl OsWorld {
    /// Watches the loop from now on, or no longer.
    fn watch(&mut self, settings: &Settings) -> io::Result<()> {
        let period_ms = watchdog_period_ms(settings);
        if period_ms == 0 {
            self.watchdog = None;
        } else if self.watchdog.is_none() {
            self.watchdog = Some(Watchdog::new()?);
        }
        self.watch_loop(Duration::from_millis(period_ms.into()));
        Ok(())
    }
}

/// An empty set of events to poll into.
pub fn events() -> Events {
    Events::with_capacity(EVENTS_MAX)
}
