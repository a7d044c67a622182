//! A server for tests that does as it is told: answers, late, wrongly, or not at all.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::worker::{Halt, Worker, lock};
use crate::resp::reply_parser::ReplyParser;

const POLL: Duration = Duration::from_millis(5);
const GENEROUS: Duration = Duration::from_secs(60);

/// What the server does when it gets a command.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// These bytes.
    Reply(Vec<u8>),
    /// These bytes, so much later.
    Late(Duration, Vec<u8>),
    /// Nothing.
    Silent,
    /// It closes the connection.
    Close,
}

/// A reply.
pub(super) fn reply(text: impl Into<String>) -> Answer {
    Answer::Reply(text.into().into_bytes())
}

type Handler = dyn FnMut(&[Vec<u8>]) -> Answer + Send;

/// See the module's head.
pub(super) struct Fake {
    address: SocketAddr,
    _listening: Worker,
}

impl Fake {
    /// Starts one that answers each command as `handler` says.
    pub fn start(handler: impl FnMut(&[Vec<u8>]) -> Answer + Send + 'static) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("it is bound");
        let handler: Arc<Mutex<Handler>> = Arc::new(Mutex::new(handler));
        let listen = move |halt: &Halt| listen(&listener, &handler, halt);
        let _listening = Worker::start("fake", listen).expect("a thread");
        Fake {
            address,
            _listening,
        }
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

fn listen(listener: &TcpListener, handler: &Arc<Mutex<Handler>>, halt: &Halt) {
    let mut connections = Vec::new();
    while !halt.is_asked() {
        let Ok((stream, _)) = listener.accept() else {
            halt.pause(Duration::from_millis(1));
            continue;
        };
        let handler = Arc::clone(handler);
        let serve = move |halt: &Halt| serve(stream, &handler, halt);
        connections.push(Worker::start("fake", serve).expect("a thread"));
    }
    connections.iter().for_each(Worker::halt);
}

fn serve(mut stream: TcpStream, handler: &Mutex<Handler>, halt: &Halt) {
    stream.set_nonblocking(false).expect("a socket");
    stream.set_read_timeout(Some(POLL)).expect("a socket");
    let mut commands = ReplyParser::default();
    let mut piece = [0; 4096];
    while !halt.is_asked() {
        match stream.read(&mut piece) {
            Ok(0) => return,
            Ok(count) => commands.feed(&piece[..count]),
            Err(_) => continue,
        }
        // A command has the form of a reply that is an array of strings.
        while let Ok(Some(command)) = commands.next_reply() {
            let words = command.array().unwrap_or_default().iter();
            let argv: Vec<_> = words.filter_map(|w| w.text().map(<[u8]>::to_vec)).collect();
            let answer = lock(handler)(&argv);
            let bytes = match answer {
                Answer::Reply(bytes) => bytes,
                Answer::Late(by, bytes) => {
                    halt.pause(by);
                    bytes
                }
                Answer::Silent => continue,
                Answer::Close => return,
            };
            if stream.write_all(&bytes).is_err() {
                return;
            }
        }
    }
}

/// The data of such a server: enough to write lists, to set and to read.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    role: &'static str,
    pub lists: BTreeMap<Vec<u8>, Vec<Vec<u8>>>,
    texts: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Memory {
    /// That of a master.
    pub fn master() -> Memory {
        Memory {
            role: "master",
            lists: BTreeMap::new(),
            texts: BTreeMap::new(),
        }
    }

    /// That of a replica.
    pub fn replica() -> Memory {
        Memory {
            role: "slave",
            ..Memory::master()
        }
    }

    /// Does a command.
    pub fn answer(&mut self, argv: &[Vec<u8>]) -> Answer {
        let words: Vec<&[u8]> = argv.iter().map(Vec::as_slice).collect();
        match words[..] {
            [b"PING"] => reply("+PONG\r\n"),
            [b"ROLE"] => reply(format!("*1\r\n${}\r\n{}\r\n", self.role.len(), self.role)),
            [b"RPUSH" | b"SET", ..] if self.role == "slave" => {
                reply("-READONLY You can't write against a read only replica.\r\n")
            }
            [b"RPUSH", key, value] => {
                let list = self.lists.entry(key.to_vec()).or_default();
                list.push(value.to_vec());
                reply(format!(":{}\r\n", list.len()))
            }
            [b"SET", key, value] => {
                self.texts.insert(key.to_vec(), value.to_vec());
                reply("+OK\r\n")
            }
            [b"GET", key] => match self.texts.get(key) {
                Some(text) => Answer::Reply(array(std::slice::from_ref(text))[4..].to_vec()),
                None => reply("$-1\r\n"),
            },
            [b"SCAN", ..] => {
                let keys: Vec<_> = self
                    .lists
                    .keys()
                    .chain(self.texts.keys())
                    .cloned()
                    .collect();
                let mut bytes = b"*2\r\n$1\r\n0\r\n".to_vec();
                bytes.extend(array(&keys));
                Answer::Reply(bytes)
            }
            [b"LRANGE", key, first, last] => {
                let number = |text| {
                    std::str::from_utf8(text)
                        .expect("a number")
                        .parse::<usize>()
                };
                let (first, last) = (number(first).expect("one"), number(last).expect("one"));
                let list = self.lists.get(key).map_or(&[][..], Vec::as_slice);
                let last = (last + 1).min(list.len());
                Answer::Reply(array(&list[first.min(last)..last]))
            }
            _ => reply("-ERR unknown command\r\n"),
        }
    }
}

/// An array of strings.
pub(super) fn array(texts: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", texts.len()).into_bytes();
    for text in texts {
        bytes.extend(format!("${}\r\n", text.len()).into_bytes());
        bytes.extend(text);
        bytes.extend(b"\r\n");
    }
    bytes
}

/// Waits until it holds.
pub(super) fn wait_until(mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + GENEROUS;
    while !holds() {
        assert!(Instant::now() < deadline, "it does not come true");
        std::thread::sleep(Duration::from_millis(1));
    }
}
