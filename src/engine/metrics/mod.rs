//! Those who want metrics: they connect to `metrics-port`, ask in HTTP, and get the page that
//! [`commands::metrics`](crate::commands::metrics) writes.
//!
//! They are no clients: they stand in no list of these, count towards no limit of theirs, and run
//! no command. What they may take is bounded by itself:
//!
//! * **Connections**: [`CONNECTIONS_MAX`]. Whoever comes then gets the place of the one that has
//!   been idle for the longest time, so those who only sit there keep nobody out.
//! * **Memory**: a request is a head of a few KiB, and an answer is a page, which all share that
//!   asked for it; a slow reader keeps its page, so there is at most one for each connection.
//! * **Time of the loop**: of [`TIME_SHARE`] parts one. After each turn that was spent here all of
//!   this rests for so many times as long; who asks meanwhile is heard then. So a page is never
//!   older than the request for it, however fast they come. Connections are accepted one a tick.
//! * **Waiting**: whoever is too slow to ask, or to read, is closed (`conn.rs`).
//!
//! All of it is done at the end of the write phase (`serving.rs`): clients come first.

mod conn;
mod serving;

use std::sync::Arc;

use slab::Slab;

use self::conn::{Conn, Next};
use super::world::{Accepted, Interest, Network, Socket, Wake};
use crate::base::time::Now;
use crate::commands::metrics::page::Page;
use crate::commands::metrics::{PageFigures, Renderer};
use crate::config::MetricsAddresses;

/// Connections at a time.
const CONNECTIONS_MAX: usize = 16;
/// Metrics take one in so many parts of the loop's time, at most.
const TIME_SHARE: u64 = 20;
/// A single turn that took long does not make them rest for longer than this.
const REST_US_MAX: u64 = 1_000_000;

/// See the module's head.
pub struct Metrics<S> {
    conns: Slab<Conn<S>>,
    /// Connections to be gone on with in this tick.
    due: Vec<usize>,
    /// The last page; its allocation is used again when nobody holds it any more.
    page: Option<Arc<Vec<u8>>>,
    renderer: Renderer,
    figures: PageFigures,
    /// When it may go on here, in monotonic microseconds.
    rests_until_us: u64,
    /// How many connections wait for a page.
    waiting: usize,
    /// Where they are served.
    places: Option<(u16, MetricsAddresses)>,
}

impl<S> Default for Metrics<S> {
    fn default() -> Metrics<S> {
        Metrics {
            conns: Slab::new(),
            due: Vec::new(),
            page: None,
            renderer: Renderer::default(),
            figures: PageFigures::default(),
            rests_until_us: 0,
            waiting: 0,
            places: None,
        }
    }
}

impl<S: Socket> Metrics<S> {
    /// When there is something to do, in monotonic microseconds.
    pub fn wakes_at_us(&self) -> u64 {
        match self.due.is_empty() && self.waiting == 0 {
            true => u64::MAX,
            false => self.rests_until_us,
        }
    }

    fn has_work(&self, now: Now) -> bool {
        self.wakes_at_us() <= now.mono_us
    }

    /// Takes a connection in.
    fn admit<W>(&mut self, accepted: Accepted<S>, now_ms: u64, world: &mut W)
    where
        W: Network<Socket = S>,
    {
        if self.conns.len() >= CONNECTIONS_MAX {
            let idlest = self.conns.iter().min_by_key(|(_, conn)| conn.claim());
            if let Some((key, _)) = idlest {
                self.drop(key, world);
            }
        }
        let entry = self.conns.vacant_entry();
        let mut conn = Conn::new(accepted.socket, now_ms);
        conn.socket.set_nodelay(true);
        match world.watch(&mut conn.socket, Wake::Metrics(entry.key()), Interest::Read) {
            Ok(()) => {
                entry.insert(conn);
            }
            Err(e) => log::warn!("Cannot watch a connection for metrics: {e}"),
        }
    }

    /// A socket is ready for something.
    pub fn on_ready(&mut self, key: usize, readable: bool, writable: bool) {
        let Some(conn) = self.conns.get_mut(key) else {
            return;
        };
        if readable {
            conn.note_readable();
        }
        if (readable || writable) && !std::mem::replace(&mut conn.queued, true) {
            self.due.push(key);
        }
    }

