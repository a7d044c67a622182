//! What a client is doing: one value, and every way from one to the next.
//!
//! ```text
//!            park                resume                    release
//!   Ready ─────────▶ Parked ────────────────▶ Resumed ──────────────▶ Released ───▶ Ready
//!     │                │ ▲                     │   │                    ▲    go_on
//!     │                │ └────────park──────────┘   │ hold_back          │
//!     │                └───────────────── end_wait ─┼────────────────────┘
//!     │ hold_back                                   ▼    go_on
//!     └───────────────────────────────────────────▶ Held ─────────────────────────▶ Ready
//!
//!   any ── close_after_replies ──▶ ClosingAfterReplies ── close ──▶ Closing
//! ```
//!
//! Only a client that is [`Ready`](Activity::Ready) has commands parsed and run. What it sends
//! otherwise is read, so that its end is noticed, and waits its turn: behind a command that waits
//! for a key, behind one that a pause holds back, and, when that is done, for the end of the tick.
//! What kind of peer it is ([`Kind`](super::session::Kind)) is another question.

use crate::resp::args::OwnedArgs;

/// What a client is doing; see the module's head.
#[derive(Debug, Default)]
pub enum Activity {
    /// Its commands run as they come.
    #[default]
    Ready,
    /// Its command waits for keys, or for somebody to end the wait.
    Parked(Box<Parked>),
    /// That command is being run again.
    Resumed(Box<Parked>),
    /// That command is done. What came behind it is run at the end of the tick.
    Released,
    /// A pause holds its command back; this is it, and it has not run at all.
    Held(OwnedArgs),
    /// It is to be closed once its replies are written; no command of it is run any more.
    ClosingAfterReplies,
    /// It is to be closed as soon as the running command ends, or is only waiting to be removed.
    Closing,
}

/// A command that waits.
#[derive(Debug)]
pub struct Parked {
    /// Its arguments; there from the moment on at which its handler has returned.
    pub argv: Option<OwnedArgs>,
    /// Its place among those who wait.
    pub ticket: u64,
    /// Its deadline, in milliseconds of the monotonic clock.
    pub until_mono_ms: Option<u64>,
    /// How long it has run so far.
    pub spent_ns: u64,
}

impl Parked {
    fn held_bytes(&self) -> usize {
        self.argv.as_ref().map_or(0, OwnedArgs::held_bytes)
    }
}

// ---- Questions ----

impl Activity {
    /// Whether its next command may run.
    #[inline]
    pub fn is_ready(&self) -> bool {
        matches!(self, Activity::Ready)
    }

    /// Whether it waits for keys, or for somebody to end the wait.
    pub fn is_parked(&self) -> bool {
        matches!(self, Activity::Parked(_))
    }

    /// Whether it waits for the end of a pause.
    pub fn is_held(&self) -> bool {
        matches!(self, Activity::Held(_))
    }

    /// Whether it waits for something that may take long.
    pub fn is_waiting(&self) -> bool {
        self.is_parked() || self.is_held()
    }

    /// Whether it is to be closed, now or after its replies.
    pub fn is_closing(&self) -> bool {
        matches!(self, Activity::ClosingAfterReplies | Activity::Closing)
    }

    /// Whether it is over, and nothing is written to it any more.
    pub fn is_over(&self) -> bool {
        matches!(self, Activity::Closing)
    }

    /// The wait that its command, which is being run again, had before.
    pub fn resumed(&self) -> Option<&Parked> {
        match self {
            Activity::Resumed(before) => Some(before),
            _ => None,
        }
    }

    /// Bytes of the arguments of the command that waits or that a pause holds back.
    pub fn held_bytes(&self) -> usize {
        match self {
            Activity::Held(argv) => argv.held_bytes(),
            Activity::Parked(parked) | Activity::Resumed(parked) => parked.held_bytes(),
            _ => 0,
        }
    }

    /// Memory held for it.
    pub fn memory(&self) -> usize {
        match self {
            Activity::Parked(_) | Activity::Resumed(_) => size_of::<Parked>() + self.held_bytes(),
            _ => self.held_bytes(),
        }
    }
}

// ---- Transitions ----

impl Activity {
    /// The running command begins to wait, or goes on waiting.
    pub fn park(&mut self, parked: Parked) {
        assert!(
            matches!(self, Activity::Ready | Activity::Resumed(_)),
            "a client that waits runs no command"
        );
        *self = Activity::Parked(Box::new(parked));
    }

    /// The command that waits is to be run again; these are its arguments.
    pub fn resume(&mut self) -> Option<OwnedArgs> {
        match std::mem::take(self) {
            Activity::Parked(mut parked) => {
                let argv = parked.argv.take();
                *self = Activity::Resumed(parked);
                Some(argv.expect("a parked command has argv"))
            }
            other => {
                *self = other;
                None
            }
        }
    }

