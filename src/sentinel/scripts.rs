//! Programs that are told of events: a queue, and what becomes of those that fail.

use super::action::{Action, ScriptEnd, ScriptId};

/// So many may wait or run.
const QUEUE_MAX: usize = 256;
/// So many run at a time.
const RUNNING_MAX: usize = 16;
/// A script that fails is started so often.
const TRIES_MAX: u32 = 10;
/// The status that says: not now, perhaps later.
const EXIT_RETRY: i32 = 1;

/// How far a script is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// It waits for its turn, not before this time.
    Waiting(u64),
    /// It runs since this time, as this process if that is known.
    Running(u64, Option<i32>),
    /// The same, and was killed since it took too long.
    Killed(u64, Option<i32>),
}

/// A script that waits or runs.
#[derive(Clone, Debug)]
pub struct Script {
    /// Its number.
    pub id: ScriptId,
    /// The executable.
    pub path: Vec<u8>,
    /// Its arguments.
    pub args: Vec<String>,
    /// How often it was started.
    pub tries: u32,
    /// How far it is.
    pub progress: Progress,
}

/// What an event of a script leads to, beside an action.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum ScriptNews {
    /// It has failed for good: path, signal, exit status.
    Failed(String, i32, i32),
    /// It ran for too long: path, process.
    TimedOut(String, i32),
    /// A process of it has ended: process, exit status, signal.
    Ended(i32, i32, i32),
}

/// All scripts, in the order in which they were asked for.
#[derive(Debug, Default)]
pub(super) struct Scripts {
    all: Vec<Script>,
    next: u64,
}

impl Scripts {
    /// Has a script run.
    pub fn schedule(&mut self, path: Vec<u8>, args: Vec<String>, now_ms: u64) {
        self.next += 1;
        self.all.push(Script {
            id: ScriptId(self.next),
            path,
            args,
            tries: 0,
            progress: Progress::Waiting(now_ms),
        });
        if self.all.len() > QUEUE_MAX {
            let waits = |script: &Script| matches!(script.progress, Progress::Waiting(_));
            if let Some(oldest) = self.all.iter().position(waits) {
                self.all.remove(oldest);
            }
        }
    }

    /// All that wait or run.
    pub fn all(&self) -> &[Script] {
        &self.all
    }

    /// How many run.
    pub fn running(&self) -> usize {
        let runs = |script: &&Script| !matches!(script.progress, Progress::Waiting(_));
        self.all.iter().filter(runs).count()
    }

    /// When the next is to be started or killed.
    pub fn due_ms(&self, runtime_max_ms: u64) -> Option<u64> {
        let may_start = self.running() < RUNNING_MAX;
        let due = |script: &Script| match script.progress {
            Progress::Waiting(at_ms) => may_start.then_some(at_ms),
            Progress::Running(since_ms, _) => Some(since_ms + runtime_max_ms + 1),
            Progress::Killed(..) => None,
        };
        self.all.iter().filter_map(due).min()
    }

    /// Starts those whose time has come, and kills those that run for too long.
    pub fn act(&mut self, now_ms: u64, runtime_max_ms: u64) -> (Vec<Action>, Vec<ScriptNews>) {
        let (mut actions, mut news) = (Vec::new(), Vec::new());
        let mut running = self.running();
        for script in &mut self.all {
            match script.progress {
                Progress::Waiting(at_ms) if at_ms <= now_ms && running < RUNNING_MAX => {
                    running += 1;
                    script.tries += 1;
                    script.progress = Progress::Running(now_ms, None);
                    actions.push(Action::RunScript {
                        script: script.id,
                        path: script.path.clone(),
                        args: script.args.clone(),
                    });
                }
                Progress::Running(since_ms, pid) if now_ms > since_ms + runtime_max_ms => {
                    script.progress = Progress::Killed(since_ms, pid);
                    let path = String::from_utf8_lossy(&script.path).into_owned();
                    news.push(ScriptNews::TimedOut(path, pid.unwrap_or(0)));
                    actions.push(Action::KillScript { script: script.id });
                }
                _ => {}
            }
        }
        (actions, news)
    }

    /// A script is a process now.
    pub fn on_started(&mut self, id: ScriptId, pid: i32) {
        if let Some(script) = self.all.iter_mut().find(|script| script.id == id)
            && let Progress::Running(since_ms, None) = script.progress
        {
            script.progress = Progress::Running(since_ms, Some(pid));
        }
    }

