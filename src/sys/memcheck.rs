//! A fast test of the memory of a process that has crashed: was it a bad cell?
//!
//! It goes through the memory that the process has for itself and uses, page by page: a page is
//! put aside, filled twice, so that each cell holds both of its values, and put back. Between
//! writing and reading it is driven out of the caches, where the processor lets us. So nothing is
//! lost, and the rest of the report can still be written.
//!
//! While a page is filled, nobody may use it. All other threads have stopped by then ([`halt`]),
//! and signals wait. What this thread itself needs is left out: what is near its stack pointer, and
//! near its thread pointer, where the C library and the kernel keep what they know of it.
//! Everything else (the heap, variables of the program) rests, as the code that fills a page calls
//! nobody. Memory that was never touched is left out as well; to fill it would make it real, and
//! could be more than the machine has.

use std::ffi::{c_int, c_void};
use std::fmt;
use std::ops::Range;
use std::ptr;

use super::halt;
use super::log_file::Opened;
use crate::base::line::Line;

/// The words of what is tested at once.
const WORDS: usize = 512;
const UNIT_BYTES: usize = WORDS * size_of::<u64>();
/// What is left out around the stack pointer, and around the thread pointer.
const STACK_BYTES: usize = 1 << 20;
const THREAD_BYTES: usize = 1 << 16;
/// Pages whose presence is asked for at once.
const PAGES: usize = 256;

/// Tests the memory and says on `out` how it went. All other threads have stopped for good then.
pub(super) fn report(out: &mut Opened) {
    out.write(b"\n------ FAST MEMORY TEST ------\n");
    if !halt::stop_other_threads() {
        out.write(b"Not done: there are threads that cannot be stopped.\n");
        return;
    }
    let mut regions = 0;
    let listed = each_region(|region| {
        regions += 1;
        let (start, bytes) = (region.start, region.len());
        say(
            out,
            format_args!("*** Preparing to test memory region {start:x} ({bytes} bytes)\n"),
        );
    });
    if !listed || regions == 0 {
        out.write(b"Not done: the memory cannot be listed.\n");
        return;
    }
    let mut errors = 0;
    each_region(|region| {
        out.write(b".");
        let before = errors;
        errors += test_region(region);
        out.write(if errors == before { b"O" } else { b"E" });
    });
    out.write(b"\n");
    if errors == 0 {
        out.write(
            b"Fast memory test PASSED, however your memory can still be broken. Please run a \
              memory test for several hours if possible.\n",
        );
    } else {
        say(
            out,
            format_args!("Words that do not keep what is written: {errors}\n"),
        );
        out.write(b"!!! MEMORY ERROR DETECTED! Check your memory ASAP !!!\n");
    }
}

fn say(out: &mut Opened, text: fmt::Arguments<'_>) {
    out.write(Line::of(text).text());
}

/// Calls `visit` for each piece of memory that the process has for itself; false if there is no
/// list of them.
fn each_region(mut visit: impl FnMut(Range<usize>)) -> bool {
    let flags = libc::O_RDONLY | libc::O_CLOEXEC;
    // SAFETY: the name ends with a zero.
    let file = unsafe { libc::open(c"/proc/self/maps".as_ptr(), flags) };
    if file == -1 {
        return false;
    }
    let (mut text, mut held) = ([0u8; 8192], 0);
    loop {
        let room = &mut text[held..];
        // SAFETY: the room is valid for writing.
        let got = unsafe { libc::read(file, room.as_mut_ptr().cast(), room.len()) };
        let Ok(got @ 1..) = usize::try_from(got) else {
            break;
        };
        held += got;
        let mut read = 0;
        while let Some(end) = text[read..held].iter().position(|c| *c == b'\n') {
            if let Some(region) = private_region(&text[read..read + end]) {
                visit(region);
            }
            read += end + 1;
        }
        text.copy_within(read..held, 0);
        held -= read;
    }
    // SAFETY: the descriptor is ours and used no more.
    unsafe { libc::close(file) };
    true
}

/// The memory that a line of the list is about, if it belongs to no file and nobody else, and is
/// not the kernel's or a stack that grows.
fn private_region(line: &[u8]) -> Option<Range<usize>> {
    let mut fields = line.split(|c| *c == b' ').filter(|field| !field.is_empty());
    let mut bounds = fields.next()?.split(|c| *c == b'-');
    let mut address = || usize::from_str_radix(str::from_utf8(bounds.next()?).ok()?, 16).ok();
    let (start, end) = (address()?, address()?);
    let access = fields.next()?;
    let is_of_file = fields.nth(2)? != b"0";
    let name = fields.next().unwrap_or_default();
    let is_special = name.starts_with(b"[stack") || name.starts_with(b"[v");
    let is_ours = access.starts_with(b"rw") && access.ends_with(b"p");
    (is_ours && !is_of_file && !is_special).then_some(start..end)
}

