//! What the log promises, and a random walk against a plain byte vector.

use super::*;
use crate::base::rng::Rng;

/// The byte that belongs at `offset` in these tests.
fn byte_at(offset: u64) -> u8 {
    (offset.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

fn append(log: &mut ReplLog, count: usize) {
    let from = log.next();
    let bytes: Vec<u8> = (0..count as u64).map(|i| byte_at(from + i)).collect();
    log.append(&bytes, None);
}

/// Reads up to `max` bytes at the cursor, checks each of them, and advances.
fn read(log: &mut ReplLog, cursor: &Cursor, max: usize) -> usize {
    let mut offset = log.position(cursor);
    let mut done = 0;
    for chunk in log.chunks(cursor) {
        for &byte in chunk.iter().take(max - done) {
            assert_eq!(byte, byte_at(offset), "wrong byte at offset {offset}");
            offset += 1;
        }
        done += chunk.len().min(max - done);
    }
    log.advance(cursor, done);
    log.check_invariants();
    done
}

#[test]
fn a_cursor_reads_what_was_appended_after_it_attached() {
    let mut log = ReplLog::new(1, 1 << 20, Some(0));
    append(&mut log, 100);
    let cursor = log.attach(101, ReaderKind::Live);
    assert_eq!(log.pending_bytes(&cursor), 0);
    assert_eq!(log.chunks(&cursor).count(), 0);
    append(&mut log, 3 * BLOCK_BYTES);
    assert_eq!(log.pending_bytes(&cursor), 3 * BLOCK_BYTES as u64);
    assert_eq!(log.chunks(&cursor).count(), 4);
    assert_eq!(read(&mut log, &cursor, usize::MAX), 3 * BLOCK_BYTES);
    log.detach(cursor);
    assert_eq!(log.cursor_count(), 0);
}

#[test]
fn a_cursor_at_a_block_boundary_reads_nothing_until_more_arrives() {
    let mut log = ReplLog::new(1, 1 << 20, Some(0));
    append(&mut log, BLOCK_BYTES);
    let cursor = log.attach(log.next(), ReaderKind::Live);
    assert_eq!(log.chunks(&cursor).count(), 0);
    assert_eq!(log.cursor_memory_bytes(&cursor), 0);
    append(&mut log, 1);
    assert_eq!(read(&mut log, &cursor, usize::MAX), 1);
}

#[test]
fn the_window_keeps_at_least_its_size_and_at_most_a_block_more() {
    let window = 8 * BLOCK_BYTES as u64;
    let mut log = ReplLog::new(1, window, Some(0));
    for _ in 0..1000 {
        append(&mut log, 1777);
        let held = log.history_bytes();
        assert!(held <= window + 2 * BLOCK_BYTES as u64, "{held} bytes held");
        assert!(held >= window.min(log.next() - 1), "{held} bytes held");
    }
    assert!(log.first() > 1);
}

#[test]
fn one_huge_append_does_not_outgrow_the_window() {
    let mut log = ReplLog::new(1, 64 * 1024, Some(0));
    append(&mut log, 10 << 20);
    assert!(log.memory_bytes() < 256 * 1024);
    assert_eq!(log.next(), (10 << 20) + 1);
}

#[test]
fn a_slow_cursor_keeps_its_bytes_and_lengthens_the_history() {
    let mut log = ReplLog::new(1, WINDOW_BYTES_MIN, Some(0));
    let slow = log.attach(1, ReaderKind::Live);
    let quick = log.attach(1, ReaderKind::Live);
    append(&mut log, 50 * BLOCK_BYTES);
    read(&mut log, &quick, usize::MAX);
    assert_eq!(log.first(), 1);
    assert!(log.cursor_memory_bytes(&slow) >= 50 * BLOCK_BYTES);
    assert_eq!(
        read(&mut log, &slow, 40 * BLOCK_BYTES + 1),
        40 * BLOCK_BYTES + 1
    );
    assert_eq!(log.first(), 40 * BLOCK_BYTES as u64 + 1);
    log.detach(slow);
    assert!(log.history_bytes() <= WINDOW_BYTES_MIN + BLOCK_BYTES as u64);
}

#[test]
fn dropping_a_cursor_far_behind_frees_in_bounded_steps() {
    let mut log = ReplLog::new(1, WINDOW_BYTES_MIN, Some(0));
    let slow = log.attach(1, ReaderKind::Live);
    append(&mut log, 4 * TRIM_BLOCKS_MAX * BLOCK_BYTES);
    let full = log.memory_bytes();
    log.detach(slow);
    let once = log.memory_bytes();
    assert!(once < full && once > full / 2, "one step frees a part");
    for _ in 0..4 {
        log.trim();
    }
    assert!(log.history_bytes() <= WINDOW_BYTES_MIN + BLOCK_BYTES as u64);
    // Two blocks, one in reserve, and the queue, which was long.
    let held = log.memory_bytes();
    assert!(held < 3 * BLOCK_BYTES + 4096, "{held} bytes held");
}

#[test]
fn a_log_that_turns_over_reuses_its_blocks() {
    let mut log = ReplLog::new(1, WINDOW_BYTES_MIN, Some(0));
    append(&mut log, 4 * BLOCK_BYTES);
    let before = log.memory_bytes();
    append(&mut log, 400 * BLOCK_BYTES);
    assert_eq!(log.memory_bytes(), before);
}

#[test]
fn a_forked_cursor_goes_its_own_way() {
    let mut log = ReplLog::new(1, 1 << 20, Some(0));
    let one = log.attach(1, ReaderKind::Live);
    append(&mut log, 1000);
    read(&mut log, &one, 300);
    let two = log.fork(&one);
    read(&mut log, &one, usize::MAX);
    assert_eq!(log.position(&two), 301);
    assert_eq!(read(&mut log, &two, usize::MAX), 700);
}

#[test]
fn a_log_may_begin_in_the_middle_of_a_history() {
    let mut log = ReplLog::new(1_000_001, 1 << 20, Some(0));
    assert_eq!((log.first(), log.next()), (1_000_001, 1_000_001));
    assert!(log.can_read_from(1_000_001));
    assert!(!log.can_read_from(1_000_000));
    assert!(!log.can_read_from(1_000_002));
    let cursor = log.attach(1_000_001, ReaderKind::Live);
    append(&mut log, 5);
    assert_eq!(read(&mut log, &cursor, usize::MAX), 5);
}

#[test]
fn shrinking_the_window_drops_the_oldest_bytes_only() {
    let mut log = ReplLog::new(1, 1 << 20, Some(0));
    append(&mut log, 1 << 20);
    log.set_window(100 * 1024);
    log.check_invariants();
    assert!(log.history_bytes() >= 100 * 1024);
    assert!(log.history_bytes() <= 100 * 1024 + BLOCK_BYTES as u64);
    assert_eq!(log.next(), (1 << 20) + 1);
}

#[test]
fn the_last_bytes_are_the_end_of_the_stream() {
    let mut log = ReplLog::new(1, 1 << 20, Some(0));
    assert!(log.last_bytes(10).is_empty());
    log.append(b"hello", None);
    assert_eq!(log.last_bytes(3), b"llo");
    assert_eq!(log.last_bytes(100), b"hello");
    append(&mut log, BLOCK_BYTES - 5 + 2);
    let last = log.last_bytes(4);
    let end = log.next();
    assert_eq!(last, [end - 4, end - 3, end - 2, end - 1].map(byte_at));
}

#[test]
#[should_panic(expected = "never appended")]
fn reading_past_the_end_is_a_bug() {
    let mut log = ReplLog::new(1, 1 << 20, Some(0));
    let cursor = log.attach(1, ReaderKind::Live);
    log.append(b"abc", None);
    log.advance(&cursor, 4);
}

#[test]
fn any_mix_of_calls_keeps_every_reader_whole() {
    for seed in 0..20 {
        let mut rng = Rng::from_seed(seed);
        let first = 1 + rng.below(1000);
        let mut log = ReplLog::new(first, 1 + rng.below(200_000), Some(7));
        let mut sums = vec![(first - 1, 7)];
        let mut cursors: Vec<Cursor> = Vec::new();
        for _ in 0..400 {
            match rng.below(10) {
                0..=3 => {
                    append(&mut log, rng.below(40_000) as usize);
                    let (end, sum) = sums.last().copied().expect("the first");
                    let new: Vec<u8> = (end + 1..log.next()).map(byte_at).collect();
                    sums.push((log.next() - 1, crc64::extend(sum, &new)));
                }
                4 => {
                    let offset = log.first() + rng.below(log.history_bytes() + 1);
                    cursors.push(log.attach(offset, ReaderKind::Live));
                }
                5 if !cursors.is_empty() => {
                    let at = rng.below(cursors.len() as u64) as usize;
                    log.detach(cursors.swap_remove(at));
                }
                6 => log.set_window(rng.below(300_000)),
                _ => {
                    for cursor in &cursors {
                        read(&mut log, cursor, rng.below(60_000) as usize);
                    }
                }
            }
            log.check_invariants();
            for &(end, sum) in &sums {
                let held = log.can_read_from(end + 1);
                assert_eq!(log.sum_up_to(end), held.then_some(sum), "up to {end}");
            }
        }
    }
}

#[test]
fn a_log_that_does_not_know_its_beginning_has_no_sum() {
    let mut log = ReplLog::new(1, 1 << 20, None);
    append(&mut log, 3 * BLOCK_BYTES);
    assert_eq!(log.sum_up_to(100), None);
    assert_eq!(log.sum_up_to(log.next() - 1), None);
}

#[test]
fn a_command_is_found_from_any_place_in_it_or_behind() {
    let mut log = ReplLog::new(11, 1 << 20, Some(0));
    let start = |offset, db| Some(CommandStart { offset, db });
    assert_eq!(log.command_start_before(11), None);
    log.append(&[b'a'; 100], None);
    log.append(&[b'b'; 3 * BLOCK_BYTES], Some(2));
    log.append(&[b'c'; 100], Some(5));
    log.append(&[b'd'; 100], Some(6));
    assert_eq!(log.command_start_before(11), start(11, None));
    // Only the first one in a block is known.
    let last = 11 + 100 + 3 * BLOCK_BYTES as u64;
    assert_eq!(log.command_start_before(last - 1), start(11, None));
    assert_eq!(log.command_start_before(last), start(last, Some(5)));
    assert_eq!(log.command_start_before(log.next()), start(last, Some(5)));
    assert_eq!(log.command_start_before(log.next() + 1), None);
}

/// Moves to a plain vector what is to be on disk; its first byte has offset 1.
fn spill(log: &mut ReplLog, disk: &mut Vec<u8>, bytes_max: u64) {
    while let Some((at, bytes)) = log.spillable(bytes_max) {
        disk.resize(at as usize - 1, 0);
        disk.extend_from_slice(bytes);
        log.on_spilled();
        log.check_invariants();
    }
}

/// Reads up to `max` bytes at the cursor, from disk or from memory.
fn read_either(log: &mut ReplLog, disk: &[u8], cursor: &Cursor, max: usize) -> usize {
    let Some(range) = log.cold_range(cursor) else {
        return read(log, cursor, max);
    };
    assert!(range.start >= log.cold_first(), "it was given up");
    assert_eq!(log.chunks(cursor).count(), 0);
    let end = range.end.min(range.start + max as u64);
    for offset in range.start..end {
        assert_eq!(disk[offset as usize - 1], byte_at(offset));
    }
    log.advance(cursor, (end - range.start) as usize);
    log.check_invariants();
    (end - range.start) as usize
}

#[test]
fn only_what_syncing_readers_alone_need_goes_to_disk() {
    let window = 4 * BLOCK_BYTES as u64;
    let mut log = ReplLog::new(1, window, Some(0));
    let mut disk = Vec::new();
    append(&mut log, 40 * BLOCK_BYTES);
    assert_eq!(log.spillable(0), None, "nobody reads");
    let live = log.attach(log.next(), ReaderKind::Live);
    append(&mut log, 40 * BLOCK_BYTES);
    assert_eq!(log.spillable(0), None, "it has a limit for that");
    let syncing = log.attach(log.position(&live), ReaderKind::Syncing);
    assert_eq!(log.spillable(0), None, "both need it");
    assert!(read(&mut log, &live, usize::MAX) > 0);
    assert!(log.spillable(window).is_some());
    spill(&mut log, &mut disk, 8 * BLOCK_BYTES as u64);
    let most = 14 * BLOCK_MEMORY;
    assert!(log.memory_bytes() <= most, "{}", log.memory_bytes());
    assert!(log.cursor_memory_bytes(&syncing) <= most);
    assert!(log.history_bytes() >= window);
    assert!(log.position(&syncing) >= log.cold_first());
    assert_eq!(log.kind_at(log.position(&syncing)), ReaderKind::Syncing);
    log.detach(syncing);
    assert_eq!(log.cold_first(), log.first(), "nobody needs it any more");
}

#[test]
fn a_reader_that_syncs_is_a_live_one_when_it_has_nearly_caught_up() {
    let window = 4 * BLOCK_BYTES as u64;
    let mut log = ReplLog::new(1, window, Some(0));
    let mut disk = Vec::new();
    let cursor = log.attach(1, ReaderKind::Syncing);
    append(&mut log, 40 * BLOCK_BYTES);
    spill(&mut log, &mut disk, 0);
    log.settle(&cursor);
    while log.pending_bytes(&cursor) > window / 2 {
        assert!(log.is_syncing(&cursor));
        assert!(read_either(&mut log, &disk, &cursor, 3000) > 0);
        log.settle(&cursor);
    }
    assert!(!log.is_syncing(&cursor));
    // A window that has grown reaches into what is on disk.
    let late = log.attach(log.cold_first(), ReaderKind::Syncing);
    append(&mut log, 40 * BLOCK_BYTES);
    while read(&mut log, &cursor, usize::MAX) > 0 {}
    spill(&mut log, &mut disk, 0);
    log.set_window(1 << 30);
    log.settle(&late);
    assert!(log.is_syncing(&late));
    assert_eq!(log.kind_at(log.cold_first()), ReaderKind::Syncing);
}

#[test]
fn a_random_walk_reads_the_same_from_disk_and_from_memory() {
    for seed in 0..30 {
        let mut rng = Rng::from_seed(seed);
        let mut log = ReplLog::new(1, BLOCK_BYTES as u64 * (1 + rng.below(8)), Some(0));
        let mut disk = Vec::new();
        let mut cursors: Vec<Cursor> = Vec::new();
        for _ in 0..2000 {
            match rng.below(10) {
                0..=4 => append(&mut log, rng.below(30_000) as usize),
                5 if cursors.len() < 5 => {
                    let span = log.next() - log.cold_first();
                    let offset = log.cold_first() + rng.below(span + 1);
                    let kind = match rng.below(2) {
                        0 => ReaderKind::Syncing,
                        _ => log.kind_at(offset),
                    };
                    cursors.push(log.attach(offset, kind));
                }
                6 if !cursors.is_empty() => {
                    let at = rng.below(cursors.len() as u64) as usize;
                    log.detach(cursors.swap_remove(at));
                }
                _ if !cursors.is_empty() => {
                    let at = rng.below(cursors.len() as u64) as usize;
                    read_either(&mut log, &disk, &cursors[at], rng.below(100_000) as usize);
                    log.settle(&cursors[at]);
                }
                _ => log.trim(),
            }
            if rng.below(3) == 0 {
                spill(&mut log, &mut disk, rng.below(200_000));
            }
            log.check_invariants();
        }
    }
}
