//! Files that were cut somewhere, or have a flipped bit: a server that starts with them serves, or
//! says which file it cannot load and leaves all as they are. It never dies of them, and neither
//! does `redis-check-aof`.
//!
//! `TANIST_TEST_SEED` says where to begin.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::harness::*;

/// How many cuts, and how many flips.
const OF_EACH: u64 = 100;
/// Servers at once.
const AT_ONCE: usize = 4;
/// Writes behind a base.
const WRITES: usize = 200;

/// What is done to a file.
#[derive(Clone, Copy, Debug)]
enum Damage {
    Cut,
    Flip,
}

impl Damage {
    fn inflict(self, bytes: &mut Vec<u8>, rng: &mut Rng) {
        let at = rng.below(bytes.len() as u64) as usize;
        match self {
            Damage::Cut => bytes.truncate(at),
            Damage::Flip => bytes[at] ^= 1 << rng.below(8),
        }
    }
}

/// How many servers did what.
#[derive(Default)]
struct Totals {
    served: AtomicU64,
    refused: AtomicU64,
}

fn write_more(server: &Server, rng: &mut Rng) {
    let mut conn = server.connect();
    let mut written = 0;
    while written < WRITES {
        for command in random_write_of_any_type(rng) {
            // One that is refused is not written.
            conn.try_command(&command).expect("a reply");
            written += 1;
        }
    }
}

/// Folders with all types: in an increment, in a base of commands, and in one that is a snapshot.
fn make_folders(into: &Path) -> Vec<PathBuf> {
    let mut rng = Rng::new(41);
    let server = Server::ours(&["appendonly yes", "auto-aof-rewrite-percentage 0"]);
    populate(&mut server.connect(), &mut rng);
    let folders = ["increment", "commands", "snapshot"].map(|name| into.join(name));
    copy_files(&aof_folder(&server), &folders[0]);
    for (preamble, folder) in [("no", &folders[1]), ("yes", &folders[2])] {
        server.ask(&format!("CONFIG SET aof-use-rdb-preamble {preamble}"));
        rewrite(&server);
        write_more(&server, &mut rng);
        copy_files(&aof_folder(&server), folder);
    }
    folders.to_vec()
}

/// Damages one of the files of a folder; its name.
fn damage_in(folder: &Path, damage: Damage, rng: &mut Rng) -> String {
    let mut files = files_in(folder);
    files.retain(|(_, bytes)| !bytes.is_empty());
    let drawn = |rng: &mut Rng| rng.below(files.len() as u64) as usize;
    let mut chosen = drawn(rng);
    if files[chosen].0.ends_with(".manifest") {
        chosen = drawn(rng);
    }
    let (name, bytes) = &mut files[chosen];
    damage.inflict(bytes, rng);
    fs::write(folder.join(&name), bytes).expect("the damaged file");
    name.clone()
}

fn check(folder: &Path) {
    let output = Command::new(subject_path())
        .arg0("redis-check-aof")
        .arg(folder.join("appendonly.aof.manifest"))
        .stdin(Stdio::null())
        .output()
        .expect("the checker");
    let report = String::from_utf8_lossy(&output.stdout);
    let code = output.status.code();
    assert!(matches!(code, Some(0 | 1)), "{:?}: {report}", output.status);
}

fn start_damaged(original: &Path, damage: Damage, rng: &mut Rng, totals: &Totals) {
    let load_truncated = if rng.chance(50) { "yes" } else { "no" };
    let options = Options::ours()
        .config("appendonly yes")
        .config(format!("aof-load-truncated {load_truncated}"));
    let mut server = Server::prepare(options);
    let folder = aof_folder(&server);
    copy_files(original, &folder);
    let name = damage_in(&folder, damage, rng);
    let before = files_in(&folder);
    check(&folder);
    assert!(files_in(&folder) == before, "the checker changed {name}");
    let Some(exit) = server.start_or_exit() else {
        // It has loaded all when it answers anything else than that it loads.
        assert_eq!(server.ask("PING"), "PONG");
        totals.served.fetch_add(1, Ordering::SeqCst);
        return;
    };
    assert_eq!(exit.code(), 1, "{name}: {}", exit.log);
    let is_told = |line: &str| match name.ends_with(".manifest") {
        // One that names another file is sound, but for the other file.
        true => line.contains(&name) || line.contains("AOF file"),
        false => line.contains(&name) && line.contains("offset"),
    };
    assert!(exit.log.lines().any(is_told), "{name}: {}", exit.log);
    assert!(files_in(&folder) == before, "the server changed {name}");
    totals.refused.fetch_add(1, Ordering::SeqCst);
}

#[test]
fn a_server_with_damaged_files_serves_or_exits_with_a_reason_and_changes_nothing() {
    let place = tempfile::tempdir().expect("a folder");
    let folders = make_folders(place.path());
    let (mut rng, first) = Rng::from_env();
    println!("seed {first}");
    let cases: Vec<(u64, Damage)> = (0..OF_EACH)
        .flat_map(|_| [(rng.next(), Damage::Cut), (rng.next(), Damage::Flip)])
        .collect();
    let totals = Totals::default();
    run_side_by_side(&cases, AT_ONCE, |(seed, damage)| {
        let mut rng = Rng::new(*seed);
        let original = &folders[rng.below(folders.len() as u64) as usize];
        start_damaged(original, *damage, &mut rng, &totals);
    });
    let served = totals.served.into_inner();
    let refused = totals.refused.into_inner();
    println!("{served} served, {refused} refused to start");
    assert!(served > OF_EACH / 4 && refused > OF_EACH / 4);
}