    /// Their readiness may have been told, and not been heard yet.
    pub fn look_again(&mut self) {
        let keys: Vec<usize> = self.conns.iter().map(|(key, _)| key).collect();
        for key in keys {
            self.on_ready(key, true, true);
        }
    }

    /// Closes those who have had all the time that they may have.
    pub fn close_overdue<W>(&mut self, now: Now, world: &mut W)
    where
        W: Network<Socket = S>,
    {
        let now_ms = now.mono_ms();
        let overdue = self.conns.iter().filter(|(_, c)| c.is_overdue(now_ms));
        let overdue: Vec<usize> = overdue.map(|(key, _)| key).collect();
        for key in overdue {
            self.drop(key, world);
        }
    }

    /// They are served there from now on. Whoever has come elsewhere is not served any more.
    pub fn follow<W>(&mut self, places: (u16, MetricsAddresses), world: &mut W)
    where
        W: Network<Socket = S>,
    {
        let before = self.places.replace(places);
        if before.is_some() && before != self.places {
            let keys: Vec<usize> = self.conns.iter().map(|(key, _)| key).collect();
            for key in keys {
                self.drop(key, world);
            }
        }
    }

    fn drop<W>(&mut self, key: usize, world: &mut W)
    where
        W: Network<Socket = S>,
    {
        self.figures.dropped += 1;
        self.close(key, world);
    }

    fn close<W>(&mut self, key: usize, world: &mut W)
    where
        W: Network<Socket = S>,
    {
        if let Some(conn) = self.conns.try_remove(key) {
            self.waiting -= usize::from(conn.wants_page());
            self.due.retain(|due| *due != key);
            world.close(conn.socket);
        }
    }

    /// Goes on with those for whom something has come.
    fn go_on<W>(&mut self, now_ms: u64, world: &mut W)
    where
        W: Network<Socket = S>,
    {
        for key in std::mem::take(&mut self.due) {
            let Some(conn) = self.conns.get_mut(key) else {
                continue;
            };
            conn.queued = false;
            let waited = conn.wants_page();
            let next = conn.go_on(now_ms);
            let waits = conn.wants_page();
            self.waiting = self.waiting + usize::from(waits) - usize::from(waited);
            self.settle(key, next, world);
        }
    }

    fn settle<W>(&mut self, key: usize, next: Next, world: &mut W)
    where
        W: Network<Socket = S>,
    {
        let conn = &mut self.conns[key];
        let interest = match next {
            Next::Close => return self.close(key, world),
            Next::GoOn => {
                conn.queued = true;
                self.due.push(key);
                return;
            }
            Next::Wait => Interest::Read,
            Next::WaitToWrite => Interest::ReadWrite,
        };
        let wants_writable = next == Next::WaitToWrite;
        if std::mem::replace(&mut conn.wants_writable, wants_writable) != wants_writable
            && let Err(e) = world.rewatch(&mut conn.socket, Wake::Metrics(key), interest)
        {
            log::warn!("Cannot watch a connection for metrics: {e}");
            self.close(key, world);
        }
    }

    /// An empty page, in the allocation of the last one if that is free.
    fn blank(&mut self) -> Page {
        let last = self.page.take().and_then(|page| Arc::try_unwrap(page).ok());
        Page::reusing(last.unwrap_or_default())
    }

    /// Gives a page to all who wait for one.
    fn hand_out(&mut self, page: Page, now_ms: u64) {
        let page = Arc::new(page.into_text());
        for (key, conn) in &mut self.conns {
            if conn.wants_page() {
                conn.give_page(&page, now_ms);
                if !std::mem::replace(&mut conn.queued, true) {
                    self.due.push(key);
                }
            }
        }
        self.waiting = 0;
        self.page = Some(page);
        self.figures.pages += 1;
    }

    /// So much of the loop's time was spent here.
    fn note_spent(&mut self, spent_ns: u64, now_us: u64) {
        self.figures.spent_ns += spent_ns;
        let rest_us = spent_ns / 1000 * (TIME_SHARE - 1);
        let until_us = self.rests_until_us.max(now_us) + rest_us;
        self.rests_until_us = until_us.min(now_us + REST_US_MAX);
    }
}

#[cfg(test)]
mod tests;
