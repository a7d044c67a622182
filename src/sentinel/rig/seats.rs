//! What Sentinels in the room are asked by others, and ask for.

use super::*;

impl Rig {
    pub(super) fn sentinel_reply(
        &mut self,
        n: usize,
        from: (usize, ConnId),
        argv: &[String],
    ) -> Option<Value> {
        let now = self.now;
        let words: Vec<&str> = argv.iter().map(String::as_str).collect();
        let simple = |text: &str| Some(Value::Simple(text.as_bytes().to_vec()));
        let machine = self.seats[n].machine.as_mut()?;
        match words[..] {
            ["PING"] => simple("PONG"),
            ["PUBLISH", _, hello] => {
                machine.on_hello(hello.as_bytes(), now);
                Some(Value::Int(1))
            }
            [
                "SENTINEL",
                "is-master-down-by-addr",
                host,
                port,
                epoch,
                candidate,
            ] => {
                self.next += 1;
                let client = self.next;
                let (port, epoch) = (port.parse().ok()?, epoch.parse().ok()?);
                let candidate = Some(candidate).filter(|candidate| *candidate != "*");
                match machine.is_master_down(client, host, port, epoch, candidate, now) {
                    Some(verdict) => Some(verdict_value(&verdict)),
                    None => {
                        self.asked.insert(client, from);
                        None
                    }
                }
            }
            ["SENTINEL", "get-master-addr-by-name", name] => {
                let address = machine.master(name.as_bytes())?.current_address();
                let parts = [address.host.clone(), address.port.to_string()];
                let parts = parts.map(|part| Value::Bulk(part.into_bytes()));
                Some(Value::Array(parts.to_vec()))
            }
            _ => simple("OK"),
        }
    }

    /// A turn of a Sentinel: it acts, and what it asks for is done.
    pub fn turn(&mut self, n: usize) {
        let now = self.now;
        let Some(machine) = &mut self.seats[n].machine else {
            return;
        };
        machine.act(now);
        for action in machine.take_actions() {
            self.carry_out(n, action);
        }
    }

    pub(super) fn carry_out(&mut self, n: usize, action: Action) {
        match action {
            Action::Connect {
                conn,
                host,
                timeout_ms,
                ..
            } => self.connect(n, conn, &host, timeout_ms),
            Action::Send { conn, bytes } => self.forward(n, conn, &bytes),
            Action::Close { conn } => {
                self.wires.remove(&(n, conn));
                for server in &mut self.servers {
                    server.subscribers.remove(&(n, conn));
                }
            }
            Action::Publish { event, text } => self.note_event(n, event, &text),
            Action::Log(..) | Action::RunScript { .. } | Action::KillScript { .. } => {}
            Action::Save => {
                let Some(machine) = &self.seats[n].machine else {
                    return;
                };
                let (number, config) = machine.saved_form();
                let ms = self.seats[n].save_ms;
                self.send_in(n, ms, Delivery::Saved(n, number, config));
            }
            Action::Answer { client, answer } => match (self.asked.remove(&client), &answer) {
                (Some((of, conn)), Answer::Verdict(verdict)) => {
                    self.reply(of, conn, verdict_value(verdict));
                }
                _ => self.seats[n].answers.push((client, answer)),
            },
            Action::EndProcess { .. } => self.kill_sentinel(n),
        }
    }

    pub(super) fn connect(&mut self, n: usize, conn: ConnId, host: &str, timeout_ms: u64) {
        let Some(to) = Place::at(host) else {
            return;
        };
        let wire = Wire {
            to,
            open: false,
            parser: ReplyParser::default(),
            queued: None,
            up: VecDeque::new(),
            down: VecDeque::new(),
        };
        self.wires.insert((n, conn), wire);
        let me = Place::Sentinel(n);
        if self.is_cut(me, to) || self.is_cut(to, me) {
            let failed = LinkEnd::Failed("timed out".to_owned());
            // Its other end is of no importance.
            self.wires.get_mut(&(n, conn)).expect("it was just made").to = me;
            self.send_down_in(n, conn, timeout_ms, Down::Closed(failed));
            return;
        }
        match self.process_of(to) {
            Process::Dead => self.send_down(n, conn, Down::Closed(LinkEnd::Refused)),
            Process::Running | Process::Stopped => self.send_down(n, conn, Down::Connected(to)),
        }
    }

    pub(super) fn forward(&mut self, n: usize, conn: ConnId, bytes: &[u8]) {
        let Some(wire) = self.wires.get_mut(&(n, conn)) else {
            return;
        };
        wire.parser.feed(bytes);
        let mut count = 0;
        while let Some(Value::Array(argv)) = wire.parser.next_reply().expect("commands") {
            wire.up.push_back(argv);
            count += 1;
        }
        // What goes out together arrives together.
        let latency_ms = self.latency_ms();
        for _ in 0..count {
            self.send_in(n, latency_ms, Delivery::Up(n, conn));
        }
    }
}

fn verdict_value(verdict: &Verdict) -> Value {
    let (leader, epoch) = match &verdict.vote {
        Some((leader, epoch)) => (leader.as_str(), *epoch as i64),
        None => ("*", 0),
    };
    let leader = Value::Bulk(leader.as_bytes().to_vec());
    Value::Array(vec![
        Value::Int(verdict.down.into()),
        leader,
        Value::Int(epoch),
    ])
}
