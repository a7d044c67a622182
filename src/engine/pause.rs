//! What holds commands of clients back: `CLIENT PAUSE`, a shutdown that waits for replicas, and a
//! failover.
//!
//! The three are independent: neither the end of a client's pause nor `CLIENT UNPAUSE` lets writes
//! through while a shutdown waits or a failover goes on, and when those end they leave the pause as
//! it was.

use crate::commands::gates::PauseMode;

/// See the module's head.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pauses {
    by_client: Option<Pause>,
    by_shutdown: bool,
    by_failover: bool,
    /// Less is held back than before; whoever was held back has to be asked again.
    eased: bool,
}

/// `CLIENT PAUSE` in force.
#[derive(Clone, Copy, Debug)]
struct Pause {
    mode: PauseMode,
    until_mono_ms: u64,
}

impl Pauses {
    /// What is held back, if anything is.
    #[inline]
    pub fn mode(&self) -> Option<PauseMode> {
        match self.by_client {
            Some(pause) => Some(pause.mode),
            None => (self.by_shutdown || self.by_failover).then_some(PauseMode::Write),
        }
    }

    /// Whether nothing but a failover holds commands back.
    pub fn is_for_failover_only(&self) -> bool {
        self.by_failover && self.by_client.is_none() && !self.by_shutdown
    }

    /// Whether less is held back than when [`take_eased`](Self::take_eased) was called last.
    pub fn is_eased(&self) -> bool {
        self.eased
    }

    /// The same, which is known from now on.
    pub fn take_eased(&mut self) -> bool {
        std::mem::take(&mut self.eased)
    }

    /// A client asks for a pause. While another holds, that never makes it shorter or weaker.
    pub fn begin(&mut self, mode: PauseMode, until_mono_ms: u64) {
        let asked = Pause {
            mode,
            until_mono_ms,
        };
        self.by_client = Some(match self.by_client {
            None => asked,
            Some(old) => Pause {
                mode: match old.mode {
                    PauseMode::All => PauseMode::All,
                    PauseMode::Write => mode,
                },
                until_mono_ms: old.until_mono_ms.max(until_mono_ms),
            },
        });
    }

    /// When what clients have asked for ends by itself, in monotonic milliseconds.
    pub fn ends_at_ms(&self) -> Option<u64> {
        self.by_client.map(|pause| pause.until_mono_ms)
    }

    /// Ends what clients have asked for.
    pub fn end(&mut self) {
        let before = self.mode();
        self.by_client = None;
        self.note_change_from(before);
    }

    /// Ends what clients have asked for if its time is over. Returns whether it did.
    pub fn end_overdue(&mut self, now_mono_ms: u64) -> bool {
        let is_over = |pause: Pause| pause.until_mono_ms <= now_mono_ms;
        let ends = self.by_client.is_some_and(is_over);
        if ends {
            self.end();
        }
        ends
    }

    /// Holds writes back for a shutdown, or does not any more.
    pub fn hold_for_shutdown(&mut self, hold: bool) {
        let before = self.mode();
        self.by_shutdown = hold;
        self.note_change_from(before);
    }

    /// Holds writes back for a failover, or does not any more.
    pub fn hold_for_failover(&mut self, hold: bool) {
        let before = self.mode();
        self.by_failover = hold;
        self.note_change_from(before);
    }

    /// Notes whether less is held back than `before`.
    fn note_change_from(&mut self, before: Option<PauseMode>) {
        let held = |mode| match mode {
            None => 0,
            Some(PauseMode::Write) => 1,
            Some(PauseMode::All) => 2,
        };
        self.eased |= held(self.mode()) < held(before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_pause_makes_the_first_neither_weaker_nor_shorter() {
        let mut pauses = Pauses::default();
        pauses.begin(PauseMode::All, 100);
        pauses.begin(PauseMode::Write, 50);
        assert!(!pauses.end_overdue(99));
        assert_eq!(pauses.mode(), Some(PauseMode::All));
        assert!(!pauses.is_eased());
        assert!(pauses.end_overdue(100));
        assert_eq!(pauses.mode(), None);
        assert!(pauses.take_eased() && !pauses.is_eased());
    }

    #[test]
    fn a_shutdown_holds_writes_back_whatever_clients_say() {
        let mut pauses = Pauses::default();
        pauses.hold_for_shutdown(true);
        pauses.begin(PauseMode::All, 100);
        assert_eq!(pauses.mode(), Some(PauseMode::All));
        pauses.end();
        assert_eq!(pauses.mode(), Some(PauseMode::Write));
        assert!(pauses.take_eased(), "reads may go on");
        pauses.end();
        assert!(!pauses.is_eased());
        pauses.hold_for_shutdown(false);
        assert_eq!(pauses.mode(), None);
        assert!(pauses.take_eased());
    }

    #[test]
    fn a_failover_holds_writes_back_whoever_else_does() {
        let mut pauses = Pauses::default();
        pauses.hold_for_failover(true);
        assert_eq!(pauses.mode(), Some(PauseMode::Write));
        assert!(pauses.is_for_failover_only());
        pauses.hold_for_shutdown(true);
        assert!(!pauses.is_for_failover_only());
        pauses.hold_for_failover(false);
        assert_eq!(pauses.mode(), Some(PauseMode::Write));
        pauses.hold_for_failover(true);
        pauses.hold_for_shutdown(false);
        pauses.begin(PauseMode::All, 100);
        assert!(!pauses.is_for_failover_only());
        assert!(!pauses.is_eased());
        pauses.end();
        assert_eq!(pauses.mode(), Some(PauseMode::Write));
        assert!(pauses.take_eased(), "reads may go on");
        pauses.hold_for_failover(false);
        assert_eq!(pauses.mode(), None);
        assert!(pauses.take_eased() && !pauses.is_for_failover_only());
    }
}
