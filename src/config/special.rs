//! Settings whose shape belongs to one directive: save points, output limits, scores and such.
//!
//! Each type is what its user wants to hold (a list of save points, three limits by name), and its
//! [`Value`] is the only place that knows how it is spelled.

use super::choice;
use super::value::{
    NumberFormat, NumberRule, Occasion, Reason, Value, check_bounds, lenient_i64, only_arg,
};
use crate::base::{memsize, numbers};

/// Words with a space between each two.
pub(super) fn join(args: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    args.into_iter().collect::<Vec<_>>().join(&b' ')
}

/// `save`: snapshot after this much time if this much has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavePoint {
    /// At least this long since the last snapshot.
    pub seconds: u64,
    /// At least this many changes since the last snapshot.
    pub changes: u64,
}

/// All save points, each of which is enough; none: no snapshots on our own account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavePoints(pub Vec<SavePoint>);

impl Default for SavePoints {
    fn default() -> SavePoints {
        let points = [(3600, 1), (300, 100), (60, 10_000)];
        SavePoints(
            points
                .map(|(seconds, changes)| SavePoint { seconds, changes })
                .to_vec(),
        )
    }
}

impl SavePoint {
    fn text(self) -> Vec<u8> {
        format!("{} {}", self.seconds, self.changes).into_bytes()
    }
}

impl Value for SavePoints {
    fn set(&mut self, args: &[Vec<u8>], _: &NumberRule, occasion: Occasion) -> Result<(), Reason> {
        const INVALID: &str = "Invalid save parameters";
        let nothing = matches!(args, [arg] if arg.is_empty());
        let (pairs, rest) = if nothing {
            (&[][..], &[][..])
        } else {
            args.as_chunks::<2>()
        };
        if !rest.is_empty() {
            return Err(INVALID.into());
        }
        let at_least = |arg: &[u8], least: u64| {
            let number = lenient_i64(arg).and_then(|number| u64::try_from(number).ok());
            number.filter(|number| *number >= least).ok_or(INVALID)
        };
        let mut points = Vec::with_capacity(pairs.len());
        for [seconds, changes] in pairs {
            let (seconds, changes) = (at_least(seconds, 1)?, at_least(changes, 0)?);
            points.push(SavePoint { seconds, changes });
        }
        if nothing || occasion != Occasion::LaterLine {
            self.0.clear();
        }
        self.0.extend(points);
        Ok(())
    }

    fn show(&self, _: &NumberRule) -> Vec<u8> {
        join(self.0.iter().map(|point| point.text()))
    }

    fn saved(&self, _: &NumberRule) -> Vec<Vec<u8>> {
        if self.0.is_empty() {
            return vec![b"\"\"".to_vec()];
        }
        self.0.iter().map(|point| point.text()).collect()
    }
}

/// When a client that reads too slowly is dropped. Zero means no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputLimit {
    /// At once beyond this many waiting bytes.
    pub hard: u64,
    /// Beyond this many waiting bytes …
    pub soft: u64,
    /// … for this long without a break.
    pub soft_seconds: u64,
}

/// `client-output-buffer-limit`: one limit for each class of clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputLimits {
    /// Ordinary clients, monitors included.
    pub normal: OutputLimit,
    /// Replicas.
    pub replica: OutputLimit,
    /// Clients subscribed to something.
    pub pubsub: OutputLimit,
}

impl Default for OutputLimits {
    fn default() -> OutputLimits {
        const MIB: u64 = 1 << 20;
        let limit = |hard, soft, soft_seconds| OutputLimit {
            hard,
            soft,
            soft_seconds,
        };
        OutputLimits {
            normal: limit(0, 0, 0),
            replica: limit(256 * MIB, 64 * MIB, 60),
            pubsub: limit(32 * MIB, 8 * MIB, 60),
        }
    }
}

