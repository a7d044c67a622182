//! Disks that fill up, that may only be read, that fail, and children that do not come about: what
//! was answered stays, and service comes back without a restart.

use std::thread;
use std::time::Duration;

use crate::harness::*;

mod failing;
mod full;
mod read_only;

/// Clients that write at once.
const CLIENTS: usize = 4;
/// Commands that a client sends together.
const PIPELINE: u64 = 10;
/// So long it waits before the next: fast enough to fill any of the disks at once, and not so fast
/// that the tests beside it find no disk left.
const PAUSE: Duration = Duration::from_millis(1);

/// What clients wrote and were told to be done: each has keys of its own, numbered.
#[derive(Default)]
struct Record {
    /// How many of its writes each client saw answered.
    written: [u64; CLIENTS],
    /// The first refusal, or the reason why a connection ended.
    refusal: Option<String>,
}

/// What a client writes as its `n`-th value.
fn value(client: usize, n: u64) -> String {
    format!("{client}:{n}:{}", "x".repeat(500 + (n % 700) as usize))
}

/// Writes from `next` on until it is refused, or until so many are done. Returns the number behind
/// the last that was answered, and the refusal.
fn write_on(port: u16, client: usize, mut next: u64, count: u64) -> (u64, Option<String>) {
    let end = next + count;
    let Ok(mut conn) = Conn::to(port) else {
        return (next, Some("no connection".to_owned()));
    };
    while next < end {
        let numbers = next..end.min(next + PIPELINE);
        let commands = numbers.clone().map(|n| {
            let key = format!("key:{client}:{n}").into_bytes();
            encode(&[b"SET".to_vec(), key, value(client, n).into_bytes()])
        });
        let bytes: Vec<u8> = commands.flatten().collect();
        if std::io::Write::write_all(&mut conn.stream(), &bytes).is_err() {
            return (next, Some("the connection is gone".to_owned()));
        }
        thread::sleep(PAUSE);
        for _ in numbers {
            match conn.read_value() {
                Ok(Value::Error(text)) => return (next, Some(text)),
                Ok(_) => next += 1,
                Err(e) => return (next, Some(e.to_string())),
            }
        }
    }
    (next, None)
}

impl Record {
    /// Has all clients write so many more each, or until they are refused.
    fn write(&mut self, server: &Server, count: u64) {
        let port = server.port;
        let results: Vec<_> = thread::scope(|scope| {
            let clients = self.written.iter().enumerate();
            let threads: Vec<_> = clients
                .map(|(client, next)| scope.spawn(move || write_on(port, client, *next, count)))
                .collect();
            let ended = threads.into_iter().map(|t| t.join().expect("a client"));
            ended.collect()
        });
        for (written, (next, refusal)) in self.written.iter_mut().zip(results) {
            *written = next;
            self.refusal = refusal.or(self.refusal.take());
        }
    }

    /// Has them write until somebody is refused, and returns the refusal.
    #[track_caller]
    fn write_until_refused(&mut self, server: &Server) -> String {
        self.refusal = None;
        // More than fits any of the disks.
        self.write(server, 100_000);
        self.refusal.take().expect("a write is refused")
    }

    /// Has them write so many more each; nobody is refused.
    #[track_caller]
    fn write_well(&mut self, server: &Server, count: u64) {
        self.refusal = None;
        self.write(server, count);
        assert_eq!(self.refusal, None, "{}", server.log_tail());
    }

    /// Everything that was answered is there.
    #[track_caller]
    fn check(&self, server: &Server) {
        let mut conn = server.connect();
        for (client, count) in self.written.iter().enumerate() {
            for n in 0..*count {
                let found = conn.command(&["GET", &format!("key:{client}:{n}")]);
                assert_eq!(found.to_string(), value(client, n), "{}", server.log_tail());
            }
        }
    }

    /// The server is killed, and when it has started again everything is there.
    #[track_caller]
    fn check_after_a_kill(&self, server: &mut Server) {
        server.kill();
        server.start_again();
        self.check(server);
    }
}

/// Waits until a field of `INFO` says something.
#[track_caller]
fn wait_info(server: &Server, field: &str, value: &str) {
    wait_for(
        &format!("{field} is {value}"),
        || (server.info(field) == value).then_some(()),
        || server.log_tail(),
    );
}

/// Waits until the server takes writes.
#[track_caller]
fn wait_writable(server: &Server) {
    wait_for(
        "writes are taken",
        || (server.ask("SET probe 1") == "OK").then_some(()),
        || server.log_tail(),
    );
}
