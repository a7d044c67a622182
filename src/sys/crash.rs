//! Last words of a process that a signal ends: what happened, where, and on which command.
//!
//! A bad access is a bug (or broken memory), and without a report nobody will ever find it. The
//! report is written by a signal handler, where almost nothing is allowed: the heap may be half
//! changed, any lock may be held, the stack may be what overflowed. Hence
//!
//! - the handler has a stack of its own ([`use_alternate_stack`]),
//! - all that it needs to know is kept ready in statics: the only ones of the program that change,
//!   since a handler is given no argument of ours,
//! - what matters most is written first, with nothing but `open` and `write`,
//! - the names of functions come later. To find them the heap is needed; should that end in a
//!   second crash, the system ends the process, and if it never ends, an alarm does,
//! - the memory is tested last (`memcheck`), since no other thread goes on afterwards.
//!
//! Afterwards the signal takes its ordinary course, so the exit status and the core are those of
//! the crash. A signal that comes while another thread writes its report waits for the end.

use std::backtrace::Backtrace;
use std::ffi::{c_int, c_void};
use std::fmt::{self, Write as _};
use std::io;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicPtr, Ordering};

use super::log_file::{LogFile, Opened};
use super::memcheck;
use super::process;
use crate::base::line::Line;
use crate::base::version::{REDIS_VERSION, TANIST_VERSION};

/// The line that begins a report.
pub const REPORT_START: &str = "=== TANIST BUG REPORT START: Cut & paste starting from here ===";
/// The line that ends it.
pub const REPORT_END: &str = "=== TANIST BUG REPORT END ===";

/// The signals that mean a crash.
const FATAL: [(c_int, &str); 5] = [
    (libc::SIGSEGV, "SIGSEGV"),
    (libc::SIGBUS, "SIGBUS"),
    (libc::SIGFPE, "SIGFPE"),
    (libc::SIGILL, "SIGILL"),
    (libc::SIGABRT, "SIGABRT"),
];

/// The handler's stack. Finding names takes more than the handler itself.
const STACK_BYTES: usize = 1024 * 1024;
/// Callers shown.
const FRAMES_MAX: usize = 64;
/// How long finding their names may take, in seconds.
const NAMES_SECONDS_MAX: u32 = 10;

/// What a watch on the loop sends, which must not interrupt a report.
pub(super) const WATCHDOG_SIGNAL: c_int = libc::SIGVTALRM;

/// Where reports go.
static LOG_FILE: LogFile = LogFile::new();
/// The name of the command that was begun last.
static COMMAND: AtomicPtr<&'static str> = AtomicPtr::new(ptr::null_mut());
/// The thread that writes a report; zero while none does.
static REPORTER: AtomicI32 = AtomicI32::new(0);
/// The signal that it reports.
static REPORTED: AtomicI32 = AtomicI32::new(0);

/// The process whose memory is tested at the end of a report; zero if none is. A child that was
/// forked would test copies, made of all the memory that it shares with its parent.
static TESTED: AtomicI32 = AtomicI32::new(0);

/// The log, to whose end reports go.
pub fn log_file() -> &'static LogFile {
    &LOG_FILE
}

/// Notes the command that begins.
#[inline]
pub fn note_command(name: &'static &'static str) {
    // Whoever sees the pointer must see the name behind it, which may have been made just now.
    COMMAND.store(ptr::from_ref(name).cast_mut(), Ordering::Release);
}

/// The command that was begun last.
pub fn last_command() -> &'static str {
    // SAFETY: the pointer is null or was made from a reference that lives forever, to a name that
    // was complete when it was stored.
    unsafe { COMMAND.load(Ordering::Acquire).as_ref() }.map_or("none", |name| name)
}

/// Has crashes reported from now on, or no longer.
///
/// # Errors
///
/// There is no memory for the handler's stack.
pub fn report_crashes(wanted: bool) -> io::Result<()> {
    if wanted {
        use_alternate_stack()?;
        prepare_traces();
    }
    for (signal, _) in FATAL {
        react(signal, wanted);
    }
    Ok(())
}