    /// A script has ended: it is over, or is started again later.
    pub fn on_ended(
        &mut self,
        id: ScriptId,
        end: &ScriptEnd,
        now_ms: u64,
        retry_delay_ms: u64,
    ) -> Vec<ScriptNews> {
        let Some(at) = self.all.iter().position(|script| script.id == id) else {
            return Vec::new();
        };
        let mut news = Vec::new();
        let script = &mut self.all[at];
        let pid = match script.progress {
            Progress::Running(_, pid) | Progress::Killed(_, pid) => pid.unwrap_or(0),
            Progress::Waiting(_) => 0,
        };
        let (status, signal) = match end {
            ScriptEnd::Exit(status) => (*status, 0),
            ScriptEnd::Signal(signal) => (0, *signal),
            ScriptEnd::NotStarted(_) => (0, 99),
        };
        if !matches!(end, ScriptEnd::NotStarted(_)) {
            news.push(ScriptNews::Ended(pid, status, signal));
        }
        let may_retry = signal != 0 || status == EXIT_RETRY;
        if may_retry && script.tries < TRIES_MAX {
            let doublings = script.tries.saturating_sub(1);
            let delay_ms = retry_delay_ms.saturating_mul(1 << doublings);
            script.progress = Progress::Waiting(now_ms.saturating_add(delay_ms));
            return news;
        }
        let script = self.all.remove(at);
        if signal != 0 || status != 0 {
            let path = String::from_utf8_lossy(&script.path).into_owned();
            news.push(ScriptNews::Failed(path, signal, status));
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUNTIME_MS: u64 = 60_000;
    const RETRY_MS: u64 = 30_000;

    fn started(scripts: &mut Scripts, now_ms: u64) -> Vec<ScriptId> {
        let (actions, _) = scripts.act(now_ms, RUNTIME_MS);
        let id = |action: Action| match action {
            Action::RunScript { script, .. } => Some(script),
            _ => None,
        };
        actions.into_iter().filter_map(id).collect()
    }

    fn schedule(scripts: &mut Scripts, count: usize) {
        for n in 0..count {
            scripts.schedule(b"/bin/s".to_vec(), vec![n.to_string()], 0);
        }
    }

    #[test]
    fn sixteen_run_at_a_time_and_256_are_kept() {
        let mut scripts = Scripts::default();
        schedule(&mut scripts, 10);
        assert_eq!(started(&mut scripts, 0).len(), 10);
        schedule(&mut scripts, 300);
        assert_eq!(scripts.all().len(), QUEUE_MAX);
        let more = started(&mut scripts, 0);
        assert_eq!((more.len(), scripts.running()), (6, RUNNING_MAX));
        assert!(started(&mut scripts, 0).is_empty());
        scripts.on_ended(more[0], &ScriptEnd::Exit(0), 1, RETRY_MS);
        assert_eq!(started(&mut scripts, 1).len(), 1);
        let newest = scripts.all().last().expect("scripts");
        assert_eq!(newest.args, ["299"], "the oldest were left out");
    }

    #[test]
    fn a_script_that_says_later_is_run_ten_times_waiting_longer_each_time() {
        let mut scripts = Scripts::default();
        schedule(&mut scripts, 1);
        let (mut now_ms, mut delay_ms) = (0, RETRY_MS);
        for n in 1..=10 {
            let [id] = started(&mut scripts, now_ms)[..] else {
                panic!("started");
            };
            scripts.on_started(id, 40 + n);
            let end = if n % 2 == 0 {
                ScriptEnd::Exit(1)
            } else {
                ScriptEnd::Signal(9)
            };
            let news = scripts.on_ended(id, &end, now_ms, RETRY_MS);
            if n < 10 {
                assert_eq!(news.len(), 1);
                assert!(started(&mut scripts, now_ms + delay_ms - 1).is_empty());
                assert_eq!(scripts.due_ms(RUNTIME_MS), Some(now_ms + delay_ms));
                now_ms += delay_ms;
                delay_ms *= 2;
            } else {
                let failed = ScriptNews::Failed("/bin/s".to_owned(), 0, 1);
                assert_eq!(news, [ScriptNews::Ended(50, 1, 0), failed]);
                assert!(scripts.all().is_empty());
            }
        }
    }

    #[test]
    fn a_script_that_fails_is_not_run_again() {
        let mut scripts = Scripts::default();
        schedule(&mut scripts, 1);
        let id = started(&mut scripts, 0)[0];
        let news = scripts.on_ended(id, &ScriptEnd::Exit(2), 0, RETRY_MS);
        assert_eq!(news[1], ScriptNews::Failed("/bin/s".to_owned(), 0, 2));
        assert!(scripts.all().is_empty() && scripts.due_ms(RUNTIME_MS).is_none());
    }

    #[test]
    fn a_script_that_takes_too_long_is_killed_once() {
        let mut scripts = Scripts::default();
        schedule(&mut scripts, 1);
        let id = started(&mut scripts, 5)[0];
        scripts.on_started(id, 77);
        let due_ms = scripts.due_ms(RUNTIME_MS).expect("a time");
        assert!(scripts.act(due_ms - 1, RUNTIME_MS).0.is_empty());
        let (actions, news) = scripts.act(due_ms, RUNTIME_MS);
        assert_eq!(actions, [Action::KillScript { script: id }]);
        assert_eq!(news, [ScriptNews::TimedOut("/bin/s".to_owned(), 77)]);
        assert!(scripts.act(due_ms + 1, RUNTIME_MS).0.is_empty());
    }
}
