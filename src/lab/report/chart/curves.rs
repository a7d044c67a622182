//! Figures of servers over time, as lines: how far each is behind the one that has most, and how
//! old its data is.
//!
//! Servers are asked one after another, so at no instant all offsets are known. What lies between
//! two answers of one server is taken to lie on a straight line between them; so a replica is
//! compared with what its master had at the same time.

use std::collections::BTreeMap;

use super::axis::round_up;
use super::canvas::{Canvas, Form, TEXT, View};
use super::labels::text_width;
use crate::lab::model::UnixUs;
use crate::lab::report::history::History;
use crate::lab::report::markup::Px;
use crate::lab::report::words::{bytes, count, seconds};

const HEIGHT: f64 = 64.0;
const KEY: f64 = 14.0;
const SPACE: f64 = 10.0;
/// Servers that are drawn in one chart.
const CURVES_MAX: usize = 12;
/// A server that says nothing for so long is not taken to be on a straight line.
const SILENCE_US: i64 = 2_000_000;
/// Instants at which offsets are compared.
const INSTANTS_MAX: i64 = 10_000;
const INSTANT_US: i64 = 50_000;

/// A figure of one server over time; none where it is not known.
#[derive(Debug)]
struct Curve {
    name: String,
    points: Vec<(UnixUs, Option<f64>)>,
}

/// The charts for which there are figures.
pub fn draw(canvas: &mut Canvas, history: &History) {
    let behind = behind(history, canvas.view);
    if behind
        .iter()
        .any(|curve| curve.points.iter().any(|point| point.1.is_some()))
    {
        let explanation = "bytes of the replication stream that a server has not, but another has";
        canvas.heading("Behind the server that has most", explanation);
        chart(canvas, history, "Bytes behind", &behind, |value| {
            bytes(value as u64)
        });
    }
    let ms = |value: f64| format!("{} ms", count(value as u64));
    let lag = lag(history);
    if !lag.is_empty() {
        canvas.heading("Lag", "how old the newest data of a server is");
        chart(canvas, history, "Lag", &lag, ms);
    }
    let age = age(history);
    if !age.is_empty() {
        canvas.heading("Staleness", "how old what readers got was");
        chart(canvas, history, "Staleness", &age, ms);
    }
}

fn lag(history: &History) -> Vec<Curve> {
    let curves = history.samples.iter().map(|(name, samples)| Curve {
        name: (*name).to_owned(),
        points: samples
            .iter()
            .map(|s| (s.at_us, s.lag_ms.map(|ms| ms as f64)))
            .collect(),
    });
    let is_known = |curve: &Curve| curve.points.iter().any(|point| point.1.is_some());
    curves.filter(is_known).collect()
}

fn age(history: &History) -> Vec<Curve> {
    let curves = history.reads.iter().map(|(name, reads)| Curve {
        name: (*name).to_owned(),
        points: reads
            .iter()
            .map(|read| (read.at_us, Some(read.ms as f64)))
            .collect(),
    });
    curves.collect()
}

/// How far each server is behind the one that has most, at instants of a grid.
fn behind(history: &History, view: &View) -> Vec<Curve> {
    let span = view.to_us.saturating_sub(view.from_us);
    let step = (span / INSTANTS_MAX + 1).max(INSTANT_US.min(span / view.columns() as i64 + 1));
    let instants: Vec<UnixUs> = (0..=span / step).map(|i| view.from_us + i * step).collect();
    let mut offsets: BTreeMap<&str, Vec<Option<f64>>> = BTreeMap::new();
    for (name, samples) in &history.samples {
        let known = samples
            .iter()
            .map(|sample| (sample.at_us, sample.offset.map(|o| o as f64)));
        let known: Vec<_> = known.collect();
        if known.iter().any(|(_, offset)| offset.is_some()) {
            offsets.insert(name, at_instants(&known, &instants));
        }
    }
    let most: Vec<Option<f64>> = (0..instants.len())
        .map(|i| offsets.values().filter_map(|of| of[i]).reduce(f64::max))
        .collect();
    let curve = |(name, of): (&str, Vec<Option<f64>>)| {
        let behind = of
            .iter()
            .zip(&most)
            .map(|(own, most)| Some((*most)? - (*own)?));
        Curve {
            name: name.to_owned(),
            points: instants.iter().copied().zip(behind).collect(),
        }
    };
    offsets.into_iter().map(curve).collect()
}