/// Has the end of a report test the memory from now on, or no longer.
pub fn test_memory(wanted: bool) {
    let process = if wanted { std::process::id() } else { 0 };
    TESTED.store(process as i32, Ordering::Release);
}

/// Gives the calling thread a stack for the handler, unless it has a large one already.
///
/// # Errors
///
/// There is no memory for it.
pub fn use_alternate_stack() -> io::Result<()> {
    // SAFETY: the structure is plain numbers and a pointer, for which zeros are a value.
    let mut old: libc::stack_t = unsafe { std::mem::zeroed() };
    // SAFETY: nothing is set; `old` is valid for writing.
    super::check(unsafe { libc::sigaltstack(ptr::null(), &raw mut old) })?;
    if old.ss_size >= STACK_BYTES {
        return Ok(());
    }
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_STACK;
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a fresh mapping at an address of the system's choice affects no other memory.
    let memory = unsafe { libc::mmap(ptr::null_mut(), STACK_BYTES, access, flags, -1, 0) };
    if memory == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    let stack = libc::stack_t {
        ss_sp: memory,
        ss_flags: 0,
        ss_size: STACK_BYTES,
    };
    // SAFETY: the memory is ours, of the size that is told, and never unmapped.
    super::check(unsafe { libc::sigaltstack(&raw const stack, ptr::null_mut()) })
}

/// Sets the handler of a fatal signal, or the ordinary course.
fn react(signal: c_int, report: bool) {
    // SAFETY: zeros are a value of the structure, with an empty set of signals; the handler is of
    // the kind that SA_SIGINFO announces, and does only what a handler may, as argued there.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        if report {
            let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) = on_crash;
            action.sa_sigaction = handler as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        } else {
            action.sa_sigaction = libc::SIG_DFL;
        }
        libc::sigaction(signal, &raw const action, ptr::null_mut());
    }
}

/// The handler.
extern "C" fn on_crash(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: neither call touches memory.
    let me = unsafe { libc::gettid() };
    match REPORTER.compare_exchange(0, me, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => {}
        // The report itself crashed.
        Err(reporter) if reporter == me => die(signal),
        Err(_) => loop {
            // SAFETY: it only waits; the thread that writes its report ends the process.
            unsafe { libc::pause() };
        },
    }
    REPORTED.store(signal, Ordering::Release);
    // SAFETY: it only changes what happens on a signal of ours.
    unsafe { libc::signal(WATCHDOG_SIGNAL, libc::SIG_IGN) };
    let mut out = Report::open();
    // SAFETY: the system hands a handler of this kind valid pointers.
    let (info, at) = unsafe { (&*info, instruction(context)) };
    describe(&mut out, signal, info, at);
    out.frames();
    out.names();
    out.end();
    die(signal)
}

/// Ends a report that somebody else has begun, of a process that is about to end: the memory is
/// tested if that is wanted, for which all other threads stop for good.
pub fn end_report() {
    Report::open().end();
}

/// Finding names takes too long.
extern "C" fn on_alarm(_: c_int) {
    let mut out = Report::open();
    out.line(format_args!("(the names of the functions cannot be found)"));
    out.line(format_args!("{REPORT_END}"));
    die(REPORTED.load(Ordering::Acquire));
}

/// Lets a signal take its ordinary course.
fn die(signal: c_int) -> ! {
    react(signal, false);
    // SAFETY: `set` is made a valid set before it is used; the rest touches no memory.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, signal);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, ptr::null_mut());
        libc::raise(signal);
    }
    process::exit_now(128 + signal)
}

