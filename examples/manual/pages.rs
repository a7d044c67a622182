//! The pages, one a program, one a configuration file, and one for all commands.

use tanist::commands::row::CommandGroup;
use tanist::commands::table::Mode;
use tanist::lab::front;
use tanist::server::program::{check_aof_usage, check_rdb_usage, server_usage};

use super::roff::{Roff, bold};
use super::{commands, conf};

const SERVER_CONF: &str = include_str!("../../redis.conf");
const SENTINEL_CONF: &str = include_str!("../../sentinel.conf");

/// The programs that the one binary is.
pub const PROGRAMS: [&str; 5] = ["server", "sentinel", "check-rdb", "check-aof", "lab"];

/// What the names of the programs begin with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Family {
    /// As programs and people call them: `redis-server`.
    Redis,
    /// Beside a stock installation: `tanist-server`.
    Tanist,
}

impl Family {
    /// The name of a program.
    pub fn program(self, what: &str) -> String {
        match self {
            Family::Redis => format!("redis-{what}"),
            Family::Tanist => format!("tanist-{what}"),
        }
    }

    /// A text with the programs under their names of this family. The folder `redis-lab.d` keeps
    /// its name.
    pub fn named(self, text: &str) -> String {
        let mut text = text.replace("redis-lab.d", "\u{1}");
        for program in PROGRAMS {
            text = text.replace(&format!("redis-{program}"), &self.program(program));
        }
        text.replace('\u{1}', "redis-lab.d")
    }
}

/// A page under its name.
pub struct Page {
    /// Its name, as `man` is asked for it.
    pub name: String,
    /// Its section.
    pub section: u8,
    /// Its source.
    pub text: String,
}

impl Page {
    /// The file that `man` looks for.
    pub fn file_name(&self) -> String {
        format!("{}.{}", self.name, self.section)
    }
}

/// Writes what a usage text says: its paragraphs, its lines that stand in, and its options, which
/// are indented by four and have their words two blanks behind them or on the next line.
fn usage(roff: &mut Roff, usage: &str) {
    let usage = usage.strip_prefix("Usage: ").unwrap_or(usage);
    let (brief, options) = usage.split_once("\nOptions:\n").unwrap_or((usage, ""));
    roff.section("Synopsis");
    for (number, paragraph) in brief.split("\n\n").enumerate() {
        let is_literal = number == 0 || paragraph.starts_with("    ");
        if number == 1 {
            roff.section("Description");
        }
        if is_literal {
            roff.lines(paragraph.lines().map(str::trim));
        } else {
            roff.paragraph(paragraph);
        }
    }
    let mut entries: Vec<(&str, String)> = Vec::new();
    for line in options.lines() {
        let is_option = line.trim_start().starts_with('-') && line.starts_with("    ");
        let is_at_margin = line.len() - line.trim_start().len() < 20;
        if is_option && is_at_margin {
            let (name, words) = line.trim().split_once("  ").unwrap_or((line.trim(), ""));
            entries.push((name, words.trim().to_owned()));
        } else if let Some((_, words)) = entries.last_mut() {
            words.push(' ');
            words.push_str(line.trim());
        }
    }
    if !entries.is_empty() {
        roff.section("Options");
    }
    for (name, words) in &entries {
        roff.tags([bold(name).as_str()]);
        roff.fill(words);
    }
}

fn tagged(roff: &mut Roff, entries: &[(&str, &str)]) {
    for (tag, text) in entries {
        roff.tags([bold(tag).as_str()]);
        roff.fill(text);
    }
}

fn see_also(roff: &mut Roff, family: Family, own: &str) {
    roff.section("See also");
    let programs = PROGRAMS.map(|program| format!("{}(1)", family.program(program)));
    let others = ["redis.conf(5)", "sentinel.conf(5)", "redis-commands(7)"];
    let mut names: Vec<&str> = programs.iter().map(String::as_str).collect();
    names.extend(others);
    names.retain(|name| name.rsplit_once('(').is_some_and(|(name, _)| name != own));
    roff.fill(&names.join(", "));
}

fn server(family: Family) -> Page {
    let name = family.program("server");
    let mut roff = Roff::new(&name, 1, "server of the Redis protocol with replication");
    usage(&mut roff, &family.named(&server_usage()));
    roff.section("Signals");
    tagged(
        &mut roff,
        &[
            (
                "SIGTERM, SIGINT",
                "End the server, as shutdown-on-sigterm and shutdown-on-sigint of redis.conf(5) \
                 say. A second SIGINT ends it at once.",
            ),
            ("SIGHUP, SIGPIPE", "Have no effect."),
        ],
    );
    roff.section("Environment");
    tagged(
        &mut roff,
        &[(
            "NOTIFY_SOCKET",
            "Where a server with \"supervised systemd\" or \"supervised auto\" tells the service \
             manager that it is ready, what it does, and that it leaves.",
        )],
    );
    roff.section("Exit status");
    roff.fill(
        "0 after a shutdown that did all it was to do. 1 after a start that failed or an option \
         that was not understood; the reason is in the log or on standard error.",
    );
    see_also(&mut roff, family, &name);
    Page {
        name,
        section: 1,
        text: roff.finish(),
    }
}

