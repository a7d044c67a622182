//! The pages and the completion against the tables, and against the programs that read them.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use tanist::commands::table::Mode;
use tanist::config::TABLE;
use tanist::config::sentinel::MASTER_OPTIONS;
use tanist::server::program::check_aof_usage;

use super::completion::Shell;
use super::pages::{self, Family, Page};
use super::roff::{bold, escaped};
use super::{commands, completion, conf, write};

fn page(family: Family, name: &str) -> Page {
    let mut pages = pages::all(family).into_iter();
    pages.find(|page| page.name == name).expect("there is one")
}

/// Whether a page has a tag that begins with this name.
fn has_tag(page: &Page, name: &str) -> bool {
    let name = bold(name);
    let is_it = |line: &str| {
        let rest = line.strip_prefix(&name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    };
    page.text.lines().any(is_it)
}

/// The text of a page with its lines joined.
fn flowing(page: &Page) -> String {
    page.text.replace('\n', " ")
}

/// Runs a program if it is there; else says that it is not, and the test is content.
fn run_if_there(program: &str, args: &[&str], folder: &Path) -> Option<String> {
    match Command::new(program)
        .args(args)
        .current_dir(folder)
        .output()
    {
        Ok(output) => Some(
            [output.stdout, output.stderr]
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
                .concat(),
        ),
        Err(error) => {
            println!("skipped: {program}: {error}");
            None
        }
    }
}

#[test]
fn every_directive_has_an_entry_with_what_its_row_says() {
    let page = page(Family::Redis, "redis.conf");
    let text = flowing(&page);
    for row in TABLE {
        assert!(has_tag(&page, row.name), "{} has no entry", row.name);
        let facts = conf::facts(row);
        let facts: Vec<&str> = facts.split_whitespace().collect();
        let facts = escaped(&facts.join(" "));
        assert!(text.contains(&facts), "{}: no {facts:?}", row.name);
    }
}

#[test]
fn every_option_of_sentinels_has_an_entry() {
    let page = page(Family::Redis, "sentinel.conf");
    for option in MASTER_OPTIONS
        .iter()
        .filter(|option| option.name != "quorum")
    {
        let name = format!("sentinel {}", option.name);
        assert!(has_tag(&page, &name), "{name} has no entry");
    }
}

#[test]
fn every_command_has_an_entry_with_its_summary() {
    let pages = [
        (page(Family::Redis, "redis-commands"), Mode::Server),
        (page(Family::Redis, "redis-sentinel"), Mode::Sentinel),
    ];
    for (page, mode) in pages {
        let text = flowing(&page);
        let table = commands::table(mode);
        for command in table.iter_all() {
            let row = command.row;
            let is_general = mode == Mode::Sentinel && row.group.name() != "sentinel";
            if is_general || !row.subcommands.is_empty() {
                continue;
            }
            let name = command.full_name.replace('|', " ").to_uppercase();
            assert!(has_tag(&page, &name), "{name} has no entry");
            assert!(text.contains(&escaped(row.summary)), "{name}: no summary");
        }
    }
}

#[test]
fn a_synopsis_tells_what_is_optional_repeated_and_a_choice() {
    let table = commands::table(Mode::Server);
    for (name, expected) in [
        ("get", "key"),
        ("mget", "key [key ...]"),
        ("getex", "key [EX seconds | PX milliseconds | EXAT"),
        (
            "sort",
            "key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]]",
        ),
    ] {
        let row = table.by_name(name.as_bytes()).expect("a command").row;
        let shown: Vec<String> = row.args.iter().map(commands::synopsis).collect();
        let shown = shown.join(" ");
        assert!(shown.starts_with(expected), "{name} {shown}");
    }
}

#[test]
fn every_option_and_word_of_a_usage_text_is_on_its_page() {
    let server = page(Family::Redis, "redis-server");
    for option in [
        "-v, --version",
        "-h, --help",
        "--test-memory",
        "--check-system",
    ] {
        assert!(has_tag(&server, option), "{option} has no entry");
    }
    let checker = page(Family::Redis, "redis-check-aof");
    let words = check_aof_usage("");
    let options = words.split(|c: char| !(c.is_ascii_lowercase() || c == '-'));
    for option in options.filter(|word| word.starts_with("--")) {
        assert!(has_tag(&checker, option), "{option} has no entry");
    }
    let lab = page(Family::Redis, "redis-lab");
    for line in tanist::lab::front::usage().lines().skip(2) {
        assert!(lab.text.contains(&escaped(line)), "{line:?} is missing");
    }
}

#[test]
fn a_family_has_its_own_names_on_all_pages_of_programs() {
    for page in pages::all(Family::Tanist) {
        for program in pages::PROGRAMS {
            let stock = escaped(&format!("redis-{program}"));
            let folder = escaped("redis-lab.d");
            let text = page.text.replace(&folder, "");
            assert!(!text.contains(&stock), "{} speaks of {stock}", page.name);
        }
    }
}

#[test]
fn a_page_is_what_its_checker_wants() {
    for family in [Family::Redis, Family::Tanist] {
        let folder = tempfile::tempdir().expect("a folder");
        write(folder.path(), family).expect("files");
        for page in pages::all(family) {
            let file = format!("man{}/{}", page.section, page.file_name());
            let args = ["-Tlint", "-Wall", &file];
            let Some(found) = run_if_there("mandoc", &args, folder.path()) else {
                return;
            };
            assert_eq!(found, "", "{}", page.name);
        }
    }
}

#[test]
fn bash_completes_directives_values_and_words_of_the_lab() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), Family::Redis).expect("files");
    let complete = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let (program, last) = (words[0], words.len() - 1);
        let script = format!(
            "set -u; . completions/redis-server; COMP_WORDS=({line}); \
             [[ '{line}' == *' ' ]] && COMP_WORDS+=(''); COMP_CWORD={last}; \
             _redis_programs {program}; echo \"${{COMPREPLY[*]}}\""
        );
        run_if_there("bash", &["-c", &script], folder.path())
    };
    for (line, expected) in [
        ("redis-server --appendon", "--appendonly"),
        ("redis-server --appendonly ", "yes no"),
        ("redis-server --slave-read", "--slave-read-only"),
        ("redis-server --check-s", "--check-system"),
        ("redis-server --port 1 --check-s", ""),
        ("redis-sentinel compl", "completions"),
        ("redis-check-aof --f", "--fix"),
        ("redis-lab part", "partition"),
        ("redis-lab cont", "cont"),
        ("redis-lab run --ht", "--html"),
    ] {
        let Some(found) = complete(line) else { return };
        assert_eq!(found.trim(), expected, "{line}");
    }
}

