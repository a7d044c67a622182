//! Saving a keyspace and loading it again.

use std::io;

use super::RdbErrorKind;
use super::decoder::{DecoderOptions, Purpose};
use super::encoder::EncoderOptions;
use super::fill::{AccessBits, DuplicateKeys, ExpiredKeys, Fill, FillOptions};
use super::format::Version;
use super::load::StreamLoader;
use super::save::{
    ReplicationPoint, SaveObserver, SaveOptions, SavedUsage, SnapshotInfo, save_snapshot,
};
use crate::keyspace::access::{LfuTuning, lfu_bits, lfu_count, lru_clock, lru_idle_ms};
use crate::keyspace::{Keyspace, NewValue};

const NOW_MS: i64 = 1_700_000_000_000;

const FILL: FillOptions = FillOptions {
    now_ms: NOW_MS,
    expired: ExpiredKeys::Drop,
    duplicates: DuplicateKeys::Refuse,
    access: AccessBits::Lru,
    stream_bytes: None,
};

fn options() -> SaveOptions<'static> {
    SaveOptions {
        encoder: EncoderOptions {
            version: Version::V11,
            compression: true,
            checksum: true,
        },
        info: SnapshotInfo {
            redis_version: "7.2.4",
            created_at_s: NOW_MS / 1000,
            used_memory: 123_456,
            replication: None,
            aof_base: false,
        },
        usage: SavedUsage::None,
        libraries: Vec::new(),
    }
}

#[test]
fn libraries_come_first_and_only_for_those_who_know_them() {
    let mut options = options();
    options.libraries = vec![b"first", b"second"];
    let read_back = |options: &SaveOptions<'_>| {
        let bytes = saved(&sample(), options);
        let mut keyspace = Keyspace::new(16, [0, 0]);
        let mut fill = Fill::new(FILL);
        let mut codes = Vec::new();
        let mut sink = fill.sink(
            &mut keyspace,
            |_, _| {},
            |code| {
                codes.push(code.to_vec());
                Ok(())
            },
        );
        let mut loader = StreamLoader::new(DecoderOptions::usual(Purpose::Load));
        loader.push(&bytes, &mut sink).unwrap();
        assert_eq!(fill.loaded(), 1000);
        codes
    };
    assert_eq!(read_back(&options), [&b"first"[..], b"second"]);
    options.encoder.version = Version::V9;
    assert!(read_back(&options).is_empty());
}

#[test]
fn a_library_that_is_refused_is_a_fault() {
    let mut options = options();
    options.libraries = vec![b"code"];
    let bytes = saved(&sample(), &options);
    let mut keyspace = Keyspace::new(16, [0, 0]);
    let mut fill = Fill::new(FILL);
    let mut sink = fill.sink(&mut keyspace, |_, _| {}, |_| Err("it is bad".to_owned()));
    let mut loader = StreamLoader::new(DecoderOptions::usual(Purpose::Load));
    let error = loader.push(&bytes, &mut sink).unwrap_err();
    assert_eq!(error.kind, RdbErrorKind::Library("it is bad".to_owned()));
}

fn saved(keyspace: &Keyspace, options: &SaveOptions<'_>) -> Vec<u8> {
    save_snapshot(Vec::new(), keyspace, options, &mut ()).unwrap()
}

/// Loads `bytes` into `keyspace`; the names of keys that were left out go to `expired`.
fn load_into(
    keyspace: &mut Keyspace,
    bytes: &[u8],
    options: FillOptions,
    expired: &mut Vec<(usize, Vec<u8>)>,
) -> Result<Fill, RdbErrorKind> {
    let mut loader = StreamLoader::new(DecoderOptions::usual(Purpose::Load));
    let mut fill = Fill::new(options);
    for piece in bytes.chunks(1000) {
        let mut sink = fill.sink(
            keyspace,
            |db, key| expired.push((db, key.to_vec())),
            |_| Ok(()),
        );
        loader.push(piece, &mut sink).map_err(|error| error.kind)?;
    }
    assert!(loader.is_done());
    Ok(fill)
}

fn loaded(bytes: &[u8], options: FillOptions) -> (Keyspace, Fill) {
    let mut keyspace = Keyspace::new(16, [3, 4]);
    let fill = load_into(&mut keyspace, bytes, options, &mut Vec::new()).unwrap();
    (keyspace, fill)
}

