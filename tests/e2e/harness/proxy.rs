//! A link that can be broken: a TCP relay on a port of its own that a test can cut or stall.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::free_port;

/// How often a relay that has nothing to move looks whether it is told something.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// As much a slow link moves before it rests.
const SLOW_BYTES: usize = 128;

#[derive(Default)]
struct State {
    refusing: AtomicBool,
    stalled: AtomicBool,
    ended: AtomicBool,
    delay_ms: AtomicU64,
    slow: AtomicBool,
    streams: Mutex<Vec<TcpStream>>,
}

/// Dropping the proxy cuts every link through it.
pub struct Proxy {
    pub port: u16,
    state: Arc<State>,
}

impl Proxy {
    /// A relay to `target` on this host.
    pub fn to(target: u16) -> Proxy {
        let (listener, port) = listen();
        listener
            .set_nonblocking(true)
            .expect("a listener that can be polled");
        let state = Arc::new(State::default());
        let seen = Arc::clone(&state);
        thread::spawn(move || accept_all(&listener, target, &seen));
        Proxy { port, state }
    }

    /// Cuts every link; new connections are accepted.
    pub fn cut(&self) {
        for stream in self.state.streams.lock().expect("unpoisoned").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Cuts every link and drops each new one until `mend`.
    pub fn sever(&self) {
        self.state.refusing.store(true, Ordering::SeqCst);
        self.cut();
    }

    /// Moves nothing more until `mend`; the sockets stay open.
    pub fn stall(&self) {
        self.state.stalled.store(true, Ordering::SeqCst);
    }

    /// Reads and passes on next to nothing until `mend`, as somebody does who cannot keep up.
    pub fn slow_down(&self) {
        self.state.slow.store(true, Ordering::SeqCst);
    }

    /// Undoes `sever`, `stall` and `slow_down`.
    pub fn mend(&self) {
        self.state.slow.store(false, Ordering::SeqCst);
        self.state.refusing.store(false, Ordering::SeqCst);
        self.state.stalled.store(false, Ordering::SeqCst);
    }

    /// Lets this long pass before each piece is passed on.
    pub fn delay(&self, delay: Duration) {
        self.state
            .delay_ms
            .store(delay.as_millis() as u64, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::SeqCst);
        self.sever();
    }
}

fn listen() -> (TcpListener, u16) {
    loop {
        let port = free_port();
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
            return (listener, port);
        }
    }
}

fn accept_all(listener: &TcpListener, target: u16, state: &Arc<State>) {
    while !state.ended.load(Ordering::SeqCst) {
        let Ok((client, _)) = listener.accept() else {
            thread::sleep(LOOK_EVERY);
            continue;
        };
        if state.refusing.load(Ordering::SeqCst) {
            continue;
        }
        let Ok(server) = TcpStream::connect(("127.0.0.1", target)) else {
            continue;
        };
        let pair = [&client, &server].map(|stream| {
            stream.set_nonblocking(false).expect("a blocking stream");
            stream
                .set_read_timeout(Some(LOOK_EVERY))
                .expect("a timeout");
            stream.set_nodelay(true).expect("no delay");
            stream.try_clone().expect("a second handle")
        });
        let [to_client, to_server] = pair;
        let kept = [&client, &server].map(|stream| stream.try_clone().expect("a third handle"));
        state.streams.lock().expect("unpoisoned").extend(kept);
        let (up, down) = (Arc::clone(state), Arc::clone(state));
        thread::spawn(move || relay(client, to_server, &up));
        thread::spawn(move || relay(server, to_client, &down));
    }
}

fn wait_while_stalled(state: &State) {
    while state.stalled.load(Ordering::SeqCst) && !state.ended.load(Ordering::SeqCst) {
        thread::sleep(LOOK_EVERY);
    }
}

fn relay(mut from: TcpStream, mut to: TcpStream, state: &State) {
    let mut piece = vec![0; 64 * 1024];
    loop {
        wait_while_stalled(state);
        let is_slow = state.slow.load(Ordering::SeqCst);
        let room = if is_slow { SLOW_BYTES } else { piece.len() };
        match from.read(&mut piece[..room]) {
            Ok(0) => break,
            Ok(got) => {
                // It may have come after the link was stalled.
                wait_while_stalled(state);
                if is_slow {
                    thread::sleep(LOOK_EVERY);
                }
                let delay = state.delay_ms.load(Ordering::SeqCst);
                if delay > 0 {
                    thread::sleep(Duration::from_millis(delay));
                }
                if to.write_all(&piece[..got]).is_err() {
                    break;
                }
            }
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => break,
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
