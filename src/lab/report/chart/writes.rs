//! Accepted writes per second, and below them those that failed.

use super::axis::round_up;
use super::canvas::{Canvas, Form, View, fitted};
use super::labels::text_width;
use crate::lab::model::{UnixUs, Writes};
use crate::lab::report::gaps::{self, BIN_US, Gap};
use crate::lab::report::history::History;
use crate::lab::report::markup::{Attributes, Px};
use crate::lab::report::words::{count, duration, seconds};

const UP: f64 = 48.0;
const DOWN: f64 = 16.0;
const SPACE: f64 = 12.0;
/// Writers that are drawn.
const WRITERS_MAX: usize = 12;

/// A chart for each writer.
pub fn draw(canvas: &mut Canvas, history: &History) {
    let writers = history.writes.len();
    if writers == 0 {
        return;
    }
    let explanation = "accepted upwards; refused or unanswered downwards, hatched";
    canvas.heading("Writes per second", explanation);
    for (writer, writes) in history.writes.iter().take(WRITERS_MAX) {
        chart(canvas, history, writer, writes);
    }
    if writers > WRITERS_MAX {
        canvas.y += 14.0;
        canvas.words(
            "d",
            0.0,
            canvas.y,
            &format!("and {} writers more", writers - WRITERS_MAX),
        );
    }
}

fn chart(canvas: &mut Canvas, history: &History, writer: &str, writes: &[&Writes]) {
    let bins = Bins::of(canvas.view, writes);
    let gap = gaps::longest_of(history, writer);
    let route = history
        .verdicts
        .get(writer)
        .map_or("", |verdict| verdict.route.as_str());
    let label = format!(
        "Writer {writer}: at most {} accepted writes per second{}",
        count(bins.accepted_max() as u64),
        gap.map_or(String::new(), |gap| format!(
            "; longest time without one {} from {} s",
            duration(gap.length_us()),
            seconds(history.since_start(gap.from_us))
        ))
    );
    canvas.charts.open(
        "g",
        &[
            ("class", &"writes"),
            ("role", &"img"),
            ("aria-label", &label),
        ],
    );
    canvas.name(writer, "");
    if canvas.view.form == Form::Wide {
        let route = fitted(route, canvas.view.left() - 60.0, 10.5);
        canvas.words("d", 0.0, canvas.y + 27.0, &route);
    }
    let fails = bins.failed_max() > 0.0;
    let (top, zero) = (canvas.y, canvas.y + UP);
    scale(canvas, bins.top(), fails.then(|| bins.failed_max()), top);
    if let Some(gap) = gap
        && let Some((from, to)) = canvas.view.stretch(gap.from_us, gap.to_us)
    {
        let at = (Px(from), Px(top), Px((to - from).max(1.0)), Px(UP));
        let attributes: Attributes = &[
            ("class", &"own-gap"),
            ("x", &at.0),
            ("y", &at.1),
            ("width", &at.2),
            ("height", &at.3),
        ];
        canvas.charts.shape("rect", attributes);
    }
    let accepted = bins.accepted_without(gap);
    let path = self::path(canvas.view, &accepted, zero, -UP / bins.top());
    canvas
        .charts
        .shape("path", &[("class", &"accepted"), ("d", &path)]);
    if fails {
        let failed = bins.failed();
        let path = self::path(canvas.view, &failed, zero, DOWN / bins.failed_max());
        canvas
            .charts
            .shape("path", &[("class", &"failed"), ("d", &path)]);
    }
    canvas.rule("base", zero);
    if let Some(gap) = gap {
        gap_words(canvas, gap.from_us, gap.to_us, gap.length_us(), top);
    }
    canvas.charts.close();
    canvas.y = zero + if fails { DOWN } else { 0.0 } + SPACE;
}

/// The top of the scale, at its height.
fn scale(canvas: &mut Canvas, top_value: f64, failed: Option<f64>, top: f64) {
    let words = format!("{}/s", count(top_value as u64));
    let failed = failed.map(|most| format!("−{}/s", count(most.ceil() as u64)));
    match canvas.view.form {
        Form::Wide => {
            let x = canvas.view.left() - 6.0;
            canvas.words("s", x, top + 9.0, &words);
            canvas.words("s", x, top + UP + 3.0, "0");
            if let Some(words) = failed {
                canvas.words("s", x, top + UP + DOWN + 2.0, &words);
            }
        }
        Form::Narrow => canvas.words("s", canvas.view.right(), top - 3.0, &words),
    }
    canvas.rule("grid", top);
}

/// The length of the longest gap, inside it or beside it.
fn gap_words(canvas: &mut Canvas, from_us: UnixUs, to_us: UnixUs, length_us: u64, top: f64) {
    let Some((from, to)) = canvas.view.stretch(from_us, to_us) else {
        return;
    };
    let words = duration(length_us);
    let width = text_width(&words, 11.0);
    let (class, x) = if to - from > width + 8.0 {
        ("g mid", (from + to) / 2.0)
    } else if to + width + 8.0 < canvas.view.right() {
        ("g", to + 4.0)
    } else {
        ("g end", from - 4.0)
    };
    canvas.words(class, x, top + 13.0, &words);
}

#[derive(Clone, Copy, Debug, Default)]
struct Bin {
    accepted: f64,
    failed: f64,
}

/// Writes per second, in bins of one pixel or a tenth of a second, whichever is longer.
#[derive(Debug)]
struct Bins {
    from_us: UnixUs,
    bin_us: i64,
    bins: Vec<Bin>,
}

