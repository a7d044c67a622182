//! Append-only files that were cut at every byte, or have bits flipped at random. A server that is
//! started with one loads what is in front of the cut, or says which file it cannot load, where and
//! why, and then leaves every file as it was.
//!
//! What is no whole record, and where the last one ends, is told here by a reader of its own; what
//! a beginning of a file brings back was noted when it was written. Of a file with flipped bits
//! nobody knows what is right, as most bytes are somebody's data: a server that starts with one
//! must be in order, and start with it again.
//!
//! Each seed is one damaged folder; there are 10,000, and ten damages of each. `SIM_SEEDS=from..to`
//! runs others.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use tikv_jemalloc_ctl::thread::allocatedp;

use super::damage::{
    Files, Left, OLD_FILE, Writer, data, files_on, in_folder, manifest_path, started_with,
    taken_over,
};
use super::oracle::lasting_fingerprint;
use super::random_runs;
use super::stage::Stage;
use crate::base::rng::Rng;

/// How many times each seed damages files.
const DAMAGES_OF_A_SEED: usize = 10;
/// All that is allocated for two starts of a server with small files, one after the other.
const ALLOCATED_BYTES_MAX: u64 = 64 << 20;

/// Something of each type, and of each way in which it is kept.
const ALL_TYPES: &[&str] = &[
    "SET string text",
    "SET number 12345",
    "SETRANGE string 3 x",
    "SETBIT bits 7 1",
    "RPUSH list a b 3",
    "SADD ints 1 2 3",
    "SADD set a b",
    "HSET hash f v g 1",
    "HSET wide f xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "SADD wideset yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy a",
    "ZADD zset 1.5 a 2 b",
    "ZADD widezset 1 zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
    "XADD stream 1-1 f v",
    "XADD stream 2-1 f v g w",
    "XGROUP CREATE stream group 0",
    "XREADGROUP GROUP group alice COUNT 1 STREAMS stream >",
    "PFADD hll a b",
    "GEOADD geo 13.36 38.11 a",
    "EXPIRE string 100000",
];

/// What follows it.
const CHANGES: &[&str] = &[
    "INCR number",
    "MULTI | SET pair 1 | RPUSH list z | EXEC",
    "EXPIRE number 100000",
    "SELECT 1",
    "SETEX short 200000 x",
    "MULTI | DEL short | SET other 2 | SELECT 0 | SET pair 3 | EXEC",
    "XACK stream group 1-1",
    "ZADD zset 7 c",
    "SPOP set",
];

/// A base that is a snapshot, an increment, and another one behind it.
fn snapshot_and_increments() -> Left {
    let writer = Writer::new(true).write(ALL_TYPES).rewrite();
    let writer = writer.write(&[
        "SET between 1",
        "MULTI | INCR between | INCR between | EXEC",
    ]);
    writer.rewrite_in_vain().write(CHANGES).left()
}

/// A base of commands, and an increment.
fn commands_and_increment() -> Left {
    let writer = Writer::new(false).write(ALL_TYPES).rewrite();
    writer.write(CHANGES).left()
}

/// A base that is a snapshot, and an increment.
fn snapshot_and_increment() -> Left {
    let writer = Writer::new(true).write(ALL_TYPES).rewrite();
    writer.write(CHANGES).left()
}

/// An empty base, and an increment with everything.
fn increment_of_all() -> Left {
    Writer::new(true).write(ALL_TYPES).write(CHANGES).left()
}

// ---- Cuts ----

/// The length of the record that bytes begin with, and the name of the command; none if it is not
/// whole.
fn record(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let line_end = |from: usize| Some(from + bytes[from..].iter().position(|b| *b == b'\n')? + 1);
    let number = |range: Range<usize>| -> usize {
        let digits = str::from_utf8(&bytes[range]).expect("digits");
        digits.parse().expect("a number")
    };
    let mut at = line_end(0)?;
    if bytes[0] == b'#' {
        return Some((at, b"#"));
    }
    let mut name = None;
    for _ in 0..number(1..at - 2) {
        let begins = line_end(at)?;
        let ends = begins + number(at + 1..begins - 2);
        at = ends + 2;
        bytes.get(..at)?;
        name.get_or_insert(&bytes[begins..ends]);
    }
    Some((at, name.expect("a name")))
}

