//! Many runs of one script: how long things took as a rule, and at worst.
//!
//! A failover is a matter of chance: who notices first, who is elected. One run says little, so a
//! script is run many times with other seeds, and maybe again with another pair of binaries; then
//! the figures of all runs stand side by side.

mod figures;
mod page;
mod text;

pub use figures::{Column, Distribution, FIGURES, Figure, Runs, Unit, of};

impl Distribution {
    /// A table in plain text, to be read in a terminal.
    pub fn text(&self) -> String {
        text::table(self)
    }

    /// The distribution as JSON, with all values.
    pub fn json(&self) -> String {
        text::json(self)
    }

    /// The distribution as one page of HTML, of the same kind as that of a run.
    pub fn html(&self) -> String {
        page::html(self)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::figures::spread;
    use super::*;
    use crate::lab::report::failovers::Failover;
    use crate::lab::report::summary::Summary;
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
