//! What a running script asks of the server: the interpreter's functions know nothing else of it.

use super::busy::Verdict;
use crate::commands::unit::operations::Audience;
use crate::resp::args::Args;
use crate::resp::writer::Protocol;
use crate::sys::lend::Lendable;

/// The server, as a running script sees it.
pub trait ScriptHost {
    /// Runs a command; its reply is what [`reply`](Self::reply) gives until the next one.
    ///
    /// # Errors
    ///
    /// It is refused, for a reason that was counted. The text begins with its code word.
    fn call(&mut self, args: &mut Args<'_>) -> Result<(), Vec<u8>>;

    /// The reply of the command that ran last.
    fn reply(&self) -> &[u8];

    /// Whether the script's user may run a command; none if there is no such command.
    fn may_run(&mut self, args: &Args<'_>) -> Option<bool>;

    /// Commands reply in this protocol from now on.
    fn set_protocol(&mut self, protocol: Protocol);

    /// Changes that commands make are told to these from now on.
    fn set_audience(&mut self, audience: Audience);

    /// Asked now and then while a script runs: whether it may go on. Others may be served
    /// meanwhile.
    fn interrupt(&mut self) -> Verdict;

    /// Writes a line to the log.
    fn log(&self, level: log::Level, text: &str);
}

/// Whoever runs the script.
pub struct Caller<'a>(pub &'a mut dyn ScriptHost);

/// Stands for [`Caller`] where it is lent.
pub struct LentCaller;

impl Lendable for LentCaller {
    type Of<'a> = Caller<'a>;
}
