//! What is on its way in the room, and how it arrives.

use super::*;

impl Rig {
    pub(super) fn latency_ms(&mut self) -> u64 {
        LATENCY_MS + self.rng.next_u64() % 2
    }

    pub(super) fn send_down(&mut self, of: usize, conn: ConnId, what: Down) {
        let latency_ms = self.latency_ms();
        self.send_down_in(of, conn, latency_ms, what);
    }

    pub(super) fn send_down_in(&mut self, of: usize, conn: ConnId, ms: u64, what: Down) {
        if let Some(wire) = self.wires.get_mut(&(of, conn)) {
            wire.down.push_back(what);
            self.send_in(of, ms, Delivery::Down(of, conn));
        }
    }

    pub(super) fn send_in(&mut self, of: usize, ms: u64, delivery: Delivery) {
        self.next += 1;
        let at = (self.now.mono_ms() + ms, self.next);
        self.coming.insert(at, (self.seats[of].run, delivery));
    }

    pub(super) fn process_of(&self, place: Place) -> Process {
        match place {
            Place::Server(n) => self.servers.get(n).map(|server| server.process),
            Place::Sentinel(n) => self.seats.get(n).map(|seat| seat.process),
        }
        .unwrap_or(Process::Dead)
    }

    /// Something arrives, or has to wait. The Sentinel that it has reached.
    pub(super) fn arrives(&mut self, run: u32, delivery: Delivery) -> Option<usize> {
        let (of, way) = match &delivery {
            Delivery::Up(n, conn) => {
                let to = self.wires.get(&(*n, *conn))?.to;
                (*n, (Place::Sentinel(*n), to))
            }
            Delivery::Down(n, conn) => {
                let from = self.wires.get(&(*n, *conn))?.to;
                (*n, (from, Place::Sentinel(*n)))
            }
            Delivery::Saved(n, ..) => (*n, (Place::Sentinel(*n), Place::Sentinel(*n))),
        };
        if self.seats[of].run != run {
            return None;
        }
        let (from, to) = way;
        if self.is_cut(from, to) || self.process_of(to) == Process::Stopped {
            self.send_in(of, RETRANSMIT_MS, delivery);
            return None;
        }
        match delivery {
            Delivery::Up(n, conn) => {
                let argv = self.wires.get_mut(&(n, conn))?.up.pop_front()?;
                self.request(n, conn, to, &argv)
            }
            Delivery::Down(n, conn) => {
                let what = self.wires.get_mut(&(n, conn))?.down.pop_front()?;
                self.comes_down(n, conn, what)
            }
            Delivery::Saved(n, number, config) => {
                let fails = self.seats[n].saves_fail;
                if !fails {
                    self.seats[n].disk = config;
                }
                let result = if fails {
                    Err("No space left".to_owned())
                } else {
                    Ok(())
                };
                let now = self.now;
                self.seats[n]
                    .machine
                    .as_mut()?
                    .on_saved(number, result, now);
                Some(n)
            }
        }
    }

    pub(super) fn comes_down(&mut self, n: usize, conn: ConnId, what: Down) -> Option<usize> {
        let now = self.now;
        match what {
            Down::Connected(to) => {
                self.wires.get_mut(&(n, conn))?.open = true;
                let ends = Ends {
                    peer: to.ip(),
                    local: Place::Sentinel(n).ip(),
                };
                self.seats[n]
                    .machine
                    .as_mut()?
                    .on_connected(conn, ends, now);
            }
            Down::Closed(why) => {
                self.wires.remove(&(n, conn))?;
                self.seats[n].machine.as_mut()?.on_closed(conn, why, now);
            }
            Down::Value(value) => self.seats[n].machine.as_mut()?.on_value(conn, value, now),
        }
        Some(n)
    }

    pub(super) fn request(
        &mut self,
        of: usize,
        conn: ConnId,
        to: Place,
        argv: &[Value],
    ) -> Option<usize> {
        let text =
            |value: &Value| String::from_utf8_lossy(value.text().unwrap_or_default()).into_owned();
        let argv: Vec<String> = argv.iter().map(text).collect();
        if self.process_of(to) == Process::Dead {
            return None;
        }
        match to {
            Place::Server(n) => {
                let reply = self.server_reply(n, (of, conn), &argv);
                self.reply(of, conn, reply);
                None
            }
            Place::Sentinel(n) => {
                if let Some(reply) = self.sentinel_reply(n, (of, conn), &argv) {
                    self.reply(of, conn, reply);
                }
                Some(n)
            }
        }
    }

    pub(super) fn reply(&mut self, of: usize, conn: ConnId, value: Value) {
        self.send_down(of, conn, Down::Value(value));
    }
}
