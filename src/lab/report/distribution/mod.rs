//! Many runs of one script: how long things took as a rule, and at worst.
//!
//! A failover is a matter of chance: who notices first, who is elected. One run says little, so a
//! script is run many times with other seeds, and maybe again with another pair of binaries; then
//! the figures of all runs stand side by side.
//!
//! Percentiles are the nearest rank: values that were measured, never something between two.

mod page;

use std::fmt::Write;

use serde_json::{Value, json};

use super::failovers::Failover;
use super::summary::Summary;
use super::words::{count, duration, shortened};

/// The version of the JSON form; it grows when a field changes its meaning.
const FORMAT: u32 = 1;
const LABEL_MAX: usize = 28;

/// Runs of the same script with the same binaries.
#[derive(Clone, Debug, Default)]
pub struct Runs {
    /// What they are called in the tables: `tanist`, `redis 7.2.4`.
    pub label: String,
    /// Their figures.
    pub summaries: Vec<Summary>,
}

/// The distribution of the figures of many runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    /// The name of the experiment.
    pub title: String,
    /// What was run with the same binaries, side by side.
    pub columns: Vec<Column>,
}

/// The figures of runs with the same binaries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// What they are called.
    pub label: String,
    /// How many there were.
    pub runs: usize,
    /// Runs that broke off, or in which the script waited in vain.
    pub failed: usize,
    /// Runs in which no server took over.
    pub without_failover: usize,
    /// Runs that lost acknowledged writes.
    pub with_losses: usize,
    /// The values of each of the [`FIGURES`], in their order, from the least to the greatest.
    pub values: Vec<Vec<u64>>,
}

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Microseconds.
    Us,
    /// Writes.
    Writes,
}

/// A figure of which there is a distribution.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    /// Its name in JSON.
    pub key: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Words that explain it.
    pub explained: &'static str,
    /// What it counts.
    pub unit: Unit,
    values: fn(&Summary) -> Vec<u64>,
}

/// All figures, in the order in which they are shown.
pub const FIGURES: [Figure; 8] = [
    Figure {
        key: "detection_us",
        name: "Detection",
        explained: "trouble to +odown",
        unit: Unit::Us,
        values: |summary| of_failovers(summary, Failover::detection_us),
    },
    Figure {
        key: "election_us",
        name: "Election",
        explained: "to +elected-leader",
        unit: Unit::Us,
        values: |summary| of_failovers(summary, Failover::election_us),
    },
    Figure {
        key: "promotion_us",
        name: "Promotion",
        explained: "to the new master",
        unit: Unit::Us,
        values: |summary| of_failovers(summary, Failover::promotion_us),
    },
    Figure {
        key: "promoted_us",
        name: "In all",
        explained: "trouble to the new master",
        unit: Unit::Us,
        values: |summary| of_failovers(summary, |failover| failover.promoted_us),
    },
    Figure {
        key: "first_write_us",
        name: "First write",
        explained: "trouble to the first accepted write",
        unit: Unit::Us,
        values: |summary| of_failovers(summary, |failover| failover.first_write_us),
    },
    Figure {
        key: "gap_us",
        name: "Longest gap",
        explained: "the longest time without an accepted write, of each run",
        unit: Unit::Us,
        values: |summary| {
            summary
                .longest_gap()
                .map(|gap| gap.length_us)
                .into_iter()
                .collect()
        },
    },
    Figure {
        key: "lost",
        name: "Lost writes",
        explained: "acknowledged and gone, of each run",
        unit: Unit::Writes,
        values: |summary| of_checked(summary, summary.lost()),
    },
    Figure {
        key: "promised_lost",
        name: "Promised and lost",
        explained: "of these, promised by WAIT",
        unit: Unit::Writes,
        values: |summary| of_checked(summary, summary.sum(|writer| writer.promised_lost)),
    },
];

fn of_failovers(summary: &Summary, figure: impl Fn(&Failover) -> Option<u64>) -> Vec<u64> {
    summary.failovers.iter().filter_map(figure).collect()
}

fn of_checked(summary: &Summary, figure: u64) -> Vec<u64> {
    if summary.is_checked() {
        vec![figure]
    } else {
        Vec::new()
    }
}

/// The distribution of the figures of these runs.
pub fn of(title: &str, all: &[Runs]) -> Distribution {
    Distribution {
        title: title.to_owned(),
        columns: all.iter().map(column).collect(),
    }
}

fn column(runs: &Runs) -> Column {
    let summaries = &runs.summaries;
    let number = |is: fn(&Summary) -> bool| summaries.iter().filter(|summary| is(summary)).count();
    let values = |figure: &Figure| {
        let mut values: Vec<u64> = summaries.iter().flat_map(figure.values).collect();
        values.sort_unstable();
        values
    };
    Column {
        label: runs.label.clone(),
        runs: summaries.len(),
        failed: number(|summary| summary.broke_off() || !summary.all_held),
        without_failover: number(|summary| summary.failovers.iter().all(|f| f.to.is_none())),
        with_losses: number(|summary| summary.lost() > 0),
        values: FIGURES.iter().map(values).collect(),
    }
}

/// The value that `percent` of all values do not exceed; none if there are no values.
fn percentile(sorted: &[u64], percent: usize) -> Option<u64> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

/// Median, 99th percentile and worst of a figure.
fn spread(sorted: &[u64]) -> [Option<u64>; 3] {
    [
        percentile(sorted, 50),
        percentile(sorted, 99),
        sorted.last().copied(),
    ]
}