/// Tests a region, as far as it is in use; returns the number of words that failed.
fn test_region(region: Range<usize>) -> u64 {
    // SAFETY: neither call touches memory.
    let (page, thread) = unsafe { (libc::sysconf(libc::_SC_PAGESIZE), libc::pthread_self()) };
    let page = page.max(UNIT_BYTES as libc::c_long) as usize;
    let here = ptr::from_ref(&page).addr();
    let left_out = [
        around(here, STACK_BYTES),
        around(thread as usize, THREAD_BYTES),
    ];
    let mut errors = 0;
    let mut start = region.start;
    while start < region.end {
        let end = region.end.min(start + PAGES * page);
        let mut present = [0u8; PAGES];
        // SAFETY: there is a byte for each page of the range.
        let known = unsafe {
            let memory = ptr::without_provenance_mut::<c_void>(start);
            libc::mincore(memory, end - start, present.as_mut_ptr()) == 0
        };
        let units = (start..end).step_by(UNIT_BYTES);
        for unit in units.filter(|unit| known && present[(unit - start) / page] & 1 == 1) {
            let end = unit + UNIT_BYTES;
            if left_out
                .iter()
                .all(|out| end <= out.start || out.end <= unit)
            {
                errors += test_unit(unit);
            }
        }
        start = end;
    }
    errors
}

fn around(address: usize, bytes: usize) -> Range<usize> {
    address.saturating_sub(bytes)..address.saturating_add(bytes)
}

/// Tests the words from an address on.
fn test_unit(address: usize) -> u64 {
    let words = ptr::with_exposed_provenance_mut::<u64>(address);
    let blocked = block_signals();
    let errors = put_to_test(
        // SAFETY: the words are in a page that is mapped for reading and writing and stays so, as
        // no other thread runs; nobody else reads or writes it meanwhile, as the module's head
        // argues; and volatile accesses are really made.
        |index| unsafe { words.wrapping_add(index).read_volatile() },
        // SAFETY: as above; and what was there is written last of all.
        |index, value| unsafe { words.wrapping_add(index).write_volatile(value) },
        |index| flush(words.wrapping_add(index)),
    );
    restore_signals(&blocked);
    errors
}

/// Fills words twice, reads them back, and leaves what was there; returns how many failed.
#[inline(always)]
fn put_to_test(
    read: impl Fn(usize) -> u64,
    write: impl Fn(usize, u64),
    drive_out: impl Fn(usize),
) -> u64 {
    let mut kept = [0u64; WORDS];
    for (index, word) in kept.iter_mut().enumerate() {
        *word = read(index);
    }
    let mut errors = 0;
    for turn in [0, u64::MAX] {
        let value = |index: usize| pattern(index) ^ turn;
        (0..WORDS).for_each(|index| write(index, value(index)));
        (0..WORDS).for_each(&drive_out);
        errors += (0..WORDS)
            .filter(|index| read(*index) != value(*index))
            .count();
    }
    kept.iter()
        .enumerate()
        .for_each(|(index, word)| write(index, *word));
    (0..WORDS).for_each(&drive_out);
    errors += kept
        .iter()
        .enumerate()
        .filter(|(index, word)| read(*index) != **word)
        .count();
    errors as u64
}

/// What a word holds, different for all: alternating bits, and its number.
fn pattern(index: usize) -> u64 {
    0x5555_aaaa_aaaa_5555 ^ (index as u64).wrapping_mul(0x0001_0001_0001_0001)
}

