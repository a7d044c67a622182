//! A turn of the Sentinel: who is looked at, and when the next turn is due.

use log::Level;

use super::act;
use super::action::{Action, ScriptEnd, ScriptId};
use super::context::Touched;
use super::ids::MasterId;
use super::scripts::ScriptNews;
use super::state::Sentinel;
use super::tilt::Finding;
use crate::base::time::Now;

/// We are called this often in any case: otherwise nobody could tell that we were held up.
const TURN_PERIOD_MS: u64 = 500;
/// What one turn leads to may lead to more at once; so often.
const ROUNDS_MAX: usize = 8;

impl Sentinel {
    /// Says who it is and what it watches, and begins.
    pub fn start(&mut self, now: Now) {
        if self.id_is_new {
            // Peers know us by it, so it has to be the same after a restart.
            self.saves.want();
        }
        self.out.push(Action::Log(
            Level::Info,
            format!("Sentinel ID is {}", self.id),
        ));
        for of in self.masters.keys().copied().collect::<Vec<_>>() {
            self.tell_monitored(of, now);
        }
    }

    pub(super) fn tell_monitored(&mut self, of: MasterId, now: Now) {
        let (masters, mut cx) = self.parts(now);
        let master = &masters[&of];
        let subject = cx.of_master(master);
        let more = format!(" quorum {}", master.options.quorum);
        cx.event(Level::Warn, "+monitor", master, &subject, &more);
    }

    /// When it has to be called again if nothing happens before, in monotonic milliseconds.
    pub fn due_ms(&self) -> u64 {
        let turn_ms = self.tilt.last_ms() + TURN_PERIOD_MS;
        let master_ms = self.due.first().map(|(due_ms, _)| *due_ms);
        let save_ms = self.saves.due_ms();
        let script_ms = self.scripts.due_ms(self.timing.script_max_runtime);
        let others = [master_ms, save_ms, script_ms];
        others.into_iter().flatten().fold(turn_ms, u64::min)
    }

    /// The acting half; see the module's head.
    pub fn act(&mut self, now: Now) {
        self.watch_time(now);
        for _ in 0..ROUNDS_MAX {
            let due = self.take_due(now.mono_ms());
            if due.is_empty() {
                break;
            }
            for of in due {
                self.act_on(of, now);
            }
        }
        self.run_scripts(now);
        if self.saves.begin(now.mono_ms()) {
            self.out.push(Action::Save);
        }
    }

    /// The masters whose facts have changed, or whose time has come.
    fn take_due(&mut self, now_ms: u64) -> Touched {
        let mut due = std::mem::take(&mut self.touched);
        while let Some((at_ms, of)) = self.due.first().copied()
            && at_ms <= now_ms
        {
            self.due.pop_first();
            due.insert(of);
        }
        due
    }

    fn act_on(&mut self, of: MasterId, now: Now) {
        let (masters, mut cx) = self.parts(now);
        let Some(master) = masters.get_mut(&of) else {
            return;
        };
        let was_due = (master.due_ms, of);
        act::act_on(master, &mut cx);
        let due = (master.due_ms, of);
        self.due.remove(&was_due);
        self.due.insert(due);
    }

    fn run_scripts(&mut self, now: Now) {
        let (actions, news) = self
            .scripts
            .act(now.mono_ms(), self.timing.script_max_runtime);
        self.tell_of_scripts(news, now);
        self.out.extend(actions);
    }

    fn tell_of_scripts(&mut self, news: Vec<ScriptNews>, now: Now) {
        let (_, mut cx) = self.parts(now);
        for news in news {
            let (level, event, text) = match news {
                ScriptNews::Failed(path, signal, status) => (
                    Level::Warn,
                    "-script-error",
                    format!("{path} {signal} {status}"),
                ),
                ScriptNews::TimedOut(path, pid) => {
                    (Level::Warn, "-script-timeout", format!("{path} {pid}"))
                }
                ScriptNews::Ended(pid, status, signal) => (
                    Level::Trace,
                    "-script-child",
                    format!("{pid} {status} {signal}"),
                ),
            };
            cx.event_text(level, event, None, text);
        }
    }

    /// A program is a process now.
    pub fn on_script_started(&mut self, script: ScriptId, pid: i32, now: Now) {
        self.scripts.on_started(script, pid);
        let (_, mut cx) = self.parts(now);
        cx.event_text(Level::Trace, "+script-child", None, pid.to_string());
    }

    /// A program has ended.
    pub fn on_script_ended(&mut self, script: ScriptId, end: ScriptEnd, now: Now) {
        let delay_ms = self.timing.script_retry_delay;
        let news = self.scripts.on_ended(script, &end, now.mono_ms(), delay_ms);
        self.tell_of_scripts(news, now);
    }

    /// Looks whether time passes as it should.
    fn watch_time(&mut self, now: Now) {
        let (trigger_ms, period_ms) = (self.timing.tilt_trigger, self.timing.tilt_period);
        match self.tilt.turn(now, trigger_ms, period_ms) {
            Finding::Nothing => return,
            Finding::Entered => self.tell("+tilt", "#tilt mode entered", now),
            Finding::Left => self.tell("-tilt", "#tilt mode exited", now),
        }
        self.touched.extend(self.masters.keys().copied());
    }
}
