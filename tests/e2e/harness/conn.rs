//! A client that hides nothing: it sends bytes as given and can return a reply as it came.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::Value;

/// Longer than any reply takes, shorter than a test run's patience.
const REPLY_TIMEOUT: Duration = Duration::from_secs(60);

/// Encodes a command as an array of bulk strings.
pub fn encode<A: AsRef<[u8]>>(args: &[A]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        let arg = arg.as_ref();
        out.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// A command, word by word.
pub type Command = Vec<Vec<u8>>;

/// A command as a failed test shows it, without what is long in it.
pub fn show_command(command: &[Vec<u8>]) -> String {
    let short = |arg: &Vec<u8>| match arg.len() {
        0..=40 => format!("{:?}", String::from_utf8_lossy(arg)),
        n => format!("<{n} × {:?}>", char::from(arg[0])),
    };
    let shown: Vec<String> = command.iter().take(30).map(short).collect();
    let more = match command.len() {
        0..=30 => String::new(),
        n => format!(" … {n} words"),
    };
    shown.join(" ") + &more
}

pub struct Conn {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Conn {
    pub fn to(port: u16) -> io::Result<Conn> {
        Conn::over(TcpStream::connect(("127.0.0.1", port))?)
    }

    /// Over a connection that was made already, from whichever side.
    pub fn over(stream: TcpStream) -> io::Result<Conn> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(REPLY_TIMEOUT))?;
        stream.set_write_timeout(Some(REPLY_TIMEOUT))?;
        Ok(Conn {
            stream,
            unread: Vec::new(),
        })
    }

    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    #[track_caller]
    pub fn send(&mut self, bytes: &[u8]) {
        self.stream
            .write_all(bytes)
            .expect("the server takes what is sent");
    }

    /// Sends a command given as words and returns its reply.
    #[track_caller]
    pub fn call(&mut self, line: &str) -> Value {
        let words: Vec<&str> = line.split_whitespace().collect();
        self.command(&words)
    }

    /// Like `call`, as one line of text.
    #[track_caller]
    pub fn ask(&mut self, line: &str) -> String {
        self.call(line).to_string()
    }

    /// Sends a command with arguments of any bytes and returns its reply.
    #[track_caller]
    pub fn command<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Value {
        match self.try_command(args) {
            Ok(value) => value,
            Err(error) => {
                let name = String::from_utf8_lossy(args[0].as_ref()).into_owned();
                panic!("no reply to {name}: {error}")
            }
        }
    }

    pub fn try_command<A: AsRef<[u8]>>(&mut self, args: &[A]) -> io::Result<Value> {
        self.stream.write_all(&encode(args))?;
        self.read_value()
    }

    /// Reads one reply.
    pub fn read_value(&mut self) -> io::Result<Value> {
        let raw = self.read_raw()?;
        Ok(parse(&raw).expect("a whole reply").0)
    }

    /// Reads one reply and returns its bytes. The bare newlines of a peer that is busy are skipped.
    pub fn read_raw(&mut self) -> io::Result<Vec<u8>> {
        // Rescanning from the start is quadratic in the number of reads, not of bytes: a big
        // reply asks for as much as its header says is missing.
        loop {
            let newlines = self.unread.iter().take_while(|b| **b == b'\n').count();
            self.unread.drain(..newlines);
            let wanted = match parse(&self.unread) {
                Ok((_, used)) => return Ok(self.unread.drain(..used).collect()),
                Err(Missing(bytes)) => bytes.max(16 * 1024),
            };
            let had = self.unread.len();
            self.unread.resize(had + wanted, 0);
            let got = self.stream.read(&mut self.unread[had..]);
            self.unread.truncate(had + *got.as_ref().unwrap_or(&0));
            // A read with a limit of time is not begun anew after a signal.
            if got
                .as_ref()
                .is_err_and(|e| e.kind() == io::ErrorKind::Interrupted)
            {
                continue;
            }
            if got? == 0 {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "connection closed",
                ));
            }
        }
    }

    /// Reads over the snapshot that a master sends, of a known length or up to an end mark.
    #[track_caller]
    pub fn skip_snapshot(&mut self) {
        let header = loop {
            let line = self.read_line();
            if !line.is_empty() {
                break line;
            }
        };
        if let Some(mark) = header.strip_prefix("$EOF:") {
            let mark = mark.as_bytes();
            self.read_over(|unread| {
                let at = unread.windows(mark.len()).position(|w| w == mark)?;
                Some(at + mark.len())
            });
        } else {
            let length: usize = header[1..].parse().expect("the snapshot's length");
            self.read_over(|unread| (unread.len() >= length).then_some(length));
        }
    }

    /// Reads a line; a master keeps a waiting replica with bare newlines.
    fn read_line(&mut self) -> String {
        let end = |unread: &[u8]| unread.iter().position(|b| *b == b'\n').map(|at| at + 1);
        let line = self.read_over(end);
        String::from_utf8(line)
            .expect("a line of text")
            .trim_end()
            .to_owned()
    }

    /// Reads until `length` finds something in the unread bytes and takes that much of them.
    fn read_over(&mut self, length: impl Fn(&[u8]) -> Option<usize>) -> Vec<u8> {
        loop {
            if let Some(length) = length(&self.unread) {
                return self.unread.drain(..length).collect();
            }
            let mut piece = [0; 4096];
            let got = self.stream.read(&mut piece).expect("more of the snapshot");
            assert_ne!(got, 0, "the connection closed");
            self.unread.extend_from_slice(&piece[..got]);
        }
    }

    /// Everything up to the moment when the server closes the connection.
    #[track_caller]
    pub fn read_to_close(&mut self) -> Vec<u8> {
        let mut all = std::mem::take(&mut self.unread);
        match self.stream.read_to_end(&mut all) {
            Ok(_) => all,
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => all,
            Err(error) => panic!("the server keeps the connection open: {error}"),
        }
    }

    /// Whatever has arrived, be it replies or not.
    pub fn drain(&mut self) {
        let mut piece = [0; 4096];
        while matches!(self.stream.read(&mut piece), Ok(got) if got > 0) {}
    }

    /// Whether the server has closed this connection, told without blocking for long.
    pub fn is_closed(&mut self) -> bool {
        self.stream
            .set_read_timeout(Some(Duration::from_millis(1)))
            .expect("a timeout");
        let mut some = [0; 4096];
        let closed = match self.stream.read(&mut some) {
            Ok(0) => true,
            Ok(got) => {
                self.unread.extend_from_slice(&some[..got]);
                false
            }
            Err(error) => !matches!(
                error.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
            ),
        };
        self.stream
            .set_read_timeout(Some(REPLY_TIMEOUT))
            .expect("a timeout");
        closed
    }
}

