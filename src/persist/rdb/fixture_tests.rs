//! The loader, the file helpers and the checker with files that Redis wrote (`tests/fixtures`).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::RdbErrorKind;
use super::check;
use super::decoder::{DecoderOptions, Purpose};
use super::file::{self, FileLoader, LoadError, LoadProgress, SaveError};
use super::item::{ChecksumVerdict, Item, Value};
use super::load::{Sink, StreamLoader};
use crate::sys::disk::OsDisk;

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

fn fixture(name: &str) -> Vec<u8> {
    fs::read(path(name)).unwrap()
}

/// Database and key to value and expiry.
type Strings = BTreeMap<(u64, Vec<u8>), (Vec<u8>, Option<i64>)>;

/// Keeps what a test wants to look at.
#[derive(Default)]
struct Seen {
    db: u64,
    strings: Strings,
    idle: usize,
    frequencies: usize,
    /// By type and encoding.
    objects: BTreeMap<String, usize>,
    functions: usize,
    verdict: Option<ChecksumVerdict>,
}

impl Sink for Seen {
    fn item(&mut self, item: Item<'_>) -> Result<(), RdbErrorKind> {
        match item {
            Item::SelectDb(db) => self.db = db,
            Item::Function(_) => self.functions += 1,
            Item::End(verdict) => self.verdict = Some(verdict),
            Item::Key(key) => {
                self.idle += usize::from(key.attributes.idle_s.is_some());
                self.frequencies += usize::from(key.attributes.frequency.is_some());
                let text = match key.value {
                    Value::Int(value) => value.to_string().into_bytes(),
                    Value::Bytes(bytes) => bytes.to_vec(),
                    Value::Object(object) => {
                        *self.objects.entry(format!("{object:?}")).or_default() += 1;
                        return Ok(());
                    }
                    Value::Packed {
                        type_, encoding, ..
                    } => {
                        let form = format!("{} ({})", type_.name(), encoding.name());
                        *self.objects.entry(form).or_default() += 1;
                        return Ok(());
                    }
                    Value::Empty | Value::Module | Value::ExpiringHash => return Ok(()),
                };
                let place = (self.db, key.key.to_vec());
                let value = (text, key.attributes.expire_at_ms);
                assert_eq!(self.strings.insert(place, value), None);
            }
            Item::Aux { .. }
            | Item::ResizeDb { .. }
            | Item::ModuleAux { .. }
            | Item::SlotImport => {}
        }
        Ok(())
    }
}

/// Compares maps of strings, and shows only what differs, since some of them are long.
#[track_caller]
fn assert_strings(seen: &Seen, name: &str) {
    let expected = expected_strings();
    for (place, value) in &seen.strings {
        let lossy = String::from_utf8_lossy(&place.1);
        assert!(
            expected.get(place) == Some(value),
            "{name}: {lossy} in {}",
            place.0
        );
    }
    assert_eq!(seen.strings.len(), expected.len(), "{name}");
}

fn load(bytes: &[u8], piece: usize, purpose: Purpose) -> Result<Seen, RdbErrorKind> {
    let mut loader = StreamLoader::new(DecoderOptions::usual(purpose));
    let mut seen = Seen::default();
    for piece in bytes.chunks(piece) {
        let used = loader.push(piece, &mut seen).map_err(|error| error.kind)?;
        assert_eq!(used, piece.len());
    }
    assert_eq!(loader.offset(), bytes.len() as u64);
    if loader.is_done() {
        Ok(seen)
    } else {
        Err(loader.unexpected_end().kind)
    }
}

fn expected_strings() -> Strings {
    let numbers: String = (1..=3000).map(|n| n.to_string()).collect();
    let squares: String = (1..=40)
        .map(|n| (n * n * 7919 % 1_000_003).to_string())
        .collect();
    let long = "x".repeat(20_000) + &numbers;
    let long_name = "a key longer than sixty-three bytes so that its length takes fourteen bits";
    [
        (0, "int8", "-128", None),
        (0, "int16", "32767", None),
        (0, "int32", "-2147483648", None),
        (0, "int64", "9223372036854775807", None),
        (0, "uint", "18446744073709551615", None),
        (0, "zeros", "007", None),
        (0, "empty", "", None),
        (0, "42", "42", None),
        (0, "text", "a plain value", None),
        (0, "lzf", &"abcabcabc".repeat(60), None),
        (0, "long", &long, None),
        (0, "random", &squares, None),
        (0, "later", "soon", Some(4_102_444_800_123)),
        (0, long_name, "v", None),
        (3, "third", "database", None),
        (15, "fifteenth", "database", Some(4_102_444_800_000)),
    ]
    .into_iter()
    .map(|(db, key, value, expire)| ((db, key.into()), (value.into(), expire)))
    .chain([(
        (0, b"binary".to_vec()),
        (b"bin\x00\xff\r\nkey".to_vec(), None),
    )])
    .collect()
}

