//! Clients that write as fast as they are answered, in the background, until told to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::{Conn, Rng, encode, random_wait, random_write_of_any_type};

/// Commands in flight at once: enough to keep a server busy, few enough to stop quickly.
const PIPELINE: usize = 50;

/// Clients that wait for what the writer writes.
const WAITING: u64 = 4;

/// Draws commands that belong together.
type Draw = fn(&mut Rng) -> Vec<Vec<Vec<u8>>>;

/// Stops and joins when dropped.
pub struct Writer {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

impl Writer {
    /// Writes strings to `port` over a few hundred keys; survives a server that dies or refuses.
    pub fn start(port: u16, seed: u64) -> Writer {
        let mut writer = Writer::idle();
        writer.spawn(port, seed, PIPELINE, |rng| vec![random_string_write(rng)]);
        writer
    }

    /// Writes all types, and has clients wait for some of it with blocking commands.
    pub fn of_all_types(port: u16, seed: u64) -> Writer {
        let mut writer = Writer::idle();
        writer.spawn(port, seed, PIPELINE, random_write_of_any_type);
        for n in 1..=WAITING {
            writer.spawn(port, seed.wrapping_add(n), 1, random_wait);
        }
        writer
    }

    fn idle() -> Writer {
        Writer {
            stop: Arc::default(),
            acknowledged: Arc::default(),
            threads: Vec::new(),
        }
    }

    fn spawn(&mut self, port: u16, seed: u64, in_flight: usize, draw: Draw) {
        let stop = Arc::clone(&self.stop);
        let acknowledged = Arc::clone(&self.acknowledged);
        self.threads.push(thread::spawn(move || {
            let mut rng = Rng::new(seed);
            while !stop.load(Ordering::SeqCst) {
                let next = || (0..in_flight).flat_map(|_| draw(&mut rng)).collect();
                if write_until_broken(port, next, &stop, &acknowledged).is_err() {
                    thread::sleep(Duration::from_millis(20));
                }
            }
        }));
    }

    /// How many writes have been answered so far.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::SeqCst)
    }

    pub fn stop(self) {}
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn write_until_broken(
    port: u16,
    mut next: impl FnMut() -> Vec<Vec<Vec<u8>>>,
    stop: &AtomicBool,
    acknowledged: &AtomicU64,
) -> std::io::Result<()> {
    let mut conn = Conn::to(port)?;
    conn.stream()
        .set_read_timeout(Some(Duration::from_secs(2)))?;
    conn.stream()
        .set_write_timeout(Some(Duration::from_secs(2)))?;
    while !stop.load(Ordering::SeqCst) {
        let commands = next();
        let batch: Vec<u8> = commands
            .iter()
            .flat_map(|command| encode(command))
            .collect();
        std::io::Write::write_all(&mut conn.stream(), &batch)?;
        for _ in &commands {
            conn.read_value()?;
            acknowledged.fetch_add(1, Ordering::SeqCst);
        }
    }
    Ok(())
}

/// A write of one of the kinds that reach replicas in different forms: as they are, with absolute
/// times, as their effect, or in another database.
fn random_string_write(rng: &mut Rng) -> Vec<Vec<u8>> {
    let words = |text: String| text.split(' ').map(|w| w.as_bytes().to_vec()).collect();
    let key = format!("key:{}", rng.below(300));
    let number = rng.below(1_000_000);
    match rng.below(20) {
        0..=6 => words(format!("SET {key} {number}")),
        7..=8 => vec![
            b"SET".to_vec(),
            key.into_bytes(),
            rng.bytes((number % 3000) as usize),
        ],
        9..=10 => words(format!("INCR counter:{}", number % 10)),
        11 => words(format!("INCRBYFLOAT float:{} 0.5", number % 10)),
        12 => words(format!("APPEND log:{} {number}", number % 100)),
        13 => words(format!("DEL {key}")),
        14 => words(format!("SET {key} soon EX {}", 100 + number % 1000)),
        15 => words(format!("EXPIRE {key} {}", 100 + number % 1000)),
        16 => words(format!("GETDEL {key}")),
        17 => words(format!("SELECT {}", number % 3)),
        18 => words(format!("RENAME {key} key:{}", number % 300)),
        _ => words(format!(
            "MSET {key} {number} pair:{} {number}",
            number % 100
        )),
    }
}
