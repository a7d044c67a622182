//! Commands that wait: how they are parked, woken and ended.
//!
//! A handler that finds nothing to give calls [`Ctx::block`] and replies nothing. Its client is
//! parked: the arguments of the command stay in its session ([`Parked`]), the keys it waits for
//! go to the registry ([`Waiters`]), and what it sends meanwhile waits unread. Whoever changes a
//! key calls `touched`, which makes the key *ready* if somebody waits for it. When the command or
//! transaction that did so has ended, [`serve`] runs the commands that wait for ready keys again,
//! in the order in which they came, as long as the key holds what they want; a command that still
//! finds nothing parks again, with the place and the deadline that it had.
//!
//! ```text
//!            block                       key ready: run again
//!  running ────────▶ parked ───────────────────────────────▶ running
//!                      │ ◀──────────── block ────────────────────┘
//!                      │ deadline, CLIENT UNBLOCK, change of role: end_wait
//!                      ▼
//!                    done
//! ```
//!
//! Running the whole command again, instead of handing an element over, is what the reference
//! does: every check is made anew, and what is propagated is what happened.

mod acked;
pub mod acks;
mod waiters;

use super::activity::Parked;
use super::call::{WaitEnd, conclude};
use super::context::Ctx;
use super::dispatch::{self, Outcome};
use super::env::Env;
use super::error::CmdError;
use super::host::Host;
use super::row::{Arg, ArgKind};
use crate::base::longdouble::LongDouble;
use crate::base::numbers::parse_i64;
use crate::keyspace::Type;
use crate::resp::args::OwnedArgs;
use crate::sentinel::Answer;
use acks::AckWait;
pub use waiters::{Waiter, Waiters};

/// How commands that take seconds document it.
pub const TIMEOUT: Arg = Arg::new("timeout", ArgKind::Double);

/// How long a client wants to wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Timeout {
    /// For ever.
    Never,
    /// So many milliseconds.
    AfterMs(u64),
}

impl Timeout {
    /// A number of seconds, perhaps with a fraction; 0 is for ever.
    pub fn parse_seconds(word: &[u8], now_ms: i64) -> Result<Timeout, CmdError> {
        // Whole seconds need no room for their digits.
        if let Some(seconds) = parse_i64(word) {
            return Timeout::after_ms(seconds.saturating_mul(1000), now_ms);
        }
        let seconds = LongDouble::parse(word)
            .ok_or_else(|| CmdError::err("timeout is not a float or out of range"))?;
        let ms = seconds
            .thousandfold()
            .ok_or_else(|| CmdError::err("timeout is out of range"))?;
        Timeout::after_ms(ms, now_ms)
    }

    /// A number of milliseconds; 0 is for ever.
    pub fn parse_ms(word: &[u8], now_ms: i64) -> Result<Timeout, CmdError> {
        let ms = parse_i64(word)
            .ok_or_else(|| CmdError::err("timeout is not an integer or out of range"))?;
        Timeout::after_ms(ms, now_ms)
    }

    fn after_ms(ms: i64, now_ms: i64) -> Result<Timeout, CmdError> {
        if ms < 0 {
            return Err(CmdError::err("timeout is negative"));
        }
        if ms > i64::MAX - now_ms {
            return Err(CmdError::err("timeout is out of range"));
        }
        Ok(match ms {
            0 => Timeout::Never,
            ms => Timeout::AfterMs(ms as u64),
        })
    }
}

/// What a command waits for.
#[derive(Debug)]
pub struct Block {
    /// The type of value that makes a key ready.
    pub wants: Type,
    /// For how long.
    pub timeout: Timeout,
    /// Run it again also when a key goes or becomes another type: its reply is an error then.
    pub on_deletion: bool,
    /// The arguments to run it with again, where they are not those that came: `$` may not mean
    /// something else the next time.
    pub argv: Option<OwnedArgs>,
}

impl Block {
    /// Waits for a value of this type.
    pub fn until(wants: Type, timeout: Timeout) -> Block {
        Block {
            wants,
            timeout,
            on_deletion: false,
            argv: None,
        }
    }

    /// Waits for no key, until somebody ends the wait.
    pub fn until_told() -> Block {
        Block::until(Type::String, Timeout::Never)
    }
}