const STRINGS: [&str; 4] = [
    "redis-7.2.4-strings.rdb",
    "redis-7.0.15-strings.rdb",
    "redis-7.2.4-lfu.rdb",
    "redis-7.2.4-lru.rdb",
];
const TYPES: [&str; 2] = ["redis-7.2.4-types.rdb", "redis-7.0.15-types.rdb"];

#[test]
fn strings_saved_by_redis_are_read() {
    for name in STRINGS {
        for piece in [1, 1000, 1 << 20] {
            let seen = load(&fixture(name), piece, Purpose::Load).unwrap();
            assert_strings(&seen, name);
        }
    }
    let seen = load(&fixture("redis-7.2.4-lfu.rdb"), 4096, Purpose::Load).unwrap();
    assert_eq!((seen.idle, seen.frequencies), (0, seen.strings.len()));
    assert_eq!(seen.verdict, Some(ChecksumVerdict::Disabled));
    let seen = load(&fixture("redis-7.2.4-lru.rdb"), 4096, Purpose::Load).unwrap();
    assert_eq!((seen.idle, seen.frequencies), (seen.strings.len(), 0));
    assert_eq!(seen.verdict, Some(ChecksumVerdict::Correct));
}

#[test]
fn values_of_all_types_are_made() {
    for name in TYPES {
        let expected = [
            ("list (listpack)", 1),
            ("list (quicklist)", 1),
            ("set (intset)", 1),
            ("set (listpack)", 1),
            ("set (hashtable)", 1),
            ("zset (listpack)", 1),
            ("zset (skiplist)", 1),
            ("hash (listpack)", 1),
            ("hash (hashtable)", 1),
            ("stream (stream)", 1),
        ];
        let expected = expected.map(|(object, count)| (object.to_owned(), count));
        for piece in [1, 100, 1 << 20] {
            for purpose in [Purpose::Load, Purpose::Check] {
                let seen = load(&fixture(name), piece, purpose).unwrap();
                assert_strings(&seen, name);
                assert_eq!(seen.objects, expected.clone().into(), "{name}");
                assert_eq!(seen.functions, 1);
                assert_eq!(seen.verdict, Some(ChecksumVerdict::Correct));
            }
        }
    }
}

#[test]
fn every_cut_of_a_real_file_is_an_unexpected_end() {
    let bytes = fixture(TYPES[0]);
    for cut in (0..bytes.len()).filter(|cut| *cut < 500 || cut % 29 == 0) {
        assert_eq!(
            load(&bytes[..cut], 511, Purpose::Check).err(),
            Some(RdbErrorKind::UnexpectedEnd)
        );
    }
}

#[test]
fn no_flipped_byte_of_a_real_file_goes_unnoticed() {
    let bytes = fixture(STRINGS[0]);
    // Not the version: before version 5 there was no checksum, so 1 and 3 are as good as 11.
    for at in (9..bytes.len()).filter(|at| *at < 1000 || at % 11 == 0 || *at + 40 > bytes.len()) {
        for flip in [0x01, 0x40, 0xff] {
            let mut bytes = bytes.clone();
            bytes[at] ^= flip;
            assert!(load(&bytes, 997, Purpose::Load).is_err(), "byte {at}");
        }
    }
}

#[test]
fn bytes_after_the_end_are_left_to_the_caller() {
    let bytes = fixture(STRINGS[0]);
    let mut with_tail = bytes.clone();
    with_tail.extend(b"*1\r\n$4\r\nPING\r\n");
    for piece in [1, 13, 1 << 20] {
        let mut loader = StreamLoader::new(DecoderOptions::usual(Purpose::Load));
        let (mut seen, mut used) = (Seen::default(), 0);
        while !loader.is_done() {
            let end = (used + piece).min(with_tail.len());
            used += loader.push(&with_tail[used..end], &mut seen).unwrap();
        }
        assert_eq!(used, bytes.len());
    }
}

fn report_of(bytes: &[u8], now_ms: i64) -> (bool, String) {
    let mut out = Vec::new();
    let sound = check::check(bytes, now_ms, &mut out).unwrap();
    (sound, String::from_utf8(out).unwrap())
}

