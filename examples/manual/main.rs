//! Writes the manual pages and the completions of shells, from the tables that the server runs by.
//!
//! ```text
//! cargo run --example manual -- FOLDER [FAMILY]
//! ```
//!
//! `FAMILY` is what the names of the programs begin with: `redis`, or `tanist` for an installation
//! beside a stock one. Pages go to `FOLDER/man1`, `man5` and `man7`, the completions to
//! `FOLDER/completions`.
//!
//! What a directive is called, which values it takes and what it is by default comes from its row;
//! the words about it come from `redis.conf` and `sentinel.conf`, which tests hold to the tables.
//! Options are those of the usage texts. So no page has a list of its own that could go stale.

mod commands;
mod completion;
mod conf;
mod pages;
mod roff;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs, io};

use completion::Shell;
use pages::Family;

fn write(folder: &Path, family: Family) -> io::Result<()> {
    for page in pages::all(family) {
        let section = folder.join(format!("man{}", page.section));
        fs::create_dir_all(&section)?;
        fs::write(section.join(page.file_name()), page.text)?;
    }
    let completions = folder.join("completions");
    fs::create_dir_all(&completions)?;
    let name = family.program("server");
    for shell in Shell::ALL {
        let file = completions.join(shell.file_name(&name));
        fs::write(file, completion::script(shell, family))?;
    }
    Ok(())
}

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (folder, family) = match words[..] {
        [folder] | [folder, "redis"] => (folder, Family::Redis),
        [folder, "tanist"] => (folder, Family::Tanist),
        _ => {
            eprintln!("Usage: manual FOLDER [redis|tanist]");
            return ExitCode::FAILURE;
        }
    };
    match write(&PathBuf::from(folder), family) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{folder}: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests;
