//! Connections for metrics over sockets and in a network of paper.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};
use std::rc::Rc;

use super::conn::{Conn, Next};
use super::*;
use crate::engine::world::{Connecting, Transport};
use crate::http::request::HEAD_BYTES_MAX;

/// Both directions of a connection, as its peer sees them.
#[derive(Default)]
struct Wire {
    /// What the peer has sent, piece by piece; an empty piece is its end.
    to_us: VecDeque<Vec<u8>>,
    /// What it was sent.
    from_us: Vec<u8>,
    /// So much more is taken before the socket is full.
    room: usize,
    is_closed: bool,
}

struct PaperSocket(Rc<RefCell<Wire>>);

impl Drop for PaperSocket {
    fn drop(&mut self) {
        self.0.borrow_mut().is_closed = true;
    }
}

impl Socket for PaperSocket {
    fn read_append(&mut self, into: &mut Vec<u8>, bytes_max: usize) -> io::Result<usize> {
        let mut wire = self.0.borrow_mut();
        let piece = wire.to_us.front_mut().ok_or(ErrorKind::WouldBlock)?;
        let count = piece.len().min(bytes_max);
        into.extend(piece.drain(..count));
        if piece.is_empty() && count > 0 {
            wire.to_us.pop_front();
        }
        Ok(count)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut wire = self.0.borrow_mut();
        let count = bytes.len().min(wire.room);
        wire.room -= count;
        wire.from_us.extend_from_slice(&bytes[..count]);
        match count {
            0 => Err(ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let all: Vec<u8> = slices
            .iter()
            .flat_map(|slice| slice.iter().copied())
            .collect();
        self.write(&all)
    }

    fn connecting(&mut self) -> Connecting {
        Connecting::Done
    }

    fn set_nodelay(&self, _: bool) {}

    fn set_keepalive(&self, _: u32) {}

    fn endpoints(&self) -> (String, String) {
        (String::new(), String::new())
    }

    fn descriptor(&self) -> i32 {
        0
    }
}

/// A connection and its peer.
struct Pair {
    conn: Conn<PaperSocket>,
    wire: Rc<RefCell<Wire>>,
    page: Arc<Vec<u8>>,
    now_ms: u64,
}

impl Pair {
    fn new() -> Pair {
        let wire = Rc::new(RefCell::new(Wire {
            room: usize::MAX,
            ..Wire::default()
        }));
        Pair {
            conn: Conn::new(PaperSocket(Rc::clone(&wire)), 0),
            wire,
            page: Arc::new(b"up 1\n".repeat(100)),
            now_ms: 0,
        }
    }

    fn send(&mut self, text: &str) -> Next {
        self.wire.borrow_mut().to_us.push_back(text.into());
        self.conn.note_readable();
        self.go_on()
    }

    /// Goes on, with a page when one is waited for, until there is nothing to do.
    fn go_on(&mut self) -> Next {
        loop {
            match self.conn.go_on(self.now_ms) {
                Next::Wait if self.conn.wants_page() => {
                    let page = Arc::clone(&self.page);
                    self.conn.give_page(&page, self.now_ms);
                }
                Next::GoOn => {}
                next => return next,
            }
        }
    }

    fn received(&self) -> String {
        String::from_utf8(std::mem::take(&mut self.wire.borrow_mut().from_us)).unwrap()
    }

    /// How many pages lie in what was received.
    fn pages(&self) -> usize {
        self.received().matches("HTTP/1.1 200 OK").count()
    }
}

const GET: &str = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn a_page_is_told_with_its_length_and_the_peer_may_ask_again() {
    let mut pair = Pair::new();
    for _ in 0..3 {
        assert_eq!(pair.send(GET), Next::Wait);
        let text = pair.received();
        let (head, page) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        let kind = "\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n";
        assert!(head.contains(kind), "{head}");
        assert!(head.contains("\r\nContent-Length: 500\r\n"), "{head}");
        assert_eq!(page.as_bytes(), &pair.page[..]);
    }
    assert_eq!(pair.send(""), Next::Close);
}

#[test]
fn what_is_asked_for_decides_the_answer() {
    for (line, status, next) in [
        ("GET / HTTP/1.1", "200 OK", Next::Wait),
        ("HEAD /metrics HTTP/1.1", "200 OK", Next::Wait),
        ("GET /metrics?collect=all HTTP/1.1", "200 OK", Next::Wait),
        ("GET /metric HTTP/1.1", "404 Not Found", Next::Wait),
        (
            "POST /metrics HTTP/1.1",
            "405 Method Not Allowed",
            Next::Wait,
        ),
        ("GET /metrics HTTP/1.0", "200 OK", Next::Close),
        (
            "GET /metrics HTTP/2.0",
            "505 HTTP Version Not Supported",
            Next::Close,
        ),
        ("SET a 1", "400 Bad Request", Next::Close),
    ] {
        let mut pair = Pair::new();
        assert_eq!(
            pair.send(&format!("{line}\r\nHost: a\r\n\r\n")),
            next,
            "{line}"
        );
        let text = pair.received();
        assert!(
            text.starts_with(&format!("HTTP/1.1 {status}\r\n")),
            "{line}: {text}"
        );
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let length = head.split("Content-Length: ").nth(1).unwrap();
        let length: usize = length.lines().next().unwrap().parse().unwrap();
        let is_head = line.starts_with("HEAD");
        assert_eq!(body.len(), if is_head { 0 } else { length }, "{line}");
        assert!(!is_head || length == pair.page.len());
    }
}

#[test]
fn requests_that_come_together_are_answered_one_by_one() {
    let mut pair = Pair::new();
    assert_eq!(pair.send(&GET.repeat(50)), Next::Wait);
    assert_eq!(pair.pages(), 50);
}

#[test]
fn a_head_without_an_end_is_refused_and_the_rest_is_dropped() {
    let mut pair = Pair::new();
    let next = pair.send(&"x".repeat(3 * HEAD_BYTES_MAX));
    assert!(pair.received().starts_with("HTTP/1.1 431 "));
    // What came behind it was read, so the answer is not lost; more of it may come.
    assert_eq!(next, Next::Wait);
    assert!(pair.wire.borrow().to_us.is_empty());
    let mut sent = 0;
    while pair.send(&"x".repeat(8000)) != Next::Close {
        sent += 1;
        assert!(sent < 20, "it is not read for ever");
    }
}

#[test]
fn a_slow_reader_gets_all_of_its_page_and_holds_one() {
    let mut pair = Pair::new();
    pair.wire.borrow_mut().room = 0;
    assert_eq!(pair.send(&GET.repeat(2)), Next::WaitToWrite);
    let first = Arc::clone(&pair.page);
    pair.page = Arc::new(b"up 2\n".to_vec());
    for _ in 0..10_000 {
        if pair.go_on() == Next::Wait {
            break;
        }
        assert!(Arc::strong_count(&first) <= 2);
        pair.wire.borrow_mut().room = 1;
    }
    let text = pair.received();
    let pages: Vec<&str> = text.split("\r\n\r\n").skip(1).collect();
    assert!(pages[0].as_bytes().starts_with(&first), "{text}");
    assert_eq!(pages[1], "up 2\n");
    assert_eq!(Arc::strong_count(&first), 1);
}

#[test]
fn whoever_is_too_slow_is_overdue() {
    let is_overdue = |pair: &Pair, s: u64| pair.conn.is_overdue(s * 1000);
    let mut pair = Pair::new();
    assert!(
        !is_overdue(&pair, 10) && is_overdue(&pair, 11),
        "it says nothing"
    );
    pair.now_ms = 9000;
    pair.send("GET");
    assert!(is_overdue(&pair, 11), "a little is not a request");
    let mut pair = Pair::new();
    pair.send(GET);
    assert!(
        !is_overdue(&pair, 119) && is_overdue(&pair, 121),
        "it is idle"
    );
    pair.now_ms = 100_000;
    pair.send("GET");
    assert!(
        !is_overdue(&pair, 110) && is_overdue(&pair, 111),
        "it asks again, slowly"
    );
    let mut pair = Pair::new();
    pair.wire.borrow_mut().room = 10;
    assert_eq!(pair.send(GET), Next::WaitToWrite);
    assert!(
        !is_overdue(&pair, 10) && is_overdue(&pair, 11),
        "it reads nothing"
    );
    for s in 1..7 {
        pair.now_ms = s * 9000;
        pair.wire.borrow_mut().room = 1;
        pair.go_on();
        assert!(!is_overdue(&pair, s * 9 + 1));
    }
    assert!(is_overdue(&pair, 61), "it reads for ever");
}

/// A network without listeners.
#[derive(Default)]
struct PaperNet;

impl Network for PaperNet {
    type Socket = PaperSocket;

    fn listen(&mut self, _: &crate::config::Settings) -> Result<(), String> {
        Ok(())
    }

    fn settle_listening(&mut self) {}

    fn listeners(&self) -> Vec<&'static str> {
        Vec::new()
    }

    fn listener_numbers(&self) -> Vec<usize> {
        Vec::new()
    }

    fn stop_listening(&mut self) {}

    fn accept(&mut self, _: usize) -> io::Result<Accepted<PaperSocket>> {
        Err(ErrorKind::WouldBlock.into())
    }

    fn connect(
        &mut self,
        _: std::net::SocketAddr,
        _: Option<&str>,
        _: Transport,
    ) -> io::Result<PaperSocket> {
        Err(ErrorKind::Unsupported.into())
    }

    fn take_events(&mut self, _: &mut Vec<crate::engine::world::Event>) {}

    fn watch(&mut self, _: &mut PaperSocket, _: Wake, _: Interest) -> io::Result<()> {
        Ok(())
    }

    fn rewatch(&mut self, _: &mut PaperSocket, _: Wake, _: Interest) -> io::Result<()> {
        Ok(())
    }

    fn close(&mut self, socket: PaperSocket) {
        drop(socket);
    }

    fn wait_for(&mut self, _: &mut PaperSocket, _: bool, _: std::time::Duration) -> bool {
        false
    }

    fn resolve(&mut self, _: u64, _: &str, _: u16) {}

    fn resolve_now(&mut self, _: &str, _: u16) -> io::Result<Vec<std::net::SocketAddr>> {
        Err(ErrorKind::Unsupported.into())
    }
}

fn arrive(metrics: &mut Metrics<PaperSocket>, now_ms: u64) -> Rc<RefCell<Wire>> {
    let wire = Rc::new(RefCell::new(Wire {
        room: usize::MAX,
        ..Wire::default()
    }));
    let accepted = Accepted {
        socket: PaperSocket(Rc::clone(&wire)),
        addr: String::new(),
        local_addr: String::new(),
        is_local: true,
        unix_socket: false,
        service: crate::engine::world::Service::Metrics,
    };
    metrics.admit(accepted, now_ms, &mut PaperNet);
    wire
}

fn tell_all(metrics: &mut Metrics<PaperSocket>, now_ms: u64) {
    metrics.look_again();
    metrics.go_on(now_ms, &mut PaperNet);
}

#[test]
fn whoever_comes_last_is_served_however_many_sit_there() {
    let mut metrics = Metrics::default();
    let idle: Vec<_> = (0..100).map(|n| arrive(&mut metrics, n)).collect();
    assert_eq!(metrics.conns.len(), CONNECTIONS_MAX);
    let open = idle.iter().filter(|wire| !wire.borrow().is_closed).count();
    assert_eq!(open, CONNECTIONS_MAX);
    assert!(idle[99].borrow().to_us.is_empty() && !idle[99].borrow().is_closed);
    assert_eq!(metrics.figures.dropped, 100 - CONNECTIONS_MAX as u64);
    idle[99].borrow_mut().to_us.push_back(GET.into());
    tell_all(&mut metrics, 200);
    assert_eq!(metrics.waiting, 1);
    // Those who have just asked stay, and the others make room.
    for n in 0..CONNECTIONS_MAX as u64 - 1 {
        arrive(&mut metrics, 300 + n);
    }
    assert!(!idle[99].borrow().is_closed);
    metrics.close_overdue(now(300_000), &mut PaperNet);
    assert_eq!((metrics.conns.len(), metrics.waiting), (1, 1));
}

fn now(mono_ms: u64) -> Now {
    Now {
        unix_us: 0,
        mono_us: mono_ms * 1000,
    }
}

#[test]
fn all_who_wait_share_one_page_and_its_room_is_used_again() {
    let mut metrics = Metrics::default();
    let wires: Vec<_> = (0..3).map(|n| arrive(&mut metrics, n)).collect();
    let mut room = std::ptr::null();
    for round in 0..3 {
        for wire in &wires {
            wire.borrow_mut().to_us.push_back(GET.into());
        }
        tell_all(&mut metrics, round);
        assert_eq!(metrics.waiting, 3);
        let mut page = metrics.blank();
        page.figure("a", &[], round);
        metrics.hand_out(page, round);
        metrics.go_on(round, &mut PaperNet);
        assert_eq!((metrics.waiting, metrics.figures.pages), (0, round + 1));
        let kept = metrics.page.as_ref().unwrap();
        assert_eq!(Arc::strong_count(kept), 1);
        assert!(round == 0 || kept.as_ptr() == room);
        room = kept.as_ptr();
        for wire in &wires {
            let text = std::mem::take(&mut wire.borrow_mut().from_us);
            assert!(text.ends_with(format!("\r\n\r\na {round}\n").as_bytes()));
        }
    }
}

#[test]
fn pages_rest_for_as_long_as_their_share_wants() {
    let mut metrics: Metrics<PaperSocket> = Metrics::default();
    metrics.note_spent(1_000_000, 5_000);
    assert_eq!(metrics.rests_until_us, 5_000 + 19_000);
    // What is spent on sending counts, too, and adds up.
    metrics.note_spent(500_000, 6_000);
    assert_eq!(metrics.rests_until_us, 24_000 + 9_500);
    assert_eq!(metrics.wakes_at_us(), u64::MAX, "nobody waits");
    metrics.waiting = 1;
    assert_eq!(metrics.wakes_at_us(), 33_500);
    assert!(!metrics.has_work(now(33)) && metrics.has_work(now(34)));
    // A hitch of the machine keeps nobody waiting for long.
    metrics.note_spent(10_000_000_000, 40_000);
    assert_eq!(metrics.rests_until_us, 40_000 + REST_US_MAX);
    assert_eq!(metrics.figures.spent_ns, 10_001_500_000);
}

#[test]
fn whoever_came_where_nobody_is_served_any_more_is_closed() {
    let mut metrics = Metrics::default();
    let here = (9121, MetricsAddresses::default());
    metrics.follow(here.clone(), &mut PaperNet);
    let wire = arrive(&mut metrics, 0);
    metrics.follow(here.clone(), &mut PaperNet);
    assert!(!wire.borrow().is_closed);
    metrics.follow((0, here.1), &mut PaperNet);
    assert!(wire.borrow().is_closed);
}