/// Values at the given instants, on straight lines between those that are known.
fn at_instants(known: &[(UnixUs, Option<f64>)], instants: &[UnixUs]) -> Vec<Option<f64>> {
    let mut next = 0;
    let mut values = Vec::with_capacity(instants.len());
    for at in instants {
        while next < known.len() && known[next].0 < *at {
            next += 1;
        }
        let before = next
            .checked_sub(1)
            .and_then(|i| Some((known[i].0, known[i].1?)));
        let after = known
            .get(next)
            .and_then(|(at, value)| Some((*at, (*value)?)));
        values.push(match (before, after) {
            (_, Some((after, value))) if after == *at => Some(value),
            (Some(before), Some(after)) if after.0 - before.0 <= SILENCE_US => {
                let part = (at - before.0) as f64 / (after.0 - before.0) as f64;
                Some(before.1 + part * (after.1 - before.1))
            }
            _ => None,
        });
    }
    values
}

fn chart(
    canvas: &mut Canvas,
    history: &History,
    name: &str,
    curves: &[Curve],
    show: impl Fn(f64) -> String,
) {
    let lines: Vec<Vec<Option<f64>>> = curves
        .iter()
        .map(|c| worst(&c.points, canvas.view))
        .collect();
    let shown = || curves.iter().zip(&lines).take(CURVES_MAX);
    let most = lines
        .iter()
        .flatten()
        .flatten()
        .fold(0.0, |most: f64, value| most.max(*value));
    let told: Vec<String> = shown()
        .map(|(curve, _)| worst_words(history, curve, &show))
        .collect();
    let label = format!("{name}: {}", told.join("; "));
    canvas.markup.open(
        "g",
        &[
            ("class", &"curves"),
            ("role", &"img"),
            ("aria-label", &label),
        ],
    );
    key(canvas, history, curves);
    let (top, top_value) = (canvas.y + 4.0, round_up(most));
    let zero = top + HEIGHT;
    match canvas.view.form {
        Form::Wide => {
            canvas.words("s", canvas.view.left() - 6.0, top + 9.0, &show(top_value));
            canvas.words("s", canvas.view.left() - 6.0, zero + 3.0, "0");
        }
        Form::Narrow => canvas.words("s", canvas.view.right(), top - 3.0, &show(top_value)),
    }
    canvas.rule("grid", top);
    canvas.rule("base", zero);
    for ((curve, line), told) in shown().zip(&told) {
        let path = path(line, canvas.view.left(), zero, HEIGHT / top_value);
        if !path.is_empty() {
            let class = format!("curve c{}", colour(history, &curve.name));
            canvas
                .markup
                .shape_with_tip("path", &[("class", &class), ("d", &path)], told);
        }
    }
    canvas.markup.close();
    let keys = curves.len().min(CURVES_MAX) as f64 * KEY;
    let least = if canvas.view.form == Form::Wide {
        top + keys - 4.0
    } else {
        zero
    };
    canvas.y = zero.max(least) + SPACE;
}

/// The same server has the same colour and dashes in all charts.
fn colour(history: &History, name: &str) -> usize {
    history
        .servers()
        .position(|server| server.name == name)
        .unwrap_or(0)
        % 6
}