fn shown(value: Option<u64>, unit: Unit) -> String {
    match (value, unit) {
        (None, _) => "—".to_owned(),
        (Some(us), Unit::Us) => duration(us),
        (Some(n), Unit::Writes) => count(n),
    }
}

impl Distribution {
    /// A table in plain text, to be read in a terminal.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |first: &str, cells: Vec<String>| {
            let mut line = format!("{first:<18}");
            for cells in cells.chunks(3) {
                line.push(' ');
                for cell in cells {
                    write!(line, "{cell:>11}").expect("a string takes all");
                }
            }
            writeln!(text, "{}", line.trim_end()).expect("a string takes all");
        };
        let heads = self.columns.iter().flat_map(|column| {
            let label = shortened(&column.label, LABEL_MAX);
            [format!("{label:>33}"), String::new(), String::new()]
                .into_iter()
                .take(1)
        });
        let labels: String = heads.map(|head| " ".to_owned() + &head).collect();
        line(&shortened(&self.title, 18), vec![]);
        line("", vec![]);
        line(&format!("{:<18}{labels}", ""), vec![]);
        let names = ["median", "p99", "worst"].map(str::to_owned);
        line(
            "",
            self.columns.iter().flat_map(|_| names.clone()).collect(),
        );
        for (i, figure) in FIGURES.iter().enumerate() {
            let spreads = self
                .columns
                .iter()
                .flat_map(|column| spread(&column.values[i]));
            line(
                figure.name,
                spreads.map(|value| shown(value, figure.unit)).collect(),
            );
        }
        type Count = fn(&Column) -> usize;
        let counts: [(&str, Count); 4] = [
            ("Runs", |column| column.runs),
            ("No failover", |column| column.without_failover),
            ("Lost writes in", |column| column.with_losses),
            ("Failed", |column| column.failed),
        ];
        for (name, number) in counts {
            let cells = self
                .columns
                .iter()
                .flat_map(|column| [String::new(), String::new(), number(column).to_string()]);
            line(name, cells.collect());
        }
        text
    }

    /// The distribution as JSON, with all values.
    pub fn json(&self) -> String {
        let columns = self.columns.iter().map(|column| {
            let figures = FIGURES.iter().zip(&column.values).map(|(figure, values)| {
                let [median, p99, worst] = spread(values);
                let value = json!({
                    "count": values.len(),
                    "median": median,
                    "p99": p99,
                    "worst": worst,
                    "values": values,
                });
                (figure.key.to_owned(), value)
            });
            json!({
                "label": column.label,
                "runs": column.runs,
                "failed": column.failed,
                "without_failover": column.without_failover,
                "with_losses": column.with_losses,
                "figures": Value::Object(figures.collect()),
            })
        });
        let columns: Vec<Value> = columns.collect();
        let value = json!({"format": FORMAT, "title": self.title, "columns": columns});
        format!("{value:#}\n")
    }

    /// The distribution as one page of HTML, of the same kind as that of a run.
    pub fn html(&self) -> String {
        page::html(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::report::summary::WriterFigures;

    fn runs(label: &str, detections: &[u64], lost: u64) -> Runs {
        let summary = |us: &u64| Summary {
            complete: true,
            all_held: true,
            failovers: vec![Failover {
                to: Some("r1".to_owned()),
                odown_us: Some(*us),
                ..Failover::default()
            }],
            writers: vec![WriterFigures {
                checked: true,
                lost,
                ..WriterFigures::default()
            }],
            ..Summary::default()
        };
        Runs {
            label: label.to_owned(),
            summaries: detections.iter().map(summary).collect(),
        }
    }

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let all: Vec<u64> = (1..=200).collect();
        assert_eq!(spread(&all), [Some(100), Some(198), Some(200)]);
        assert_eq!(spread(&[7]), [Some(7); 3]);
        assert_eq!(spread(&[]), [None; 3]);
    }

    #[test]
    fn two_pairs_of_binaries_stand_side_by_side() {
        let of = of(
            "kill",
            &[
                runs("ours", &[2_000, 1_000], 0),
                runs("stock", &[5_000_000], 3),
            ],
        );
        let text = of.text();
        let row = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(name));
            let cells = line.unwrap_or_default()[name.len()..].split("  ");
            cells
                .map(str::trim)
                .filter(|cell| !cell.is_empty())
                .collect::<Vec<_>>()
                .join("|")
        };
        assert_eq!(
            row("Detection"),
            "1.0 ms|2.0 ms|2.0 ms|5.00 s|5.00 s|5.00 s"
        );
        assert_eq!(row("Election"), "—|—|—|—|—|—");
        assert_eq!(row("Lost writes"), "0|0|0|3|3|3");
        assert_eq!(row("Runs"), "2|1");
        let json: Value = serde_json::from_str(&of.json()).expect("it is JSON");
        assert_eq!(
            json["columns"][0]["figures"]["detection_us"]["values"],
            json!([1000, 2000])
        );
        assert_eq!(json["columns"][1]["figures"]["lost"]["worst"], json!(3));
    }

    #[test]
    fn no_runs_are_no_trouble() {
        for of in [of("", &[]), of("", &[Runs::default()])] {
            assert!(of.text().contains("Runs"));
            assert!(of.html().contains("</html>"));
        }
    }
}
