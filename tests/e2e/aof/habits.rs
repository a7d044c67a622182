//! Clients whose every write has a number, so that what a server holds tells how many of their
//! writes it has seen, and whether it has seen exactly those.
//!
//! Each client has a database and keys of its own and sends its writes one behind the other,
//! many at a time. After `k` of them its keys have one possible content, which [`Habit::expected`]
//! knows. A server that was killed and started again must hold that for some `k` that is at least
//! as large as the number of writes that were answered, and at most the number of those sent.

use std::time::Instant;

use crate::harness::*;

/// Keys of the clients that set strings.
const STRINGS: u64 = 17;
/// So many items a list or a stream keeps.
const KEPT: u64 = 100;
/// Every so many pushes the list is cut.
const PUSHES: u64 = 50;

/// What a client writes.
#[derive(Clone, Copy, Debug)]
pub enum Habit {
    /// Strings of different lengths, over and over.
    Strings,
    /// A list that grows at one end and is cut at the other.
    List,
    /// Transactions over a counter, a hash and a sorted set.
    Transactions,
    /// A stream.
    Stream,
}

pub const HABITS: [Habit; 4] = [
    Habit::Strings,
    Habit::List,
    Habit::Transactions,
    Habit::Stream,
];

fn words(line: &str) -> Command {
    line.split(' ')
        .map(|word| word.as_bytes().to_vec())
        .collect()
}

/// What a string is set to by a write.
fn string_of(n: u64) -> String {
    format!("{n}:{}", "x".repeat((n * 31 % 300) as usize))
}

impl Habit {
    /// The commands of write number `n`, counted from 1.
    fn commands(self, n: u64) -> Vec<Command> {
        let line = match self {
            Habit::Strings => format!("SET s:{} {}", n % STRINGS, string_of(n)),
            Habit::List if n.is_multiple_of(PUSHES) => format!("LTRIM list -{KEPT} -1"),
            Habit::List => format!("RPUSH list {n}"),
            Habit::Stream => format!("XADD stream MAXLEN {KEPT} {n}-1 n {n}"),
            Habit::Transactions => {
                let lines = [
                    "MULTI".to_owned(),
                    "INCR count".to_owned(),
                    format!("HSET hash f{} {n}", n % 10),
                    format!("ZADD zset {n} m{}", n % 7),
                    "EXEC".to_owned(),
                ];
                return lines.iter().map(|line| words(line)).collect();
            }
        };
        vec![words(&line)]
    }

    /// What asks for all that a client has written.
    fn questions(self) -> Vec<String> {
        match self {
            Habit::Strings => (0..STRINGS).map(|n| format!("GET s:{n}")).collect(),
            Habit::List => vec!["LRANGE list 0 -1".into()],
            Habit::Stream => vec!["XRANGE stream - +".into()],
            Habit::Transactions => {
                let fields: Vec<String> = (0..10).map(|n| format!("f{n}")).collect();
                vec![
                    "GET count".into(),
                    format!("HMGET hash {}", fields.join(" ")),
                    "ZRANGE zset 0 -1 WITHSCORES".into(),
                ]
            }
        }
    }

    /// The answers after `k` writes.
    fn expected(self, k: u64) -> Vec<String> {
        let latest = |residue: u64, of: u64| {
            (0..=k)
                .rev()
                .take(of as usize)
                .find(|n| n % of == residue && *n > 0)
        };
        let or_nil = |n: Option<u64>| n.map_or("(nil)".to_owned(), |n| n.to_string());
        let list = |items: Vec<String>| format!("[{}]", items.join(" "));
        match self {
            Habit::Strings => (0..STRINGS)
                .map(|n| latest(n, STRINGS).map_or("(nil)".to_owned(), string_of))
                .collect(),
            Habit::List => {
                let cut = k - k % PUSHES;
                let pushed = |n: &u64| !n.is_multiple_of(PUSHES);
                let mut kept: Vec<u64> =
                    (1..cut).rev().filter(pushed).take(KEPT as usize).collect();
                kept.reverse();
                kept.extend(cut + 1..=k);
                vec![list(kept.iter().map(u64::to_string).collect())]
            }
            Habit::Stream => {
                let from = k.saturating_sub(KEPT) + 1;
                vec![list(
                    (from..=k).map(|n| format!("[{n}-1 [n {n}]]")).collect(),
                )]
            }
            Habit::Transactions => {
                let fields = (0..10).map(|n| or_nil(latest(n, 10))).collect();
                let members = (k.saturating_sub(6).max(1)..=k)
                    .flat_map(|n| [format!("m{}", n % 7), n.to_string()]);
                let count = if k == 0 {
                    "(nil)".into()
                } else {
                    k.to_string()
                };
                vec![count, list(fields), list(members.collect())]
            }
        }
    }

