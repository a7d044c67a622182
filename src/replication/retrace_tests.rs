//! Files that tell their place, whole, cut, added to and changed.

use super::*;
use crate::base::crc64;
use crate::persist::aof::stream_marks::{
    fill_batch, push_lineage, push_own, push_place, push_room_for_batch, push_sent,
};

const A: [u8; 40] = [b'a'; 40];
const SET: &[u8] = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n";
const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";
const SELECT_2: &[u8] = b"*2\r\n$6\r\nSELECT\r\n$1\r\n2\r\n";

/// A file under construction, and the stream that it follows.
#[derive(Default)]
struct File {
    bytes: Vec<u8>,
    stream: Vec<u8>,
}

impl File {
    /// A file that begins at offset 1000 of history `a`, where the stream comes to 7.
    fn new() -> File {
        let mut file = File::default();
        file.place(A);
        file
    }

    fn offset(&self) -> u64 {
        1000 + self.stream.len() as u64
    }

    fn sum(&self) -> u64 {
        crc64::extend(7, &self.stream)
    }

    fn place(&mut self, id: [u8; 40]) {
        let place = Place {
            id,
            offset: self.offset(),
            db: Some(0),
            sum: Some(self.sum()),
        };
        push_place(Some(&place), &mut self.bytes);
    }

    /// Writes a batch of pieces, each of which is for the file, the stream, or both.
    fn batch(&mut self, pieces: &[Piece]) {
        let at = self.bytes.len();
        push_room_for_batch(&mut self.bytes);
        for piece in pieces {
            match *piece {
                Piece::Both(bytes) => {
                    self.bytes.extend_from_slice(bytes);
                    self.stream.extend_from_slice(bytes);
                }
                Piece::Own(bytes) => {
                    push_own(bytes.len(), &mut self.bytes);
                    self.bytes.extend_from_slice(bytes);
                }
                Piece::Sent(bytes) => {
                    push_sent(bytes, &mut self.bytes);
                    self.stream.extend_from_slice(bytes);
                }
            }
        }
        let count = self.bytes.len() - at - BATCH_MARK_BYTES;
        let end = self.offset();
        fill_batch(&mut self.bytes[at..], count, end);
    }
}

