//! What the disk in memory does to those who use it.

use std::io::{ErrorKind, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use super::*;
use crate::base::disk::DiskFile;
use crate::persist::aof::folder::{load_manifest, persist_manifest};
use crate::persist::aof::manifest::Manifest;

fn content(disk: &mut SimDisk, path: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    disk.open(Path::new(path))
        .ok()?
        .read_to_end(&mut bytes)
        .unwrap();
    Some(bytes)
}

#[test]
fn a_file_opened_to_append_keeps_what_it_holds_and_can_be_cut() {
    let mut disk = SimDisk::default();
    let path = Path::new("log");
    disk.open_append(path).unwrap().write_all(b"hello").unwrap();
    let mut file = disk.open_append(path).unwrap();
    file.write_all(b" world").unwrap();
    file.truncate(4).unwrap();
    file.write_all(b"!").unwrap();
    assert_eq!(content(&mut disk, "log").unwrap(), b"hell!");
}

/// Whether a file in a folder outlives a loss of power; the folder above was synced or not.
fn is_kept_with_its_folder(synced: bool, seed: u64) -> bool {
    let mut disk = SimDisk::default();
    let (folder, path) = (Path::new("logs"), Path::new("logs/one"));
    assert_eq!(disk.create(path).err().unwrap().kind(), ErrorKind::NotFound);
    disk.create_folder(folder).unwrap();
    disk.create_folder(folder).unwrap();
    let mut file = disk.create(path).unwrap();
    file.write_all(b"x").unwrap();
    file.sync().unwrap();
    disk.sync_folder_of(path).unwrap();
    if synced {
        disk.sync_folder_of(folder).unwrap();
    }
    assert_eq!(disk.files_in(folder).unwrap(), [path]);
    disk.lose_power(&mut Rng::from_seed(seed));
    let kept = disk.exists(folder).unwrap();
    assert_eq!(disk.exists(path).unwrap(), kept);
    kept
}

#[test]
fn a_folder_is_sure_to_live_through_a_power_loss_when_the_one_above_it_was_synced() {
    assert!((0..20).all(|seed| is_kept_with_its_folder(true, seed)));
    assert!(!(0..20).all(|seed| is_kept_with_its_folder(false, seed)));
}

/// What a file holds after power was lost.
fn after_power_loss(disk: &mut SimDisk, path: &str) -> Vec<u8> {
    disk.lose_power(&mut Rng::from_seed(1));
    content(disk, path).unwrap_or_default()
}

/// A file whose name is durable.
fn file(disk: &mut SimDisk, path: &str) -> SimFile {
    let file = disk.create(Path::new(path)).unwrap();
    disk.sync_folder_of(Path::new(path)).unwrap();
    file
}

#[test]
fn a_full_disk_takes_what_it_has_room_for_and_then_nothing() {
    let mut disk = SimDisk::default();
    let mut log = file(&mut disk, "log");
    disk.set_room(Some(3));
    assert_eq!(log.write(b"hello").unwrap(), 3);
    let refused = log.write(b"lo").unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::StorageFull);
    log.truncate(1).unwrap();
    assert_eq!(log.write(b"ello").unwrap(), 2);
    disk.mend();
    log.write_all(b"lo").unwrap();
    assert_eq!(content(&mut disk, "log").unwrap(), b"hello");
}

#[test]
fn what_a_failed_sync_was_about_is_lost_even_if_a_later_one_succeeds() {
    for goes_on in [false, true] {
        let mut disk = SimDisk::default();
        let mut log = file(&mut disk, "log");
        log.write_all(b"one").unwrap();
        log.sync().unwrap();
        log.write_all(b"two").unwrap();
        disk.fail_syncs(1);
        log.sync().unwrap_err();
        log.sync().unwrap();
        if goes_on {
            log.write_all(b"three").unwrap();
            log.sync().unwrap();
        }
        let expected: &[u8] = match goes_on {
            true => b"one\0\0\0three",
            false => b"one",
        };
        assert_eq!(after_power_loss(&mut disk, "log"), expected);
    }
}

#[test]
fn a_failed_sync_is_told_once_to_each_open_file() {
    let mut disk = SimDisk::default();
    let mut log = file(&mut disk, "log");
    log.write_all(b"one").unwrap();
    let (shared, other) = (log.duplicate(), disk.open(Path::new("log")));
    disk.fail_syncs(1);
    shared.begin_sync().end().unwrap_err();
    log.sync().unwrap();
    let mut other = other.unwrap();
    other.sync().unwrap_err();
    other.sync().unwrap();
}

#[test]
fn a_sync_on_another_thread_is_about_what_was_there_when_it_began() {
    let mut disk = SimDisk::default();
    let mut log = file(&mut disk, "log");
    log.write_all(b"one").unwrap();
    let sync = log.duplicate().begin_sync();
    let early = log.duplicate().begin_sync();
    log.write_all(b"two").unwrap();
    sync.end().unwrap();
    let after = after_power_loss(&mut disk, "log");
    assert!(after.starts_with(b"one"), "{after:?}");
    early.end().unwrap();
}

#[test]
fn names_outlive_a_loss_of_power_in_the_order_of_their_changes() {
    let survivors = |seed| {
        let mut disk = SimDisk::default();
        for path in ["a", "b", "c"] {
            disk.create(Path::new(path)).unwrap();
        }
        disk.rename(Path::new("a"), Path::new("d")).unwrap();
        disk.lose_power(&mut Rng::from_seed(seed));
        let mut names: Vec<String> = (disk.files_in(Path::new("")).unwrap().iter())
            .map(|path| path.display().to_string())
            .collect();
        names.sort();
        names.concat()
    };
    let seen: BTreeSet<String> = (0..50).map(survivors).collect();
    let seen: Vec<&str> = seen.iter().map(String::as_str).collect();
    assert_eq!(seen, ["", "a", "ab", "abc", "bcd"]);
}

#[test]
fn a_process_can_end_in_the_middle_of_a_write() {
    let mut disk = SimDisk::default();
    let mut log = file(&mut disk, "log");
    disk.end_process_after(Some(1));
    log.write_all(b"one").unwrap();
    let ended = catch_unwind(AssertUnwindSafe(|| log.write_all(b"four")));
    assert!(ended.unwrap_err().is::<ProcessEnded>());
    assert_eq!(content(&mut disk, "log").unwrap(), b"onefo");
}

#[test]
fn a_manifest_outlives_a_power_loss_once_it_is_persisted() {
    let folder = Path::new("logs");
    let mut rng = Rng::from_seed(7);
    let mut disk = SimDisk::default();
    disk.create_folder(folder).unwrap();
    disk.sync_folder_of(folder).unwrap();
    let mut manifest = Manifest::default();
    for _ in 0..50 {
        let before = manifest.clone();
        manifest.start_increment(b"log");
        disk.set_full(rng.below(3) == 0);
        let persisted = persist_manifest(&mut disk, folder, b"log", &mut manifest);
        disk.lose_power(&mut rng);
        let found = load_manifest(&mut disk, folder, b"log").unwrap();
        if persisted.is_err() {
            manifest = before;
        }
        assert_eq!(found.unwrap_or_default(), manifest);
    }
    assert!(manifest.increments().len() > 10);
}
