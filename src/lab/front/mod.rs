//! The words of `redis-lab`: one command line, or one line of its prompt.
//!
//! Most words are requests to the keeper (`../request.rs`). What is left is here: bringing a lab up
//! and down, talking to a node, reports, and running scripts, once or many times.
//!
//! A lab is a folder: `--dir`, or `$REDIS_LAB_DIR`, or `redis-lab.d` where one stands.

mod cli;
mod progress;
mod prompt;
mod repeat;
mod report;
mod run;
mod talk;
mod up;

use std::env;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::keeper;
use super::request::{Ask, Request, USAGE};
use talk::{FOLDER_VARIABLE, Failure, ask, fail, plain, say};

const DEFAULT_FOLDER: &str = "redis-lab.d";
const REDRAW_EVERY: Duration = Duration::from_millis(500);

const HELP: &str = "\
redis-lab: failover experiments with servers and Sentinels, on this machine alone

  redis-lab [--dir FOLDER] WORD …     do one thing
  redis-lab                           read words from a prompt, or from standard input

  up [--masters 1] [--replicas 2] [--sentinels 3] [--quorum N] [--chain]
     [--server PROGRAM] [--sentinel PROGRAM] [--node NAME=PROGRAM] [--conf LINE]
     [--sentinel-conf LINE] [--down-after 1s] [--failover-timeout 5s]
     [--title WORDS] [--question WORDS] [--seed N]
                             start a lab: masters m1 …, replicas r1 …, Sentinels s1 …
  down                       end it and remove its folder
  status [--watch]           how everything is
  report [--html FILE] [--json FILE]
                             the run so far; as one line where no file is named
  run SCRIPT [--html FILE] [--json FILE] [WORD …]
                             run a script in a lab of its own, report, and end the lab
  repeat N SCRIPT [--pair [LABEL=]SERVER[,SENTINEL]] … [--seed N] [--html FILE] [--json FILE]
         [WORD …]
                             run it many times, with each pair of programs, and compare
";

/// All words, and what they do.
pub fn usage() -> String {
    format!("{HELP}{USAGE}")
}

/// Runs the words of a command line; returns the exit code.
pub fn run(args: &[Vec<u8>]) -> u8 {
    let words: Vec<String> = args
        .iter()
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect();
    let (folder, words) = match take_folder(words) {
        Ok(taken) => taken,
        Err(why) => return fail(&why),
    };
    let done = match words.is_empty() {
        true => prompt::read_lines(|words| carry_out(&folder, words)),
        false => carry_out(&folder, &words),
    };
    match done {
        Ok(()) => 0,
        Err(why) => fail(&why),
    }
}

/// The folder of the lab, and the words without those that name it.
fn take_folder(mut words: Vec<String>) -> Result<(PathBuf, Vec<String>), Failure> {
    let named = match words.first().map(String::as_str) {
        Some("--dir") if words.len() > 1 => {
            words.remove(0);
            Some(words.remove(0))
        }
        Some("--dir") => return Err("--dir wants a folder".to_owned()),
        _ => None,
    };
    let variable = env::var_os(FOLDER_VARIABLE).filter(|folder| !folder.is_empty());
    let folder = named.map(PathBuf::from).or(variable.map(Into::into));
    let folder = folder.unwrap_or_else(|| DEFAULT_FOLDER.into());
    // Nodes are started somewhere else, where a relative path would name something else.
    let folder = std::path::absolute(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    Ok((folder, words))
}

/// Carries out the words of one line.
fn carry_out(folder: &Path, words: &[String]) -> Result<(), Failure> {
    let Some((verb, rest)) = words.split_first() else {
        return Ok(());
    };
    match verb.as_str() {
        "help" | "-h" | "--help" => say(&usage()),
        "up" => up::up(folder, rest),
        "keep" => keep(folder, rest),
        "down" => up::down(folder),
        "status" => status(folder, rest),
        "cli" => cli::cli(folder, rest),
        "address" => cli::address(folder, rest),
        "report" => report::report(folder, rest),
        "run" => run::run_script(rest),
        "repeat" => repeat::repeat(rest),
        _ => match Request::read(words)? {
            Some(request) => say(&progress::ask(folder, &request)?),
            None => Err(format!(
                "'{verb}' is nothing that can be done; see redis-lab help"
            )),
        },
    }
}

/// The keeper itself; nobody but `up` says this.
fn keep(folder: &Path, words: &[String]) -> Result<(), Failure> {
    let owner = words.first().and_then(|word| word.parse().ok());
    match keeper::run(folder, owner) {
        0 => Ok(()),
        _ => Err(String::new()),
    }
}

fn status(folder: &Path, words: &[String]) -> Result<(), Failure> {
    let watches = match words {
        [] => false,
        [word] if word == "--watch" => true,
        _ => return Err("status takes --watch and nothing else".to_owned()),
    };
    loop {
        let text = ask(folder, &plain(Ask::Status))?;
        if !watches {
            return say(&text);
        }
        // To a terminal: from the top, over what stood there.
        let clear = if io::stdout().is_terminal() {
            "\x1b[H\x1b[2J"
        } else {
            ""
        };
        let mut out = io::stdout().lock();
        if write!(out, "{clear}{text}")
            .and_then(|()| out.flush())
            .is_err()
        {
            // Nobody looks any more.
            return Ok(());
        }
        drop(out);
        std::thread::sleep(REDRAW_EVERY);
    }
}
