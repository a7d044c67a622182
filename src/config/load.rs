//! Reading a configuration: file, standard input and command line, line by line through the table.
//!
//! A line is a directive and its arguments. Rows of the table take most of them; what is left is
//! the handful of directives that are not settings: `include`, and `rename-command` and `user`,
//! which only the server can judge and which are therefore kept with their place. Lines of a
//! Sentinel are collected, since none can be judged before all are there.
//!
//! Nothing of the process changes here: `dir` is followed on paper, so that paths behind it are
//! relative to it, and the server enters it when it has the whole.
//!
//! Invariants: every file read counts against one limit, so that files which include themselves or
//! each other end; every read is bounded; an error names file, line and reason.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::checks;
use super::error::{ConfigError, SourceLine};
use super::places::WorkingDir;
use super::row::{Row, Traits};
use super::sentinel::SentinelConfig;
use super::sentinel::read::{self as sentinel_lines, SentinelLine};
use super::sources::Sources;
use super::special::SavePoints;
use super::table::Settings;
use super::value::os_text;
use super::value::{Occasion, Reason};
use super::wildcards;
use crate::base::quoting;
use crate::sys::access;

/// Bytes of one file or of standard input.
const TEXT_BYTES_MAX: u64 = 16 << 20;
/// Files read for one start.
const FILES_MAX: usize = 512;
/// The port of a Sentinel that is not given another one.
const SENTINEL_PORT: u16 = 26379;
/// Old directives that may still stand in a file; they have no meaning any more.
const FORGOTTEN: &[&str] = &[
    "list-max-ziplist-entries",
    "list-max-ziplist-value",
    "lua-replicate-commands",
];

/// What was read.
#[derive(Clone, Debug)]
pub struct Config {
    /// The settings.
    pub settings: Settings,
    /// Absolute path of the main file, if there is one.
    pub file: Option<PathBuf>,
    /// Commands to rename or remove, in order.
    pub renamed_commands: Vec<RenamedCommand>,
    /// Users to create, in order.
    pub users: Vec<UserLine>,
    /// Lines for the log, once there is one.
    pub notices: Vec<String>,
    /// What `sentinel …` lines say, if this is a Sentinel.
    pub sentinel: Option<SentinelConfig>,
}

/// `rename-command`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenamedCommand {
    /// The command.
    pub command: Vec<u8>,
    /// Its new name; empty removes it.
    pub name: Vec<u8>,
    /// Where that stands.
    pub place: SourceLine,
}

/// `user`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserLine {
    /// The name and the rules.
    pub args: Vec<Vec<u8>>,
    /// Where that stands.
    pub place: SourceLine,
}

impl Config {
    /// The defaults, in the working directory `cwd`.
    pub fn defaults(cwd: &Path) -> Config {
        let dir = WorkingDir(cwd.to_path_buf());
        Config {
            settings: Settings {
                dir,
                ..Settings::default()
            },
            file: None,
            renamed_commands: Vec::new(),
            users: Vec::new(),
            notices: Vec::new(),
            sentinel: None,
        }
    }

    /// The defaults of a Sentinel: it has a port of its own, and serves everybody, because its
    /// peers are elsewhere.
    pub fn sentinel_defaults(cwd: &Path) -> Config {
        let mut config = Config::defaults(cwd);
        config.settings.port = SENTINEL_PORT;
        config.settings.protected_mode = false;
        config.sentinel = Some(SentinelConfig::default());
        config
    }

    /// Reads all sources, starting in the working directory `cwd`.
    pub fn load(sources: &Sources, cwd: &Path, stdin: impl Read) -> Result<Config, ConfigError> {
        Config::defaults(cwd).read(sources, cwd, stdin)
    }

    /// Reads all sources of a Sentinel, starting in the working directory `cwd`.
    ///
    /// What concerns a data set is read and has no effect.
    pub fn load_sentinel(
        sources: &Sources,
        cwd: &Path,
        stdin: impl Read,
    ) -> Result<Config, ConfigError> {
        let mut config = Config::sentinel_defaults(cwd).read(sources, cwd, stdin)?;
        config.settings.save = SavePoints(Vec::new());
        config.settings.appendonly = false;
        config.settings.replicaof = None;
        Ok(config)
    }

    /// Reads all sources over what there is.
    fn read(self, sources: &Sources, cwd: &Path, stdin: impl Read) -> Result<Config, ConfigError> {
        let mut loader = Loader {
            config: self,
            seen: HashSet::new(),
            files: 0,
            sentinel_lines: Vec::new(),
        };
        let mut line = 1;
        if let Some(path) = &sources.file {
            let path = absolute(cwd, path);
            line = loader.read_file(&path)?;
            loader.config.file = Some(path);
        }
        if sources.stdin {
            let text = read_bounded(stdin).map_err(|error| ConfigError::Unreadable {
                file: PathBuf::from("-"),
                error,
            })?;
            line = loader.read_text(&text, None, line)?;
        }
        loader.read_text(&sources.options, None, line + 1)?;
        loader.finish()
    }
}

struct Loader {
    config: Config,
    /// Directives that a line has named.
    seen: HashSet<&'static str>,
    files: usize,
    /// Lines that can only be judged together.
    sentinel_lines: Vec<SentinelLine>,
}

impl Loader {
    /// Reads one file and tells its number of lines.
    fn read_file(&mut self, path: &Path) -> Result<usize, ConfigError> {
        let unreadable = |error| ConfigError::Unreadable {
            file: path.to_path_buf(),
            error,
        };
        let text = File::open(path)
            .and_then(read_bounded)
            .map_err(unreadable)?;
        self.files += 1;
        self.read_text(&text, Some(path.into()), 1)
    }

