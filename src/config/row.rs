//! What the table says of one directive, and the one way to read and write its setting.
//!
//! A row is data: the name and its older alias, the bounds and unit of a number, who may change it
//! and when, a check, and the hook that carries a change into the running server. The setting
//! itself is a typed field of [`Settings`]; the row reaches it through a pair of accessors, and the
//! field's type ([`Value`]) knows how it is read from arguments and written back. So a directive
//! exists in exactly one place, and file, argv and `CONFIG` need no list of their own.

use std::fmt::{self, Debug, Formatter};

use bitflags::bitflags;

use super::table::Settings;
use super::value::{NumberFormat, NumberRule, Occasion, Reason, Value};

/// A rule over settings as they would be after the change.
pub type Check = fn(&Settings) -> Result<(), Reason>;

/// What the server must do after a directive has changed at run time. Directives that are simply
/// read where they matter have none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Apply {
    /// Nothing to do: whoever needs the setting reads it.
    None,
    /// Listen on other addresses.
    Bind,
    /// Listen on another port.
    Port,
    /// Listen for TLS on another port, or no longer.
    TlsPort,
    /// Use other certificates, or use them otherwise.
    Tls,
    /// Listen elsewhere for those who want metrics.
    Metrics,
    /// Let more or fewer messages through.
    LogLevel,
    /// Make room for this many clients, descriptors included.
    MaxClients,
    /// Change the pace of periodic work.
    Hz,
    /// Switch the allocator's background threads.
    JemallocBgThread,
    /// Resize the replication backlog.
    ReplBacklogSize,
    /// Count again which replicas are good enough for `min-replicas-to-write`.
    GoodReplicas,
    /// Give the default user this password, or none.
    Requirepass,
    /// Write the process title anew.
    ProcTitle,
    /// Compare texts in the order of another locale.
    LocaleCollate,
    /// Write the kernel's out-of-memory score.
    OomScore,
    /// Change the working directory.
    Dir,
    /// Evict down to the new limit, and warn when it is already exceeded.
    Maxmemory,
    /// Start or stop accounting for the memory of clients.
    MaxmemoryClients,
    /// Install or remove the crash report's signal handlers, and have it test the memory or not.
    CrashLog,
    /// Watch the loop, or no longer.
    Watchdog,
    /// Start or stop the append only file.
    Appendonly,
    /// Remove the files that the append only file does not need any more.
    AofAutoGc,
    /// Settle pending fsyncs before a stricter policy begins.
    Appendfsync,
}

bitflags! {
    /// Properties of a row that are either there or not.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub struct Traits: u16 {
        /// Cannot change after the start.
        const IMMUTABLE = 1;
        /// May change at run time only where `enable-protected-configs` allows it.
        const PROTECTED = 1 << 1;
        /// Not shown by patterns, only by its exact name.
        const HIDDEN = 1 << 2;
        /// Its value is a secret, to be kept out of logs and monitors.
        const SENSITIVE = 1 << 3;
        /// Cannot change while a data set is being loaded.
        const DENY_LOADING = 1 << 4;
        /// Takes any number of arguments and checks the number itself.
        const MULTI = 1 << 5;
        /// Written by `CONFIG REWRITE` even when it has its default.
        const ALWAYS_SAVED = 1 << 6;
        /// Worth a line in a crash report.
        const DEBUG = 1 << 7;
        /// What it names may have changed though the value has not, as a renewed certificate.
        const VOLATILE = 1 << 8;
    }
}

/// One directive.
pub struct Row {
    /// The name of today.
    pub name: &'static str,
    /// An older name that is still understood.
    pub alias: Option<&'static str>,
    /// The hook that a change at run time needs.
    pub apply: Apply,
    /// What a number may be, and how it is written.
    pub number: NumberRule,
    traits: Traits,
    check: Option<Check>,
    get: fn(&Settings) -> &dyn Value,
    get_mut: fn(&mut Settings) -> &mut dyn Value,
}

impl Debug for Row {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Builders, for the table alone.
impl Row {
    pub(super) const fn new(
        name: &'static str,
        get: fn(&Settings) -> &dyn Value,
        get_mut: fn(&mut Settings) -> &mut dyn Value,
    ) -> Row {
        Row {
            name,
            alias: None,
            apply: Apply::None,
            number: NumberRule::NONE,
            traits: Traits::empty(),
            check: None,
            get,
            get_mut,
        }
    }

    pub(super) const fn alias(mut self, alias: &'static str) -> Row {
        self.alias = Some(alias);
        self
    }

    pub(super) const fn apply(mut self, apply: Apply) -> Row {
        self.apply = apply;
        self
    }

    pub(super) const fn range(mut self, least: i128, greatest: i128) -> Row {
        self.number.bounds = (least, greatest);
        self
    }

    pub(super) const fn memory(mut self, least: i128, greatest: i128) -> Row {
        self.number.format = NumberFormat::Memory;
        self.range(least, greatest)
    }

    pub(super) const fn octal(mut self, least: i128, greatest: i128) -> Row {
        self.number.format = NumberFormat::Octal;
        self.range(least, greatest)
    }

    pub(super) const fn clamp(mut self, least: i128, greatest: i128) -> Row {
        self.number.clamp = Some((least, greatest));
        self
    }

    pub(super) const fn check(mut self, check: Check) -> Row {
        self.check = Some(check);
        self
    }

    pub(super) const fn with(mut self, traits: Traits) -> Row {
        self.traits = self.traits.union(traits);
        self
    }
}

impl Row {
    /// Whether the row has this property.
    pub const fn is(&self, property: Traits) -> bool {
        self.traits.contains(property)
    }

    /// Whether `CONFIG SET` may ever change it.
    pub const fn is_mutable(&self) -> bool {
        !self.is(Traits::IMMUTABLE)
    }

    /// Its name, then its alias.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        std::iter::once(self.name).chain(self.alias)
    }

    /// The one of its names that `name` means.
    pub(super) fn own_name(&self, name: &[u8]) -> &'static str {
        let means = |own: &&str| own.as_bytes().eq_ignore_ascii_case(name);
        self.names().find(means).unwrap_or(self.name)
    }

    /// The setting itself.
    pub fn value<'a>(&self, settings: &'a Settings) -> &'a dyn Value {
        (self.get)(settings)
    }

    /// The setting as `CONFIG GET` shows it.
    pub fn show(&self, settings: &Settings) -> Vec<u8> {
        self.value(settings).show(&self.number)
    }

    /// What stands behind its name in a file that is to give this setting again, line by line.
    pub fn saved(&self, settings: &Settings) -> Vec<Vec<u8>> {
        self.value(settings).saved(&self.number)
    }

    /// Sets it from arguments. On an error `settings` may hold the refused value: callers work on a
    /// copy, or stop.
    pub(super) fn set(
        &self,
        settings: &mut Settings,
        args: &[Vec<u8>],
        occasion: Occasion,
    ) -> Result<(), Reason> {
        (self.get_mut)(settings).set(args, &self.number, occasion)?;
        self.check.map_or(Ok(()), |check| check(settings))
    }
}
