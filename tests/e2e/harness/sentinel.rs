//! Sentinels: starting them, asking them, and reading what they log, publish and write down.

use std::fs;
use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::time::Duration;

use super::{Conn, Options, Server, Value, stock_path, subject_path, wait_for};

/// The name that the master of every test has.
pub const MASTER: &str = "mymaster";

/// Short periods, so that tests wait for decisions and not for timers. Replicas of a master that is
/// down are asked every second, and what they said five ping periods ago counts no more.
const HASTE: &str = "SENTINEL DEBUG info-period 200 ping-period 250 ask-period 100 \
                     publish-period 200 tilt-period 2000";

/// Who made a server or a sentinel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Make {
    Ours,
    Stock,
}

impl Make {
    /// A server of this make, whose snapshots every other server can read.
    pub fn server(self) -> Options {
        match self {
            Make::Ours => Options::ours().readable_by_stock(),
            Make::Stock => Options::stock(),
        }
    }

    /// A sentinel of this make that watches nothing yet.
    pub fn sentinel(self) -> Options {
        Options::sentinel(match self {
            Make::Ours => sentinel_path(),
            Make::Stock => stock_path(),
        })
    }
}

/// The sentinel under test; `TANIST_TEST_SENTINEL=/path/to/redis-server` puts another in its place.
pub fn sentinel_path() -> PathBuf {
    match std::env::var_os("TANIST_TEST_SENTINEL") {
        Some(path) => path.into(),
        None => subject_path(),
    }
}

/// A running sentinel. It can do what a [`Server`] can.
pub struct Sentinel(Server);

impl Deref for Sentinel {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.0
    }
}

impl DerefMut for Sentinel {
    fn deref_mut(&mut self) -> &mut Server {
        &mut self.0
    }
}

impl Sentinel {
    /// Starts a sentinel that is in haste.
    #[track_caller]
    pub fn start(options: Options) -> Sentinel {
        let sentinel = Sentinel(options.start());
        sentinel.hurry();
        sentinel
    }

    /// The sentinel under test, watching `master` with these lines more in its file.
    #[track_caller]
    pub fn watching(master: &Server, quorum: usize, lines: &[&str]) -> Sentinel {
        let monitor = format!(
            "sentinel monitor {MASTER} 127.0.0.1 {} {quorum}",
            master.port
        );
        let options = Make::Ours.sentinel().config(monitor);
        Sentinel::start(lines.iter().fold(options, |o, line| o.config(*line)))
    }

    #[track_caller]
    fn hurry(&self) {
        assert_eq!(self.ask(HASTE), "OK");
    }

    /// Starts it again after an end.
    #[track_caller]
    pub fn return_to_life(&mut self) {
        self.0.start_again();
        self.hurry();
    }

    /// Whether it is, or claims to be, of a version after 7.0.
    pub fn is_modern(&self) -> bool {
        !self.info("redis_version").starts_with("7.0.")
    }

    /// Its configuration file as it stands now.
    pub fn file(&self) -> String {
        fs::read_to_string(self.path("redis.conf")).expect("a configuration file")
    }

    /// The lines of its file that begin so, sorted, without that beginning.
    pub fn file_lines(&self, start: &str) -> Vec<String> {
        let file = self.file();
        let rest = |line: &str| line.strip_prefix(start).map(|rest| rest.trim().to_owned());
        let mut lines: Vec<String> = file.lines().filter_map(rest).collect();
        lines.sort();
        lines
    }

    /// Waits until the lines of its file that begin so are these.
    #[track_caller]
    pub fn wait_file_lines(&self, start: &str, lines: &[String]) {
        let mut expected = lines.to_vec();
        expected.sort();
        wait_for(
            &format!("the lines {start:?} of the file are {expected:?}"),
            || (self.file_lines(start) == expected).then_some(()),
            || format!("{}\n{}", self.file(), self.log_tail()),
        );
    }

    /// A number that its file tells.
    pub fn file_number(&self, start: &str) -> Option<u64> {
        self.file_lines(start).first()?.parse().ok()
    }

    pub fn id(&self) -> String {
        self.ask("SENTINEL MYID")
    }

    /// Where it says that the master is; nothing if it does not answer.
    pub fn master_port(&self) -> Option<u16> {
        let address = self.try_ask(&format!("SENTINEL GET-MASTER-ADDR-BY-NAME {MASTER}"))?;
        let port = address.trim_end_matches(']').rsplit(' ').next()?;
        port.parse().ok()
    }

    /// What it knows of the master.
    #[track_caller]
    pub fn master(&self) -> Fields {
        Fields::of(&self.call(&format!("SENTINEL MASTER {MASTER}")))
    }

    #[track_caller]
    pub fn replicas(&self) -> Vec<Fields> {
        self.list("REPLICAS")
    }

