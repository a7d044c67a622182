//! The one table of the report: a row for each figure of each scenario, a column for each make.

use std::time::Duration;

use crate::report::median;
use crate::round::Round;
use crate::scenario::Scenario;
use crate::settings::Make;

/// A figure of a make's rounds; empty where there is none.
type Figure = fn(&[Round]) -> String;

pub fn begin(makes: &[Make]) {
    let names: Vec<&str> = makes.iter().map(|make| make.name.as_str()).collect();
    println!(
        "| what happens | milliseconds, or count | {} |",
        names.join(" | ")
    );
    println!("| --- | --- |{}", " ---: |".repeat(makes.len()));
}

pub fn rows(scenario: Scenario, rounds: &[Vec<Round>]) {
    for (name, figure) in figures(scenario) {
        let values: Vec<String> = rounds.iter().map(|rounds| figure(rounds)).collect();
        if values.iter().any(|value| !value.is_empty()) {
            println!("| {} | {name} | {} |", scenario.name(), values.join(" | "));
        }
    }
}

fn figures(scenario: Scenario) -> Vec<(&'static str, Figure)> {
    let mut figures: Vec<(&str, Figure)> = Vec::new();
    match scenario {
        Scenario::Planned => {
            figures.push(("longest time without a write, median", |rounds| {
                middle(rounds, gap)
            }));
            figures.push(("… worst", |rounds| worst(rounds, gap)));
            figures.push(("first write at the new master", |rounds| {
                middle(rounds, first_write)
            }));
        }
        _ => {
            figures.push(("first accepted write, median", |rounds| {
                middle(rounds, first_write)
            }));
            figures.push(("… worst", |rounds| worst(rounds, first_write)));
        }
    }
    let others: [(&str, Figure); 11] = [
        ("first sentinel sees it down", |rounds| {
            middle(rounds, |one| one.first("+sdown"))
        }),
        ("enough agree", |rounds| {
            middle(rounds, |one| one.first("+odown"))
        }),
        ("leader elected", |rounds| {
            middle(rounds, |one| one.last("+elected-leader"))
        }),
        ("replica promoted", |rounds| {
            middle(rounds, |one| one.last("+promoted-slave"))
        }),
        ("last sentinel switched", |rounds| {
            middle(rounds, |one| one.last("+switch-master"))
        }),
        ("rounds without a new master", |rounds| {
            nonzero(
                rounds
                    .iter()
                    .filter(|one| one.first_write.is_none())
                    .count(),
            )
        }),
        ("acknowledged writes", |rounds| {
            sum(rounds, Round::acknowledged)
        }),
        ("lost of these", |rounds| sum(rounds, |one| one.lost)),
        ("kept by one server alone", |rounds| {
            sum(rounds, |one| one.kept)
        }),
        ("old master refuses writes after", |rounds| {
            middle(rounds, |one| one.demoted)
        }),
        ("… and took until then", |rounds| {
            sum(rounds, |one| one.strays)
        }),
    ];
    let returns = scenario.takes_master_away();
    figures.extend(others.into_iter().take(if returns { 11 } else { 9 }));
    figures
}

fn first_write(round: &Round) -> Option<Duration> {
    round.first_write
}

fn gap(round: &Round) -> Option<Duration> {
    Some(round.gap)
}

fn millis(rounds: &[Round], of: impl Fn(&Round) -> Option<Duration>) -> Vec<f64> {
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    rounds.iter().filter_map(of).map(milliseconds).collect()
}

fn middle(rounds: &[Round], of: impl Fn(&Round) -> Option<Duration>) -> String {
    match millis(rounds, of) {
        none if none.is_empty() => String::new(),
        some => format!("{:.0}", median(some)),
    }
}

fn worst(rounds: &[Round], of: impl Fn(&Round) -> Option<Duration>) -> String {
    match millis(rounds, of) {
        none if none.is_empty() => String::new(),
        some => format!("{:.0}", some.into_iter().fold(0.0, f64::max)),
    }
}

fn sum(rounds: &[Round], of: impl Fn(&Round) -> usize) -> String {
    rounds.iter().map(of).sum::<usize>().to_string()
}

fn nonzero(count: usize) -> String {
    match count {
        0 => String::new(),
        some => some.to_string(),
    }
}