/// Drives the word's line out of the caches.
#[cfg(target_arch = "x86_64")]
fn flush(word: *mut u64) {
    const WORDS_PER_LINE: usize = 8;
    if (word.addr() / size_of::<u64>()).is_multiple_of(WORDS_PER_LINE) {
        // SAFETY: the word is mapped; no value changes.
        unsafe { std::arch::x86_64::_mm_clflush(word.cast_const().cast()) };
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn flush(_: *mut u64) {}

fn block_signals() -> libc::sigset_t {
    // SAFETY: both sets are made valid before they are used.
    unsafe {
        let (mut all, mut before) = (std::mem::zeroed(), std::mem::zeroed());
        libc::sigfillset(&raw mut all);
        change_signals(libc::SIG_BLOCK, &all, &mut before);
        before
    }
}

fn restore_signals(before: &libc::sigset_t) {
    // SAFETY: zeros are a value of a set.
    change_signals(libc::SIG_SETMASK, before, &mut unsafe {
        std::mem::zeroed()
    });
}

fn change_signals(how: c_int, set: &libc::sigset_t, before: &mut libc::sigset_t) {
    // SAFETY: both are valid sets.
    unsafe { libc::pthread_sigmask(how, set, before) };
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::os::unix::fs::FileExt;

    use super::*;
    use crate::sys::log_file::LogFile;
    use crate::sys::process::{self, Exit, ForkResult};

    /// Memory with a defect, which is told of every write.
    fn errors_with(defect: impl Fn(&mut [u64], usize)) -> u64 {
        let first: Vec<u64> = (0..WORDS as u64).map(|n| n * 0x1_0000_0001).collect();
        let memory = RefCell::new(first.clone());
        let errors = put_to_test(
            |index| memory.borrow()[index],
            |index, value| {
                let mut memory = memory.borrow_mut();
                memory[index] = value;
                defect(&mut memory, index);
            },
            |_| {},
        );
        assert!(
            errors > 0 || *memory.borrow() == first,
            "what was there is there"
        );
        errors
    }

    #[test]
    fn sound_memory_passes_and_keeps_its_content_and_defects_are_found() {
        assert_eq!(errors_with(|_, _| {}), 0);
        let stuck = |bits: u64, set: bool| {
            errors_with(move |memory, _| {
                memory[77] = if set {
                    memory[77] | bits
                } else {
                    memory[77] & !bits
                };
            })
        };
        for bit in 0..64 {
            assert!(
                stuck(1 << bit, true) > 0 && stuck(1 << bit, false) > 0,
                "bit {bit}"
            );
        }
        // Two addresses of one cell, and a write that spills over.
        assert!(errors_with(|memory, index| memory[index ^ 256] = memory[index]) > 0);
        assert!(errors_with(|memory, index| memory[(index + 1) % WORDS] ^= 4) > 0);
    }

    #[test]
    fn only_memory_that_is_the_process_s_alone_is_tested() {
        let region = |line: &str| private_region(line.as_bytes());
        for line in [
            "7f1c2a000000-7f1c2a021000 rw-p 00000000 00:00 0 ",
            "7f1c2a000000-7f1c2a021000 rw-p 00000000 00:00 0          [heap]",
        ] {
            assert_eq!(
                region(line),
                Some(0x7f1c_2a00_0000..0x7f1c_2a02_1000),
                "{line}"
            );
        }
        for line in [
            "7ffd1000-7ffd2000 rw-p 00000000 00:00 0          [stack]",
            "7ffd1000-7ffd2000 r--p 00000000 00:00 0          [vvar]",
            "7ffd1000-7ffd2000 ---p 00000000 00:00 0 ",
            "7ffd1000-7ffd2000 r-xp 00000000 00:00 0 ",
            "7ffd1000-7ffd2000 rw-s 00000000 00:00 0 ",
            "7ffd1000-7ffd2000 rw-p 00000000 08:01 1234       /lib/x.so",
            "",
            "nonsense",
        ] {
            assert_eq!(region(line), None, "{line}");
        }
    }

    /// How many pages of some memory there are; those that were never touched are not.
    fn present_pages(memory: &[u8]) -> std::io::Result<usize> {
        // An entry has 64 bits, and the highest says so; see proc_pid_pagemap(5).
        const ENTRY_BYTES: usize = 8;
        const PAGE_BYTES: usize = 4096;
        let first = (memory.as_ptr() as usize).div_ceil(PAGE_BYTES);
        let mut entries = vec![0; (memory.len() / PAGE_BYTES - 1) * ENTRY_BYTES];
        let pagemap = std::fs::File::open("/proc/self/pagemap")?;
        pagemap.read_exact_at(&mut entries, (first * ENTRY_BYTES) as u64)?;
        let entries = entries.chunks_exact(ENTRY_BYTES);
        Ok(entries
            .filter(|entry| entry[ENTRY_BYTES - 1] & 0x80 != 0)
            .count())
    }

    #[test]
    fn a_process_is_the_same_after_its_memory_was_tested() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let ForkResult::Parent { child } = process::fork().unwrap() else {
            let content: Vec<u64> = (0..1 << 20).map(|n| n * 31).collect();
            let untouched = vec![0u8; 1 << 30];
            let file = LogFile::new();
            file.set(&path).unwrap();
            report(&mut file.open().unwrap());
            let is_small = present_pages(&untouched).unwrap() == 0;
            let same = content.iter().zip(0u64..).all(|(word, n)| *word == n * 31);
            let zero = untouched.iter().step_by(4096).all(|byte| *byte == 0);
            process::exit_now(i32::from(!same) + 2 * i32::from(!is_small) + 4 * i32::from(!zero));
        };
        assert_eq!(process::wait_for(child).unwrap(), Exit::Code(0));
        let said = std::fs::read_to_string(&path).unwrap();
        assert!(
            said.starts_with("\n------ FAST MEMORY TEST ------\n*** Preparing"),
            "{said}"
        );
        assert!(said.contains("\n.O"), "{said}");
        assert!(
            said.contains("\nFast memory test PASSED, however your memory"),
            "{said}"
        );
    }
}
