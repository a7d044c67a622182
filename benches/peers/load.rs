//! The load: many connections on one thread, each with one batch in flight.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};

use crate::peer::cpu_time;
use crate::tls::Stream;
use crate::workload::{Batch, Workload};

/// How long the load runs before it is measured.
const WARM_UP: Duration = Duration::from_millis(300);

const POPULATE_CLIENTS: usize = 8;
const POPULATE_PIPELINE: usize = 100;

/// A server that answers nothing for this long has lost a reply.
const STALL_MAX: Duration = Duration::from_secs(20);

/// How one server's turn goes.
#[derive(Clone, Copy)]
pub struct Turn {
    pub clients: usize,
    /// Commands that each of them sends at once.
    pub pipeline: usize,
    /// How long is measured.
    pub time: Duration,
    /// It ends early after so many operations, for what they take is used up then.
    pub ops_max: u64,
    /// Which draws to use: turns with the same seed send the same.
    pub seed: u64,
}

/// What one turn showed.
#[derive(Clone, Copy)]
pub struct Sample {
    pub ops_per_second: f64,
    pub cpu_ns_per_op: f64,
}

struct Connection {
    stream: Stream,
    batch: Batch,
    sent: usize,
    /// Lines of replies that are still to come.
    awaited: usize,
}

struct Load<'a> {
    workload: &'a Workload,
    pipeline: usize,
    poll: Poll,
    connections: Vec<Connection>,
    input: Vec<u8>,
    next_key: Box<dyn FnMut() -> u64 + 'a>,
    done: u64,
}

/// Runs a workload with random keys and measures a turn of it.
pub fn measure(port: u16, pid: u32, workload: &Workload, turn: Turn) -> Sample {
    // What is in flight when the measured time ends counts for nothing, but it is carried out.
    let in_flight_max = (turn.clients * turn.pipeline) as u64;
    let ops_max = turn.ops_max.saturating_sub(in_flight_max);
    let warm_up_ops_max = ops_max / 8;
    let mut load = Load::connect(
        port,
        workload,
        turn.clients,
        turn.pipeline,
        Box::new(random_keys(workload.keys, turn.seed)),
    );
    load.run(|started, done| started.elapsed() < WARM_UP && done < warm_up_ops_max);
    let (before, done) = (cpu_time(pid), load.done);
    let start = Instant::now();
    load.run(|started, done| started.elapsed() < turn.time && done < ops_max);
    let (elapsed, ops) = (start.elapsed(), (load.done - done) as f64);
    let cpu = cpu_time(pid) - before;
    Sample {
        ops_per_second: ops / elapsed.as_secs_f64(),
        cpu_ns_per_op: cpu.as_nanos() as f64 / ops,
    }
}

/// Runs a workload with random keys, and says how many operations that were.
pub fn drive(port: u16, workload: &Workload, turn: Turn) -> u64 {
    let random = Box::new(random_keys(workload.keys, turn.seed));
    let mut load = Load::connect(port, workload, turn.clients, turn.pipeline, random);
    load.run(|started, done| started.elapsed() < turn.time && done < turn.ops_max);
    // What is in flight is carried out, too.
    load.done + (turn.clients * turn.pipeline) as u64
}

/// Sends what comes before the load, and waits for the last reply to it.
fn greet(mut stream: &std::net::TcpStream, greeting: &str) {
    if greeting.is_empty() {
        return;
    }
    stream.write_all(greeting.as_bytes()).expect("it is sent");
    let mut replies = Vec::new();
    let mut piece = [0; 4096];
    while !replies.ends_with(b"+OK\r\n") {
        let got = stream.read(&mut piece).expect("a reply");
        assert_ne!(got, 0, "the server closed a connection");
        replies.extend_from_slice(&piece[..got]);
    }
}

/// Numbers below `keys`, as many as are asked for.
fn random_keys(keys: u64, seed: u64) -> impl FnMut() -> u64 {
    let mut state = 0x2545_F491_4F6C_DD1D_u64.wrapping_mul(seed.wrapping_mul(2) + 1);
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        // The high half of a product maps evenly onto the range without a division.
        ((u128::from(state) * u128::from(keys)) >> 64) as u64
    }
}