    #[track_caller]
    pub fn sentinels(&self) -> Vec<Fields> {
        self.list("SENTINELS")
    }

    #[track_caller]
    fn list(&self, what: &str) -> Vec<Fields> {
        let reply = self.call(&format!("SENTINEL {what} {MASTER}"));
        reply.items().iter().map(Fields::of).collect()
    }

    /// What it knows of the replica on this port, if it does.
    pub fn replica(&self, port: u16) -> Option<Fields> {
        let is_it = |fields: &Fields| fields.get("port") == port.to_string();
        self.replicas().into_iter().find(is_it)
    }

    /// Waits until what it knows of the master satisfies a condition.
    #[track_caller]
    pub fn wait_master(&self, what: &str, holds: impl Fn(&Fields) -> bool) {
        wait_for(
            what,
            || holds(&self.master()).then_some(()),
            || format!("{:?}\n{}", self.master(), self.log_tail()),
        );
    }

    /// Waits until what it knows of the replica on this port satisfies a condition.
    #[track_caller]
    pub fn wait_replica(&self, port: u16, what: &str, holds: impl Fn(&Fields) -> bool) {
        wait_for(
            what,
            || self.replica(port).filter(&holds).map(drop),
            || format!("{:?}\n{}", self.replicas(), self.log_tail()),
        );
    }

    /// The text of each line that it has logged.
    pub fn lines(&self) -> Vec<String> {
        // The process, four words of time and the level stand before them.
        let text = |line: &str| line.splitn(7, ' ').nth(6).map(str::to_owned);
        self.log().lines().filter_map(text).collect()
    }

    /// All events that it has logged: the type, a space, and what it tells.
    pub fn events(&self) -> Vec<String> {
        let is_event = |text: &String| {
            text.starts_with(['+', '-'])
                || text.get(40..).is_some_and(|t| t.starts_with(" voted for "))
        };
        self.lines().into_iter().filter(is_event).collect()
    }

    /// The types of all events that it has logged.
    pub fn event_types(&self) -> Vec<String> {
        let kind = |event: String| event.split(' ').next().unwrap_or_default().to_owned();
        self.events().into_iter().map(kind).collect()
    }

    /// How many events begin so.
    pub fn event_count(&self, start: &str) -> usize {
        self.events()
            .iter()
            .filter(|e| e.starts_with(start))
            .count()
    }

    /// Waits for an event that begins so and returns the first of them.
    #[track_caller]
    pub fn wait_event(&self, start: &str) -> String {
        wait_for(
            &format!("port {} logs an event {start:?}", self.port),
            || self.events().into_iter().find(|e| e.starts_with(start)),
            || self.log_tail(),
        )
    }
}

/// Named values of a reply, in its order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    #[track_caller]
    pub fn of(reply: &Value) -> Fields {
        let text = |value: &Value| value.to_string();
        let pairs = reply.items().chunks(2);
        Fields(pairs.map(|pair| (text(&pair[0]), text(&pair[1]))).collect())
    }

    pub fn names(&self) -> Vec<&str> {
        self.0.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// A value; empty if there is none of this name.
    pub fn get(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(own, _)| own == name);
        found.map_or("", |(_, value)| value)
    }

    #[track_caller]
    pub fn number(&self, name: &str) -> i64 {
        let text = self.get(name);
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is {text:?}"))
    }
}

/// A client that sees all that a sentinel publishes.
pub struct Events {
    conn: Conn,
    seen: Vec<String>,
}

impl Events {
    #[track_caller]
    pub fn of(sentinel: &Sentinel) -> Events {
        let mut conn = sentinel.connect();
        assert_eq!(conn.ask("PSUBSCRIBE *"), "[psubscribe * 1]");
        let wait = Some(Duration::from_millis(1));
        conn.stream().set_read_timeout(wait).expect("a timeout");
        let seen = Vec::new();
        Events { conn, seen }
    }

    /// All that came so far: the channel, a space, and the message.
    pub fn seen(&mut self) -> &[String] {
        while let Ok(message) = self.conn.read_value() {
            let [kind, pattern, channel, text] = message.items() else {
                panic!("no message to a pattern: {message}");
            };
            assert_eq!(
                (kind.to_string(), pattern.to_string()),
                ("pmessage".into(), "*".into())
            );
            self.seen.push(format!("{channel} {text}"));
        }
        &self.seen
    }

    /// Waits for a message that begins so.
    #[track_caller]
    pub fn wait(&mut self, start: &str) -> String {
        wait_for(
            &format!("{start:?} is published"),
            || {
                self.seen();
                self.seen
                    .iter()
                    .find(|event| event.starts_with(start))
                    .cloned()
            },
            String::new,
        )
    }
}
