//! What the Sentinel asks of its driver, and what the driver tells it.

use std::net::IpAddr;

/// A connection that the Sentinel has asked for. No number is used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnId(pub u64);

/// A script that the Sentinel has asked for. No number is used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ScriptId(pub u64);

/// A request of the Sentinel to its driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Connect without blocking; answered by `on_connected` or `on_connect_failed`.
    Connect {
        /// Which connection this will be.
        conn: ConnId,
        /// Address or name.
        host: String,
        /// TCP port.
        port: u16,
        /// When to give up, in milliseconds from now.
        timeout_ms: u64,
    },
    /// Send bytes. What comes back is told by `on_value`, reply by reply.
    Send {
        /// Over which connection.
        conn: ConnId,
        /// Whole commands.
        bytes: Vec<u8>,
    },
    /// Close a connection, or stop making it; nothing more is told of it.
    Close {
        /// Which.
        conn: ConnId,
    },
    /// Tell subscribers of an event.
    Publish {
        /// The channel: what kind of event.
        event: &'static str,
        /// The message.
        text: String,
    },
    /// Write a line to the log.
    Log(log::Level, String),
    /// Write the state down, durably; it is what `saved_form` gives. Answered by `on_saved`. One
    /// at a time is asked for.
    Save,
    /// Start a program; answered by `on_script_ended`.
    RunScript {
        /// Which.
        script: ScriptId,
        /// The executable.
        path: Vec<u8>,
        /// Its arguments, without its own name.
        args: Vec<String>,
    },
    /// Kill a program that has run for too long; its end is told as any other.
    KillScript {
        /// Which.
        script: ScriptId,
    },
    /// Answer a client whose command had to wait.
    Answer {
        /// The client's number.
        client: u64,
        /// The answer.
        answer: Answer,
    },
    /// End the process with this status: somebody wants to see what happens then.
    EndProcess {
        /// The exit status.
        status: i32,
    },
}

/// The answer to a command that had to wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Done.
    Ok,
    /// Not done; the text of the error, with its code.
    Error(String),
    /// What there is to say of a master that a peer takes for down.
    Verdict(Verdict),
}

/// The answer to `SENTINEL IS-MASTER-DOWN-BY-ADDR`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Verdict {
    /// We think so, too.
    pub down: bool,
    /// For whom we have voted, and in which epoch.
    pub vote: Option<(String, u64)>,
}

/// Both ends of a connection that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// The other end.
    pub peer: IpAddr,
    /// Ours.
    pub local: IpAddr,
}

/// Why a connection was not made, or is no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkEnd {
    /// The machine answers, but nobody listens there.
    Refused,
    /// The other end has closed or reset it.
    Closed,
    /// Anything else; the reason.
    Failed(String),
}

/// How a program has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScriptEnd {
    /// By itself, with this status.
    Exit(i32),
    /// By this signal.
    Signal(i32),
    /// It could not be started; the reason.
    NotStarted(String),
}