    /// The command that was run again has ended; it may have begun to wait once more.
    pub fn release(&mut self) {
        if let Activity::Resumed(_) = self {
            *self = Activity::Released;
        }
    }

    /// The command that waits is not run again.
    pub fn end_wait(&mut self) -> Option<Box<Parked>> {
        match std::mem::replace(self, Activity::Released) {
            Activity::Parked(parked) => Some(parked),
            other => {
                *self = other;
                None
            }
        }
    }

    /// A pause does not let this command run.
    pub fn hold_back(&mut self, argv: OwnedArgs) {
        assert!(
            matches!(self, Activity::Ready | Activity::Resumed(_)),
            "a client that waits runs no command"
        );
        *self = Activity::Held(argv);
    }

    /// A client that was released, or held back by a pause that has ended, goes on. Gives the
    /// command that was held back, which comes first.
    pub fn go_on(&mut self) -> Option<OwnedArgs> {
        match std::mem::take(self) {
            Activity::Held(argv) => Some(argv),
            Activity::Ready | Activity::Released => None,
            other => {
                *self = other;
                None
            }
        }
    }

    /// It is to be closed once its replies are written, if not before.
    pub fn close_after_replies(&mut self) {
        if !self.is_over() {
            *self = Activity::ClosingAfterReplies;
        }
    }

    /// It is to be closed.
    pub fn close(&mut self) {
        *self = Activity::Closing;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argv(name: &str) -> OwnedArgs {
        OwnedArgs::new([name])
    }

    fn parked(name: &str) -> Parked {
        Parked {
            argv: Some(argv(name)),
            ticket: 7,
            until_mono_ms: None,
            spent_ns: 0,
        }
    }

    #[test]
    fn a_command_waits_is_run_again_waits_once_more_and_ends() {
        let mut client = Activity::default();
        client.park(parked("BLPOP"));
        assert!(client.is_parked() && client.is_waiting() && !client.is_ready());
        assert!(client.held_bytes() > 0 && client.memory() > client.held_bytes());
        assert_eq!(client.resume(), Some(argv("BLPOP")));
        assert_eq!(client.resumed().map(|before| before.ticket), Some(7));
        assert!(!client.is_waiting() && !client.is_ready());
        client.park(parked("BLPOP"));
        client.release();
        assert!(client.is_parked(), "it waits again");
        assert!(client.resume().is_some());
        client.release();
        assert!(
            !client.is_ready(),
            "what came behind it has to be run first"
        );
        assert_eq!(client.go_on(), None);
        assert!(client.is_ready());
    }

    #[test]
    fn a_wait_is_ended_once() {
        let mut client = Activity::default();
        assert!(client.end_wait().is_none() && client.is_ready());
        client.park(parked("BLPOP"));
        assert_eq!(client.end_wait().map(|parked| parked.ticket), Some(7));
        assert!(client.end_wait().is_none() && client.resume().is_none());
        assert!(!client.is_ready() && !client.is_waiting());
    }

    #[test]
    fn a_command_that_is_held_back_comes_first_when_its_client_goes_on() {
        let mut client = Activity::default();
        client.hold_back(argv("SET"));
        assert!(client.is_held() && client.held_bytes() > 0 && client.memory() > 0);
        assert!(client.resume().is_none() && client.end_wait().is_none());
        assert_eq!(client.go_on(), Some(argv("SET")));
        assert!(client.is_ready());
        client.park(parked("BLPOP"));
        assert_eq!(client.go_on(), None);
        assert!(client.is_parked(), "it waits for something else");
        client.resume();
        client.hold_back(argv("BLPOP"));
        assert!(client.is_held() && client.resumed().is_none());
    }

    #[test]
    fn nothing_leads_back_from_the_end() {
        let mut client = Activity::default();
        client.park(parked("BLPOP"));
        client.close_after_replies();
        assert!(client.is_closing() && !client.is_over());
        for _ in 0..2 {
            assert!(client.resume().is_none() && client.end_wait().is_none());
            assert!(client.go_on().is_none());
            client.release();
            assert!(client.is_closing() && !client.is_ready() && client.memory() == 0);
            client.close();
        }
        client.close_after_replies();
        assert!(client.is_over());
    }

    #[test]
    #[should_panic(expected = "a client that waits runs no command")]
    fn a_client_waits_for_one_thing_at_a_time() {
        let mut client = Activity::default();
        client.hold_back(argv("SET"));
        client.park(parked("BLPOP"));
    }
}