#[derive(Clone, Copy)]
enum Piece<'a> {
    Both(&'a [u8]),
    Own(&'a [u8]),
    Sent(&'a [u8]),
}

use Piece::{Both, Own, Sent};

/// Reads a file as far as it is whole.
fn read(bytes: &[u8]) -> Result<Option<Retraced>, &'static str> {
    let mut retrace = Retrace::new(1 << 20);
    let mut records = Records::default();
    records.push(bytes);
    loop {
        match records.next_item() {
            Ok(Some(Item::Command { at, .. })) => {
                let command = &bytes[at.start as usize..at.end as usize];
                retrace.on_command(command, at);
            }
            Ok(Some(Item::Annotation { text, at })) => retrace.on_comment(text, at.end),
            Ok(Some(Item::Timestamp { .. })) => {}
            Ok(None) => break,
            Err(e) => panic!("{e}"),
        }
    }
    retrace.finish()
}

fn place_of(bytes: &[u8]) -> Option<(ReplId, u64, u32)> {
    let found = read(bytes).expect("nothing speaks against it")?;
    let place = found.place;
    Some((place.id, place.offset, place.stream_db))
}

fn id(name: [u8; 40]) -> ReplId {
    ReplId::parse(&name).expect("an id")
}

/// A file with everything in it.
fn sample() -> File {
    let mut file = File::new();
    let get_ack = b"*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n";
    file.batch(&[
        Own(SELECT_2),
        Both(SET),
        Sent(PING),
        Both(SELECT_2),
        Both(SET),
    ]);
    file.batch(&[Both(MULTI), Both(SET), Sent(get_ack), Both(SET), Both(EXEC)]);
    file.place(A);
    let long = [
        b"*2\r\n$7\r\nPUBLISH\r\n$2000\r\n",
        &[b'x'; 2000][..],
        b"\r\n",
    ]
    .concat();
    file.batch(&[Sent(&long), Own(SET), Both(SET)]);
    file
}

#[test]
fn the_place_is_counted_and_the_stream_comes_back() {
    let file = sample();
    let found = read(&file.bytes).expect("sound").expect("a place");
    assert_eq!(found.place.id, id(A));
    assert_eq!(found.place.offset, file.offset());
    assert_eq!(found.place.sum, Some(file.sum()));
    assert_eq!(found.place.stream_db, 0, "as the last mark says");
    assert_eq!(found.log.last_bytes(usize::MAX), file.stream);
    assert_eq!(found.log.first(), 1001);
}

#[test]
fn wherever_the_file_ends_the_place_is_that_of_its_whole_commands() {
    let mut file = File::new();
    file.batch(&[Own(SELECT_2), Both(SELECT_2), Both(SET), Sent(PING)]);
    file.batch(&[Both(MULTI), Both(SET), Both(EXEC), Both(SET)]);
    let head = File::new().bytes.len();
    let mut last = 1000;
    for end in head..=file.bytes.len() {
        let found = read(&file.bytes[..end]).expect("sound").expect("a place");
        let place = found.place;
        assert!(place.offset >= last, "cut at {end}");
        last = place.offset;
        let stream = &file.stream[..(place.offset - 1000) as usize];
        assert_eq!(place.sum, Some(crc64::extend(7, stream)), "cut at {end}");
        assert_eq!(found.log.last_bytes(usize::MAX), stream, "cut at {end}");
        let whole = [MULTI, SET, EXEC].concat();
        let cut_within = stream.ends_with(MULTI) || stream.ends_with(&whole[..whole.len() - 14]);
        assert!(!cut_within, "half of a transaction counts, cut at {end}");
    }
    assert_eq!(last, file.offset());
}

#[test]
fn what_somebody_else_has_added_has_no_place() {
    let mut file = sample();
    file.bytes.extend_from_slice(SELECT_2);
    file.bytes.extend_from_slice(SET);
    assert_eq!(place_of(&file.bytes), None);
    // We have loaded that, and go on under another name from there.
    let b = [b'b'; 40];
    file.place(b);
    file.batch(&[Both(SET)]);
    let found = read(&file.bytes).expect("sound").expect("a place");
    assert_eq!(found.place.id, id(b));
    assert_eq!(found.log.last_bytes(usize::MAX), SET);
}

#[test]
fn a_history_that_goes_by_another_name_at_the_same_sum_is_the_same_up_to_there() {
    let mut file = File::new();
    file.batch(&[Both(SET)]);
    let renamed_at = file.offset();
    file.place([b'b'; 40]);
    file.batch(&[Both(SET)]);
    let found = read(&file.bytes).expect("sound").expect("a place");
    let known = Ancestor {
        id: id(A),
        end: renamed_at,
        is_exact: false,
    };
    assert_eq!(found.place.ancestors, [known]);
    assert_eq!(found.log.last_bytes(usize::MAX), [SET, SET].concat());

    // Another stream that has come as far.
    let mut file = File::new();
    file.batch(&[Both(SET)]);
    file.stream[SET.len() - 3] = b'w';
    file.place([b'b'; 40]);
    file.batch(&[Both(SET)]);
    let found = read(&file.bytes).expect("sound").expect("a place");
    assert_eq!(found.place.ancestors, []);
    assert_eq!(found.log.last_bytes(usize::MAX), SET);
}

#[test]
fn a_lineage_that_is_told_is_that_of_the_history_whose_place_was() {
    let text = |name: u8| {
        let word = |name: u8, end: u64, mark: &str| {
            format!("{}:{end}:{mark}", char::from(name).to_string().repeat(40))
        };
        let words = [
            word(name, 1000, "="),
            word(b'o', 700, "="),
            word(b'p', 300, ">"),
        ];
        words.join(",")
    };
    let mut file = File::new();
    push_lineage(&text(b'a'), &mut file.bytes);
    file.batch(&[Both(SET)]);
    let known = |name: u8, end: u64, is_exact: bool| Ancestor {
        id: id([name; 40]),
        end,
        is_exact,
    };
    let found = read(&file.bytes).expect("sound").expect("a place");
    let told = [known(b'o', 700, true), known(b'p', 300, false)];
    assert_eq!(found.place.ancestors, told);
    // It goes on under another name, and says what it has grown out of by then.
    let renamed_at = file.offset();
    file.place([b'b'; 40]);
    file.batch(&[Both(SET)]);
    let found = read(&file.bytes).expect("sound").expect("a place");
    let own = known(b'a', renamed_at, false);
    assert_eq!(found.place.ancestors, [own, told[0], told[1]]);

    let mut file = File::new();
    push_lineage(&text(b'c'), &mut file.bytes);
    push_lineage("nonsense", &mut file.bytes);
    file.batch(&[Both(SET)]);
    let found = read(&file.bytes).expect("sound").expect("a place");
    assert_eq!(found.place.ancestors, []);
}

#[test]
fn a_place_that_was_given_up_is_not_known() {
    let mut file = sample();
    push_place(None, &mut file.bytes);
    assert_eq!(place_of(&file.bytes), None);
    file.bytes.extend_from_slice(SET);
    file.place([b'c'; 40]);
    let end = file.offset();
    assert_eq!(place_of(&file.bytes), Some((id([b'c'; 40]), end, 0)));
}

#[test]
fn a_file_that_was_changed_is_not_believed() {
    let cut = |file: &File, from: usize, count: usize| {
        let mut bytes = file.bytes.clone();
        bytes.drain(from..from + count);
        bytes
    };
    let mut file = File::new();
    let at = file.bytes.len() + BATCH_MARK_BYTES;
    file.batch(&[Both(SET), Both(SET)]);
    file.batch(&[Both(SET)]);
    assert!(
        read(&cut(&file, at, SET.len())).is_err(),
        "a command is gone"
    );
    let mut other = file.bytes.clone();
    other[at + SET.len() - 3] = b'w';
    assert!(read(&other).is_ok(), "the sum was not told again");
    let mut told = File {
        bytes: other,
        stream: file.stream.clone(),
    };
    told.place(A);
    told.batch(&[Both(SET)]);
    assert!(read(&told.bytes).is_err(), "another byte");
    // Without the last command nothing can be seen, and the place is that before it.
    let mut last = File::new();
    last.batch(&[Both(SET), Both(SET)]);
    let bytes = cut(&last, last.bytes.len() - SET.len(), SET.len());
    let before = last.offset() - SET.len() as u64;
    assert_eq!(place_of(&bytes), Some((id(A), before, 0)));
}

#[test]
fn a_batch_that_was_cut_is_followed_by_the_place_where_it_went_on() {
    let mut file = File::new();
    file.batch(&[Both(SET), Both(SET)]);
    file.bytes.truncate(file.bytes.len() - SET.len());
    file.stream.truncate(SET.len());
    file.place([b'b'; 40]);
    file.batch(&[Both(SET)]);
    assert_eq!(
        place_of(&file.bytes),
        Some((id([b'b'; 40]), file.offset(), 0))
    );
    let mut same = File::new();
    same.batch(&[Both(SET), Both(SET)]);
    same.bytes.truncate(same.bytes.len() - SET.len());
    same.stream.truncate(SET.len());
    same.place(A);
    same.batch(&[Both(SET)]);
    let found = read(&same.bytes).expect("sound").expect("a place");
    assert_eq!(found.log.last_bytes(usize::MAX), [SET, SET].concat());
}

#[test]
fn a_database_that_the_stream_alone_selects_is_known() {
    let mut file = File::new();
    let both = [SELECT_2, SET].concat();
    file.batch(&[Sent(&both), Own(SET)]);
    assert_eq!(place_of(&file.bytes), Some((id(A), file.offset(), 2)));
}

#[test]
fn no_bytes_make_it_panic() {
    let mut rng = crate::base::rng::Rng::from_seed(5);
    let whole = sample().bytes;
    for _ in 0..3000 {
        let mut bytes = whole.clone();
        for _ in 0..1 + rng.below(4) {
            let at = rng.below(bytes.len() as u64) as usize;
            bytes[at] = rng.below(256) as u8;
        }
        let mut retrace = Retrace::new(1 << 20);
        let mut records = Records::default();
        records.push(&bytes);
        while let Ok(Some(item)) = records.next_item() {
            match item {
                Item::Command { at, .. } => {
                    let command = bytes[at.start as usize..at.end as usize].to_vec();
                    retrace.on_command(&command, at);
                }
                Item::Annotation { text, at } => retrace.on_comment(text, at.end),
                Item::Timestamp { .. } => {}
            }
        }
        let _ = retrace.finish();
    }
}