/// The words that zsh would offer for a line: those that it gives to its builtin, as far as they
/// begin with the last word, or "files".
fn zsh_offers(folder: &Path, line: &str) -> Option<String> {
    let script = format!(
        "line='{line}'; words=(\"${{(@s: :)line}}\"); CURRENT=$#words; PREFIX=$words[-1]; \
         service=$words[1]; \
         compadd() {{ print -r -- ${{(M)${{(P)2}}:#$PREFIX*}} }}; _files() {{ print files }}; \
         complete_it() {{ . ./completions/_redis-server }}; complete_it"
    );
    run_if_there("zsh", &["-f", "-c", &script], folder)
}

/// The words that fish offers for a line. It is not asked for files, of which it offers any.
fn fish_offers(folder: &Path, line: &str) -> Option<String> {
    let script = format!(". completions/redis-server.fish; complete -C '{line}'");
    run_if_there("fish", &["--no-config", "-c", &script], folder)
}

#[test]
fn zsh_and_fish_complete_what_bash_does() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), Family::Redis).expect("files");
    for (line, expected) in [
        ("redis-server --appendon", "--appendonly"),
        ("redis-server --appendonly ", "yes no"),
        ("redis-server --slave-read", "--slave-read-only"),
        ("redis-server --check-s", "--check-system"),
        ("redis-check-aof --f", "--fix"),
        ("redis-lab part", "partition"),
        ("redis-lab run --ht", "--html"),
    ] {
        let offers = [zsh_offers, fish_offers].map(|offers| offers(folder.path(), line));
        for found in offers.into_iter().flatten() {
            // fish has one to a line.
            let found: BTreeSet<&str> = found.split_whitespace().collect();
            assert_eq!(found, expected.split(' ').collect(), "{line}");
        }
    }
    let at_the_end = "redis-server --port 1 --check-s";
    if let Some(found) = zsh_offers(folder.path(), at_the_end) {
        assert_eq!(found.trim(), "", "{at_the_end}");
    }
    if let Some(found) = zsh_offers(folder.path(), "redis-server redis.c") {
        assert_eq!(found.trim(), "files");
    }
}

#[test]
fn completions_know_every_directive() {
    for shell in Shell::ALL {
        let script = completion::script(shell, Family::Redis);
        for name in TABLE.iter().flat_map(|row| row.names()) {
            assert!(script.contains(&format!("--{name}")), "no --{name}");
        }
        assert!(!script.contains('@'), "{shell:?}: all places are filled");
    }
}
