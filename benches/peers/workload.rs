//! What a connection sends, and how it knows that it was answered.
//!
//! A batch is built once with its keys' digits blank; for every turn only the digits are filled
//! in. Replies are not parsed: all keys exist and all values have one length, so that the number
//! of bytes (or of lines, where a number is replied) tells when a batch is answered.

/// Digits of a key, after a prefix of four bytes: keys of 16 bytes in all.
const KEY_DIGITS: usize = 12;

/// How the end of a command's reply is recognized.
#[derive(Clone, Copy)]
pub enum Ends {
    AfterBytes(usize),
    AfterLines(usize),
}

/// A kind of request.
pub struct Workload {
    pub name: &'static str,
    /// One command; each key in it ends in blanks to fill.
    command: Vec<u8>,
    /// Where those blanks begin.
    blanks: Vec<usize>,
    pub reply: Ends,
    /// Keys are drawn from `0..keys`.
    pub keys: u64,
}

impl Workload {
    pub fn ping() -> Workload {
        let reply = Ends::AfterBytes(b"+PONG\r\n".len());
        Workload::new("ping", &[b"PING"], reply, 1)
    }

    pub fn get(name: &'static str, keys: u64, value_bytes: usize) -> Workload {
        let header = format!("${value_bytes}\r\n").len();
        let reply = Ends::AfterBytes(header + value_bytes + 2);
        Workload::new(name, &[b"GET", &key()], reply, keys)
    }

    pub fn set(name: &'static str, keys: u64, value_bytes: usize) -> Workload {
        let reply = Ends::AfterBytes(b"+OK\r\n".len());
        Workload::new(name, &[b"SET", &key(), &value(value_bytes)], reply, keys)
    }

    pub fn incr(keys: u64) -> Workload {
        Workload::new("incr", &[b"INCR", &key()], Ends::AfterLines(1), keys)
    }

    pub fn mset(keys: u64, value_bytes: usize) -> Workload {
        let (key, value) = (key(), value(value_bytes));
        let mut args: Vec<&[u8]> = vec![b"MSET"];
        for _ in 0..10 {
            args.extend([key.as_slice(), &value]);
        }
        Workload::new("mset", &args, Ends::AfterBytes(b"+OK\r\n".len()), keys)
    }

    /// What a server that only returns its input is sent: as long as a GET.
    pub fn echo(keys: u64) -> Workload {
        let mut workload = Workload::get("echo", keys, 3);
        workload.reply = Ends::AfterBytes(workload.command.len());
        workload.name = "echo";
        workload
    }

    fn new(name: &'static str, args: &[&[u8]], reply: Ends, keys: u64) -> Workload {
        let mut command = format!("*{}\r\n", args.len()).into_bytes();
        let mut blanks = Vec::new();
        for arg in args {
            command.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
            if *arg == key() {
                blanks.push(command.len() + arg.len() - KEY_DIGITS);
            }
            command.extend_from_slice(arg);
            command.extend_from_slice(b"\r\n");
        }
        Workload {
            name,
            command,
            blanks,
            reply,
            keys,
        }
    }

    /// `count` commands in a row, their keys still blank.
    pub fn batch(&self, count: usize) -> Batch {
        let bytes = self.command.repeat(count);
        let starts = (0..count).map(|n| n * self.command.len());
        let blanks = starts
            .flat_map(|start| self.blanks.iter().map(move |b| start + b))
            .collect();
        Batch { bytes, blanks }
    }
}

/// Several commands, ready to be sent once their keys are filled in.
pub struct Batch {
    pub bytes: Vec<u8>,
    blanks: Vec<usize>,
}

impl Batch {
    /// Draws a key for every blank.
    pub fn fill(&mut self, mut next_key: impl FnMut() -> u64) {
        for blank in &self.blanks {
            let digits = &mut self.bytes[*blank..*blank + KEY_DIGITS];
            let mut rest = next_key();
            for digit in digits.iter_mut().rev() {
                *digit = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
        }
    }
}

fn key() -> Vec<u8> {
    let mut key = b"key:".to_vec();
    key.resize(4 + KEY_DIGITS, b'0');
    key
}

/// A value that no compressor shortens by much.
fn value(length: usize) -> Vec<u8> {
    if length == 3 {
        return b"xyz".to_vec();
    }
    let letters = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = || {
        state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
        letters[(state >> 58) as usize]
    };
    (0..length).map(|_| next()).collect()
}