fn sentinel(family: Family) -> Page {
    let name = family.program("sentinel");
    let mut roff = Roff::new(&name, 1, "watches servers and replaces a master that died");
    roff.section("Synopsis");
    let direct = format!("{name} /path/to/sentinel.conf [options]");
    let by_option = format!(
        "{} /path/to/sentinel.conf --sentinel",
        family.program("server")
    );
    roff.lines([direct.as_str(), by_option.as_str()]);
    roff.section("Description");
    roff.fill(
        "A Sentinel watches masters and their replicas. When enough Sentinels agree that a master \
         is down, one of them makes a replica the new master and has the others follow it. \
         Clients ask a Sentinel where the master is.",
    );
    roff.paragraph(
        "The file is also its memory: it must be able to replace it, and to write to the folder \
         that it is in. See sentinel.conf(5).",
    );
    roff.section("Commands");
    roff.fill("What clients can ask a Sentinel, beside the general commands of redis-commands(7):");
    commands::write(&mut roff, Mode::Sentinel, CommandGroup::Sentinel);
    see_also(&mut roff, family, &name);
    Page {
        name,
        section: 1,
        text: roff.finish(),
    }
}

fn check_rdb(family: Family) -> Page {
    let name = family.program("check-rdb");
    let mut roff = Roff::new(&name, 1, "checks a snapshot file");
    usage(&mut roff, &check_rdb_usage(&name));
    roff.section("Description");
    roff.fill(
        "Reads a snapshot (an RDB file) from beginning to end, and tells what is in it and where \
         it is damaged. It changes nothing.",
    );
    roff.section("Exit status");
    roff.fill("0 if the file is whole, else 1.");
    see_also(&mut roff, family, &name);
    Page {
        name,
        section: 1,
        text: roff.finish(),
    }
}

fn check_aof(family: Family) -> Page {
    let name = family.program("check-aof");
    let mut roff = Roff::new(&name, 1, "checks and mends an append-only file");
    usage(&mut roff, &check_aof_usage(&name));
    roff.section("Description");
    roff.fill(
        "Reads an append-only file, or all files that a manifest names, and tells how far it is \
         good.",
    );
    roff.section("Options");
    tagged(
        &mut roff,
        &[
            (
                "--fix",
                "Cut the last file off where it is not good any more, after a question.",
            ),
            (
                "--truncate-to-timestamp",
                "Cut off what was written after this time, in seconds since 1970. The file must \
                 have been written with \"aof-timestamp-enabled yes\".",
            ),
            (
                "--show-lost",
                "Print the writes that a new master lacked, from the files in which a server has \
                 kept them.",
            ),
        ],
    );
    roff.section("Exit status");
    roff.fill("0 if the files are good, or are now; else 1.");
    see_also(&mut roff, family, &name);
    Page {
        name,
        section: 1,
        text: roff.finish(),
    }
}

fn lab(family: Family) -> Page {
    let name = family.program("lab");
    let mut roff = Roff::new(&name, 1, "experiments with failovers on one machine");
    roff.section("Synopsis");
    roff.lines([format!("{name} [--dir FOLDER] [WORD ...]").as_str()]);
    roff.section("Description");
    roff.fill(
        "Starts servers and Sentinels, disturbs them while clients write, and reports what was \
         lost and for how long nobody could write.",
    );
    let words = family.named(&front::usage());
    let words = words.split_once("\n\n").map_or("", |(_, words)| words);
    roff.lines(words.lines());
    roff.section("Files");
    tagged(
        &mut roff,
        &[(
            "redis-lab.d",
            "The folder of the lab, where no other is named.",
        )],
    );
    roff.section("Environment");
    tagged(
        &mut roff,
        &[
            (
                "REDIS_LAB_DIR",
                "The folder of the lab; --dir has the last word.",
            ),
            (
                "REDIS_LAB_SERVER, REDIS_LAB_SENTINEL",
                "The programs to start instead of these.",
            ),
        ],
    );
    see_also(&mut roff, family, &name);
    Page {
        name,
        section: 1,
        text: roff.finish(),
    }
}

fn file(family: Family, name: &str, does: &str, text: &str, with_facts: bool) -> Page {
    let mut roff = Roff::new(name, 5, does);
    conf::write(&mut roff, &family.named(text), with_facts);
    see_also(&mut roff, family, name);
    Page {
        name: name.to_owned(),
        section: 5,
        text: roff.finish(),
    }
}

fn command_page(family: Family) -> Page {
    let name = "redis-commands";
    let mut roff = Roff::new(name, 7, "what clients can ask a server");
    roff.section("Description");
    roff.fill(
        "All commands of the server, by group. In a synopsis, words in capital letters are typed \
         as they are, in any case; [ ] may be left out, < | > is a choice, and ... means as many \
         as you like. \"COMMAND DOCS\" tells the same to programs.",
    );
    for group in commands::groups(Mode::Server) {
        roff.section(group.name());
        commands::write(&mut roff, Mode::Server, group);
    }
    see_also(&mut roff, family, name);
    Page {
        name: name.to_owned(),
        section: 7,
        text: roff.finish(),
    }
}

/// All pages.
pub fn all(family: Family) -> Vec<Page> {
    vec![
        server(family),
        sentinel(family),
        check_rdb(family),
        check_aof(family),
        lab(family),
        file(
            family,
            "redis.conf",
            "configuration of the server",
            SERVER_CONF,
            true,
        ),
        file(
            family,
            "sentinel.conf",
            "configuration and memory of a Sentinel",
            SENTINEL_CONF,
            false,
        ),
        command_page(family),
    ]
}