fn sample() -> Keyspace {
    let mut keyspace = Keyspace::new(16, [1, 2]);
    for n in 0..1000i64 {
        let db = keyspace.db_mut(if n % 3 == 0 { 9 } else { 0 });
        let key = format!("key:{n}");
        let expire = (n % 5 == 0).then_some(NOW_MS + n);
        let text = format!("value {n} ").repeat(n as usize % 50);
        let value = match n % 4 {
            0 => NewValue::Int(n.wrapping_mul(0x1234_5678_9abc_def1)),
            1 => NewValue::Int(n - 500),
            _ => NewValue::Bytes(text.as_bytes()),
        };
        db.set(key.as_bytes(), value, expire);
    }
    keyspace
}

#[track_caller]
fn assert_same(a: &Keyspace, b: &Keyspace) {
    for (a, b) in a.iter().zip(b.iter()) {
        assert_eq!((a.len(), a.expires_len()), (b.len(), b.expires_len()));
        for entry in a.iter() {
            let other = b.get(entry.key()).unwrap();
            assert_eq!(entry.string(), other.string());
            assert_eq!(entry.encoding(), other.encoding());
            assert_eq!(entry.expire_at_ms(), other.expire_at_ms());
        }
    }
}

#[test]
fn a_keyspace_comes_back_as_it_was() {
    let keyspace = sample();
    let (copy, fill) = loaded(&saved(&keyspace, &options()), FILL);
    assert_same(&keyspace, &copy);
    assert_eq!((fill.loaded(), fill.expired()), (1000, 0));
    let (copy, _) = loaded(&saved(&Keyspace::new(16, [1, 2]), &options()), FILL);
    assert!(copy.is_empty());
}

#[test]
fn what_a_snapshot_says_of_itself_is_kept() {
    let point = ReplicationPoint {
        stream_db: 3,
        id: [b'a'; 40],
        offset: 987_654_321_000,
        sum: Some(0x00c0_ffee_0000_0001),
        lineage: Some("a lineage".to_owned()),
    };
    let mut options = options();
    options.info.replication = Some(point.clone());
    let (_, fill) = loaded(&saved(&sample(), &options), FILL);
    assert_eq!(fill.facts().replication(), Some(point));
    assert_eq!(fill.facts().used_memory, Some(123_456));
    assert_eq!(fill.facts().redis_version.as_deref(), Some("7.2.4"));
    assert_eq!(fill.facts().created_at_s, Some(NOW_MS / 1000));
}

#[test]
fn the_base_of_an_append_only_file_is_marked_as_each_version_does() {
    let has = |bytes: &[u8], text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
    let keyspace = Keyspace::new(1, [1, 2]);
    let mut options = options();
    options.info.aof_base = true;
    assert!(has(
        &saved(&keyspace, &options),
        b"\xfa\x08aof-base\xc0\x01"
    ));
    options.encoder.version = Version::V9;
    assert!(has(
        &saved(&keyspace, &options),
        b"\xfa\x0caof-preamble\xc0\x01"
    ));
}

#[test]
fn a_master_leaves_out_what_has_expired_and_a_replica_does_not() {
    let bytes = saved(&sample(), &options());
    let later = FillOptions {
        now_ms: NOW_MS + 500,
        ..FILL
    };
    let (mut keyspace, mut expired) = (Keyspace::new(16, [3, 4]), Vec::new());
    let fill = load_into(&mut keyspace, &bytes, later, &mut expired).unwrap();
    // Every fifth key expires, at its number; the instant itself is not yet too late.
    assert_eq!((fill.loaded(), fill.expired()), (900, 100));
    assert_eq!(expired.len(), 100);
    assert!(expired.contains(&(9, b"key:0".to_vec())));
    assert!(keyspace.db(0).contains(b"key:500"));
    assert!(!keyspace.db(9).contains(b"key:495"));

    let (keyspace, fill) = loaded(
        &bytes,
        FillOptions {
            expired: ExpiredKeys::Keep,
            ..later
        },
    );
    assert_eq!(
        (fill.loaded(), fill.expired(), keyspace.len()),
        (1000, 0, 1000)
    );
}

