//! The completion of Bash, from the same tables: options, directives and their older names, and
//! the words of the lab.

use tanist::config::{Config, Row, Settings, TABLE};
use tanist::lab::front;
use tanist::server::program::{check_aof_usage, server_usage};

use super::pages::Family;

/// The words of a text that begin with two dashes.
fn options(usage: &str) -> Vec<&str> {
    let ends = |c: char| !(c.is_ascii_alphanumeric() || c == '-');
    let mut options: Vec<&str> = usage
        .split(ends)
        .filter(|word| word.len() > 2 && word.starts_with("--"))
        .collect();
    options.sort_unstable();
    options.dedup();
    options
}

/// The verbs of the lab: what stands two blanks in, and behind commas there.
fn verbs(usage: &str) -> Vec<&str> {
    let mut verbs: Vec<&str> = Vec::new();
    for line in usage.lines().filter_map(|line| line.strip_prefix("  ")) {
        let head = line.split("  ").next().unwrap_or_default();
        for part in head.split(", ") {
            let word = part.split(' ').next().unwrap_or_default();
            let is_verb = |c: char| c.is_ascii_lowercase() || c == '-';
            if word.chars().all(is_verb) && !word.is_empty() && word != "redis-lab" {
                verbs.push(word);
            }
        }
    }
    verbs.sort_unstable();
    verbs.dedup();
    verbs
}

/// Every directive as an option.
fn directives() -> Vec<String> {
    let names = TABLE.iter().flat_map(Row::names);
    names.map(|name| format!("--{name}")).collect()
}

/// The directives that are on or off, as options.
fn switches() -> Vec<String> {
    let settings: Settings = Config::defaults("/".as_ref()).settings;
    let is_switch = |row: &&Row| matches!(&row.show(&settings)[..], b"yes" | b"no");
    let rows = TABLE.iter().filter(is_switch);
    rows.flat_map(Row::names)
        .map(|name| format!("--{name}"))
        .collect()
}

/// The script for all programs of a family.
pub fn script(family: Family) -> String {
    let [server, sentinel, check_rdb, check_aof, lab] =
        ["server", "sentinel", "check-rdb", "check-aof", "lab"].map(|name| family.program(name));
    let server_usage = server_usage();
    let check_usage = check_aof_usage("");
    let lab_usage = front::usage();
    let first = options(&server_usage);
    let first: Vec<&str> = first
        .into_iter()
        .filter(|option| Row::find(option.trim_start_matches('-').as_bytes()).is_none())
        .collect();
    TEMPLATE
        .replace("@FIRST@", &first.join(" "))
        .replace("@DIRECTIVES@", &directives().join(" "))
        .replace("@SWITCHES@", &switches().join("|"))
        .replace("@CHECKS@", &options(&check_usage).join(" "))
        .replace("@VERBS@", &verbs(&lab_usage).join(" "))
        .replace("@LAB_OPTIONS@", &options(&lab_usage).join(" "))
        .replace(
            "@FUNCTION@",
            &format!("_{}", family.program("programs").replace('-', "_")),
        )
        .replace("@SERVER@", &server)
        .replace("@SENTINEL@", &sentinel)
        .replace("@CHECK_RDB@", &check_rdb)
        .replace("@CHECK_AOF@", &check_aof)
        .replace("@LAB@", &lab)
}

const TEMPLATE: &str = r#"# Completion of Bash for the programs of Tanist. Generated.

@FUNCTION@() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} words=
    case ${1##*/} in
    @SERVER@|@SENTINEL@)
        case $before in
        @SWITCHES@) words='yes no' ;;
        *)
            if [[ $word == -* ]]; then
                words='@DIRECTIVES@'
                ((COMP_CWORD == 1)) && words+=' @FIRST@'
            fi
            ;;
        esac
        ;;
    @CHECK_RDB@) [[ $word == -* ]] && words='--version' ;;
    @CHECK_AOF@) [[ $word == -* ]] && words='@CHECKS@' ;;
    @LAB@)
        if [[ $word == -* ]]; then
            words='@LAB_OPTIONS@'
        elif ((COMP_CWORD == 1)); then
            words='@VERBS@'
        fi
        ;;
    esac
    if [[ -n $words ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
    else
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
    fi
}

complete -F @FUNCTION@ @SERVER@ @SENTINEL@ @CHECK_RDB@ @CHECK_AOF@ @LAB@
"#;
