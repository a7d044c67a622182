//! From the items of a stream to the keys of a keyspace.
//!
//! A load lasts many ticks, and in between the keyspace belongs to others. So a [`Fill`] keeps
//! what must last (database, counts, what the snapshot says of itself), and [`Fill::sink`] lends it
//! to the loader together with the keyspace for one step.
//!
//! New entries are made at once but wait in a small batch until the place of each in the table has
//! been asked for: the cost of a load is cache misses, and these then overlap.

use super::error::RdbErrorKind;
use super::item::{ChecksumVerdict, Item, KeyAttributes, KeyItem, Value};
use super::load::Sink;
use super::save::{LINEAGE_FIELD, ReplicationPoint, STREAM_SUM_FIELD};
use crate::base::numbers::parse_i64;
use crate::keyspace::access::{lfu_bits, lfu_new, lru_bits_from_idle, lru_clock};
use crate::keyspace::{Keyspace, NewValue, OwnedEntry};

/// Entries that wait for their place in the table.
const BATCH: usize = 16;
/// No key takes fewer bytes in a stream: type, key and value.
const KEY_BYTES_MIN: u64 = 3;
/// Of empty keys, and of those that are left out, so many are named in the log.
const KEYS_LOGGED_MAX: u64 = 10;
/// Keys for which room is made beforehand if nothing is known of the length of the stream.
const KEYS_AHEAD_MAX: u64 = 1 << 20;

/// What is done with keys whose time has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpiredKeys {
    /// They are left out, and [`Fill::sink`]'s callback hears of them: as a master does.
    Drop,
    /// They are loaded: a replica waits for its master to delete them.
    Keep,
}

/// What is done with a key that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DuplicateKeys {
    /// It is a fault of the stream.
    Refuse,
    /// The later one takes its place.
    Replace,
}

/// What the access bits of keys mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessBits {
    /// When the key was last used.
    Lru,
    /// How often it was used.
    Lfu,
}

/// How to fill a keyspace.
#[derive(Debug, Clone, Copy)]
pub struct FillOptions {
    /// Now, in milliseconds since the epoch.
    pub now_ms: i64,
    /// What is done with keys whose time has come.
    pub expired: ExpiredKeys,
    /// What is done with a key that is there already.
    pub duplicates: DuplicateKeys,
    /// What the access bits of keys mean.
    pub access: AccessBits,
    /// The length of the stream, where it is known: how many keys to believe that there will be.
    pub stream_bytes: Option<u64>,
}

/// What a snapshot says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuxFields {
    /// The version of the server that wrote it.
    pub redis_version: Option<String>,
    /// When it was written, in seconds since the epoch.
    pub created_at_s: Option<i64>,
    /// Bytes that its server had allocated.
    pub used_memory: Option<i64>,
    /// Database that the replication stream was in.
    pub replication_db: Option<i64>,
    /// Identity of the replication history.
    pub replication_id: Option<[u8; 40]>,
    /// Offset in the replication history.
    pub replication_offset: Option<i64>,
    /// Checksum of the replication stream up to there.
    pub stream_sum: Option<u64>,
    /// The history and those that it grew out of.
    pub lineage: Option<String>,
}

impl AuxFields {
    /// The place in a replication history that the snapshot is of.
    pub fn replication(&self) -> Option<ReplicationPoint> {
        Some(ReplicationPoint {
            stream_db: self.replication_db?,
            id: self.replication_id?,
            offset: self.replication_offset?,
            sum: self.stream_sum,
            lineage: self.lineage.clone(),
        })
    }
}

/// The filling of a keyspace, from the first item to the last.
pub struct Fill {
    options: FillOptions,
    new_access: u32,
    db: usize,
    batch: Vec<OwnedEntry>,
    /// Keys in the keyspace, or in the batch.
    loaded: u64,
    expired: u64,
    /// Keys without members, which were left out.
    empty: u64,
    /// Keys without a counterpart, which were left out.
    unknown_keys: u64,
    /// The same of what belongs to no key.
    unknown_records: u64,
    facts: AuxFields,
}

impl Fill {
    /// At the first item.
    pub fn new(options: FillOptions) -> Fill {
        let new_access = match options.access {
            AccessBits::Lru => lru_clock(options.now_ms),
            AccessBits::Lfu => lfu_new(options.now_ms),
        };
        Fill {
            options,
            new_access,
            db: 0,
            batch: Vec::with_capacity(BATCH),
            loaded: 0,
            expired: 0,
            empty: 0,
            unknown_keys: 0,
            unknown_records: 0,
            facts: AuxFields::default(),
        }
    }