impl Bins {
    fn of(view: &View, writes: &[&Writes]) -> Bins {
        let bin_us = ((view.us_per_column() / BIN_US as f64).ceil() as i64).max(1) * BIN_US;
        // Aligned with the entries, or else a bin would hold now one and now two of them.
        let first = writes.first().map_or(view.from_us, |writes| writes.at_us);
        let behind = view.from_us.saturating_sub(first).rem_euclid(bin_us);
        let from_us = view.from_us.saturating_sub(behind);
        let bins = view.to_us.saturating_sub(from_us) / bin_us + 1;
        let mut bins = vec![Bin::default(); (bins as usize).min(view.columns() * 2 + 2)];
        let per_s = 1e6 / bin_us as f64;
        for writes in writes.iter().filter(|writes| writes.at_us >= from_us) {
            // The middle of an entry, for its beginning may be a little off.
            let middle = writes
                .at_us
                .saturating_add(BIN_US / 2)
                .saturating_sub(from_us);
            if let Some(bin) = bins.get_mut((middle / bin_us) as usize) {
                bin.accepted += f64::from(writes.accepted) * per_s;
                bin.failed += f64::from(writes.failed) * per_s;
            }
        }
        Bins {
            from_us,
            bin_us,
            bins,
        }
    }

    fn accepted_max(&self) -> f64 {
        self.bins
            .iter()
            .fold(0.0, |most, bin| most.max(bin.accepted))
    }

    fn failed_max(&self) -> f64 {
        self.bins.iter().fold(0.0, |most, bin| most.max(bin.failed))
    }

    fn top(&self) -> f64 {
        round_up(self.accepted_max())
    }

    /// How many writes failed per second, from when on.
    fn failed(&self) -> Vec<(UnixUs, f64)> {
        self.bins
            .iter()
            .enumerate()
            .map(|(i, bin)| (self.start(i), bin.failed))
            .collect()
    }

    /// How many were accepted per second, from when on. None were within `gap`, so those of a bin
    /// that the gap reaches into belong to the rest of it.
    fn accepted_without(&self, gap: Option<Gap>) -> Vec<(UnixUs, f64)> {
        let top = self.accepted_max();
        let mut steps = Vec::new();
        for (i, bin) in self.bins.iter().enumerate() {
            let (from, to) = (self.start(i), self.start(i + 1));
            let inside = gap.map(|gap| (gap.from_us.clamp(from, to), gap.to_us.clamp(from, to)));
            match inside {
                Some((gap_from, gap_to)) if gap_from < gap_to && bin.accepted > 0.0 => {
                    let rest = (to - from - (gap_to - gap_from)).max(1) as f64;
                    let rate = (bin.accepted * self.bin_us as f64 / rest).min(top);
                    let parts = [
                        (from, gap_from, rate),
                        (gap_from, gap_to, 0.0),
                        (gap_to, to, rate),
                    ];
                    let parts = parts.into_iter().filter(|(from, to, _)| from < to);
                    steps.extend(parts.map(|(from, _, rate)| (from, rate)));
                }
                _ => steps.push((from, bin.accepted)),
            }
        }
        steps
    }

    fn start(&self, bin: usize) -> UnixUs {
        self.from_us
            .saturating_add(self.bin_us.saturating_mul(bin as i64))
    }
}

/// The outline of an area over or below `zero`: `scale` pixels for each write per second.
fn path(view: &View, steps: &[(UnixUs, f64)], zero: f64, scale: f64) -> String {
    let first = steps.first().map_or(view.from_us, |step| step.0);
    let mut path = format!("M{} {}", Px(view.x(first)), Px(zero));
    let mut level = 0.0;
    for (at, value) in steps {
        if *value != level {
            path += &format!("H{}V{}", Px(view.x(*at)), Px(zero + value * scale));
            level = *value;
        }
    }
    path += &format!("H{}V{}Z", Px(view.right()), Px(zero));
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_cut_out_of_the_tenths_of_a_second_that_it_reaches_into() {
        let all = writes(3);
        let bins = Bins::of(&view(200_000), &all.iter().collect::<Vec<_>>());
        let gap = Some(Gap {
            from_us: 57_000,
            to_us: 157_000,
        });
        let steps = bins.accepted_without(gap);
        let expected = [
            (-93_000, 0.0),
            (7_000, 500.0),
            (57_000, 0.0),
            (107_000, 0.0),
            (157_000, 500.0),
            (207_000, 500.0),
        ];
        assert_eq!(steps[..5], expected[..5]);
    }

    fn view(to_us: i64) -> View {
        View {
            id: "t".to_owned(),
            from_us: 0,
            to_us,
            form: Form::Narrow,
        }
    }

    fn writes(count: i64) -> Vec<Writes> {
        let one = |i| Writes {
            at_us: 7_000 + i * BIN_US,
            accepted: if i == 3 { 0 } else { 50 },
            failed: if i == 3 { 2 } else { 0 },
            ..Writes::default()
        };
        (0..count).map(one).collect()
    }

    #[test]
    fn a_short_run_shows_each_tenth_of_a_second() {
        let all = writes(10);
        let bins = Bins::of(&view(1_000_000), &all.iter().collect::<Vec<_>>());
        let zeros: Vec<usize> = (0..bins.bins.len())
            .filter(|i| bins.bins[*i].accepted == 0.0)
            .collect();
        assert_eq!((bins.accepted_max(), bins.failed_max()), (500.0, 20.0));
        assert_eq!(zeros, [0, 4]);
    }

    #[test]
    fn a_long_run_is_thinned_out_without_waves() {
        let all = writes(100_000);
        let bins = Bins::of(&view(10_000_000_000), &all.iter().collect::<Vec<_>>());
        assert!(bins.bins.len() <= 373, "{}", bins.bins.len());
        let inner = &bins.bins[2..bins.bins.len() - 2];
        assert!(inner.iter().all(|bin| bin.accepted == 500.0));
    }
}