/// The first part of a report.
fn describe(out: &mut Report, signal: c_int, info: &libc::siginfo_t, at: Option<usize>) {
    let name = FATAL.iter().find(|(number, _)| *number == signal);
    let name = name.map_or("?", |(_, name)| *name);
    let pid = std::process::id();
    out.line(format_args!("{REPORT_START}"));
    out.line(format_args!(
        "Tanist {TANIST_VERSION} (Redis {REDIS_VERSION}), process {pid}, crashed by signal: \
         {signal} ({name}), si_code: {}",
        info.si_code
    ));
    if info.si_code <= 0 {
        // SAFETY: a signal with such a code was sent by a process, which is told with it.
        let (pid, uid) = unsafe { (info.si_pid(), info.si_uid()) };
        out.line(format_args!("Killed by PID: {pid}, UID: {uid}"));
    } else if [libc::SIGSEGV, libc::SIGBUS].contains(&signal) {
        // SAFETY: these signals carry an address when the processor raised them.
        let address = unsafe { info.si_addr() };
        out.line(format_args!("Accessing address: {address:p}"));
    }
    if let Some(at) = at {
        out.line(format_args!("Crashed running the instruction at: {at:#x}"));
    }
    out.line(format_args!("Last command begun: {}", last_command()));
}

/// The instruction that was interrupted.
///
/// # Safety
///
/// `context` is what a handler was given.
pub(super) unsafe fn instruction(context: *mut c_void) -> Option<usize> {
    // SAFETY: such a context is a valid `ucontext_t`.
    let machine = unsafe { &(*context.cast::<libc::ucontext_t>()).uc_mcontext };
    #[cfg(target_arch = "x86_64")]
    return Some(machine.gregs[libc::REG_RIP as usize] as usize);
    #[cfg(target_arch = "aarch64")]
    return Some(machine.pc as usize);
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        let _ = machine;
        None
    }
}

/// Makes it possible for a handler to look for callers: the first call loads a library.
pub(super) fn prepare_traces() {
    capture(&mut [ptr::null_mut(); 1]);
}

/// Fills in the return addresses of the callers; returns how many there are.
fn capture(frames: &mut [*mut c_void]) -> c_int {
    // SAFETY: the array has room for as many addresses as are asked for.
    unsafe { libc::backtrace(frames.as_mut_ptr(), frames.len() as c_int) }
}

/// A report on its way to the log. Writing cannot fail in a way that would help anybody to know.
pub(super) struct Report(Option<Opened>);

impl Report {
    pub(super) fn open() -> Report {
        Report(LOG_FILE.open().ok())
    }

    /// Tests the memory, if that is wanted of this process, and writes the last line.
    fn end(&mut self) {
        let is_tested = TESTED.load(Ordering::Acquire) == std::process::id() as i32;
        if let Some(opened) = &mut self.0
            && is_tested
        {
            memcheck::report(opened);
        }
        self.line(format_args!("{REPORT_END}"));
    }

    /// Writes a line that says that a handler wrote it, and when.
    pub(super) fn handler_line(&mut self, text: fmt::Arguments<'_>) {
        let pid = std::process::id();
        // SAFETY: no memory is written to.
        let now = unsafe { libc::time(ptr::null_mut()) };
        self.line(format_args!("{pid}:signal-handler ({now}) {text}"));
    }

    /// Writes a line with one call, cut if it is very long.
    pub(super) fn line(&mut self, text: fmt::Arguments<'_>) {
        self.write(Line::of(text).ended());
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(opened) = &mut self.0 {
            opened.write(bytes);
        }
    }

    /// The addresses of the callers.
    fn frames(&mut self) {
        self.line(format_args!("------ STACK TRACE ------"));
        self.callers();
    }

    /// The same without a headline.
    pub(super) fn callers(&mut self) {
        let mut frames = [ptr::null_mut(); FRAMES_MAX];
        let count = capture(&mut frames);
        self.symbols(&frames[..usize::try_from(count).unwrap_or(0)]);
    }

    /// Addresses, and what part of which file is there.
    pub(super) fn symbols(&mut self, addresses: &[*mut c_void]) {
        let fd = self.0.as_ref().map_or(-1, Opened::fd);
        // SAFETY: the addresses are valid for reading, whatever they are; this function allocates
        // nothing.
        unsafe {
            libc::backtrace_symbols_fd(addresses.as_ptr(), addresses.len() as c_int, fd);
        }
    }