/// Which line is which server.
fn key(canvas: &mut Canvas, history: &History, curves: &[Curve]) {
    let mut x = 0.0;
    let mut y = canvas.y + 14.0;
    if canvas.view.form == Form::Narrow {
        canvas.y += 16.0;
        y = canvas.y - 3.0;
    }
    for curve in curves.iter().take(CURVES_MAX) {
        let path = format!("M{} {}h18", Px(x), Px(y - 4.0));
        let class = format!("curve c{}", colour(history, &curve.name));
        canvas
            .markup
            .shape("path", &[("class", &class), ("d", &path)]);
        canvas.words("k", x + 24.0, y, &curve.name);
        match canvas.view.form {
            Form::Wide => y += KEY,
            Form::Narrow => x += 24.0 + text_width(&curve.name, TEXT) + 12.0,
        }
    }
}

fn worst_words(history: &History, curve: &Curve, show: &impl Fn(f64) -> String) -> String {
    let known = curve
        .points
        .iter()
        .filter_map(|(at, value)| Some((*at, (*value)?)));
    match known.reduce(|worst, next| if next.1 > worst.1 { next } else { worst }) {
        Some((at, value)) => {
            let at = seconds(history.since_start(at));
            format!("{} {} at worst, at {at} s", curve.name, show(value))
        }
        None => format!("{} unknown", curve.name),
    }
}

/// The greatest value within each pixel, on straight lines where several pixels are between two
/// values.
fn worst(points: &[(UnixUs, Option<f64>)], view: &View) -> Vec<Option<f64>> {
    let mut line: Vec<Option<f64>> = vec![None; view.columns()];
    let mut before: Option<(UnixUs, usize, f64)> = None;
    for (at, value) in points {
        let (Some(column), Some(value)) = (view.column(*at), *value) else {
            before = None;
            continue;
        };
        line[column] = Some(line[column].map_or(value, |most| most.max(value)));
        if let Some((time, from, old)) = before
            && at.saturating_sub(time) <= SILENCE_US
        {
            for between in from + 1..column {
                let part = (between - from) as f64 / (column - from) as f64;
                line[between] = Some(old + part * (value - old));
            }
        }
        before = Some((*at, column, value));
    }
    line
}

/// A line through the values, broken where there are none.
fn path(line: &[Option<f64>], left: f64, zero: f64, scale: f64) -> String {
    let mut path = String::new();
    for (column, value) in line.iter().enumerate() {
        let Some(value) = value else {
            continue;
        };
        let is_on = column > 0 && line[column - 1].is_some();
        let is_level = |other: Option<&Option<f64>>| other == Some(&Some(*value));
        // Points within a level stretch say nothing.
        if is_on && is_level(line.get(column - 1)) && is_level(line.get(column + 1)) {
            continue;
        }
        let command = if is_on { 'L' } else { 'M' };
        let (x, y) = (Px(left + column as f64), Px(zero - value * scale));
        path += &format!("{command}{x} {y}");
        if !is_on && line.get(column + 1).is_none_or(Option::is_none) {
            path += "h.1";
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_two_answers_lies_a_straight_line_and_beyond_a_silence_nothing() {
        let known = [
            (0, Some(10.0)),
            (100, Some(20.0)),
            (200, None),
            (300, Some(40.0)),
            (300 + SILENCE_US + 1, Some(50.0)),
        ];
        let values = at_instants(&known, &[-1, 0, 50, 100, 150, 300, 400]);
        let expected = [
            None,
            Some(10.0),
            Some(15.0),
            Some(20.0),
            None,
            Some(40.0),
            None,
        ];
        assert_eq!(values, expected);
    }

    #[test]
    fn a_line_is_broken_where_nothing_is_known_and_short_where_it_is_level() {
        let line = [
            Some(1.0),
            Some(1.0),
            Some(1.0),
            None,
            Some(2.0),
            None,
            Some(0.0),
            Some(3.0),
        ];
        let path = path(&line, 0.0, 10.0, 2.0);
        assert_eq!(path, "M0 8L2 8M4 6h.1M6 10L7 4");
    }
}
