//! What all words of `redis-lab` say and ask.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use crate::lab::keeper::{self, ERROR_FILE, PLAN_FILE};
use crate::lab::request::{Answer, Ask, Request};

/// Names the folder of a lab.
pub const FOLDER_VARIABLE: &str = "REDIS_LAB_DIR";
/// The process that a lab ends with.
pub const OWNER_VARIABLE: &str = "REDIS_LAB_OWNER";

/// Why a word could not be carried out; empty if that was said already.
pub type Failure = String;

/// Writes text to standard output, if there is any; whether anybody reads it is no failure.
#[expect(clippy::unnecessary_wraps, reason = "it ends most words")]
pub fn say(text: &str) -> Result<(), Failure> {
    let end = if text.is_empty() || text.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    let mut out = io::stdout().lock();
    let _ = write!(out, "{text}{end}").and_then(|()| out.flush());
    Ok(())
}

/// Asks the keeper for something that is answered by text.
pub fn ask(folder: &Path, request: &Request) -> Result<String, Failure> {
    match answer(folder, request)? {
        Answer::Done { text } => Ok(text),
        Answer::Failed { why } => Err(why),
        Answer::At { address, .. } => Ok(address.to_string()),
    }
}

/// Asks the keeper, and hears what it answers.
pub fn answer(folder: &Path, request: &Request) -> Result<Answer, Failure> {
    let answer = keeper::ask(folder, request);
    answer.map_err(|e| match e.kind() {
        io::ErrorKind::UnexpectedEof => "the lab has ended".to_owned(),
        _ if folder.join(PLAN_FILE).exists() => {
            let why = fs::read_to_string(folder.join(ERROR_FILE)).unwrap_or_default();
            let why = if why.is_empty() { e.to_string() } else { why };
            format!(
                "the lab in {} has ended badly ({why}); redis-lab down removes it",
                folder.display()
            )
        }
        _ => format!(
            "there is no lab in {}; redis-lab up makes one",
            folder.display()
        ),
    })
}

/// A request that is not said as one.
pub fn plain(ask: Ask) -> Request {
    let words = String::new();
    Request { words, ask }
}

/// Says why something was not done; the exit code for it.
pub fn fail(why: &str) -> u8 {
    if !why.is_empty() {
        eprintln!("redis-lab: {why}");
    }
    1
}