/// At least this many bytes are missing from a reply.
#[derive(Debug)]
struct Missing(usize);

/// Parses the reply at the start of `bytes`; returns it with its length.
fn parse(bytes: &[u8]) -> Result<(Value, usize), Missing> {
    let line_end = bytes
        .windows(2)
        .position(|w| w == b"\r\n")
        .ok_or(Missing(1))?;
    // An error may quote any bytes that a client sent.
    let line = String::from_utf8_lossy(&bytes[1..line_end]);
    let body = line_end + 2;
    let number = || line.parse::<i64>().expect("a header holds a length");
    let text = || line.clone().into_owned();
    let value = match bytes[0] {
        b'+' => Value::Simple(text()),
        b'-' => Value::Error(text()),
        b':' => Value::Int(number()),
        b'_' => Value::Null,
        b',' => Value::Double(text()),
        b'#' => Value::Bool(line == "t"),
        b'(' => Value::BigNumber(text()),
        b'$' | b'*' if line == "-1" => Value::Null,
        b'$' | b'=' => {
            let end = body + number() as usize;
            if bytes.len() < end + 2 {
                return Err(Missing(end + 2 - bytes.len()));
            }
            let content = bytes[body..end].to_vec();
            let value = if bytes[0] == b'$' {
                Value::Bulk(content)
            } else {
                Value::Verbatim(content)
            };
            return Ok((value, end + 2));
        }
        b'*' | b'~' | b'>' | b'%' => return parse_list(bytes, body, number() as usize),
        other => panic!("no reply begins with {:?}", other as char),
    };
    Ok((value, body))
}

fn parse_list(bytes: &[u8], body: usize, length: usize) -> Result<(Value, usize), Missing> {
    let count = if bytes[0] == b'%' { 2 * length } else { length };
    let mut items = Vec::with_capacity(count);
    let mut at = body;
    for _ in 0..count {
        let (item, used) = parse(&bytes[at..])?;
        items.push(item);
        at += used;
    }
    let value = match bytes[0] {
        b'*' => Value::Array(items),
        b'~' => Value::Set(items),
        b'>' => Value::Push(items),
        _ => {
            let mut halves = items.into_iter();
            let mut pairs = Vec::with_capacity(length);
            while let (Some(key), Some(value)) = (halves.next(), halves.next()) {
                pairs.push((key, value));
            }
            Value::Map(pairs)
        }
    };
    Ok((value, at))
}
