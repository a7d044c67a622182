//! Kills, stops and starts processes, and tells the relay, so that a dead process looks dead to
//! others: nobody listens at its address.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use super::state::Keeper;
use crate::lab::model::ProcessState;
use crate::lab::request::ProcessChange;
use crate::lab::wire::Wire;
use crate::resp::reply::Value;

/// A process that was started answers in this time.
const START_TIME_MAX: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How long one question may take.
const ASK_TIME_MAX: Duration = Duration::from_secs(1);

impl Keeper {
    /// Changes processes one after the other; the first that cannot be changed ends it.
    ///
    /// # Errors
    ///
    /// Says which could not be changed, and why.
    pub(super) fn change_processes(
        &mut self,
        names: &[String],
        what: ProcessChange,
    ) -> Result<String, String> {
        let names = self.hosts.expand(names)?;
        let numbers: Vec<usize> = names
            .iter()
            .map(|name| self.node(name))
            .collect::<Result<_, _>>()?;
        for number in numbers {
            let name = self.nodes[number].name().to_owned();
            let changed = self.change_process(number, what);
            changed.map_err(|why| format!("{name}: {why}"))?;
        }
        Ok(String::new())
    }

    fn change_process(&mut self, number: usize, what: ProcessChange) -> Result<(), String> {
        let state = self.nodes[number].state();
        let is_down = state == ProcessState::Down;
        match what {
            ProcessChange::Wipe if !is_down => return Err("it runs; kill it first".to_owned()),
            ProcessChange::Stop | ProcessChange::Cont if is_down => {
                return Err("it does not run".to_owned());
            }
            _ => {}
        }
        let io = |e: io::Error| e.to_string();
        let node = &mut self.nodes[number];
        match what {
            ProcessChange::Kill => {
                let end = node.kill().map_err(io)?;
                self.on_end(number, end);
            }
            ProcessChange::Shutdown => {
                let end = node.shut_down().map_err(io)?;
                self.on_end(number, end);
            }
            ProcessChange::Stop => {
                node.stop().map_err(io)?;
                self.note_state(number, String::new());
            }
            ProcessChange::Cont => {
                node.cont().map_err(io)?;
                self.note_state(number, String::new());
            }
            ProcessChange::Wipe => node.wipe().map_err(io)?,
            ProcessChange::Restart => {
                let end = node.shut_down().map_err(io)?;
                self.on_end(number, end);
                self.bring_up(number)?;
            }
        }
        Ok(())
    }

    /// A process has ended, if it was there at all.
    fn on_end(&mut self, number: usize, end: Option<String>) {
        let Some(detail) = end else { return };
        self.relay.close(self.nodes[number].name());
        self.views.forget(number);
        self.note_state(number, detail);
    }

    /// Starts a process and waits until it answers.
    ///
    /// # Errors
    ///
    /// It cannot be started, ends at once, or does not answer in time.
    pub(super) fn bring_up(&mut self, number: usize) -> Result<(), String> {
        let node = &mut self.nodes[number];
        let program = node.planned.program.path.display().to_string();
        node.start().map_err(|e| format!("{program}: {e}"))?;
        let deadline = Instant::now() + START_TIME_MAX;
        while !answers(node.planned.hidden) {
            if let Some(end) = node.take_end() {
                return Err(format!(
                    "{program} has ended ({end}):\n{}",
                    node.last_words()
                ));
            }
            if Instant::now() > deadline {
                let words = node.last_words();
                return Err(format!("{program} does not answer:\n{words}"));
            }
            thread::sleep(LOOK_EVERY);
        }
        let (name, facts) = (node.name().to_owned(), &node.planned.facts);
        let opened = self.relay.open(&name, facts.address, node.planned.hidden);
        opened.map_err(|e| format!("{}: {e}", facts.address))?;
        self.note_state(number, String::new());
        Ok(())
    }
}

/// Whether a server is there. One that loads its data is, too.
fn answers(at: std::net::SocketAddr) -> bool {
    let answer = Wire::connect(at, None, ASK_TIME_MAX).and_then(|mut wire| wire.ask(&[b"PING"]));
    matches!(answer, Ok(Value::Simple(_) | Value::Error(_)))
}