impl OutputLimits {
    fn by_class(&self) -> [(&'static str, OutputLimit); 3] {
        [
            ("normal", self.normal),
            ("replica", self.replica),
            ("pubsub", self.pubsub),
        ]
    }

    fn class_mut(&mut self, name: &[u8]) -> Option<&mut OutputLimit> {
        Some(match name.to_ascii_lowercase().as_slice() {
            b"normal" => &mut self.normal,
            b"slave" | b"replica" => &mut self.replica,
            b"pubsub" => &mut self.pubsub,
            _ => return None,
        })
    }
}

impl Value for OutputLimits {
    fn set(&mut self, args: &[Vec<u8>], _: &NumberRule, _: Occasion) -> Result<(), Reason> {
        let (limits, rest) = args.as_chunks::<4>();
        if !rest.is_empty() {
            return Err("Wrong number of arguments in buffer limit configuration.".into());
        }
        let mut changed = *self;
        for [class, hard, soft, seconds] in limits {
            let slot = changed
                .class_mut(class)
                .ok_or("Invalid client class specified in buffer limit configuration.")?;
            let limit = || {
                Some(OutputLimit {
                    hard: memsize::parse(hard)?,
                    soft: memsize::parse(soft)?,
                    soft_seconds: lenient_i64(seconds)?.try_into().ok()?,
                })
            };
            *slot = limit().ok_or(
                "Error in hard, soft or soft_seconds setting in buffer limit configuration.",
            )?;
        }
        *self = changed;
        Ok(())
    }

    fn show(&self, _: &NumberRule) -> Vec<u8> {
        let class = |(name, limit): (&str, OutputLimit)| {
            let name = if name == "replica" { "slave" } else { name };
            format!(
                "{name} {} {} {}",
                limit.hard, limit.soft, limit.soft_seconds
            )
            .into_bytes()
        };
        join(self.by_class().map(class))
    }

    fn saved(&self, _: &NumberRule) -> Vec<Vec<u8>> {
        let class = |(name, limit): (&str, OutputLimit)| {
            let (hard, soft) = (memsize::format(limit.hard), memsize::format(limit.soft));
            format!("{name} {hard} {soft} {}", limit.soft_seconds).into_bytes()
        };
        self.by_class().map(class).to_vec()
    }
}

/// `oom-score-adj-values`: scores for the roles a process can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OomScoreAdjValues {
    /// Of a master.
    pub master: i32,
    /// Of a replica.
    pub replica: i32,
    /// Of a child that writes a snapshot or log.
    pub child: i32,
}

impl Default for OomScoreAdjValues {
    fn default() -> OomScoreAdjValues {
        OomScoreAdjValues {
            master: 0,
            replica: 200,
            child: 800,
        }
    }
}

impl OomScoreAdjValues {
    /// Whether each role is at least as dispensable as the one before. Otherwise the kernel lets
    /// only a privileged process set the scores.
    pub fn is_ordered(&self) -> bool {
        self.master <= self.replica && self.replica <= self.child
    }
}

impl Value for OomScoreAdjValues {
    fn set(&mut self, args: &[Vec<u8>], _: &NumberRule, _: Occasion) -> Result<(), Reason> {
        let [master, replica, child] = args else {
            return Err("wrong number of arguments".into());
        };
        let score = |arg: &[u8]| {
            let score = lenient_i64(arg).filter(|score| (-2000..=2000).contains(score));
            score
                .map(|score| score as i32)
                .ok_or("Invalid oom-score-adj-values, elements must be between -2000 and 2000.")
        };
        *self = OomScoreAdjValues {
            master: score(master)?,
            replica: score(replica)?,
            child: score(child)?,
        };
        Ok(())
    }

    fn show(&self, _: &NumberRule) -> Vec<u8> {
        format!("{} {} {}", self.master, self.replica, self.child).into_bytes()
    }
}

/// `latency-tracking-info-percentiles`: each between 0 and 100.
#[derive(Clone, Debug, PartialEq)]
pub struct Percentiles(pub Vec<f64>);

impl Default for Percentiles {
    fn default() -> Percentiles {
        Percentiles(vec![50.0, 99.0, 99.9])
    }
}

impl Value for Percentiles {
    fn set(&mut self, args: &[Vec<u8>], _: &NumberRule, _: Occasion) -> Result<(), Reason> {
        let nothing = matches!(args, [arg] if arg.is_empty());
        let mut percentiles = Vec::new();
        for arg in args.iter().filter(|_| !nothing) {
            let percentile = numbers::parse_f64(arg)
                .ok_or("Invalid latency-tracking-info-percentiles parameters")?;
            if !(0.0..=100.0).contains(&percentile) {
                return Err(
                    "latency-tracking-info-percentiles parameters should sit between \
                            [0.0,100.0]"
                        .into(),
                );
            }
            percentiles.push(percentile);
        }
        self.0 = percentiles;
        Ok(())
    }

