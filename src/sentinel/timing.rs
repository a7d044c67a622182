//! The periods and limits by which the Sentinel works; tests change them by `SENTINEL DEBUG`.

/// All times are in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Servers are asked for `INFO` this often, and every second while something goes on.
    pub info_period: u64,
    /// Instances are pinged this often.
    pub ping_period: u64,
    /// Peers are asked this often whether they see a master down that we see down.
    pub ask_period: u64,
    /// We announce ourselves this often.
    pub publish_period: u64,
    /// `down-after-milliseconds` where it is not set.
    pub default_down_after: u64,
    /// `failover-timeout` where it is not set.
    pub default_failover_timeout: u64,
    /// A turn that comes so late is a sign that our own sense of time is not to be trusted.
    pub tilt_trigger: u64,
    /// So long we only observe then.
    pub tilt_period: u64,
    /// A replica that was told its new master has so long to do something about it.
    pub slave_reconf_timeout: u64,
    /// A connection on which nothing comes is not made anew sooner than this.
    pub min_link_reconnect_period: u64,
    /// An election has to be won in this time.
    pub election_timeout: u64,
    /// A script is killed after this time.
    pub script_max_runtime: u64,
    /// A script that failed is run again after this time, and twice as long each time after.
    pub script_retry_delay: u64,
}

impl Default for Timing {
    fn default() -> Timing {
        Timing {
            info_period: 10_000,
            ping_period: 1000,
            ask_period: 1000,
            publish_period: 2000,
            default_down_after: 30_000,
            default_failover_timeout: 180_000,
            tilt_trigger: 2000,
            tilt_period: 30_000,
            slave_reconf_timeout: 10_000,
            min_link_reconnect_period: 15_000,
            election_timeout: 10_000,
            script_max_runtime: 60_000,
            script_retry_delay: 30_000,
        }
    }
}

/// A name that `SENTINEL DEBUG` shows, and where the value is.
pub type TimingRow = (&'static str, fn(&mut Timing) -> &mut u64);

/// All of them, in the order in which they are shown.
pub const TIMING_ROWS: [TimingRow; 13] = [
    ("INFO-PERIOD", |t| &mut t.info_period),
    ("PING-PERIOD", |t| &mut t.ping_period),
    ("ASK-PERIOD", |t| &mut t.ask_period),
    ("PUBLISH-PERIOD", |t| &mut t.publish_period),
    ("DEFAULT-DOWN-AFTER", |t| &mut t.default_down_after),
    ("DEFAULT-FAILOVER-TIMEOUT", |t| {
        &mut t.default_failover_timeout
    }),
    ("TILT-TRIGGER", |t| &mut t.tilt_trigger),
    ("TILT-PERIOD", |t| &mut t.tilt_period),
    ("SLAVE-RECONF-TIMEOUT", |t| &mut t.slave_reconf_timeout),
    ("MIN-LINK-RECONNECT-PERIOD", |t| {
        &mut t.min_link_reconnect_period
    }),
    ("ELECTION-TIMEOUT", |t| &mut t.election_timeout),
    ("SCRIPT-MAX-RUNTIME", |t| &mut t.script_max_runtime),
    ("SCRIPT-RETRY-DELAY", |t| &mut t.script_retry_delay),
];
