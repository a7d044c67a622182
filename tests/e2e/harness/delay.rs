//! A link with a delay in one direction: what the server sends comes later, at the same pace.
//!
//! Unlike [`super::Proxy`], which lets a piece wait before it reads the next, a line takes what
//! comes at once and hands each piece on when its time has come, as a long wire does.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Dropping the line leaves connections alone; they end with their peers.
pub struct DelayLine {
    pub port: u16,
    delay_ms: Arc<AtomicU64>,
    ended: Arc<AtomicBool>,
}

impl DelayLine {
    /// A line to `target` on this host, whose answers come so much later.
    pub fn to(target: u16, delay_ms: u64) -> DelayLine {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        let delay_ms = Arc::new(AtomicU64::new(delay_ms));
        let ended = Arc::new(AtomicBool::new(false));
        let (delay, end) = (Arc::clone(&delay_ms), Arc::clone(&ended));
        thread::spawn(move || {
            for client in listener.incoming() {
                if end.load(Ordering::SeqCst) {
                    return;
                }
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(("127.0.0.1", target)))
                else {
                    continue;
                };
                connect(client, server, &delay);
            }
        });
        DelayLine {
            port,
            delay_ms,
            ended,
        }
    }

    /// From now on so much later.
    pub fn delay(&self, ms: u64) {
        self.delay_ms.store(ms, Ordering::SeqCst);
    }
}

impl Drop for DelayLine {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn connect(client: TcpStream, server: TcpStream, delay_ms: &Arc<AtomicU64>) {
    for stream in [&client, &server] {
        stream.set_nodelay(true).expect("no delay");
    }
    let clone = |stream: &TcpStream| stream.try_clone().expect("a second handle");
    let none = Arc::new(AtomicU64::new(0));
    carry(clone(&client), clone(&server), &none);
    carry(server, client, delay_ms);
}

/// Carries bytes one way.
fn carry(mut from: TcpStream, mut to: TcpStream, delay_ms: &Arc<AtomicU64>) {
    let (sender, receiver) = mpsc::channel::<(Instant, Vec<u8>)>();
    let delay_ms = Arc::clone(delay_ms);
    thread::spawn(move || {
        let mut piece = vec![0; 64 * 1024];
        while let Ok(got @ 1..) = from.read(&mut piece) {
            let delay = Duration::from_millis(delay_ms.load(Ordering::SeqCst));
            if sender
                .send((Instant::now() + delay, piece[..got].to_vec()))
                .is_err()
            {
                break;
            }
        }
    });
    thread::spawn(move || {
        for (due, piece) in receiver {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&piece).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
}