/// Where the last record ends that is whole and belongs to no unfinished transaction.
fn sound_up_to(bytes: &[u8]) -> usize {
    let (mut at, mut sound, mut in_group) = (0, 0, false);
    while let Some((len, name)) = bytes.get(at..).filter(|b| !b.is_empty()).and_then(record) {
        at += len;
        in_group = name == b"MULTI" || in_group && name != b"EXEC";
        if !in_group {
            sound = at;
        }
    }
    sound
}

/// What must become of a file that is cut.
enum Fate {
    /// Nobody can see that anything is missing.
    Unseen,
    /// So much of it is loaded, which brings this back.
    Loaded { len: usize, data: u64 },
    /// The server does not start, and names this offset, if any.
    Refused { at: Option<usize> },
}

/// Starts a server with these files, of which `cut` was cut, and sees what becomes of it.
fn check_cut(files: &Files, cut: &Path, load_truncated: bool, fate: &Fate) {
    let what = format!("{} of {} bytes", cut.display(), files[cut].len());
    let mut stage = started_with(files, |settings| {
        settings.aof_load_truncated = load_truncated;
    });
    let words = stage.server().last_words.clone();
    let is_up = stage.server().is_up();
    if let Fate::Refused { at } = fate {
        assert!(!is_up, "{what}: it starts");
        let name = cut.file_name().expect("a name").to_string_lossy();
        assert!(words.contains(&*name), "{what}: {words}");
        let offset = at.map_or("offset ".to_owned(), |at| format!("offset {at}"));
        let has_offset = words.contains(&offset) || cut == manifest_path();
        assert!(has_offset, "{what}: {words}");
        let expected = taken_over(files);
        assert!(files_on(&stage.disk()) == expected, "{what}: changed");
        return;
    }
    assert!(is_up, "{what}: {words}");
    if let Fate::Loaded { len, data: state } = fate {
        assert_eq!(data(&stage), *state, "{what}");
        let path = match cut == Path::new(OLD_FILE) {
            true => in_folder(OLD_FILE),
            false => cut.to_owned(),
        };
        let found = &files_on(&stage.disk())[&path];
        assert!(*found == files[cut][..*len], "{what}: {len}");
    }
    check_order(&mut stage);
}

/// The server runs, takes writes, and has the same again when it starts anew.
fn check_order(stage: &mut Stage) {
    let mut client = stage.connect();
    client.say("PING");
    client.say("DBSIZE");
    client.say("SET new 1");
    stage.settle();
    let heard = client.heard();
    assert!(heard.starts_with("+PONG :"), "{heard}");
    assert!(heard.ends_with("+OK"), "{heard}");
    let held = lasting_fingerprint(&stage.env().keyspace);
    stage.restart();
    let words = stage.server().last_words.clone();
    assert!(stage.server().is_up(), "it does not start again: {words}");
    let again = lasting_fingerprint(&stage.env().keyspace);
    assert_eq!(held, again, "it holds something else when it starts again");
}

/// Cuts a file everywhere, under both settings.
fn cut_everywhere(files: &Files, path: &Path, fate: impl Fn(&[u8], bool) -> Fate) {
    let whole = &files[path];
    for len in 0..=whole.len() {
        let mut files = files.clone();
        files.insert(path.to_owned(), whole[..len].to_vec());
        for load_truncated in [true, false] {
            let fate = match len == whole.len() {
                true => Fate::Unseen,
                false => fate(&whole[..len], load_truncated),
            };
            check_cut(&files, path, load_truncated, &fate);
        }
    }
}

