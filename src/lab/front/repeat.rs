//! Runs a script many times and shows how its figures are distributed, side by side for several
//! pairs of programs.
//!
//! The pairs take turns, run by run, so that whatever the machine does meanwhile is done to all of
//! them.

use std::path::PathBuf;

use super::report::Outputs;
use super::run::Script;
use super::talk::{Failure, say};
use crate::lab::report::{distribution, line, summarize};

/// A pair of programs, and what its runs have shown.
struct Pair {
    server: Option<String>,
    sentinel: Option<String>,
    runs: distribution::Runs,
}

impl Pair {
    fn new(label: &str, server: Option<&str>, sentinel: Option<&str>) -> Pair {
        Pair {
            server: server.map(str::to_owned),
            sentinel: sentinel.map(str::to_owned),
            runs: distribution::Runs {
                label: label.to_owned(),
                summaries: Vec::new(),
            },
        }
    }

    /// Reads `[LABEL=]SERVER[,SENTINEL]`.
    fn read(word: &str) -> Pair {
        let (label, programs) = word.split_once('=').unwrap_or((word, word));
        match programs.split_once(',') {
            None => Pair::new(label, Some(programs), None),
            Some((server, sentinel)) => Pair::new(label, Some(server), Some(sentinel)),
        }
    }
}

/// What `repeat` is told.
struct Plan {
    times: u64,
    script: Script,
    pairs: Vec<Pair>,
    outputs: Outputs,
    seed: u64,
}

fn read(words: &[String]) -> Result<Plan, Failure> {
    let [times, path, rest @ ..] = words else {
        return Err("repeat wants a number and a script".to_owned());
    };
    let times = times
        .parse()
        .map_err(|_| format!("'{times}' is no number"))?;
    let (mut pairs, mut outputs, mut seed) = (Vec::new(), Outputs::default(), 1);
    let mut rest = rest.to_vec();
    loop {
        let more = Outputs::take(&mut rest)?;
        outputs.html = more.html.or(outputs.html);
        outputs.json = more.json.or(outputs.json);
        match (rest.first().map(String::as_str), rest.get(1)) {
            (Some("--pair"), Some(pair)) => pairs.push(Pair::read(pair)),
            (Some("--seed"), Some(word)) => {
                seed = word.parse().map_err(|_| format!("'{word}' is no number"))?;
            }
            (Some(word), None) if word.starts_with("--") => {
                return Err(format!("{word} wants a value"));
            }
            _ => break,
        }
        rest.drain(..2);
    }
    if pairs.is_empty() {
        pairs.push(Pair::new("tanist", None, None));
    }
    let script = Script {
        path: PathBuf::from(path),
        words: rest,
        quiet: true,
        ..Script::default()
    };
    Ok(Plan {
        times,
        script,
        pairs,
        outputs,
        seed,
    })
}

/// `repeat N SCRIPT`, pairs of programs as `--pair [LABEL=]SERVER[,SENTINEL]`, `--seed N`, the
/// reports that are wanted, and the words of the script.
///
/// A run whose script fails counts as far as it came; if none has brought a lab up, that is a
/// failure.
pub fn repeat(words: &[String]) -> Result<(), Failure> {
    let mut plan = read(words)?;
    plan.outputs.prepare()?;
    let title = plan.script.path.file_stem().unwrap_or_default();
    let title = title.to_string_lossy().into_owned();
    for number in 0..plan.times {
        for pair in &mut plan.pairs {
            let script = Script {
                server: pair.server.clone(),
                sentinel: pair.sentinel.clone(),
                seed: Some(plan.seed.wrapping_add(number)),
                ..plan.script.clone()
            };
            let run = format!("{}/{} {}", number + 1, plan.times, pair.runs.label);
            match script.run() {
                Ok(record) => {
                    eprintln!("{run}: {}", line(&record));
                    pair.runs.summaries.push(summarize(&record));
                }
                Err((why, record)) => {
                    eprintln!("{run}: {why}");
                    pair.runs.summaries.extend(record.as_ref().map(summarize));
                }
            }
        }
    }
    if plan.pairs.iter().all(|pair| pair.runs.summaries.is_empty()) {
        return Err("no run has brought a lab up".to_owned());
    }
    let runs: Vec<distribution::Runs> = plan.pairs.into_iter().map(|pair| pair.runs).collect();
    let shown = distribution::of(&title, &runs);
    plan.outputs.write(|| shown.html(), || shown.json())?;
    say(&shown.text())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn pairs_and_reports_stand_before_the_words_of_the_script() {
        let line = "3 x.sh --pair a --html p --pair x=b,c --seed 7 word --pair d";
        let plan = read(&words(line)).expect("it says all");
        assert_eq!((plan.times, plan.seed), (3, 7));
        assert_eq!(plan.outputs.html, Some(PathBuf::from("p")));
        assert_eq!(plan.script.words, words("word --pair d"));
        let pairs: Vec<_> = plan
            .pairs
            .iter()
            .map(|pair| (&pair.server, &pair.sentinel))
            .collect();
        let some = |word: &str| Some(word.to_owned());
        assert_eq!(pairs, [(&some("a"), &None), (&some("b"), &some("c"))]);
        assert_eq!(plan.pairs[1].runs.label, "x");
    }

    #[test]
    fn without_a_pair_this_program_is_tried() {
        let plan = read(&words("1 x.sh")).expect("it says all");
        assert_eq!(plan.pairs.len(), 1);
        assert_eq!(plan.pairs[0].server, None);
        for line in ["", "3", "x x.sh", "3 x.sh --pair", "3 x.sh --seed y"] {
            assert!(read(&words(line)).is_err(), "{line}");
        }
    }
}
