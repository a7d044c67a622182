//! What a connection sends, and how it knows that it was answered.
//!
//! A batch is built once with its random digits blank; for every turn only the digits are filled
//! in. Replies are not parsed but counted, line by line: a workload's data set is such that each
//! command has as many lines in its reply every time, and no value has a line break in it.

use std::ops::Range;
use std::sync::Arc;

use rustls::ClientConfig;

/// What stands in a command for digits to be drawn: as many as there are signs.
pub const BLANK: &str = "############";
/// What stands for the number last drawn, once more.
pub const AGAIN: &str = "============";

/// A kind of request.
pub struct Workload {
    pub name: &'static str,
    /// The commands that a batch goes around.
    commands: Vec<Command>,
    /// Digits are drawn from `0..keys`.
    pub keys: u64,
    /// What a connection sends before; the last reply to it is `OK`.
    pub greeting: &'static str,
    /// How connections are encrypted, if they are.
    pub tls: Option<Arc<ClientConfig>>,
}

/// One command, its digits still blank.
struct Command {
    bytes: Vec<u8>,
    blanks: Vec<Blank>,
    reply_lines: usize,
}

/// Where digits are to be filled in.
#[derive(Clone)]
struct Blank {
    range: Range<usize>,
    /// Whether it is the number of the blank before.
    again: bool,
}

impl Workload {
    /// One command over and over, given as its words apart by spaces.
    pub fn new(name: &'static str, line: &str, reply_lines: usize, keys: u64) -> Workload {
        Workload::cycle(name, &[(line, reply_lines)], keys)
    }

    /// Several commands in turn.
    pub fn cycle(name: &'static str, lines: &[(&str, usize)], keys: u64) -> Workload {
        let command = |(line, reply_lines): &(&str, usize)| Command::new(line, *reply_lines);
        Workload {
            name,
            commands: lines.iter().map(command).collect(),
            keys,
            greeting: "",
            tls: None,
        }
    }

    /// One command over and over, given word by word.
    pub fn of_words(name: &'static str, words: &[&str], reply_lines: usize, keys: u64) -> Workload {
        Workload {
            name,
            commands: vec![Command::of_words(words, reply_lines)],
            keys,
            greeting: "",
            tls: None,
        }
    }

    /// Several commands that count as one.
    pub fn joined(name: &'static str, lines: &[(&str, usize)], keys: u64) -> Workload {
        let mut whole = Workload::cycle(name, lines, keys);
        let batch = whole.batch(lines.len());
        whole.commands = vec![Command {
            bytes: batch.bytes,
            blanks: batch.blanks,
            reply_lines: batch.reply_lines,
        }];
        whole
    }

    /// The same over TLS, under another name.
    pub fn over_tls(self, name: &'static str, config: &Arc<ClientConfig>) -> Workload {
        let tls = Some(Arc::clone(config));
        Workload { name, tls, ..self }
    }

    /// The same, after a greeting.
    pub fn greeting_with(self, greeting: &'static str) -> Workload {
        Workload { greeting, ..self }
    }

    /// The same by another name.
    pub fn named(self, name: &'static str) -> Workload {
        Workload { name, ..self }
    }

    pub fn ping() -> Workload {
        Workload::new("ping", "PING", 1, 1)
    }

    pub fn get(name: &'static str, keys: u64) -> Workload {
        Workload::new(name, &format!("GET key:{BLANK}"), 2, keys)
    }

    pub fn set(name: &'static str, keys: u64, value_bytes: usize) -> Workload {
        let line = format!("SET key:{BLANK} {}", value(value_bytes));
        Workload::new(name, &line, 1, keys)
    }

    pub fn incr(keys: u64) -> Workload {
        Workload::new("incr", &format!("INCR key:{BLANK}"), 1, keys)
    }

    pub fn mset(keys: u64, value_bytes: usize) -> Workload {
        let pair = format!(" key:{BLANK} {}", value(value_bytes));
        Workload::new("mset", &format!("MSET{}", pair.repeat(10)), 1, keys)
    }

    /// What a server that only returns its input is sent: as long as a GET.
    pub fn echo(keys: u64) -> Workload {
        let mut workload = Workload::get("echo", keys);
        let get = &mut workload.commands[0];
        get.reply_lines = memchr::memchr_iter(b'\n', &get.bytes).count();
        workload
    }

    /// How many commands it takes to draw each of the numbers once.
    pub fn commands_for_all_keys(&self) -> u64 {
        let blanks = self.commands.iter().flat_map(|command| &command.blanks);
        let drawn = blanks.filter(|blank| !blank.again).count();
        (self.keys * self.commands.len() as u64).div_ceil(drawn.max(1) as u64)
    }

    /// `count` commands in a row, their digits still blank.
    pub fn batch(&self, count: usize) -> Batch {
        let mut batch = Batch {
            bytes: Vec::new(),
            blanks: Vec::new(),
            reply_lines: 0,
        };
        for command in self.commands.iter().cycle().take(count) {
            let start = batch.bytes.len();
            batch
                .blanks
                .extend(command.blanks.iter().map(|blank| Blank {
                    range: start + blank.range.start..start + blank.range.end,
                    again: blank.again,
                }));
            batch.bytes.extend_from_slice(&command.bytes);
            batch.reply_lines += command.reply_lines;
        }
        batch
    }
}

impl Command {
    fn new(line: &str, reply_lines: usize) -> Command {
        let words: Vec<&str> = line.split(' ').collect();
        Command::of_words(&words, reply_lines)
    }

    fn of_words(words: &[&str], reply_lines: usize) -> Command {
        let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
        }
        let mut blanks = Vec::new();
        let mut at = 0;
        while let Some(found) = memchr::memchr2(b'#', b'=', &bytes[at..]) {
            let start = at + found;
            let sign = bytes[start];
            let length = bytes[start..].iter().take_while(|b| **b == sign).count();
            at = start + length;
            if length == BLANK.len() {
                blanks.push(Blank {
                    range: start..at,
                    again: sign == b'=',
                });
            }
        }
        Command {
            bytes,
            blanks,
            reply_lines,
        }
    }
}

/// Several commands, ready to be sent once their digits are filled in.
pub struct Batch {
    pub bytes: Vec<u8>,
    pub reply_lines: usize,
    blanks: Vec<Blank>,
}

impl Batch {
    /// Draws a number for every blank.
    pub fn fill(&mut self, mut next_key: impl FnMut() -> u64) {
        let mut number = 0;
        for blank in &self.blanks {
            if !blank.again {
                number = next_key();
            }
            let mut rest = number;
            for digit in self.bytes[blank.range.clone()].iter_mut().rev() {
                *digit = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
        }
    }
}

/// A value that no compressor shortens by much.
pub fn value(length: usize) -> String {
    if length == 3 {
        return "xyz".to_owned();
    }
    let letters = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = || {
        state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
        char::from(letters[(state >> 58) as usize])
    };
    (0..length).map(|_| next()).collect()
}
