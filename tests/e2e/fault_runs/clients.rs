//! Clients that write numbered things as long as they are let, and keep a ledger of what they were
//! told.
//!
//! Nothing is written twice: a write that got no answer may have been done, or not, and the next
//! one has another number. Some writes are followed by `WAIT` or `WAITAOF`, whose answer is about
//! everything that was acknowledged on the connection before.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::harness::*;

/// Clients that keep a ledger.
const WRITERS: usize = 3;
/// How long a client of a server that stands still waits for a reply.
const REPLY_WITHIN: Duration = Duration::from_secs(2);
/// Rest of a client between two batches: what is written has to be read at the end.
const PAUSE: Duration = Duration::from_millis(4);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Set,
    Push,
    Incr,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    None,
    Done(Instant),
    Refused,
}

/// One write.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    pub kind: Kind,
    pub answer: Answer,
    /// So many replicas had it, said `WAIT`.
    pub replicas: i64,
    /// The master had it on disk, said `WAITAOF`.
    pub on_disk: bool,
    /// So many replicas had it on disk.
    pub replicas_on_disk: i64,
}

/// What one client has written, by number, and a reply that is none of those that it may get.
#[derive(Default)]
pub struct Ledger {
    pub entries: Vec<Entry>,
    pub surprise: Option<String>,
}

/// The ledgers of all clients of a run.
#[derive(Clone)]
pub struct Ledgers(Vec<Arc<Mutex<Ledger>>>);

impl Ledgers {
    pub fn new() -> Ledgers {
        Ledgers((0..WRITERS).map(|_| Arc::default()).collect())
    }

    pub fn all(&self) -> impl Iterator<Item = MutexGuard<'_, Ledger>> {
        self.0.iter().map(|ledger| lock(ledger))
    }

    fn acknowledged(&self) -> Vec<usize> {
        let is_done = |entry: &&Entry| matches!(entry.answer, Answer::Done(_));
        self.all()
            .map(|ledger| ledger.entries.iter().filter(is_done).count())
            .collect()
    }
}

fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(|e| e.into_inner())
}

pub fn string_key(client: usize, number: usize) -> String {
    format!("numbered:{client}:{number}")
}

pub fn list_key(client: usize) -> String {
    format!("numbers:{client}")
}

pub fn counter_key(client: usize) -> String {
    format!("count:of:{client}")
}

fn words(kind: Kind, client: usize, number: usize) -> Vec<u8> {
    let number_text = number.to_string();
    match kind {
        Kind::Set => encode(&["SET", &string_key(client, number), &number_text]),
        Kind::Push => encode(&["RPUSH", &list_key(client), &number_text]),
        Kind::Incr => encode(&["INCR", &counter_key(client)]),
    }
}

/// Clients of one server. They stop when dropped.
pub struct Clients {
    ledgers: Ledgers,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Clients {
    /// Starts those with ledgers, and one that writes all types beside them. They ask one of these
    /// questions now and then.
    pub fn start(
        port: u16,
        ledgers: &Ledgers,
        questions: &'static [&'static str],
        rng: &mut Rng,
    ) -> Clients {
        let stop: Arc<AtomicBool> = Arc::default();
        let mut threads = Vec::new();
        for (client, ledger) in ledgers.0.iter().enumerate() {
            let (ledger, stop, seed) = (Arc::clone(ledger), Arc::clone(&stop), rng.next());
            threads.push(thread::spawn(move || {
                let mut writer = Writer {
                    client,
                    ledger,
                    questions,
                    rng: Rng::new(seed),
                };
                until(&stop, || writer.write_until_broken(port, &stop));
            }));
        }
        let (told, mut noise) = (Arc::clone(&stop), Rng::new(rng.next()));
        threads.push(thread::spawn(move || {
            until(&told, || make_noise(port, &mut noise, &told));
        }));
        Clients {
            ledgers: ledgers.clone(),
            stop,
            threads,
        }
    }

