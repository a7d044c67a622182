//! A script that has run for too long: others are served meanwhile, and one of them may end it.
//!
//! Whoever runs Lua asks for this at every so many instructions ([`ScriptHost::interrupt`]). Up to
//! `busy-reply-threshold` nothing comes of that. From then on the server is busy: the host serves
//! other clients for a moment each time ([`Host::serve_while_busy`]), a gate refuses all that they
//! ask for but what rows allow ([`Flags::ALLOW_BUSY`]), and who kills the script has it fail at the
//! next such moment, and at every instruction after that, so that nothing in it can go on.
//!
//! [`ScriptHost::interrupt`]: super::host::ScriptHost::interrupt
//! [`Host::serve_while_busy`]: crate::commands::host::Host::serve_while_busy
//! [`Flags::ALLOW_BUSY`]: crate::commands::row::Flags::ALLOW_BUSY

use crate::commands::error::CmdError;

/// Whether a script may go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It may.
    GoOn,
    /// It is to end, with this error.
    Stop(&'static str),
}

impl Verdict {
    /// A script that was killed is to end.
    pub const KILLED: Verdict = Verdict::Stop("Script killed by user with SCRIPT KILL...");
}

/// What a script is to those who run it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ScriptKind {
    /// A script of `EVAL` and its like.
    Script,
    /// A function of a library.
    Function,
}

impl ScriptKind {
    /// The command that kills one.
    pub fn killer(self) -> &'static str {
        match self {
            ScriptKind::Script => "SCRIPT KILL",
            ScriptKind::Function => "FUNCTION KILL",
        }
    }

    /// What other clients are told while one runs for too long.
    pub fn refusal(self) -> CmdError {
        CmdError::Fixed(match self {
            ScriptKind::Script => {
                "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN \
                 NOSAVE."
            }
            ScriptKind::Function => {
                "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN \
                 NOSAVE."
            }
        })
    }
}

/// The script that has run for too long.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BusyScript {
    /// What it is.
    pub kind: ScriptKind,
    /// By which name its users know it.
    pub name: String,
    /// The command that runs it.
    pub command: Vec<Vec<u8>>,
    /// When it began, by the clock of [`Env`](crate::commands::env::Env).
    pub started_ns: u64,
    /// It has called commands that write.
    pub has_written: bool,
    /// Who runs it must be obeyed: our master, or a file that is replayed.
    pub is_obeyed: bool,
    /// Somebody has asked for its end.
    pub is_killed: bool,
}

/// `SCRIPT KILL` and `FUNCTION KILL`: asks for the end of the script that runs.
///
/// # Errors
///
/// None has run for too long, or this one must not be ended so.
pub fn kill(busy: Option<&mut BusyScript>, kind: ScriptKind) -> Result<(), CmdError> {
    let Some(script) = busy else {
        return Err(CmdError::Fixed(
            "NOTBUSY No scripts in execution right now.",
        ));
    };
    if script.is_obeyed {
        return Err(CmdError::Fixed(
            "UNKILLABLE The busy script was sent by a master instance in the context of \
             replication and cannot be killed.",
        ));
    }
    if script.has_written {
        return Err(CmdError::Fixed(
            "UNKILLABLE Sorry the script already executed write commands against the dataset. You \
             can either wait the script termination or kill the server in a hard way using the \
             SHUTDOWN NOSAVE command.",
        ));
    }
    if script.kind != kind {
        return Err(script.kind.refusal());
    }
    script.is_killed = true;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn busy() -> BusyScript {
        BusyScript {
            kind: ScriptKind::Script,
            name: "f".to_owned(),
            command: Vec::new(),
            started_ns: 0,
            has_written: false,
            is_obeyed: false,
            is_killed: false,
        }
    }

    fn refusal(script: Option<&mut BusyScript>, kind: ScriptKind) -> String {
        let error = kill(script, kind).expect_err("a refusal");
        String::from_utf8_lossy(&error.text()).into_owned()
    }

    #[test]
    fn a_script_is_killed_by_the_command_for_its_kind() {
        let mut script = busy();
        assert_eq!(kill(Some(&mut script), ScriptKind::Script), Ok(()));
        assert!(script.is_killed);
        let mut script = busy();
        let why = refusal(Some(&mut script), ScriptKind::Function);
        assert!(
            why.starts_with("BUSY") && why.contains("SCRIPT KILL"),
            "{why}"
        );
        script.kind = ScriptKind::Function;
        let why = refusal(Some(&mut script), ScriptKind::Script);
        assert!(
            why.starts_with("BUSY") && why.contains("FUNCTION KILL"),
            "{why}"
        );
        assert!(!script.is_killed);
    }

    #[test]
    fn what_was_written_or_comes_from_a_master_is_not_killed() {
        let why = refusal(None, ScriptKind::Script);
        assert!(why.starts_with("NOTBUSY "), "{why}");
        let mut script = busy();
        script.has_written = true;
        let why = refusal(Some(&mut script), ScriptKind::Script);
        assert!(why.contains("already executed write commands"), "{why}");
        script.is_obeyed = true;
        let why = refusal(Some(&mut script), ScriptKind::Function);
        assert!(why.contains("sent by a master"), "{why}");
        assert!(!script.is_killed);
    }
}