#[test]
fn a_key_that_is_there_already_is_a_fault_unless_it_may_be_replaced() {
    let bytes = saved(&sample(), &options());
    let mut keyspace = Keyspace::new(16, [3, 4]);
    keyspace
        .db_mut(0)
        .set(b"key:7", NewValue::Bytes(b"old"), Some(5));
    let failed = load_into(&mut keyspace, &bytes, FILL, &mut Vec::new()).err();
    assert_eq!(
        failed,
        Some(RdbErrorKind::DuplicateKey {
            key: b"key:7".to_vec(),
            db: 0
        })
    );

    let mut keyspace = Keyspace::new(16, [3, 4]);
    keyspace
        .db_mut(0)
        .set(b"key:7", NewValue::Bytes(b"old"), Some(5));
    let replace = FillOptions {
        duplicates: DuplicateKeys::Replace,
        ..FILL
    };
    load_into(&mut keyspace, &bytes, replace, &mut Vec::new()).unwrap();
    assert_same(&sample(), &keyspace);
}

#[test]
fn a_database_that_does_not_exist_is_a_fault() {
    let bytes = saved(&sample(), &options());
    let mut small = Keyspace::new(9, [3, 4]);
    let failed = load_into(&mut small, &bytes, FILL, &mut Vec::new()).err();
    assert_eq!(failed, Some(RdbErrorKind::TooManyDatabases(9)));
    assert_eq!(
        failed.unwrap().to_string(),
        "FATAL: Data file was created with a Redis server configured to handle more than \
         9 databases. Exiting"
    );
}

#[test]
fn idle_times_and_frequencies_survive_where_the_policy_is_the_same() {
    let mut keyspace = Keyspace::new(1, [1, 2]);
    let entry = keyspace.db_mut(0).set(b"k", NewValue::Int(1), None);
    entry.set_access(lru_clock(NOW_MS - 77_000));
    let idle = SaveOptions {
        usage: SavedUsage::Idle,
        ..options()
    };
    let (copy, _) = loaded(&saved(&keyspace, &idle), FILL);
    assert_eq!(
        lru_idle_ms(copy.db(0).get(b"k").unwrap().access(), NOW_MS),
        77_000
    );
    let (copy, _) = loaded(&saved(&keyspace, &options()), FILL);
    assert_eq!(
        lru_idle_ms(copy.db(0).get(b"k").unwrap().access(), NOW_MS),
        0
    );

    let tuning = LfuTuning {
        log_factor: 10,
        decay_minutes: 1,
    };
    let entry = keyspace.db_mut(0).set(b"k", NewValue::Int(1), None);
    entry.set_access(lfu_bits(200, NOW_MS));
    let frequency = SaveOptions {
        usage: SavedUsage::Frequency(tuning),
        ..options()
    };
    let lfu = FillOptions {
        access: AccessBits::Lfu,
        ..FILL
    };
    let (copy, _) = loaded(&saved(&keyspace, &frequency), lfu);
    assert_eq!(
        lfu_count(copy.db(0).get(b"k").unwrap().access(), tuning, NOW_MS),
        200
    );
    let (copy, _) = loaded(&saved(&keyspace, &frequency), FILL);
    assert_eq!(
        lru_idle_ms(copy.db(0).get(b"k").unwrap().access(), NOW_MS),
        0
    );
}

#[test]
fn room_is_made_only_for_what_can_be_believed() {
    let bytes = b"REDIS0011\xfe\x00\xfb\x81\xff\xff\xff\xff\xff\xff\xff\xff\x00\
                  \x00\x01k\x01v\xff\x00\x00\x00\x00\x00\x00\x00\x00";
    let known = FillOptions {
        stream_bytes: Some(bytes.len() as u64),
        ..FILL
    };
    for options in [FILL, known] {
        let (keyspace, _) = loaded(bytes, options);
        assert_eq!(keyspace.len(), 1);
        assert!(keyspace.overhead().keys < 64 << 20);
    }
}

#[test]
fn the_observer_counts_along_and_a_full_disk_is_an_error() {
    struct Last(u64);
    impl SaveObserver for Last {
        fn key_saved(&mut self, keys: u64) {
            assert_eq!(keys, self.0 + 1);
            self.0 = keys;
        }
    }
    let mut last = Last(0);
    save_snapshot(io::sink(), &sample(), &options(), &mut last).unwrap();
    assert_eq!(last.0, 1000);

    #[derive(Debug)]
    struct Full;
    impl io::Write for Full {
        fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let error = save_snapshot(Full, &sample(), &options(), &mut ()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
}
