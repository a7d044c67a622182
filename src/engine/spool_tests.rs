//! Spools of all kinds, on a disk that is well, and on one that is not.

use std::path::Path;

use super::*;
use crate::base::rng::Rng;
use crate::engine::sim::disk::{SimDisk, SimFile};

/// Files are as small as they get.
const ROOM_SMALL: u64 = 4 << 20;
/// What a file of the kind `TAIL` takes at least.
const TAIL_FILE_BYTES: u64 = 64 * 1024;

fn byte_at(number: u64) -> u8 {
    (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

fn piece(range: Range<u64>) -> Vec<u8> {
    range.map(byte_at).collect()
}

/// Adds `count` bytes; gives the files that went for it.
fn try_add(
    spool: &mut Spool<SimFile>,
    disk: &mut SimDisk,
    count: u64,
    room: u64,
) -> io::Result<Vec<SimFile>> {
    let at = spool.range().end.max(7);
    let bytes = piece(at..at + count);
    spool.append(disk, "run", (at, &bytes), room)
}

/// The same; whether there was room.
fn add(spool: &mut Spool<SimFile>, disk: &mut SimDisk, count: u64, room: u64) -> bool {
    try_add(spool, disk, count, room).is_ok()
}

fn check(spool: &Spool<SimFile>) {
    let Range { start, end } = spool.range();
    let mut at = start;
    let mut into = vec![0; 100_000];
    while at < end {
        let count = spool.read_at(at, &mut into).unwrap() as u64;
        assert_eq!(into[..count as usize], piece(at..at + count));
        at += count;
    }
    assert_eq!(at, end);
    assert!(spool.read_at(end, &mut into).is_err());
    assert!(spool.is_empty() || spool.read_at(start - 1, &mut into).is_err());
    let last = spool.last_file_start();
    assert_eq!(last.is_none(), spool.is_empty());
    assert!(last.is_none_or(|last| (start..end).contains(&last)));
}

#[test]
fn what_goes_in_comes_out_and_leaves_no_name() {
    for kind in [Kind::STREAM, Kind::MASTER, Kind::TAIL] {
        let mut disk = SimDisk::default();
        let mut spool = Spool::new(kind);
        let mut rng = Rng::from_seed(1);
        for _ in 0..200 {
            let count = 1 + rng.below(60_000);
            assert!(add(&mut spool, &mut disk, count, ROOM_SMALL));
            check(&spool);
            let Range { start, end } = spool.range();
            let at = start + rng.below(end - start + 1);
            spool.release_before(at);
            assert!(spool.is_empty() || spool.range().start <= at);
            assert!(spool.range().end == end || at == end);
            check(&spool);
            assert!(disk.files_in(Path::new("")).unwrap().is_empty());
        }
    }
}

#[test]
fn files_are_given_up_when_they_are_passed() {
    let mut disk = SimDisk::default();
    let mut spool = Spool::new(Kind::STREAM);
    for _ in 0..40 {
        assert!(add(&mut spool, &mut disk, 64 * 1024, ROOM_SMALL));
    }
    let start = spool.range().start;
    assert_eq!(spool.release_before(start + 256 * 1024 - 1).len(), 0);
    assert_eq!(spool.release_before(start + 256 * 1024).len(), 1);
    assert_eq!(spool.range().start, start + 256 * 1024);
    assert_eq!(spool.clear().len(), 9 + 1, "the last is open to be written");
    assert_eq!(spool.range(), 0..0);
}

#[test]
fn it_is_as_it_was_when_there_is_no_room() {
    let mut disk = SimDisk::default();
    let mut spool = Spool::new(Kind::STREAM);
    assert!(add(&mut spool, &mut disk, 1000, 2000));
    let refused = try_add(&mut spool, &mut disk, 1001, 2000).err();
    let refused = refused.expect("the limit");
    assert_eq!(refused.kind(), ErrorKind::StorageFull);
    assert!(refused.to_string().contains("repl-spill-max-size (2000"));
    disk.set_room(Some(500));
    assert!(!add(&mut spool, &mut disk, 600, 2000), "the disk");
    assert_eq!(spool.bytes(), 1000);
    check(&spool);
    disk.mend();
    assert!(add(&mut spool, &mut disk, 600, 2000));
    assert_eq!(spool.bytes(), 1600);
    check(&spool);
    disk.set_full(true);
    spool.clear();
    assert!(!add(&mut spool, &mut disk, 1, 2000));
    assert!(spool.is_empty());
}

#[test]
fn the_oldest_files_make_room_but_for_the_last() {
    let mut disk = SimDisk::default();
    let mut spool = Spool::new(Kind::TAIL);
    let room = 8 * TAIL_FILE_BYTES;
    for _ in 0..8 {
        let passed = try_add(&mut spool, &mut disk, TAIL_FILE_BYTES, room);
        assert_eq!(passed.unwrap().len(), 0);
    }
    let start = spool.range().start;
    assert_eq!(try_add(&mut spool, &mut disk, 1, room).unwrap().len(), 1);
    assert_eq!(spool.range().start, start + TAIL_FILE_BYTES);
    check(&spool);
    // More than there is room for: what is added is there all the same, and nothing else.
    let end = spool.range().end;
    let passed = try_add(&mut spool, &mut disk, 2 * room, room);
    assert_eq!(passed.unwrap().len(), 7);
    assert_eq!(spool.range(), end - 1..end + 2 * room, "the file was begun");
    assert_eq!(spool.last_file_start(), Some(end - 1));
    check(&spool);
    // There is less room now.
    assert_eq!(try_add(&mut spool, &mut disk, 10, 0).unwrap().len(), 1);
    assert_eq!(spool.bytes(), 10);
    check(&spool);
}

/// One run on a disk that fails now and then, is full, or cannot be read. Whatever it refuses is
/// told, and what was added before is there when the disk is well again.
fn run_on_a_bad_disk(kind: Kind, rng: &mut Rng) {
    let mut disk = SimDisk::default();
    let mut spool = Spool::new(kind);
    let (mut refused, mut unreadable) = (0, 0);
    for _ in 0..100 {
        match rng.below(4) {
            0 => disk.set_failing(300, rng.fork()),
            1 => disk.set_room(Some(rng.below(60_000) as usize)),
            2 => disk.set_unreadable(true),
            _ => disk.mend(),
        }
        let before = spool.range();
        let added = try_add(&mut spool, &mut disk, 1 + rng.below(60_000), ROOM_SMALL);
        if added.is_err() {
            refused += 1;
            assert_eq!(spool.range(), before);
        }
        let mut into = [0; 100];
        if !spool.is_empty() && spool.read_at(spool.range().start, &mut into).is_err() {
            unreadable += 1;
        }
        disk.mend();
        check(&spool);
        let Range { start, end } = spool.range();
        if rng.below(3) == 0 {
            spool.release_before(start + rng.below(end - start + 1));
        }
    }
    check(&spool);
    assert!(refused > 5 && unreadable > 5, "{refused} {unreadable}");
    // Where a name could not be taken away, nothing was written under it.
    for path in disk.files_in(Path::new("")).unwrap() {
        assert!(disk.content(&path).is_empty());
    }
}

#[test]
fn a_bad_disk_is_told_of_and_harms_nothing_that_was_there_before() {
    let mut rng = Rng::from_seed(2);
    for _ in 0..3 {
        for kind in [Kind::STREAM, Kind::MASTER, Kind::TAIL] {
            run_on_a_bad_disk(kind, &mut rng);
        }
    }
}
