//! Marks of time, as masters make and replicas read them ([`super::lag`]), and what else happens
//! to our stream at the end of a tick.

use super::Replication;
use super::action::{Action, ClientId, Facts};
use super::lag::mark::Mark;
use super::replconf::ReplconfReply;
use super::role::Role;
use super::wire::ORIGIN_TIME;
use crate::base::time::Now;

impl Replication {
    /// To be called before [`readers`](Self::readers), each time before the driver sleeps. While
    /// writes are `paused` nothing is added to the stream; what was asked for is done afterwards.
    pub fn before_sleep(&mut self, paused: bool, now: Now) {
        let has_replicas = self.source.count() > 0;
        if has_replicas {
            let mark_us = self.own_origin_us(now);
            self.source.mark_writes(&self.history, mark_us, now);
        }
        let tail = self.source.tail_mut();
        if tail.wants_acks(&self.history, &self.settings) {
            self.source.request_acks();
        }
        if !paused && self.source.take_ack_request() {
            self.request_acks_now();
        }
        if has_replicas {
            let offset = self.offset();
            self.source.note_stream_end(offset, now.mono_ms());
        }
    }

    /// The time, if we are the origin.
    fn own_origin_us(&self, now: Now) -> Option<i64> {
        (!self.is_replica()).then(|| self.clock.us(now))
    }

    /// The mark that a replica has to be sent now, since it was sent all of the stream before it;
    /// as it goes over the wire. It counts as sent from here on.
    pub fn take_mark(&mut self, client: ClientId, now: Now) -> Option<Vec<u8>> {
        let now_us = self.own_origin_us(now);
        let mark = self.source.take_mark(&self.history, client, now_us, now);
        mark.map(|mark| mark.command())
    }

    /// Whether our master sends marks.
    pub fn gets_marks(&self) -> bool {
        matches!(&self.role, Role::Replica(link) if link.gets_marks())
    }

    /// What has come of the stream of our master was run and reported up to a mark, a `PING` with
    /// this argument that was so many bytes long.
    pub fn on_mark(&mut self, argument: &[u8], bytes: u64, facts: Facts, out: &mut Vec<Action>) {
        let Some(mark) = Mark::parse(argument) else {
            return;
        };
        if let Some((link, _, mut cx)) = self.link(facts, out) {
            link.on_mark(&mut cx, mark, bytes);
        }
        self.source.place_mark(&self.history, mark, facts.now);
    }

    /// A replica was sent so many bytes of a snapshot.
    pub fn on_snapshot_sent(&mut self, client: ClientId, bytes: u64) {
        self.source.on_snapshot_sent(client, bytes);
    }

    /// Whether the argument of a `PING` from a master that [`gets_marks`](Self::gets_marks) speaks
    /// of is a mark: no part of the stream, and nothing to anybody but [`on_mark`](Self::on_mark).
    pub fn is_mark(argument: &[u8]) -> bool {
        Mark::parse(argument).is_some()
    }

    /// What a replica is told that asks for the time of the stream's origin, as far as we know it.
    pub(super) fn origin_time(&self, now: Now) -> ReplconfReply {
        let own_us = self.clock.us(now);
        let time = match &self.role {
            Role::Master => Some(own_us),
            Role::Replica(link) => link.skew().map(|skew| skew.of_origin(own_us)),
        };
        let time = time.map_or("?".to_owned(), |us| us.to_string());
        ReplconfReply::Line(format!("{ORIGIN_TIME} {time}"))
    }
}
