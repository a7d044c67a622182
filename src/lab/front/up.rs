//! Brings a lab up, and down.

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use getopts::{Matches, Options};

use super::progress;
use super::talk::{Failure, OWNER_VARIABLE, answer, plain, say};
use crate::lab::keeper::{CONTROL_SOCKET, ERROR_FILE, PLAN_FILE, RECORD_FILE};
use crate::lab::plan::{Plan, Program};
use crate::lab::request::{Ask, Condition, parse_time};

/// The programs of nodes where the command line names none.
pub const SERVER_VARIABLE: &str = "REDIS_LAB_SERVER";
/// The same of Sentinels.
pub const SENTINEL_VARIABLE: &str = "REDIS_LAB_SENTINEL";
/// The seed, where the command line has none.
pub const SEED_VARIABLE: &str = "REDIS_LAB_SEED";
/// The title and the question of the report, where the command line has none.
pub const TITLE_VARIABLE: &str = "REDIS_LAB_TITLE";
/// See there.
pub const QUESTION_VARIABLE: &str = "REDIS_LAB_QUESTION";

/// What may stand in the folder of a lab before it is one: programs for its script.
pub const PROGRAM_FOLDER: &str = "bin";

/// A lab is up in this time.
const START_TIME_MAX: Duration = Duration::from_secs(60);
/// And down in this.
const END_TIME_MAX: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(10);

fn options() -> Options {
    let mut options = Options::new();
    options
        .optopt("", "masters", "", "N")
        .optopt("", "replicas", "", "N")
        .optopt("", "sentinels", "", "N")
        .optopt("", "quorum", "", "N")
        .optflag("", "chain", "")
        .optopt("", "server", "", "PROGRAM")
        .optopt("", "sentinel", "", "PROGRAM")
        .optmulti("", "node", "", "NAME=PROGRAM")
        .optmulti("", "conf", "", "LINE")
        .optmulti("", "sentinel-conf", "", "LINE")
        .optopt("", "down-after", "", "TIME")
        .optopt("", "failover-timeout", "", "TIME")
        .optopt("", "title", "", "WORDS")
        .optopt("", "question", "", "WORDS")
        .optopt("", "seed", "", "N");
    options
}

/// The plan that the words of `up` describe.
fn read_plan(words: &[String]) -> Result<Plan, Failure> {
    let said = options().parse(words).map_err(|e| e.to_string())?;
    if let Some(word) = said.free.first() {
        return Err(format!("up does not take '{word}'"));
    }
    let count = |name: &str, default: usize| -> Result<usize, Failure> {
        let Some(word) = said.opt_str(name) else {
            return Ok(default);
        };
        word.parse().map_err(|_| format!("--{name} wants a number"))
    };
    let time = |name: &str, default_ms: u64| -> Result<u64, Failure> {
        let Some(word) = said.opt_str(name) else {
            return Ok(default_ms);
        };
        let time = parse_time(&word).ok_or(format!("--{name} wants a time, such as 500ms"))?;
        Ok(time.as_millis() as u64)
    };
    let or_env =
        |name: &str, variable: &str| said.opt_str(name).or_else(|| env::var(variable).ok());
    let seed = match or_env("seed", SEED_VARIABLE) {
        None => u64::from(std::process::id()),
        Some(word) => word
            .parse()
            .map_err(|_| "the seed is no number".to_owned())?,
    };
    let sentinels = count("sentinels", 3)?;
    let (masters, replicas) = (count("masters", 1)?, count("replicas", 2)?);
    let quorum = count("quorum", sentinels / 2 + 1)?;
    let down_after_ms = time("down-after", 1000)?;
    let failover_timeout_ms = time("failover-timeout", 5000)?;
    // Last, since each is run to say its version.
    let server = program(or_env("server", SERVER_VARIABLE))?;
    let sentinel = match or_env("sentinel", SENTINEL_VARIABLE) {
        None => server.clone(),
        some => program(some)?,
    };
    let plan = Plan {
        title: or_env("title", TITLE_VARIABLE).unwrap_or_else(|| "a failover lab".to_owned()),
        question: or_env("question", QUESTION_VARIABLE).unwrap_or_default(),
        seed,
        masters,
        replicas,
        sentinels,
        quorum,
        is_chain: said.opt_present("chain"),
        down_after_ms,
        failover_timeout_ms,
        own_programs: own_programs(&said)?,
        server,
        sentinel,
        conf: said.opt_strs("conf"),
        sentinel_conf: said.opt_strs("sentinel-conf"),
    };
    plan.check()?;
    Ok(plan)
}