/// Runs a workload once over all its keys in order, to put them there.
pub fn populate(port: u16, workload: &Workload) {
    populate_with(port, workload, POPULATE_CLIENTS, POPULATE_PIPELINE);
}

/// The same with a choice of connections and commands in flight.
pub fn populate_with(port: u16, workload: &Workload, clients: usize, pipeline: usize) {
    let mut next = 0;
    let keys = workload.keys;
    let in_order = move || {
        next += 1;
        (next - 1) % keys
    };
    let commands = workload.commands_for_all_keys();
    let in_flight_max = (clients * pipeline) as u64;
    let mut load = Load::connect(port, workload, clients, pipeline, Box::new(in_order));
    load.run(|_, done| done < commands + in_flight_max);
}

impl<'a> Load<'a> {
    fn connect(
        port: u16,
        workload: &'a Workload,
        clients: usize,
        pipeline: usize,
        next_key: Box<dyn FnMut() -> u64 + 'a>,
    ) -> Load<'a> {
        let poll = Poll::new().expect("epoll");
        let connect = |number| {
            let stream = std::net::TcpStream::connect(("127.0.0.1", port)).expect("it accepts");
            stream.set_nodelay(true).expect("no delay");
            greet(&stream, workload.greeting);
            let mut stream = Stream::new(stream, workload.tls.as_ref());
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry()
                .register(stream.socket(), Token(number), interest)
                .expect("registered");
            Connection {
                stream,
                batch: workload.batch(pipeline),
                sent: 0,
                awaited: 0,
            }
        };
        let connections = (0..clients).map(connect).collect();
        let input = vec![0; 256 * 1024];
        let mut load = Load {
            workload,
            pipeline,
            poll,
            connections,
            input,
            next_key,
            done: 0,
        };
        for number in 0..clients {
            load.send_next(number);
        }
        load
    }

    /// Serves the connections for as long as `go_on`, given the start and the operations done.
    fn run(&mut self, go_on: impl Fn(Instant, u64) -> bool) {
        let mut events = Events::with_capacity(1024);
        let start = Instant::now();
        while go_on(start, self.done) {
            self.poll.poll(&mut events, Some(STALL_MAX)).expect("epoll");
            assert!(
                !events.is_empty(),
                "{}: a reply is missing",
                self.workload.name
            );
            for event in &events {
                let number = event.token().0;
                if event.is_writable() {
                    self.connections[number].write_on();
                }
                if event.is_readable() {
                    self.receive(number);
                }
            }
        }
    }

    fn send_next(&mut self, number: usize) {
        let connection = &mut self.connections[number];
        connection.batch.fill(&mut self.next_key);
        connection.sent = 0;
        connection.awaited = connection.batch.reply_lines;
        connection.write_on();
    }

    fn receive(&mut self, number: usize) {
        loop {
            let connection = &mut self.connections[number];
            let got = match connection.stream.read(&mut self.input) {
                Ok(0) => panic!("{}: the server closed a connection", self.workload.name),
                Ok(got) => got,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                Err(e) => panic!("{}: {e}", self.workload.name),
            };
            let input = &self.input[..got];
            assert_ne!(input[0], b'-', "{}", String::from_utf8_lossy(input));
            let arrived = memchr::memchr_iter(b'\n', input).count();
            connection.awaited = connection
                .awaited
                .checked_sub(arrived)
                .expect("known replies");
            if connection.awaited == 0 {
                self.done += self.pipeline as u64;
                self.send_next(number);
            }
            // A short read drained the socket; the next reply brings a new event.
            if got < self.input.len() && self.connections[number].stream.drains_by_a_short_read() {
                return;
            }
        }
    }
}

impl Connection {
    fn write_on(&mut self) {
        while self.sent < self.batch.bytes.len() {
            match self.stream.write(&self.batch.bytes[self.sent..]) {
                Ok(written) => self.sent += written,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                Err(e) => panic!("the server took no more: {e}"),
            }
        }
        match self.stream.flush() {
            Err(e) if e.kind() != ErrorKind::WouldBlock => panic!("the server took no more: {e}"),
            Ok(()) | Err(_) => {}
        }
    }
}
