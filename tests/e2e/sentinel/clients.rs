//! Clients that know nothing but where the sentinels are.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use redis::Commands;
use redis::sentinel::{SentinelClient, SentinelServerType};

use crate::harness::*;

/// How long a client waits for a reply before it asks the sentinels again.
const LIMIT: Option<Duration> = Some(Duration::from_millis(500));

/// A client that writes one number after the other. When it fails it asks the sentinels anew.
pub struct Client {
    stop: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Client {
    /// One of our own.
    pub fn of(group: &Group) -> Client {
        let sentinels: Vec<u16> = group.sentinels.iter().map(|s| s.port).collect();
        Client::start(move |stop, written| {
            let mut conn = connect_to_master(&sentinels)?;
            while !stop.load(Ordering::SeqCst) {
                let next = (written.load(Ordering::SeqCst) + 1).to_string();
                let reply = conn.try_command(&["SET", "number", &next]).ok()?;
                if reply != Value::Simple("OK".to_owned()) {
                    return None;
                }
                count(written);
            }
            Some(())
        })
    }

    /// One that leaves the asking to the library that most programs use.
    pub fn of_a_library(group: &Group) -> Client {
        let sentinels = group.sentinels.iter();
        let urls = sentinels
            .map(|s| format!("redis://127.0.0.1:{}/", s.port))
            .collect();
        let kind = SentinelServerType::Master;
        let mut client = SentinelClient::build::<String>(urls, MASTER.to_owned(), None, kind)
            .expect("addresses of sentinels");
        Client::start(move |stop, written| {
            let mut conn = client.get_connection().ok()?;
            conn.set_read_timeout(LIMIT).ok()?;
            conn.set_write_timeout(LIMIT).ok()?;
            while !stop.load(Ordering::SeqCst) {
                let next = written.load(Ordering::SeqCst) + 1;
                let () = conn.set("number of a library", next).ok()?;
                count(written);
            }
            Some(())
        })
    }

    fn start(
        mut write_until_broken: impl FnMut(&AtomicBool, &AtomicU64) -> Option<()> + Send + 'static,
    ) -> Client {
        let (stop, written) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
        );
        let (told, count) = (Arc::clone(&stop), Arc::clone(&written));
        let thread = thread::spawn(move || {
            while !told.load(Ordering::SeqCst) {
                if write_until_broken(&told, &count).is_none() {
                    thread::sleep(Duration::from_millis(10));
                }
            }
        });
        let thread = Some(thread);
        Client {
            stop,
            written,
            thread,
        }
    }

    /// Waits until writes are acknowledged that began after now.
    #[track_caller]
    pub fn wait_going_on(&self) {
        let written = || self.written.load(Ordering::SeqCst);
        let before = written();
        wait_until("the client goes on", || written() > before + 2);
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Counts a write, and leaves the processor to others.
fn count(written: &AtomicU64) {
    written.fetch_add(1, Ordering::SeqCst);
    thread::sleep(Duration::from_millis(1));
}

/// A connection to whatever the first sentinel that answers names, if that says it is a master.
fn connect_to_master(sentinels: &[u16]) -> Option<Conn> {
    let ask = |port: &u16| {
        let mut conn = impatient(*port)?;
        let words = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER];
        let reply = conn.try_command(&words).ok()?.to_string();
        reply.trim_end_matches(']').rsplit(' ').next()?.parse().ok()
    };
    let mut conn = impatient(sentinels.iter().find_map(ask)?)?;
    let role = conn.try_command(&["ROLE"]).ok()?.to_string();
    role.starts_with("[master").then_some(conn)
}

fn impatient(port: u16) -> Option<Conn> {
    let conn = Conn::to(port).ok()?;
    conn.stream().set_read_timeout(LIMIT).ok()?;
    Some(conn)
}

#[test]
fn clients_that_only_ask_the_sentinels_go_on_through_ten_failovers() {
    let mut group = Plan::ours(3, 3).start();
    let clients = [Client::of(&group), Client::of_a_library(&group)];
    for round in 0..10 {
        clients.iter().for_each(Client::wait_going_on);
        let old = group.wait_followed();
        let index = group.index_on(old);
        if round % 2 == 0 {
            group.servers[index].kill();
        } else {
            let asked = &group.sentinels[round % 3];
            let replicas = "a replica can be promoted";
            asked.wait_master(replicas, |_| {
                let reply = asked.ask(&format!("SENTINEL FAILOVER {MASTER}"));
                reply == "OK" || reply.contains("INPROG")
            });
        }
        group.wait_failover(old);
        clients.iter().for_each(Client::wait_going_on);
        if round % 2 == 0 {
            group.servers[index].start_again();
        }
    }
    drop(clients);
    group.settle();
    for sentinel in &group.sentinels {
        assert_eq!(
            sentinel.event_count("+switch-master"),
            10,
            "{}",
            sentinel.log_tail()
        );
    }
}