impl Ctx<'_> {
    /// Has the client wait for one of these keys. `false` if it may not, being in a transaction or
    /// our master; then the handler replies as if the time had run out.
    #[must_use = "a client that may not wait is due a reply"]
    pub fn block<'k>(&mut self, block: Block, keys: impl IntoIterator<Item = &'k [u8]>) -> bool {
        if !self.may_block() {
            return false;
        }
        // Rounded up, since nobody shall wait for less than was asked.
        let now_ms = self.env.now.mono_us.div_ceil(1000);
        let waiters = &mut self.env.waiters;
        let (ticket, until_mono_ms, spent_ns) = match self.session.activity.resumed() {
            Some(before) => (before.ticket, before.until_mono_ms, before.spent_ns),
            None => {
                let until = match block.timeout {
                    Timeout::Never => None,
                    Timeout::AfterMs(ms) => Some(now_ms.saturating_add(ms)),
                };
                (waiters.draw_ticket(), until, 0)
            }
        };
        let waiter = Waiter {
            client: self.session.id,
            wants: block.wants,
            on_deletion: block.on_deletion,
        };
        waiters.park(waiter, ticket, until_mono_ms, self.session.db, keys);
        self.session.activity.park(Parked {
            argv: block.argv,
            ticket,
            until_mono_ms,
            spent_ns,
        });
        true
    }

    /// Has the client wait for acknowledgements; otherwise as [`block`](Self::block).
    #[must_use = "a client that may not wait is due a reply"]
    pub fn block_for_acks(&mut self, acks: AckWait, timeout: Timeout) -> bool {
        let block = Block {
            timeout,
            ..Block::until_told()
        };
        let waits = self.block(block, []);
        if waits {
            self.env.waiters.expect_acks(self.session.id, acks);
        }
        waits
    }

    /// Has the client wait for an answer of the Sentinel, which comes by [`answer`], however long
    /// that takes; otherwise as [`block`](Self::block).
    #[must_use = "a client that may not wait is due a reply"]
    pub fn block_for_answer(&mut self) -> bool {
        let waits = self.block(Block::until_told(), []);
        if waits {
            self.env.waiters.expect_answer(self.session.id);
        }
        waits
    }
}

impl Env {
    /// The next client after a place in the queue of a key that is to be run again, now that the
    /// key is ready.
    fn next_to_serve(&self, db: usize, key: &[u8], after: u64, last: u64) -> Option<(u64, u64)> {
        let entry = self.keyspace.db(db).get(key);
        let holds = (entry.filter(|entry| !self.is_due(*entry))).map(|entry| entry.type_());
        self.waiters.next(db, key, after..=last, holds)
    }
}

/// Runs the commands again that wait for keys that have become ready, and those that become ready
/// by that. No client's command may be running.
pub fn serve(env: &mut Env, host: &mut dyn Host) {
    while let Some((db, key)) = env.waiters.take_ready() {
        // Those who begin to wait from here on have seen the key as it is.
        let last = env.waiters.last_ticket();
        let mut after = 0;
        while let Some((ticket, client)) = env.next_to_serve(db, &key, after, last) {
            after = ticket;
            host.resume(env, client);
        }
    }
}

/// Runs the command of a parked client again. A pause may hold it back; then it waits for the end
/// of that, and no longer for its keys.
pub fn resume(ctx: &mut Ctx<'_>) {
    let Some(argv) = ctx.session.activity.resume() else {
        return;
    };
    ctx.env.waiters.remove(ctx.session.id);
    match dispatch::process(ctx, &mut argv.args()) {
        Outcome::HeldBack => ctx.session.activity.hold_back(argv),
        Outcome::Done => ctx.session.activity.release(),
    }
}

/// Ends the wait of a client without running its command: its time has run out, it has got the
/// acknowledgements that it waited for, or (`refusal`) somebody does not let it wait longer.
pub fn end_wait(ctx: &mut Ctx<'_>, refusal: Option<&CmdError>) {
    let Some(parked) = ctx.session.activity.end_wait() else {
        return;
    };
    let acks = ctx.env.waiters.remove(ctx.session.id);
    let end = match (refusal, acks) {
        (Some(error), _) => WaitEnd::Refused(error),
        (None, Some(acks)) => WaitEnd::Acked(acks),
        (None, None) => WaitEnd::OutOfTime,
    };
    let start_ns = ctx.env.monitors_latency().then(|| ctx.env.clock.ns());
    conclude(ctx, *parked, end);
    if let Some(start_ns) = start_ns {
        let spent_ns = ctx.env.clock.ns().saturating_sub(start_ns);
        ctx.env.note_latency("command-unblocking", spent_ns);
    }
}

/// Gives a client the answer that it waits for.
pub fn answer(ctx: &mut Ctx<'_>, answer: &Answer) {
    if let Some(parked) = ctx.session.activity.end_wait() {
        ctx.env.waiters.remove(ctx.session.id);
        conclude(ctx, *parked, WaitEnd::Answered(answer));
    }
}

#[cfg(test)]
mod tests;
