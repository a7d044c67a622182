//! Runs a script in a lab of its own, and leaves nothing behind but what was asked for.

use std::env;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::report::{Outputs, read_record};
use super::talk::{FOLDER_VARIABLE, Failure, OWNER_VARIABLE, say};
use super::up;
use super::up::{
    PROGRAM_FOLDER, QUESTION_VARIABLE, SEED_VARIABLE, SENTINEL_VARIABLE, SERVER_VARIABLE,
    TITLE_VARIABLE,
};
use crate::lab::keeper::PLAN_FILE;
use crate::lab::model::Record;
use crate::lab::report;

/// The names by which a script finds this program: the lab, and what reads ledgers of lost writes.
const PROGRAMS: [&str; 2] = ["redis-lab", "redis-check-aof"];

/// A script, and with what it is run.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// The file.
    pub path: PathBuf,
    /// Its arguments.
    pub words: Vec<String>,
    /// The programs of servers and Sentinels, where it names none.
    pub server: Option<String>,
    /// See there.
    pub sentinel: Option<String>,
    /// The seed.
    pub seed: Option<u64>,
    /// What it says goes to nobody.
    pub quiet: bool,
}

/// A folder for a lab, which goes when this does.
struct OwnFolder(PathBuf);

impl OwnFolder {
    fn make() -> Result<OwnFolder, Failure> {
        // Scripts may go to another folder.
        let place = std::path::absolute(env::temp_dir()).map_err(|e| e.to_string())?;
        for number in 0.. {
            let path = place.join(format!("redis-lab-{}-{number}", std::process::id()));
            match fs::DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(OwnFolder(path)),
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(format!("{}: {e}", path.display())),
            }
        }
        unreachable!("there are more numbers than folders")
    }
}

impl Drop for OwnFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The question that a script answers: the comment at its head, without the line that names its
/// interpreter.
fn question(script: &str) -> String {
    let lines = script.lines().skip_while(|line| line.starts_with("#!"));
    let comment = lines.map_while(|line| line.strip_prefix('#'));
    // A paragraph: what follows an empty line is about something else.
    let paragraph = comment.map(str::trim).skip_while(|line| line.is_empty());
    let lines: Vec<&str> = paragraph.take_while(|line| !line.is_empty()).collect();
    lines.join(" ")
}

impl Script {
    /// Runs it, and gives the record of what happened.
    ///
    /// # Errors
    ///
    /// It cannot be run, has failed, or has brought no lab up; the record is there then as far as
    /// it came.
    pub fn run(&self) -> Result<Record, (Failure, Option<Record>)> {
        let early = |why| (why, None);
        let text = fs::read_to_string(&self.path)
            .map_err(|e| early(format!("{}: {e}", self.path.display())))?;
        let own = OwnFolder::make().map_err(early)?;
        let folder = &own.0;
        let ended = self.run_in(folder, &question(&text));
        let record = match folder.join(PLAN_FILE).exists() {
            true => {
                up::end(folder).map_err(early)?;
                Some(read_record(folder).map_err(early)?)
            }
            false => None,
        };
        match (ended, record) {
            (Ok(()), Some(record)) => Ok(record),
            (Ok(()), None) => Err(early("the script has brought no lab up".to_owned())),
            (Err(why), record) => Err((why, record)),
        }
    }

    fn run_in(&self, folder: &Path, question: &str) -> Result<(), Failure> {
        let failed = |e: std::io::Error| format!("{}: {e}", self.path.display());
        let exe = env::current_exe().map_err(failed)?;
        let programs = folder.join(PROGRAM_FOLDER);
        fs::create_dir(&programs).map_err(failed)?;
        for name in PROGRAMS {
            std::os::unix::fs::symlink(&exe, programs.join(name)).map_err(failed)?;
        }
        let path = env::var_os("PATH").unwrap_or_default();
        let places = std::iter::once(programs).chain(env::split_paths(&path));
        let path = env::join_paths(places).map_err(|e| e.to_string())?;
        let title = self.path.file_stem().unwrap_or_default();
        let mut script = Command::new("sh");
        script
            .arg("--")
            .arg(&self.path)
            .args(&self.words)
            .env("PATH", path)
            .env(FOLDER_VARIABLE, folder)
            .env(OWNER_VARIABLE, std::process::id().to_string())
            .env(TITLE_VARIABLE, title)
            .env(QUESTION_VARIABLE, question);
        for (variable, value) in [
            (SERVER_VARIABLE, self.server.clone()),
            (SENTINEL_VARIABLE, self.sentinel.clone()),
            (SEED_VARIABLE, self.seed.map(|seed| seed.to_string())),
        ] {
            if let Some(value) = value {
                script.env(variable, value);
            }
        }
        if self.quiet {
            script.stdout(Stdio::null());
        }
        let status = script.status().map_err(failed)?;
        match status.success() {
            true => Ok(()),
            false => Err(format!("{} has ended badly: {status}", self.path.display())),
        }
    }
}

/// `run SCRIPT [--html FILE] [--json FILE] [WORD …]`.
pub fn run_script(words: &[String]) -> Result<(), Failure> {
    let mut words = words.to_vec();
    let mut outputs = Outputs::take(&mut words)?;
    if words.is_empty() {
        return Err("run wants a script".to_owned());
    }
    let path = PathBuf::from(words.remove(0));
    let more = Outputs::take(&mut words)?;
    outputs.html = outputs.html.or(more.html);
    outputs.json = outputs.json.or(more.json);
    outputs.prepare()?;
    let script = Script {
        path,
        words,
        ..Script::default()
    };
    let (failure, record) = match script.run() {
        Ok(record) => (None, Some(record)),
        Err((why, record)) => (Some(why), record),
    };
    if let Some(record) = record {
        outputs.write(|| report::html(&record), || report::json(&record))?;
        say(&report::line(&record))?;
    }
    failure.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_is_the_first_paragraph_of_the_head() {
        let text = "#!/bin/sh\n# Who wins?\n# And why?\n#\n# More.\nset -e\n# Other.\n";
        assert_eq!(question(text), "Who wins? And why?");
        assert_eq!(question("set -e\n# Later.\n"), "");
        assert_eq!(question(""), "");
    }
}