    /// Lends the filling to a loader for one step. `on_expired` hears of each key that is left out
    /// and of its database; `on_library` takes the code of each library of functions, or says why
    /// it cannot.
    pub fn sink<'a, F, G>(
        &'a mut self,
        keyspace: &'a mut Keyspace,
        on_expired: F,
        on_library: G,
    ) -> FillSink<'a, F, G>
    where
        F: FnMut(usize, &[u8]),
        G: FnMut(&[u8]) -> Result<(), String>,
    {
        FillSink {
            fill: self,
            keyspace,
            on_expired,
            on_library,
        }
    }

    /// Keys loaded so far.
    pub fn loaded(&self) -> u64 {
        self.loaded
    }

    /// Keys left out because their time has come.
    pub fn expired(&self) -> u64 {
        self.expired
    }

    /// Keys left out because there is nothing here that they could be.
    pub fn unknown_keys(&self) -> u64 {
        self.unknown_keys
    }

    /// What the snapshot has said of itself so far.
    pub fn facts(&self) -> &AuxFields {
        &self.facts
    }

    fn aux(&mut self, name: &[u8], value: &[u8]) {
        let text = || String::from_utf8_lossy(value);
        if name.starts_with(b"%") {
            log::info!("RDB '{}': {}", String::from_utf8_lossy(name), text());
            return;
        }
        match &*name.to_ascii_lowercase() {
            b"repl-stream-db" => self.facts.replication_db = parse_i64(value),
            b"repl-id" => self.facts.replication_id = value.try_into().ok(),
            b"repl-offset" => self.facts.replication_offset = parse_i64(value),
            name if name == STREAM_SUM_FIELD.as_bytes() => {
                let digits = std::str::from_utf8(value).ok();
                self.facts.stream_sum = digits.and_then(|d| u64::from_str_radix(d, 16).ok());
            }
            name if name == LINEAGE_FIELD.as_bytes() => {
                self.facts.lineage = Some(text().into_owned());
            }
            b"redis-ver" => {
                log::info!("Loading RDB produced by version {}", text());
                self.facts.redis_version = Some(text().into_owned());
            }
            b"valkey-ver" => log::info!("Loading RDB produced by Valkey version {}", text()),
            b"ctime" => {
                self.facts.created_at_s = parse_i64(value);
                let created_at_s = self.facts.created_at_s.unwrap_or(0);
                let age_s = (self.options.now_ms / 1000)
                    .saturating_sub(created_at_s)
                    .max(0);
                log::info!("RDB age {age_s} seconds");
            }
            b"used-mem" => {
                self.facts.used_memory = parse_i64(value);
                let mib = self.facts.used_memory.unwrap_or(0) as f64 / (1024.0 * 1024.0);
                log::info!("RDB memory usage when created {mib:.2} Mb");
            }
            b"aof-preamble" if is_set(value) => log::info!("RDB has an AOF tail"),
            b"aof-base" if is_set(value) => log::info!("RDB is base AOF"),
            b"aof-preamble" | b"aof-base" | b"redis-bits" | b"lua" => {}
            _ => {
                let name = String::from_utf8_lossy(name);
                log::trace!("Unrecognized RDB AUX field: '{name}'");
            }
        }
    }

    /// Collections without members were written by versions that had a fault.
    fn skip_empty(&mut self, key: &[u8]) {
        self.empty += 1;
        if self.empty <= KEYS_LOGGED_MAX {
            let key = String::from_utf8_lossy(key);
            log::info!("rdbLoadObject skipping empty key: {key}");
        }
    }

    /// Only a decoder that was told to skip comes by these.
    #[cold]
    fn skip_unknown(&mut self, key: &[u8], what: &str) {
        self.unknown_keys += 1;
        if self.unknown_keys <= KEYS_LOGGED_MAX {
            let key = String::from_utf8_lossy(key);
            log::warn!("Left out key '{key}' in DB {}: {what}", self.db);
        }
    }

    fn log_end(&self) {
        let (loaded, expired, empty) = (self.loaded, self.expired, self.empty);
        if empty > 0 {
            log::info!(
                "Done loading RDB, keys loaded: {loaded}, keys expired: {expired}, \
                 empty keys skipped: {empty}."
            );
        } else {
            log::info!("Done loading RDB, keys loaded: {loaded}, keys expired: {expired}.");
        }
        let (keys, records) = (self.unknown_keys, self.unknown_records);
        if keys + records > 0 {
            log::warn!(
                "The RDB has data without a counterpart here, which rdb-skip-unknown left out: \
                 {keys} keys, {records} other records."
            );
        }
    }

    fn access_of(&self, attributes: &KeyAttributes) -> u32 {
        let now_ms = self.options.now_ms;
        match (self.options.access, attributes.idle_s, attributes.frequency) {
            (AccessBits::Lru, Some(idle_s), _) => {
                let idle_ms = idle_s.saturating_mul(1000);
                lru_bits_from_idle(i64::try_from(idle_ms).unwrap_or(i64::MAX), now_ms)
            }
            (AccessBits::Lfu, _, Some(count)) => lfu_bits(count, now_ms),
            _ => self.new_access,
        }
    }
}