/// Of the end of all files that part is loaded that is sound, if that is allowed.
fn of_the_end(left: &Left, bytes: &[u8], before: usize, load_truncated: bool) -> Fate {
    let sound = sound_up_to(bytes);
    match load_truncated || sound == bytes.len() {
        true => Fate::Loaded {
            len: before + sound,
            data: left.state(bytes.len()),
        },
        false => Fate::Refused {
            at: Some(before + sound),
        },
    }
}

/// Of what others follow nothing may be missing, as far as it can be seen.
fn of_what_is_closed(bytes: &[u8]) -> Fate {
    let sound = sound_up_to(bytes);
    match sound == bytes.len() {
        true => Fate::Unseen,
        false => Fate::Refused { at: Some(sound) },
    }
}

#[test]
fn the_last_increment_is_loaded_up_to_a_cut_as_far_as_that_is_allowed() {
    for left in [snapshot_and_increments(), commands_and_increment()] {
        cut_everywhere(&left.files, &left.last, |bytes, load_truncated| {
            of_the_end(&left, bytes, 0, load_truncated)
        });
    }
}

#[test]
fn an_increment_with_others_behind_it_must_be_whole() {
    let left = snapshot_and_increments();
    let closed = left.closed_increments();
    assert_eq!(closed.len(), 1);
    cut_everywhere(&left.files, &closed[0], |bytes, _| of_what_is_closed(bytes));
}

#[test]
fn a_base_must_be_whole() {
    let left = snapshot_and_increments();
    cut_everywhere(&left.files, &left.base().0, |_, _| Fate::Refused {
        at: None,
    });
    let left = commands_and_increment();
    cut_everywhere(&left.files, &left.base().0, |bytes, _| {
        of_what_is_closed(bytes)
    });
}

#[test]
fn a_snapshot_without_anything_behind_it_must_be_whole_too() {
    let left = Writer::new(true).write(ALL_TYPES).rewrite().left();
    cut_everywhere(&left.files, &left.base().0, |_, _| Fate::Refused {
        at: None,
    });
}

#[test]
fn an_old_file_is_loaded_up_to_a_cut_behind_its_snapshot() {
    let left = increment_of_all();
    let old = Path::new(OLD_FILE);
    cut_everywhere(&left.as_old_file(b""), old, |bytes, load_truncated| {
        of_the_end(&left, bytes, 0, load_truncated)
    });
    let left = snapshot_and_increment();
    let (_, snapshot) = left.base();
    let files = left.as_old_file(snapshot);
    cut_everywhere(&files, old, |bytes, load_truncated| {
        match bytes.strip_prefix(snapshot) {
            Some(tail) => of_the_end(&left, tail, snapshot.len(), load_truncated),
            // That is what a server left that had not written anything.
            None if bytes.is_empty() => Fate::Unseen,
            None => Fate::Refused { at: None },
        }
    });
}

#[test]
fn a_manifest_must_end_with_the_end_of_a_line() {
    let left = snapshot_and_increments();
    cut_everywhere(&left.files, &manifest_path(), |bytes, _| {
        match bytes.last() {
            Some(b'\n') => Fate::Unseen,
            _ => Fate::Refused { at: None },
        }
    });
}

// ---- Flips ----

/// The folders whose files are damaged.
fn folders() -> &'static [Files] {
    static FOLDERS: OnceLock<Vec<Files>> = OnceLock::new();
    FOLDERS.get_or_init(|| {
        let all = increment_of_all();
        let old = snapshot_and_increment();
        vec![
            snapshot_and_increments().files,
            commands_and_increment().files,
            taken_over(&old.as_old_file(old.base().1)),
            all.files,
        ]
    })
}

fn pick<'a, T>(rng: &mut Rng, from: &'a [T]) -> &'a T {
    &from[rng.below(from.len() as u64) as usize]
}