    /// Reads lines, the first of which is number `line`, and tells the number of the last.
    fn read_text(
        &mut self,
        text: &[u8],
        file: Option<Rc<Path>>,
        mut line: usize,
    ) -> Result<usize, ConfigError> {
        for (position, text) in text.split(|byte| *byte == b'\n').enumerate() {
            line += usize::from(position > 0);
            let text = text.trim_ascii();
            if !text.is_empty() && !text.starts_with(b"#") {
                let place = SourceLine {
                    file: file.clone(),
                    line,
                    text: text.to_vec(),
                };
                self.read_line(place)?;
            }
        }
        Ok(line)
    }

    fn read_line(&mut self, place: SourceLine) -> Result<(), ConfigError> {
        let args = quoting::split_args(&place.text)
            .ok_or_else(|| place.error("Unbalanced quotes in configuration line"))?;
        let Some((name, args)) = args.split_first() else {
            return Ok(());
        };
        match Row::find(name) {
            Some(row) => self.set(row, args).map_err(|reason| place.error(reason)),
            None => self.read_other(&name.to_ascii_lowercase(), args, place),
        }
    }

    /// A directive of the table.
    fn set(&mut self, row: &'static Row, args: &[Vec<u8>]) -> Result<(), Reason> {
        let is_first = self.seen.insert(row.name);
        let occasion = if is_first {
            Occasion::FirstLine
        } else {
            Occasion::LaterLine
        };
        let settings = &mut self.config.settings;
        match args {
            [list] if row.is(Traits::MULTI) && !list.is_empty() => {
                let args =
                    quoting::split_args(list).ok_or("Unbalanced quotes in configuration line")?;
                row.set(settings, &args, occasion)
            }
            _ => row.set(settings, args, occasion),
        }
    }

    /// A directive that is not a setting.
    fn read_other(
        &mut self,
        name: &[u8],
        args: &[Vec<u8>],
        place: SourceLine,
    ) -> Result<(), ConfigError> {
        match (name, args) {
            (_, [_]) if FORGOTTEN.iter().any(|old| old.as_bytes() == name) => {}
            (b"include", [path]) => self.include(path, &place)?,
            (b"rename-command", [command, name]) => {
                let (command, name) = (command.clone(), name.clone());
                self.config.renamed_commands.push(RenamedCommand {
                    command,
                    name,
                    place,
                });
            }
            (b"user", [_, ..]) => {
                self.config.users.push(UserLine {
                    args: args.to_vec(),
                    place,
                });
            }
            (b"sentinel", []) => {}
            (b"sentinel", words) if self.config.sentinel.is_some() => {
                let words = words.to_vec();
                self.sentinel_lines.push(SentinelLine { words, place });
            }
            (b"sentinel", _) => {
                return Err(place.error("sentinel directive while not in sentinel mode"));
            }
            (b"loadmodule", [_, ..]) => return Err(place.error("Modules are not supported")),
            (name, args) if name.contains(&b'.') => {
                return Err(place.error(match args {
                    [] => "Module config specified without value",
                    _ => "Modules are not supported",
                }));
            }
            _ => return Err(place.error("Bad directive or wrong number of arguments")),
        }
        Ok(())
    }

    /// A path without wildcards must exist; with wildcards it stands for any number of files.
    fn include(&mut self, path: &[u8], place: &SourceLine) -> Result<(), ConfigError> {
        let path = self.config.settings.dir.join(path);
        let paths = if wildcards::has_any(&path) {
            wildcards::expand(&path, FILES_MAX)
        } else {
            vec![path]
        };
        for path in paths {
            if self.files >= FILES_MAX {
                return Err(place.error("Too many files are included"));
            }
            self.read_file(&path)?;
        }
        Ok(())
    }

    /// Looks at the whole.
    fn finish(mut self) -> Result<Config, ConfigError> {
        let settings = &self.config.settings;
        if !settings.logfile.is_empty() {
            let path = settings.dir.join(&settings.logfile);
            OpenOptions::new()
                .append(true)
                .create(true)
                .open(path)
                .map_err(|error| {
                    ConfigError::Whole(
                        format!("Can't open the log file: {}", os_text(&error)).into(),
                    )
                })?;
        }
        let doubts = checks::doubts(settings);
        if self.config.sentinel.is_some() {
            let dir = &settings.dir;
            let is_executable = |path: &[u8]| access::is_executable(&dir.join(path)).is_ok();
            let read = sentinel_lines::read(&self.sentinel_lines, &is_executable)?;
            self.config.sentinel = Some(read);
        }
        self.config
            .notices
            .extend(doubts.into_iter().map(str::to_owned));
        Ok(self.config)
    }
}

fn read_bounded(source: impl Read) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    source.take(TEXT_BYTES_MAX + 1).read_to_end(&mut text)?;
    if text.len() as u64 > TEXT_BYTES_MAX {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "File too large",
        ));
    }
    Ok(text)
}

/// `path` as seen from `cwd`; blanks around it are dropped and leading `../` resolved.
fn absolute(cwd: &Path, path: &[u8]) -> PathBuf {
    let mut relative = path.trim_ascii();
    let mut base = cwd.to_path_buf();
    while let Some(rest) = relative.strip_prefix(b"../") {
        base.pop();
        relative = rest;
    }
    base.join(std::ffi::OsString::from_vec(relative.to_vec()))
}