    /// About how many writes these answers show; it may be one more.
    fn count(self, answers: &[Value]) -> u64 {
        let number = |text: &str| {
            text.split([':', '-'])
                .next()
                .and_then(|n| n.parse::<u64>().ok())
        };
        let texts: Vec<String> = match self {
            Habit::Strings => answers.iter().map(Value::to_string).collect(),
            Habit::Transactions => vec![answers[0].to_string()],
            Habit::List => answers[0]
                .items()
                .last()
                .iter()
                .map(|v| v.to_string())
                .collect(),
            Habit::Stream => {
                let last = answers[0].items().last();
                last.iter()
                    .map(|entry| entry.items()[0].to_string())
                    .collect()
            }
        };
        texts
            .iter()
            .filter_map(|text| number(text))
            .max()
            .unwrap_or(0)
    }
}

/// A client that outlives its servers.
pub struct Client {
    habit: Habit,
    database: usize,
    /// Writes that were sent.
    sent: u64,
    /// Writes that were answered, and when that many were.
    answered: Vec<(Instant, u64)>,
}

impl Client {
    pub fn new(habit: Habit, database: usize) -> Client {
        Client {
            habit,
            database,
            sent: 0,
            answered: vec![(Instant::now(), 0)],
        }
    }

    /// How many writes were answered.
    pub fn answered(&self) -> u64 {
        self.answered.last().map_or(0, |(_, count)| *count)
    }

    /// Writes until the server is gone.
    ///
    /// # Panics
    ///
    /// The server refuses a write.
    pub fn write_until_broken(&mut self, port: u16, rng: &mut Rng) {
        let Ok(mut conn) = Conn::to(port) else { return };
        if conn
            .try_command(&["SELECT", &self.database.to_string()])
            .is_err()
        {
            return;
        }
        loop {
            let count = 1 + rng.below(40);
            let writes: Vec<Vec<Command>> = (0..count)
                .map(|n| self.habit.commands(self.sent + 1 + n))
                .collect();
            let bytes: Vec<u8> = writes.iter().flatten().flat_map(|c| encode(c)).collect();
            self.sent += count;
            if std::io::Write::write_all(&mut conn.stream(), &bytes).is_err() {
                return;
            }
            let mut answered = self.answered();
            for write in &writes {
                for command in write {
                    match conn.read_value() {
                        Ok(Value::Error(e)) => panic!("{}: {e}", show_command(command)),
                        Ok(_) => {}
                        Err(_) => return,
                    }
                }
                answered += 1;
                self.answered.push((Instant::now(), answered));
            }
        }
    }

    /// Compares what the server holds with what this client has written. All that was answered
    /// before `promised` must be there. Returns how many answered writes are missing nevertheless,
    /// because they are younger.
    ///
    /// # Panics
    ///
    /// It holds something else.
    #[track_caller]
    pub fn check(&mut self, server: &Server, promised: Instant) -> u64 {
        let mut conn = server.connect();
        conn.ask(&format!("SELECT {}", self.database));
        let answers: Vec<Value> = self
            .habit
            .questions()
            .iter()
            .map(|q| conn.call(q))
            .collect();
        let shown: Vec<String> = answers.iter().map(Value::to_string).collect();
        let in_time = self.answered.iter().rfind(|(at, _)| *at <= promised);
        let required = in_time.map_or(0, |(_, count)| *count);
        let answered = self.answered();
        let seen = self.habit.count(&answers);
        // A cut that found nothing to cut looks as if it had not been done.
        let fits = |k: &u64| *k <= self.sent && self.habit.expected(*k) == shown;
        let Some(held) = [seen + 1, seen].into_iter().find(fits) else {
            panic!(
                "{:?} in database {}: neither {seen} writes nor one more make {shown:?}, but {:?}",
                self.habit,
                self.database,
                self.habit.expected(seen)
            );
        };
        assert!(
            held >= required,
            "{:?} in database {}: {held} writes are there, {required} were promised, {answered} \
             answered, {} sent",
            self.habit,
            self.database,
            self.sent
        );
        self.sent = held;
        self.answered = vec![(promised, held)];
        answered.saturating_sub(held)
    }
}