/// Flips a bit or some, puts other bytes in the place of some, or makes a number longer. Returns
/// what was done.
fn damage(bytes: &mut Vec<u8>, rng: &mut Rng) -> String {
    let at = rng.below(bytes.len() as u64) as usize;
    let kind = rng.below(6);
    match kind {
        0..=2 => bytes[at] ^= 1 << rng.below(8),
        3 => {
            for _ in 0..=rng.below(4) {
                let at = rng.below(bytes.len() as u64) as usize;
                bytes[at] ^= 1 << rng.below(8);
            }
        }
        4 => {
            let end = bytes.len().min(at + 1 + rng.below(4) as usize);
            bytes[at..end].fill_with(|| rng.below(256) as u8);
        }
        _ => {
            let marks: Vec<usize> = (0..bytes.len())
                .filter(|at| matches!(bytes[*at], b'$' | b'*'))
                .collect();
            let at = if marks.is_empty() {
                at
            } else {
                *pick(rng, &marks)
            };
            let digits = "9".repeat(1 + rng.below(20) as usize);
            bytes.splice(at + 1..=at, digits.bytes());
        }
    }
    format!("damage of kind {kind} at {at}")
}

/// The last file may have been cut, or have got something more, and the manifest has its successor;
/// nothing else is overwritten.
fn check_kept(damaged: &Path, before: &Files, after: &Files) {
    let mut others = 0;
    for (path, bytes) in before.iter().filter(|(path, _)| **path != manifest_path()) {
        let Some(found) = after.get(path) else {
            // What a manifest calls history is removed, right or wrong.
            assert_eq!(damaged, manifest_path(), "{} is gone", path.display());
            continue;
        };
        let common = found.len().min(bytes.len());
        let is_kept = found[..common] == bytes[..common];
        assert!(is_kept, "{} is overwritten", path.display());
        others += usize::from(found.len() != bytes.len());
    }
    assert!(others <= 1, "{others} files have another length");
}

/// Damages one file and starts a server with it. Whether it runs.
fn damaged_start(rng: &mut Rng) -> bool {
    let mut files = pick(rng, folders()).clone();
    let full = files.iter().filter(|(_, bytes)| !bytes.is_empty());
    let full: Vec<PathBuf> = full.map(|(path, _)| path.clone()).collect();
    let mut path = pick(rng, &full);
    if *path == manifest_path() && rng.below(3) > 0 {
        path = pick(rng, &full);
    }
    let what = damage(files.get_mut(path).expect("it is there"), rng);
    let load_truncated = rng.below(2) == 0;
    let mut stage = started_with(&files, |settings| {
        settings.aof_load_truncated = load_truncated;
    });
    log::info!("{}: {what}", path.display());
    if stage.server().is_up() {
        assert!(!stage.server().is_loading(), "it has not loaded all");
        check_kept(path, &files, &files_on(&stage.disk()));
        check_order(&mut stage);
        return true;
    }
    let words = &stage.server().last_words;
    if *path == manifest_path() {
        let names_one = words.contains("manifest") || words.contains("AOF file ");
        assert!(names_one, "{what} of {}: {words}", path.display());
    } else {
        let name = path.file_name().expect("a name").to_string_lossy();
        let is_told = words.contains(&*name) && words.contains("offset ");
        assert!(is_told, "{what} of {}: {words}", path.display());
    }
    let same = files_on(&stage.disk()) == files;
    assert!(same, "{what} of {} changed files", path.display());
    false
}

/// A run of the tests below. How many of its servers started.
fn damaged_starts(seed: u64) -> u64 {
    let mut rng = Rng::from_seed(seed);
    let allocated = allocatedp::read().expect("the figures of jemalloc");
    let mut started = 0;
    for _ in 0..DAMAGES_OF_A_SEED {
        let before = allocated.get();
        started += u64::from(damaged_start(&mut rng));
        let spent = allocated.get() - before;
        assert!(spent < ALLOCATED_BYTES_MAX, "{spent} bytes are allocated");
    }
    started
}

#[test]
fn files_with_flipped_bits_are_loaded_or_refused_and_left_as_they_are() {
    folders();
    random_runs(damaged_starts);
}

#[test]
fn some_damages_go_unseen_and_most_do_not() {
    let started: u64 = (0..100).map(damaged_starts).sum();
    assert!((100..900).contains(&started), "{started} of 1000 started");
}