#[test]
fn a_sound_file_is_reported_in_the_words_of_redis_check_rdb() {
    let mut out = Vec::new();
    let file = path("redis-7.2.4-types.rdb");
    assert!(check::check_file(&file, 4_102_444_800_123, &mut out).unwrap());
    let expected = format!(
        "[offset 0] Checking RDB file {}
[offset 26] AUX FIELD redis-ver = '7.2.4'
[offset 40] AUX FIELD redis-bits = '64'
[offset 52] AUX FIELD ctime = '1795305970'
[offset 67] AUX FIELD used-mem = '1404880'
[offset 79] AUX FIELD aof-base = '0'
[offset 164] Selecting DB ID 0
[offset 24071] Selecting DB ID 3
[offset 24092] Selecting DB ID 15
[offset 24133] Checksum OK
[offset 24133] \\o/ RDB looks OK! \\o/
[info] 27 keys read
[info] 2 expires
[info] 1 already expired
",
        file.display()
    );
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn a_damaged_file_is_reported_with_place_and_key() {
    let (sound, report) = report_of(b"REDIS0011\xfe\x02\x00\x03key\x05val", 0);
    assert!(!sound);
    assert_eq!(
        report,
        "[offset 11] Selecting DB ID 2
--- RDB ERROR DETECTED ---
[offset 17] Unexpected EOF reading RDB file
[additional info] While doing: read-object-value
[additional info] Reading key 'key'
[additional info] Reading type 0 (string)
[info] 1 keys read
[info] 0 expires
[info] 0 already expired
"
    );
    let (_, report) = report_of(b"REDIS0011\xff12345678", 0);
    assert!(report.contains("[offset 18] RDB CRC error\n"), "{report}");
    assert!(report.contains("While doing: check-sum\n"));
    let (_, report) = report_of(b"RODIS0011", 0);
    assert!(report.contains("[offset 9] Wrong signature trying to load DB from file\n"));
    let (_, report) = report_of(b"REDIS0011\x16", 0);
    assert!(
        report.contains("[offset 10] Invalid object type: 22\n"),
        "{report}"
    );
}

#[test]
fn a_file_is_loaded_in_steps_of_the_given_size() {
    let file = path(STRINGS[0]);
    let mut loader =
        FileLoader::open(&mut OsDisk, &file, DecoderOptions::usual(Purpose::Load)).unwrap();
    let (mut seen, mut steps) = (Seen::default(), 0);
    while loader.step(1000, &mut seen).unwrap() == LoadProgress::More {
        steps += 1;
        assert_eq!(loader.loaded(), steps * 1000);
    }
    assert_eq!(loader.loaded(), loader.total());
    assert_strings(&seen, STRINGS[0]);
}

#[test]
fn a_save_replaces_the_file_wholly_or_leaves_it_alone() {
    use std::io::Write;

    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("dump.rdb");
    let names = || {
        let mut names: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        names.sort();
        names
    };
    let temporary = file::temporary_path(&target, 12);
    let piece = vec![7; 1 << 20];
    let written = file::save(&mut OsDisk, &temporary, &target, true, |mut file| {
        assert_eq!(names(), ["temp-12.rdb"]);
        for _ in 0..10 {
            file.write_all(&piece)?;
        }
        Ok(file)
    });
    assert_eq!(written.unwrap(), 10 << 20);
    assert_eq!(fs::metadata(&target).unwrap().len(), 10 << 20);
    assert_eq!(names(), ["dump.rdb"]);

    let failed = file::save(&mut OsDisk, &temporary, &target, false, |mut file| {
        file.write_all(b"half")?;
        Err(std::io::Error::from_raw_os_error(28))
    });
    assert_eq!(
        failed.unwrap_err().to_string(),
        "Write error while saving DB to the disk(rdbSaveRio): No space left on device"
    );
    assert_eq!(names(), ["dump.rdb"]);
    assert_eq!(fs::metadata(&target).unwrap().len(), 10 << 20);

    fs::create_dir(folder.path().join("taken")).unwrap();
    let taken = folder.path().join("taken");
    let failed = file::save(&mut OsDisk, &temporary, &taken, false, Ok);
    assert!(matches!(failed, Err(SaveError::Rename { .. })));
    assert_eq!(names(), ["dump.rdb", "taken"]);
    let nowhere = folder.path().join("none/dump.rdb");
    let temporary = file::temporary_path(&nowhere, 12);
    let failed = file::save(&mut OsDisk, &temporary, &nowhere, false, Ok);
    assert!(matches!(failed, Err(SaveError::Create { .. })));
}

#[test]
fn a_cut_file_does_not_load() {
    let folder = tempfile::tempdir().unwrap();
    let cut = folder.path().join("dump.rdb");
    fs::write(&cut, &fixture(STRINGS[0])[..500]).unwrap();
    let mut loader =
        FileLoader::open(&mut OsDisk, &cut, DecoderOptions::usual(Purpose::Load)).unwrap();
    let error = loader.step(1 << 20, &mut Seen::default()).unwrap_err();
    assert!(matches!(error, LoadError::Rdb(error) if error.kind == RdbErrorKind::UnexpectedEnd));
}