fn own_programs(said: &Matches) -> Result<BTreeMap<String, Program>, Failure> {
    let mut own = BTreeMap::new();
    for word in said.opt_strs("node") {
        let (name, path) = word.split_once('=').ok_or("--node wants NAME=PROGRAM")?;
        own.insert(name.to_owned(), program(Some(path.to_owned()))?);
    }
    Ok(own)
}

/// The program at a path, or of a name in `PATH`, or this one; it must say its version.
fn program(path: Option<String>) -> Result<Program, Failure> {
    let path: PathBuf = match path {
        None => env::current_exe().map_err(|e| format!("this program: {e}"))?,
        Some(path) => find(&path).ok_or(format!("there is no program {path}"))?,
    };
    let failed = |why: String| format!("{}: {why}", path.display());
    let told = Command::new(&path)
        .arg0("redis-server")
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .map_err(|e| failed(e.to_string()))?;
    let text = String::from_utf8_lossy(&told.stdout);
    let field = |name: &str| {
        text.split_whitespace()
            .find_map(|word| word.strip_prefix(name))
    };
    let version = field("v=").ok_or_else(|| failed("it does not say its version".to_owned()))?;
    let version = match field("tanist=") {
        Some(ours) => format!("{version} (tanist {ours})"),
        None => version.to_owned(),
    };
    Ok(Program { path, version })
}

fn find(path: &str) -> Option<PathBuf> {
    if path.contains('/') {
        return Path::new(path)
            .is_file()
            .then(|| std::path::absolute(path).ok())?;
    }
    let places = env::var_os("PATH")?;
    let mut candidates = env::split_paths(&places).map(|place| place.join(path));
    let found = candidates.find(|candidate| candidate.is_file())?;
    std::path::absolute(found).ok()
}

/// Brings a lab up and waits until everybody knows everybody.
///
/// # Errors
///
/// It cannot be; nothing is left behind then.
pub fn up(folder: &Path, words: &[String]) -> Result<(), Failure> {
    let plan = read_plan(words)?;
    let failed = |e: std::io::Error| format!("{}: {e}", folder.display());
    match fs::create_dir(folder) {
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {
            let inside = fs::read_dir(folder).map_err(failed)?;
            // That of a script has its programs in it already.
            let is_of_script = env::var_os(OWNER_VARIABLE).is_some();
            let mut others = inside.filter(|entry| match entry {
                Ok(entry) => !is_of_script || entry.file_name() != PROGRAM_FOLDER,
                Err(_) => true,
            });
            if others.next().is_some() {
                return Err(format!(
                    "{} is not empty; redis-lab down ends the lab in it",
                    folder.display()
                ));
            }
        }
        made => made.map_err(failed)?,
    }
    let text = serde_json::to_vec_pretty(&plan).map_err(|e| e.to_string())?;
    // Of two that come at once, one makes the file.
    let mut made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(folder.join(PLAN_FILE))
        .map_err(failed)?;
    let begun = Instant::now();
    let started = made
        .write_all(&text)
        .map_err(failed)
        .and_then(|()| start_keeper(folder))
        .and_then(|()| await_whole(folder, &plan));
    if let Err(why) = started {
        let _ = end(folder);
        let _ = remove(folder, &plan);
        return Err(why);
    }
    let nodes = plan.masters * (1 + plan.replicas) + plan.sentinels;
    say(&format!(
        "{nodes} nodes are up after {:.1} s",
        begun.elapsed().as_secs_f64()
    ))
}