    /// The names of the callers: this may fail in all ways, see the module's head.
    fn names(&mut self) {
        // SAFETY: the handler is one that may run at any time, as argued there.
        unsafe {
            let handler: extern "C" fn(c_int) = on_alarm;
            libc::signal(libc::SIGALRM, handler as *const () as usize);
            libc::alarm(NAMES_SECONDS_MAX);
        }
        let _ = writeln!(self, "{}", Backtrace::force_capture());
        // SAFETY: it only stops the alarm.
        unsafe { libc::alarm(0) };
    }
}

impl fmt::Write for Report {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.write(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::process::{Exit, ForkResult};

    /// Crashes a child and returns how it ended and what it reported.
    fn crash(cause: impl FnOnce()) -> (Exit, String) {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        match process::fork().unwrap() {
            ForkResult::Child => {
                log_file().set(&log).unwrap();
                note_command(&"debug|segfault");
                report_crashes(true).unwrap();
                cause();
                process::exit_now(0)
            }
            ForkResult::Parent { child } => {
                let exit = process::wait_for(child).unwrap();
                (exit, std::fs::read_to_string(&log).unwrap_or_default())
            }
        }
    }

    #[track_caller]
    fn holds(report: &str, parts: &[&str]) {
        for part in parts {
            assert!(report.contains(part), "no {part:?} in\n{report}");
        }
    }

    #[test]
    fn a_bad_access_is_reported_and_ends_the_process_as_ever() {
        let (exit, report) = crash(|| process::crash_by_bad_access());
        assert_eq!(exit, Exit::Signal(libc::SIGSEGV));
        holds(
            &report,
            &[
                REPORT_START,
                "crashed by signal: 11 (SIGSEGV), si_code: 1",
                "Accessing address: 0x8",
                "Crashed running the instruction at: 0x",
                "Last command begun: debug|segfault",
                "STACK TRACE",
                "crash_by_bad_access",
                REPORT_END,
            ],
        );
    }

    #[test]
    fn a_signal_from_outside_tells_who_sent_it() {
        let (exit, report) = crash(|| {
            process::send_signal(std::process::id() as i32, libc::SIGABRT).unwrap();
        });
        assert_eq!(exit, Exit::Signal(libc::SIGABRT));
        holds(&report, &["(SIGABRT)", "Killed by PID: ", REPORT_END]);
    }

    #[test]
    fn an_overflow_of_the_stack_is_reported() {
        #[allow(unconditional_recursion)]
        fn deeper(level: u64) -> u64 {
            let here = std::hint::black_box([level; 512]);
            deeper(here[7] + 1) + here[8]
        }
        let (exit, report) = crash(|| {
            std::hint::black_box(deeper(0));
        });
        assert_eq!(exit, Exit::Signal(libc::SIGSEGV));
        holds(&report, &["(SIGSEGV)", "Accessing address: 0x", REPORT_END]);
    }

    #[test]
    fn the_memory_is_tested_at_the_end_where_that_is_wanted() {
        let (_, report) = crash(|| {
            test_memory(true);
            process::crash_by_bad_access();
        });
        let end = format!(" if possible.\n{REPORT_END}\n");
        holds(&report, &["\n------ FAST MEMORY TEST ------\n", &end]);
        let (_, report) = crash(|| {
            test_memory(true);
            test_memory(false);
            process::crash_by_bad_access();
        });
        assert!(!report.contains("FAST MEMORY TEST"), "{report}");
        let (_, report) = crash(|| {
            test_memory(true);
            match process::fork().unwrap() {
                ForkResult::Child => process::crash_by_bad_access(),
                ForkResult::Parent { child } => process::wait_for(child).unwrap(),
            };
        });
        holds(&report, &["crash_by_bad_access", REPORT_END]);
        assert!(!report.contains("FAST MEMORY TEST"), "{report}");
    }

    #[test]
    fn no_report_is_written_once_it_is_not_wanted() {
        let (exit, report) = crash(|| {
            report_crashes(false).unwrap();
            process::crash_by_bad_access();
        });
        assert_eq!(exit, Exit::Signal(libc::SIGSEGV));
        assert_eq!(report, "");
    }
}