fn is_set(value: &[u8]) -> bool {
    parse_i64(value).is_some_and(|value| value != 0)
}

/// See [`Fill::sink`].
pub struct FillSink<'a, F, G> {
    fill: &'a mut Fill,
    keyspace: &'a mut Keyspace,
    on_expired: F,
    on_library: G,
}

impl<F, G> Sink for FillSink<'_, F, G>
where
    F: FnMut(usize, &[u8]),
    G: FnMut(&[u8]) -> Result<(), String>,
{
    #[inline]
    fn item(&mut self, item: Item<'_>) -> Result<(), RdbErrorKind> {
        match item {
            Item::Key(item) => return self.key(item),
            Item::Aux { name, value } => self.fill.aux(name, value),
            Item::SelectDb(db) => {
                self.settle()?;
                let n_dbs = self.keyspace.n_dbs();
                self.fill.db = usize::try_from(db)
                    .ok()
                    .filter(|db| *db < n_dbs)
                    .ok_or(RdbErrorKind::TooManyDatabases(n_dbs))?;
            }
            Item::ResizeDb { keys, expires } => self.make_room(keys, expires),
            Item::Function(code) => (self.on_library)(code).map_err(RdbErrorKind::Library)?,
            Item::ModuleAux { .. } | Item::SlotImport => self.fill.unknown_records += 1,
            Item::End(verdict) => {
                self.settle()?;
                if verdict == ChecksumVerdict::Disabled {
                    log::info!("RDB file was saved with checksum disabled: no check performed.");
                }
                self.fill.log_end();
            }
        }
        Ok(())
    }
}

impl<F: FnMut(usize, &[u8]), G> FillSink<'_, F, G> {
    #[inline]
    fn key(&mut self, item: KeyItem<'_>) -> Result<(), RdbErrorKind> {
        let value = match item.value {
            Value::Int(value) => NewValue::Int(value),
            Value::Bytes(bytes) => NewValue::from_bytes_auto(bytes),
            Value::Object(object) => NewValue::Object(object),
            Value::Packed {
                type_,
                encoding,
                bytes,
            } => NewValue::Packed {
                type_,
                encoding,
                bytes,
            },
            Value::Empty => {
                self.fill.skip_empty(item.key);
                return Ok(());
            }
            Value::Module => {
                self.fill.skip_unknown(item.key, "a value of a module");
                return Ok(());
            }
            Value::ExpiringHash => {
                let what = "a hash with fields that have a time to live";
                self.fill.skip_unknown(item.key, what);
                return Ok(());
            }
        };
        let fill = &mut *self.fill;
        let expire_at_ms = item.attributes.expire_at_ms;
        if fill.options.expired == ExpiredKeys::Drop
            && expire_at_ms.is_some_and(|time_ms| time_ms < fill.options.now_ms)
        {
            fill.expired += 1;
            (self.on_expired)(fill.db, item.key);
            return Ok(());
        }
        let access = fill.access_of(&item.attributes);
        let db = self.keyspace.db(fill.db);
        db.prefetch_bucket(db.hash(item.key));
        fill.batch
            .push(OwnedEntry::new(item.key, value, expire_at_ms, access));
        fill.loaded += 1;
        if fill.batch.len() < BATCH {
            Ok(())
        } else {
            self.settle()
        }
    }

    /// Puts the batch into the table.
    fn settle(&mut self) -> Result<(), RdbErrorKind> {
        let fill = &mut *self.fill;
        let db = self.keyspace.db_mut(fill.db);
        for entry in fill.batch.drain(..) {
            let Err(entry) = db.insert(entry) else {
                continue;
            };
            let key = entry.entry().key();
            if fill.options.duplicates == DuplicateKeys::Refuse {
                return Err(RdbErrorKind::DuplicateKey {
                    key: key.to_vec(),
                    db: fill.db,
                });
            }
            db.remove(key);
            let replaced = db.insert(entry);
            debug_assert!(replaced.is_ok(), "the key was just removed");
        }
        Ok(())
    }

    /// Makes room for as many keys as are announced and can be believed.
    fn make_room(&mut self, keys: u64, expires: u64) {
        let credible = match self.fill.options.stream_bytes {
            Some(bytes) => bytes / KEY_BYTES_MIN,
            None => KEYS_AHEAD_MAX,
        };
        let db = self.keyspace.db_mut(self.fill.db);
        if db.is_empty() {
            db.reserve(keys.min(credible) as usize, expires.min(credible) as usize);
        }
    }
}