    fn show(&self, _: &NumberRule) -> Vec<u8> {
        let percentile = |number: &f64| {
            let digits = format!("{number:.6}");
            digits
                .trim_end_matches('0')
                .trim_end_matches('.')
                .as_bytes()
                .to_vec()
        };
        join(self.0.iter().map(percentile))
    }

    fn saved(&self, rule: &NumberRule) -> Vec<Vec<u8>> {
        vec![if self.0.is_empty() {
            b"\"\"".to_vec()
        } else {
            self.show(rule)
        }]
    }
}

/// Whether a signal's shutdown writes a snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SaveAtShutdown {
    /// If save points are set.
    #[default]
    AsConfigured,
    /// Always.
    Save,
    /// Never.
    NoSave,
}

/// `shutdown-on-sigint`, `shutdown-on-sigterm`: how to go down on that signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShutdownOnSignal {
    /// Whether to write a snapshot.
    pub save: SaveAtShutdown,
    /// Do not wait for replicas to catch up.
    pub now: bool,
    /// Go down even when the snapshot fails.
    pub force: bool,
}

impl Value for ShutdownOnSignal {
    fn set(&mut self, args: &[Vec<u8>], _: &NumberRule, _: Occasion) -> Result<(), Reason> {
        type Mark = fn(&mut ShutdownOnSignal, &mut bool);
        const NAMES: [(&str, Mark); 5] = [
            ("default", |_, _| {}),
            ("save", |options, clash| {
                *clash |= options.save == SaveAtShutdown::NoSave;
                options.save = SaveAtShutdown::Save;
            }),
            ("nosave", |options, clash| {
                *clash |= options.save == SaveAtShutdown::Save;
                options.save = SaveAtShutdown::NoSave;
            }),
            ("now", |options, _| options.now = true),
            ("force", |options, _| options.force = true),
        ];
        if args.is_empty() {
            return Err(choice::not_one_of(&NAMES));
        }
        let (mut options, mut clash) = (ShutdownOnSignal::default(), false);
        for arg in args {
            choice::pick(arg, &NAMES)?(&mut options, &mut clash);
        }
        if clash {
            return Err("shutdown options SAVE and NOSAVE can't be used simultaneously".into());
        }
        *self = options;
        Ok(())
    }

    fn show(&self, _: &NumberRule) -> Vec<u8> {
        let save = match self.save {
            SaveAtShutdown::AsConfigured => None,
            SaveAtShutdown::Save => Some("save"),
            SaveAtShutdown::NoSave => Some("nosave"),
        };
        let named = [
            save,
            self.now.then_some("now"),
            self.force.then_some("force"),
        ];
        let names: Vec<&str> = named.into_iter().flatten().collect();
        if names.is_empty() {
            b"default".to_vec()
        } else {
            names.join(" ").into_bytes()
        }
    }
}

/// `maxmemory-clients`: how much memory all clients together may use; zero means no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientsMemory {
    /// This many bytes.
    Bytes(u64),
    /// This part of `maxmemory`, 1 to 100.
    Percent(u8),
}

impl Value for ClientsMemory {
    fn set(&mut self, args: &[Vec<u8>], rule: &NumberRule, _: Occasion) -> Result<(), Reason> {
        let arg = only_arg(args)?;
        if let Some(bytes) = memsize::parse(arg) {
            check_bounds(bytes.into(), rule)?;
            *self = ClientsMemory::Bytes(bytes);
            return Ok(());
        }
        let percent = arg.strip_suffix(b"%").and_then(numbers::parse_i64);
        *self = match percent {
            Some(0) => ClientsMemory::Bytes(0),
            Some(percent @ 1..=100) => ClientsMemory::Percent(percent as u8),
            Some(101..) => return Err("percentage argument must be less or equal to 100".into()),
            _ => return Err("argument must be a memory or percent value".into()),
        };
        Ok(())
    }

    fn show(&self, _: &NumberRule) -> Vec<u8> {
        match self {
            ClientsMemory::Bytes(bytes) => bytes.to_string().into_bytes(),
            ClientsMemory::Percent(percent) => format!("{percent}%").into_bytes(),
        }
    }

    fn saved(&self, rule: &NumberRule) -> Vec<Vec<u8>> {
        debug_assert_eq!(
            rule.format,
            NumberFormat::Memory,
            "a limit is an amount of memory"
        );
        match self {
            ClientsMemory::Bytes(bytes) => vec![memsize::format(*bytes).into_bytes()],
            ClientsMemory::Percent(_) => vec![self.show(rule)],
        }
    }
}