fn start_keeper(folder: &Path) -> Result<(), Failure> {
    let exe = env::current_exe().map_err(|e| format!("this program: {e}"))?;
    let mut keeper = Command::new(exe);
    keeper
        .arg0("redis-lab")
        .arg("--dir")
        .arg(folder)
        .arg("keep");
    if let Ok(owner) = env::var(OWNER_VARIABLE) {
        keeper.arg(owner);
    }
    keeper
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    // It goes on in a child of its own, and this one ends at once.
    let ended = keeper.status().map_err(|e| format!("the keeper: {e}"))?;
    if !ended.success() {
        return Err(format!("the keeper: {ended}"));
    }
    let deadline = Instant::now() + START_TIME_MAX;
    while !folder.join(CONTROL_SOCKET).exists() {
        if let Ok(why) = fs::read_to_string(folder.join(ERROR_FILE)) {
            return Err(why);
        }
        if !folder.join(PLAN_FILE).exists() {
            return Err("the lab was ended".to_owned());
        }
        if Instant::now() > deadline {
            return Err("the lab does not come up".to_owned());
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

fn await_whole(folder: &Path, plan: &Plan) -> Result<(), Failure> {
    let condition = match plan.sentinels {
        0 => Condition::Synced,
        _ => Condition::Whole,
    };
    let request = plain(Ask::WaitFor {
        condition,
        timeout_ms: START_TIME_MAX.as_millis() as u64,
    });
    progress::ask(folder, &request)
        .map(|_| ())
        .map_err(|why| format!("the lab does not come together: {why}"))
}

/// Ends a lab and removes its folder. One that belongs to a running script only ends.
///
/// # Errors
///
/// The folder is none of a lab, or cannot be removed.
pub fn down(folder: &Path) -> Result<(), Failure> {
    let text = fs::read(folder.join(PLAN_FILE))
        .map_err(|_| format!("there is no lab in {}", folder.display()))?;
    let plan: Plan = serde_json::from_slice(&text)
        .map_err(|_| format!("{} is the folder of something else", folder.display()))?;
    end(folder)?;
    match env::var_os(OWNER_VARIABLE) {
        Some(_) => Ok(()),
        None => remove(folder, &plan),
    }
}

/// Removes what a lab has made, and its folder if nothing else is in it.
fn remove(folder: &Path, plan: &Plan) -> Result<(), Failure> {
    let failed = |e: io::Error| format!("{}: {e}", folder.display());
    for name in plan.names() {
        ignore_missing(fs::remove_dir_all(folder.join(name))).map_err(failed)?;
    }
    for file in [CONTROL_SOCKET, RECORD_FILE, ERROR_FILE, PLAN_FILE] {
        ignore_missing(fs::remove_file(folder.join(file))).map_err(failed)?;
    }
    match fs::remove_dir(folder) {
        Err(e) if e.kind() == ErrorKind::DirectoryNotEmpty => say(&format!(
            "{} is left: there is something in it that is not the lab's",
            folder.display()
        )),
        removed => ignore_missing(removed).map_err(failed),
    }
}

fn ignore_missing(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Ends a lab, if it has not ended, and leaves its folder.
///
/// # Errors
///
/// It does not end in time.
pub fn end(folder: &Path) -> Result<(), Failure> {
    // A keeper that is gone needs not be ended.
    let _ = answer(folder, &plain(Ask::Down));
    let deadline = Instant::now() + END_TIME_MAX;
    while answer(folder, &plain(Ask::Status)).is_ok() {
        if Instant::now() > deadline {
            return Err("the lab does not end".to_owned());
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(line: &str) -> Failure {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        read_plan(&words).expect_err(line)
    }

    #[test]
    fn words_that_make_no_plan_are_refused() {
        assert_eq!(refused("--masters x"), "--masters wants a number");
        assert_eq!(refused("more"), "up does not take 'more'");
        assert!(refused("--down-after 5").contains("--down-after wants a time"));
        assert!(refused("--server /no/such/program").contains("no program"));
        assert!(refused("--server /bin/true").contains("its version"));
        assert!(refused("--colour blue").contains("colour"));
    }
}
