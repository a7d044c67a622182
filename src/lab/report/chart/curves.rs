//! Figures of servers over time: how far each is behind the one that has most, and how old its data
//! is. Each server has a row of its own, for lines that cross each other say nothing; all rows of a
//! figure have the same scale.
//!
//! Servers are asked one after another, so at no instant all offsets are known. What lies between
//! two answers of one server is taken to lie on a straight line between them; so a replica is
//! compared with what its master had at the same time.

use std::collections::BTreeMap;

use super::axis::round_up;
use super::canvas::{Canvas, Form, View};
use crate::lab::model::UnixUs;
use crate::lab::report::history::History;
use crate::lab::report::markup::{Attributes, Px};
use crate::lab::report::words::{bytes, count, seconds};

const HEIGHT: f64 = 24.0;
const SPACE: f64 = 7.0;
/// Servers that have a row.
const ROWS_MAX: usize = 12;
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

/// A figure: its name and words that explain it, and how a value is shown.
struct Figure {
    name: &'static str,
    explained: &'static str,
    show: fn(f64) -> String,
}

/// The charts for which there are figures.
pub fn draw(canvas: &mut Canvas, history: &History) {
    let ms = |value: f64| format!("{} ms", count(value.round() as u64));
    let behind_figure = Figure {
        name: "Bytes behind",
        explained: "what a server has not yet, of the writes that another one has",
        show: |value| bytes(value.round() as u64),
    };
    figure(
        canvas,
        history,
        &behind_figure,
        behind(history, canvas.view),
    );
    let lag_figure = Figure {
        name: "Lag",
        explained: "how old the newest data of a replica is",
        show: ms,
    };
    figure(canvas, history, &lag_figure, lag(history));
    let age_figure = Figure {
        name: "Staleness",
        explained: "how old what a reader got was",
        show: ms,
    };
    figure(canvas, history, &age_figure, age(history));
}

fn lag(history: &History) -> Vec<Curve> {
    let curves = history.samples.iter().map(|(name, samples)| Curve {
        name: (*name).to_owned(),
        points: samples
            .iter()
            .map(|s| (s.at_us, s.lag_ms.map(|ms| ms as f64)))
            .collect(),
    });
    curves.collect()
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
        offsets.insert(name, at_instants(&known, &instants));
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

/// The rows of one figure, in the order of the servers; none without values.
fn figure(canvas: &mut Canvas, history: &History, figure: &Figure, mut curves: Vec<Curve>) {
    curves.retain(|curve| curve.points.iter().any(|point| point.1.is_some()));
    let place = |curve: &Curve| {
        history
            .nodes
            .iter()
            .position(|node| node.name == curve.name)
    };
    curves.sort_by_key(place);
    curves.truncate(ROWS_MAX);
    let lines: Vec<Vec<Option<f64>>> = curves
        .iter()
        .map(|c| worst(&c.points, canvas.view))
        .collect();
    let values = lines.iter().flatten().flatten();
    let Some(most) = values.copied().reduce(f64::max) else {
        return;
    };
    canvas.heading(figure.name, figure.explained);
    for (curve, line) in curves.iter().zip(&lines) {
        row(canvas, history, figure, curve, line, round_up(most));
    }
    canvas.y += SPACE;
}

fn row(
    canvas: &mut Canvas,
    history: &History,
    figure: &Figure,
    curve: &Curve,
    line: &[Option<f64>],
    most: f64,
) {
    let inside = curve
        .points
        .iter()
        .filter(|point| canvas.view.contains(point.0));
    let known = inside.filter_map(|(at, value)| Some((*at, (*value)?)));
    let worst = known.reduce(|worst, next| if next.1 > worst.1 { next } else { worst });
    let told = worst.map_or("unknown".to_owned(), |(at, value)| {
        let at = seconds(history.since_start(at));
        format!("{} at worst, at {at} s", (figure.show)(value))
    });
    let label = format!("{} of {}: {told}", figure.name, curve.name);
    let attributes: Attributes = &[
        ("class", &"curve"),
        ("role", &"img"),
        ("aria-label", &label),
    ];
    canvas.charts.open("g", attributes);
    let detail = worst.map_or(String::new(), |worst| {
        format!("≤ {}", (figure.show)(worst.1))
    });
    canvas.name(&curve.name, &detail);
    let (top, zero) = (canvas.y, canvas.y + HEIGHT);
    let path = area(line, canvas.view.left(), zero, HEIGHT / most);
    canvas.rule("base", zero);
    if !path.is_empty() {
        canvas
            .charts
            .shape_with_tip("path", &[("class", &"area"), ("d", &path)], &label);
    }
    canvas.charts.close();
    match canvas.view.form {
        Form::Wide => canvas.words(
            "s",
            canvas.view.left() - 6.0,
            top + 9.0,
            &(figure.show)(most),
        ),
        Form::Narrow => canvas.words("s", canvas.view.right(), top - 4.0, &(figure.show)(most)),
    }
    canvas.y = zero + SPACE;
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
            let between = line.iter_mut().enumerate().take(column).skip(from + 1);
            for (at, slot) in between {
                let part = (at - from) as f64 / (column - from) as f64;
                *slot = Some(old + part * (value - old));
            }
        }
        before = Some((*at, column, value));
    }
    line
}

/// The area below the values, with a hole where there are none.
fn area(line: &[Option<f64>], left: f64, zero: f64, scale: f64) -> String {
    let mut path = String::new();
    for (column, value) in line.iter().enumerate() {
        let Some(value) = value else {
            continue;
        };
        let before = column.checked_sub(1).and_then(|before| line[before]);
        let after = line.get(column + 1).copied().flatten();
        let x = Px(left + column as f64);
        if before.is_none() {
            path += &format!("M{x} {}", Px(zero));
        }
        // Points within a level stretch say nothing.
        if before != Some(*value) || after != Some(*value) {
            path += &format!("L{x} {}", Px(zero - value * scale));
        }
        if after.is_none() {
            path += &format!("h1V{}Z", Px(zero));
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
    fn an_area_has_a_hole_where_nothing_is_known_and_is_short_where_it_is_level() {
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
        let path = area(&line, 0.0, 10.0, 2.0);
        assert_eq!(
            path,
            "M0 10L0 8L2 8h1V10ZM4 10L4 6h1V10ZM6 10L6 10L7 4h1V10Z"
        );
    }
}
