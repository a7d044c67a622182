//! Reads words line by line: from a terminal with a prompt, or from a file, as scripts do.

use std::io::{self, BufRead, IsTerminal};

use super::talk::{Failure, fail, say};
use crate::base::quoting::split_args;

/// Carries out one line after the other. At a terminal a line that fails is told and the next one
/// is read; a file ends with the first that fails.
pub fn read_lines(carry_out: impl Fn(&[String]) -> Result<(), Failure>) -> Result<(), Failure> {
    let is_terminal = io::stdin().is_terminal();
    if is_terminal {
        say("redis-lab: 'help' says what can be done, 'quit' ends")?;
    }
    let mut lines = io::stdin().lock().lines();
    loop {
        if is_terminal {
            eprint!("lab> ");
        }
        let Some(line) = lines.next() else {
            return Ok(());
        };
        let line = line.map_err(|e| e.to_string())?;
        let words = match line.trim_start().starts_with('#') {
            true => Some(Vec::new()),
            false => split_args(line.as_bytes()),
        };
        let done = match words {
            None => Err("quotes do not match".to_owned()),
            Some(words) => {
                let words = words
                    .iter()
                    .map(|word| String::from_utf8_lossy(word).into_owned());
                let words: Vec<String> = words.collect();
                if ["quit", "exit"]
                    .iter()
                    .any(|end| words.first().is_some_and(|w| w == end))
                {
                    return Ok(());
                }
                carry_out(&words)
            }
        };
        match done {
            Err(why) if is_terminal => {
                fail(&why);
            }
            done => done?,
        }
    }
}