    /// Waits until each client was told of a write that it is done.
    #[track_caller]
    pub fn wait_served(&self, server: &Server) {
        let before = self.ledgers.acknowledged();
        wait_for(
            "every client is served",
            || {
                let now = self.ledgers.acknowledged();
                let served = now.iter().zip(&before).all(|(now, before)| now > before);
                served.then_some(())
            },
            || server.log_tail(),
        );
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Begins anew whenever a connection breaks.
fn until(stop: &AtomicBool, mut work: impl FnMut() -> io::Result<()>) {
    while !stop.load(Ordering::SeqCst) {
        if work().is_err() {
            thread::sleep(Duration::from_millis(20));
        }
    }
}

fn connect(port: u16) -> io::Result<Conn> {
    let conn = Conn::to(port)?;
    conn.stream().set_read_timeout(Some(REPLY_WITHIN))?;
    conn.stream().set_write_timeout(Some(REPLY_WITHIN))?;
    Ok(conn)
}

struct Writer {
    client: usize,
    ledger: Arc<Mutex<Ledger>>,
    questions: &'static [&'static str],
    rng: Rng,
}

impl Writer {
    fn write_until_broken(&mut self, port: u16, stop: &AtomicBool) -> io::Result<()> {
        let mut conn = connect(port)?;
        let first = lock(&self.ledger).entries.len();
        while !stop.load(Ordering::SeqCst) {
            let kinds: Vec<Kind> = (0..=self.rng.below(6))
                .map(|_| *self.rng.pick(&[&Kind::Set, &Kind::Push, &Kind::Incr]))
                .collect();
            let all_done = self.write(&mut conn, &kinds)?;
            if all_done {
                self.ask_for_promise(&mut conn, first)?;
            }
            thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Sends a batch and reads the answers. Whether all of it is done.
    fn write(&mut self, conn: &mut Conn, kinds: &[Kind]) -> io::Result<bool> {
        let from = lock(&self.ledger).entries.len();
        let entry = |kind: &Kind| Entry {
            kind: *kind,
            answer: Answer::None,
            replicas: 0,
            on_disk: false,
            replicas_on_disk: 0,
        };
        // It counts as written before it is sent: from then on it may be found.
        lock(&self.ledger).entries.extend(kinds.iter().map(entry));
        let numbered = kinds.iter().zip(from..);
        let batch: Vec<u8> = numbered
            .flat_map(|(kind, number)| words(*kind, self.client, number))
            .collect();
        conn.stream().write_all(&batch)?;
        let mut all_done = true;
        for number in from..from + kinds.len() {
            let reply = conn.read_value()?;
            let mut ledger = lock(&self.ledger);
            ledger.entries[number].answer = match &reply {
                Value::Error(text) => {
                    if !may_be_refused_with(text) {
                        ledger.surprise = Some(text.clone());
                    }
                    all_done = false;
                    Answer::Refused
                }
                _ => Answer::Done(Instant::now()),
            };
        }
        Ok(all_done)
    }

    /// Now and then asks where everything is that this connection has written, from `first` on.
    fn ask_for_promise(&mut self, conn: &mut Conn, first: usize) -> io::Result<()> {
        if self.rng.chance(60) {
            return Ok(());
        }
        let words: Vec<&str> = self.rng.pick(self.questions).split(' ').collect();
        let reply = conn.try_command(&words)?;
        let (replicas, on_disk, replicas_on_disk) = match &reply {
            Value::Int(replicas) => (*replicas, false, 0),
            Value::Array(counts) => (0, counts[0] == Value::Int(1), counts[1].int()),
            _ => return Ok(()),
        };
        for entry in &mut lock(&self.ledger).entries[first..] {
            if matches!(entry.answer, Answer::Done(_)) {
                entry.replicas = entry.replicas.max(replicas);
                entry.on_disk |= on_disk;
                entry.replicas_on_disk = entry.replicas_on_disk.max(replicas_on_disk);
            }
        }
        Ok(())
    }
}

/// A server in trouble says why it does not do what it is told.
fn may_be_refused_with(text: &str) -> bool {
    ["MISCONF ", "LOADING ", "READONLY "]
        .iter()
        .any(|start| text.starts_with(start))
}

/// Writes all types, of which nobody keeps a ledger: they have to be equal in the end.
fn make_noise(port: u16, rng: &mut Rng, stop: &AtomicBool) -> io::Result<()> {
    let mut conn = connect(port)?;
    while !stop.load(Ordering::SeqCst) {
        let commands: Vec<Command> = (0..4).flat_map(|_| random_write_of_any_type(rng)).collect();
        let batch: Vec<u8> = commands.iter().flat_map(|words| encode(words)).collect();
        conn.stream().write_all(&batch)?;
        for _ in &commands {
            conn.read_value()?;
        }
        thread::sleep(PAUSE);
    }
    Ok(())
}
