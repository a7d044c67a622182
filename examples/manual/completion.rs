//! The completions of Bash, zsh and fish, from the same tables: options, directives and their older
//! names, and the words of the lab.
//!
//! A script is a template. Its places, such as `@DIRECTIVES@`, are the same in all three, so each
//! shell only says in its own language when which words are offered.

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

/// The shells that there are scripts for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl Shell {
    /// All of them.
    pub const ALL: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

    /// The file that the shell looks for when it completes the words of a program.
    pub fn file_name(self, program: &str) -> String {
        match self {
            Shell::Bash => program.to_owned(),
            Shell::Zsh => format!("_{program}"),
            Shell::Fish => format!("{program}.fish"),
        }
    }

    fn template(self) -> &'static str {
        match self {
            Shell::Bash => BASH,
            Shell::Zsh => ZSH,
            Shell::Fish => FISH,
        }
    }
}

/// The script of a shell for all programs of a family.
pub fn script(shell: Shell, family: Family) -> String {
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
    shell
        .template()
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

const BASH: &str = r#"# Completion of Bash for the programs of Tanist. Generated.

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

const ZSH: &str = r#"#compdef @SERVER@ @SENTINEL@ @CHECK_RDB@ @CHECK_AOF@ @LAB@
# Completion of zsh for the programs of Tanist. Generated.

local -a offered
case $service in
@SERVER@|@SENTINEL@)
    case ${words[CURRENT-1]} in
    @SWITCHES@) offered=(yes no) ;;
    *)
        if [[ $PREFIX == -* ]]; then
            offered=(@DIRECTIVES@)
            (( CURRENT == 2 )) && offered+=(@FIRST@)
        fi
        ;;
    esac
    ;;
@CHECK_RDB@) [[ $PREFIX == -* ]] && offered=(--version) ;;
@CHECK_AOF@) [[ $PREFIX == -* ]] && offered=(@CHECKS@) ;;
@LAB@)
    if [[ $PREFIX == -* ]]; then
        offered=(@LAB_OPTIONS@)
    elif (( CURRENT == 2 )); then
        offered=(@VERBS@)
    fi
    ;;
esac
if (( $#offered )); then
    compadd -a offered
else
    _files
fi
"#;

const FISH: &str = r#"# Completion of fish for the programs of Tanist. Generated.

set -l switches (string split '|' -- '@SWITCHES@')
for program in @SERVER@ @SENTINEL@
    for option in @DIRECTIVES@
        if contains -- $option $switches
            complete -c $program -l (string sub -s 3 -- $option) -x -a 'yes no'
        else
            complete -c $program -l (string sub -s 3 -- $option) -r
        end
    end
    for option in @FIRST@
        complete -c $program -l (string sub -s 3 -- $option) \
            -n 'test (count (commandline -opc)) -eq 1'
    end
end
complete -c @CHECK_RDB@ -l version
for option in @CHECKS@
    complete -c @CHECK_AOF@ -l (string sub -s 3 -- $option)
end
for option in @LAB_OPTIONS@
    complete -c @LAB@ -l (string sub -s 3 -- $option)
end
complete -c @LAB@ -n 'test (count (commandline -opc)) -eq 1' -a '@VERBS@'
"#;
