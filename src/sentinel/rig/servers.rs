//! What servers in the room answer.

use super::*;

impl Rig {
    pub(super) fn replicate(&mut self) {
        let now_ms = self.now.mono_ms();
        for n in 0..self.servers.len() {
            let server = &self.servers[n];
            if server.process != Process::Running {
                continue;
            }
            let Some(master) = server.master else {
                continue;
            };
            let of = &self.servers[master];
            let cut = self.is_cut(Place::Server(n), Place::Server(master))
                || self.is_cut(Place::Server(master), Place::Server(n));
            let up = of.process == Process::Running && !cut && (of.master.is_none() || of.link_up);
            let (offset, lineage, is_empty) = (of.offset, of.lineage, of.is_empty);
            let lineage_before = of.lineage_before;
            let server = &mut self.servers[n];
            let is_unknown = ![Some(lineage), lineage_before].contains(&Some(server.lineage));
            let is_refused = is_unknown && is_empty && !server.is_empty && server.is_guarded;
            if up {
                server.refuses = is_refused;
            }
            let up = up && !is_refused;
            if up {
                (server.lineage, server.is_empty) = (lineage, is_empty);
                server.lineage_before = lineage_before;
            }
            if up && (server.link_up || now_ms >= server.since_ms + SYNC_MS) {
                (server.link_up, server.was_linked) = (true, true);
                server.offset = offset;
            } else if !up && server.link_up {
                server.link_up = false;
                server.since_ms = now_ms;
            }
        }
    }

    pub(super) fn server_reply(
        &mut self,
        n: usize,
        from: (usize, ConnId),
        argv: &[String],
    ) -> Value {
        let simple = |text: &str| Value::Simple(text.as_bytes().to_vec());
        let Some(wire) = self.wires.get_mut(&from) else {
            return simple("OK");
        };
        let words: Vec<&str> = argv.iter().map(String::as_str).collect();
        let unknown = Value::Error(b"ERR unknown command".to_vec());
        let is_unknown = words[0] == "CONFIG" && !self.servers[n].has_config;
        if let Some(queued) = &mut wire.queued
            && words[0] != "EXEC"
        {
            if is_unknown {
                *queued = Err(());
                return unknown;
            }
            if let (Ok(queued), "SLAVEOF") = (queued, words[0]) {
                *queued = argv[1..].to_vec();
            }
            return simple("QUEUED");
        }
        match words[0] {
            _ if is_unknown => unknown,
            "PING" => simple("PONG"),
            "INFO" => Value::Bulk(self.info(n).into_bytes()),
            "MULTI" => {
                wire.queued = Some(Ok(Vec::new()));
                simple("OK")
            }
            "EXEC" => match wire.queued.take() {
                Some(Ok(queued)) => {
                    if let [host, port] = &queued[..] {
                        self.slaveof(n, host, port);
                    }
                    Value::Array(Vec::new())
                }
                _ => Value::Error(b"EXECABORT Transaction discarded".to_vec()),
            },
            "SLAVEOF" => {
                self.slaveof(n, words[1], words[2]);
                simple("OK")
            }
            "SUBSCRIBE" => {
                self.servers[n].subscribers.insert(from);
                let parts =
                    ["subscribe", words[1]].map(|part| Value::Bulk(part.as_bytes().to_vec()));
                Value::Array(parts.into_iter().chain([Value::Int(1)]).collect())
            }
            "PUBLISH" => {
                for (of, conn) in self.servers[n].subscribers.clone() {
                    let parts = ["message", words[1], words[2]];
                    let parts = parts.map(|part| Value::Bulk(part.as_bytes().to_vec()));
                    self.reply(of, conn, Value::Array(parts.to_vec()));
                }
                Value::Int(1)
            }
            "FAILOVER" => self.hand_over(n, &words),
            "CONFIG" => {
                self.servers[n].reconfigured += 1;
                simple("OK")
            }
            _ => simple("OK"),
        }
    }

    fn hand_over(&mut self, n: usize, words: &[&str]) -> Value {
        let done = Value::Simple(b"OK".to_vec());
        if !self.servers[n].has_failover {
            return Value::Error(b"ERR unknown command 'FAILOVER'".to_vec());
        }
        if words[1] == "ABORT" {
            return done;
        }
        let Some(Place::Server(to)) = Place::at(words[2]) else {
            return Value::Error(b"ERR no".to_vec());
        };
        self.give_role(n, to);
        done
    }

    /// A master becomes a replica of one of its own, which is the master then.
    pub fn give_role(&mut self, n: usize, to: usize) {
        let now_ms = self.now.mono_ms();
        self.servers[to].offset = self.servers[n].offset;
        self.servers[to].master = None;
        self.servers[n].master = Some(to);
        self.servers[n].since_ms = now_ms;
        (self.servers[n].link_up, self.servers[n].was_linked) = (false, false);
    }

    pub(super) fn slaveof(&mut self, n: usize, host: &str, port: &str) {
        let master = match (host, port) {
            ("NO", "ONE") => None,
            _ => match Place::at(host) {
                Some(Place::Server(master)) => Some(master),
                _ => return,
            },
        };
        let now_ms = self.now.mono_ms();
        let server = &mut self.servers[n];
        server.reconfigured += 1;
        server.refuses = false;
        if server.master != master && !server.is_deaf {
            server.was_linked &= server.master.is_some();
            server.master = master;
            server.link_up = false;
            server.since_ms = now_ms;
        }
    }

    pub(super) fn info(&self, n: usize) -> String {
        let server = &self.servers[n];
        let mut info = format!(
            "# Server\r\nrun_id:{n:036}{:04}\r\n# Replication\r\n",
            server.run
        );
        match server.master {
            None => {
                info += &format!("role:master\r\nmaster_repl_offset:{}\r\n", server.offset);
                let replicas = self.servers.iter().enumerate().filter(|(_, other)| {
                    other.master == Some(n) && other.link_up && other.process != Process::Dead
                });
                for (at, (replica, _)) in replicas.enumerate() {
                    let ip = Place::Server(replica).ip();
                    info += &format!("slave{at}:ip={ip},port=6379,state=online,offset=1,lag=0\r\n");
                }
            }
            Some(master) => {
                let status = if server.link_up { "up" } else { "down" };
                info += &format!(
                    "role:slave\r\nmaster_host:{}\r\nmaster_port:6379\r\n\
                     master_link_status:{status}\r\n\
                     slave_repl_offset:{}\r\nslave_priority:{}\r\n",
                    Place::Server(master).ip(),
                    server.offset,
                    server.priority
                );
                if !server.link_up {
                    let down_ms = (self.now.mono_ms() - server.since_ms) as i64;
                    let down_s = if server.was_linked {
                        down_ms / 1000
                    } else {
                        -1
                    };
                    info += &format!("master_link_down_since_seconds:{down_s}\r\n");
                }
            }
        }
        let shown = |id: Option<usize>| id.map_or("0".repeat(40), |id| format!("{:040}", id + 1));
        info += &format!(
            "master_replid:{}\r\nmaster_replid2:{}\r\n",
            shown(Some(server.lineage)),
            shown(server.lineage_before)
        );
        if server.refuses {
            info += "replica_guard:refused\r\nreplica_guard_refused_for:empty\r\n";
            let in_step = u8::from(server.was_linked);
            info += &format!("replica_guard_refused_in_step:{in_step}\r\n");
        }
        if !server.is_empty {
            info += "# Keyspace\r\ndb0:keys=1,expires=0,avg_ttl=0\r\n";
        }
        info
    }
}
