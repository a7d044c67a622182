//! Events as marks on a line: those that matter with words, the others as ticks that tell more when
//! they are pointed at.

use std::collections::HashMap;

use super::canvas::{Canvas, Form, fitted};
use super::labels::{Label, place, text_width};
use crate::lab::model::{Event, UnixUs, What};
use crate::lab::report::history::History;
use crate::lab::report::markup::{Attributes, Px};
use crate::lab::report::sentinel_event;
use crate::lab::report::words::{seconds, shortened};

/// Several Sentinels log the same thing within this time.
const SAME_US: i64 = 10_000_000;
/// Labels of one line of marks.
const LABELS_MAX: usize = 60;
/// So many log lines have words; with more of them, all are ticks.
const LOGGED_WITH_WORDS_MAX: usize = 16;
/// Lines of what a tick tells.
const TIP_LINES_MAX: usize = 8;
const TIP_CHARS_MAX: usize = 160;
const LABEL: f64 = 11.0;
const ROW: f64 = 14.0;

#[derive(Debug)]
struct Mark {
    at_us: UnixUs,
    /// Its words, if it has any.
    label: Option<String>,
    tip: String,
}

/// What Sentinels logged.
pub fn sentinel_events(canvas: &mut Canvas, history: &History) {
    let explained = "the first of each kind with its name; ticks are the rest";
    line_of_marks(
        canvas,
        "Sentinel events",
        explained,
        sentinel_marks(history),
    );
}

/// Notes of the script, and what servers logged.
pub fn notes(canvas: &mut Canvas, history: &History) {
    let view = canvas.view;
    let visible = || {
        history
            .events
            .iter()
            .filter(|event| view.contains(event.at_us))
    };
    let is_logged = |event: &&&Event| matches!(event.what, What::Logged { .. });
    let has_words = visible().filter(is_logged).count() <= LOGGED_WITH_WORDS_MAX;
    let mark = |event: &&Event| {
        let (has_words, line) = match &event.what {
            What::Note { words } => (true, words.clone()),
            What::Logged { node, text } => (has_words, format!("{node}: {text}")),
            _ => return None,
        };
        Some(Mark {
            at_us: event.at_us,
            tip: told(history, event.at_us, &line),
            label: has_words.then_some(line),
        })
    };
    let marks: Vec<Mark> = visible().filter_map(mark).collect();
    let explained = "of the script, and of servers";
    line_of_marks(canvas, "Notes and log lines", explained, marks);
}

fn told(history: &History, at_us: UnixUs, words: &str) -> String {
    let at = seconds(history.since_start(at_us));
    format!("{at} s {}", shortened(words, TIP_CHARS_MAX))
}

/// The events of all Sentinels; the same one of several is one mark, at the first of them.
fn sentinel_marks(history: &History) -> Vec<Mark> {
    let mut marks: Vec<Mark> = Vec::new();
    let mut counts: Vec<usize> = Vec::new();
    let mut known: HashMap<(String, String), usize> = HashMap::new();
    for event in &history.events {
        let What::Sentinel { node, name, text } = &event.what else {
            continue;
        };
        let about = about(history, name, text);
        let tip = told(history, event.at_us, &format!("{node}: {name} {text}"));
        if !sentinel_event::is_major(name, text) {
            marks.push(Mark {
                at_us: event.at_us,
                label: None,
                tip,
            });
            counts.push(1);
            continue;
        }
        let key = (name.clone(), about.clone());
        if let Some(first) = known.get(&key).copied()
            && event.at_us.saturating_sub(marks[first].at_us) < SAME_US
        {
            counts[first] += 1;
            if counts[first] <= TIP_LINES_MAX {
                marks[first].tip += &format!("\n{tip}");
            }
            marks.push(Mark {
                at_us: event.at_us,
                label: None,
                tip,
            });
            counts.push(1);
            continue;
        }
        known.insert(key, marks.len());
        let words = if about.is_empty() {
            name.clone()
        } else {
            format!("{name} {about}")
        };
        marks.push(Mark {
            at_us: event.at_us,
            label: Some(words),
            tip,
        });
        counts.push(1);
    }
    for (mark, count) in marks.iter_mut().zip(counts) {
        if let Some(label) = &mut mark.label
            && count > 1
        {
            *label += &format!(" ×{count}");
        }
    }
    marks
}

/// Whom an event is about, in names of the lab.
fn about(history: &History, name: &str, text: &str) -> String {
    if name == "+switch-master"
        && let Some((old, new)) = sentinel_event::switched(text)
    {
        return format!("{} → {}", history.name_at(&old), history.name_at(&new));
    }
    match sentinel_event::subject(text) {
        Some(subject) => history.name_at(&subject.address).to_owned(),
        None => String::new(),
    }
}

fn line_of_marks(canvas: &mut Canvas, name: &str, explained: &str, mut marks: Vec<Mark>) {
    let view = canvas.view;
    marks.retain(|mark| view.contains(mark.at_us));
    if marks.is_empty() {
        return;
    }
    canvas.heading(name, explained);
    let label = format!("{name}: {} in this picture", marks.len());
    canvas.marks.open(
        "g",
        &[
            ("class", &"marks"),
            ("role", &"group"),
            ("aria-label", &label),
        ],
    );
    let longest = match view.form {
        Form::Wide => 300.0,
        Form::Narrow => 190.0,
    };
    let rows_max = if view.form == Form::Wide { 12 } else { 16 };
    let labelled: Vec<(&Mark, String)> = marks
        .iter()
        .filter_map(|mark| Some((mark, fitted(mark.label.as_ref()?, longest, LABEL))))
        .take(LABELS_MAX)
        .collect();
    let measured: Vec<Label> = labelled
        .iter()
        .map(|(mark, words)| Label {
            x: view.x(mark.at_us),
            width: text_width(words, LABEL) + 8.0,
        })
        .collect();
    let places = place(&measured, view.right() + 10.0, rows_max);
    let rows = places
        .iter()
        .flatten()
        .map(|place| place.row + 1)
        .max()
        .unwrap_or(0);
    let base = canvas.y + rows as f64 * ROW + 14.0;
    canvas.rule("base", base);
    for ((mark, words), (place, label)) in labelled.iter().zip(places.iter().zip(&measured)) {
        let Some(place) = place else {
            continue;
        };
        let y = base - 12.0 - place.row as f64 * ROW;
        let path = format!("M{} {}V{}", Px(label.x), Px(base), Px(y - 8.0));
        canvas.marks.open("g", &[("class", &"mark")]);
        canvas.marks.element("title", &[], &mark.tip);
        canvas
            .marks
            .shape("path", &[("class", &"lead"), ("d", &path)]);
        let (class, x) = match place.is_turned {
            false => ("m", label.x + 4.0),
            true => ("m end", label.x - 4.0),
        };
        let at = (Px(x), Px(y));
        let attributes: Attributes = &[("class", &class), ("x", &at.0), ("y", &at.1)];
        canvas.marks.element("text", attributes, words);
        canvas.marks.close();
    }
    ticks(canvas, base, &marks);
    canvas.marks.close();
    canvas.y = base + 8.0;
}

/// A tick for each mark; those that share a pixel share a tick.
fn ticks(canvas: &mut Canvas, base: f64, marks: &[Mark]) {
    let mut at = 0;
    while at < marks.len() {
        let column = canvas.view.column(marks[at].at_us);
        let same = |mark: &&Mark| canvas.view.column(mark.at_us) == column;
        let count = marks[at..].iter().take_while(same).count();
        let here = &marks[at..at + count];
        let mut tip: Vec<String> = here
            .iter()
            .take(TIP_LINES_MAX)
            .map(|m| m.tip.clone())
            .collect();
        if count > TIP_LINES_MAX {
            tip.push(format!("and {} more", count - TIP_LINES_MAX));
        }
        let has_words = here.iter().any(|mark| mark.label.is_some());
        let class = if has_words { "tick big" } else { "tick" };
        let x = Px(canvas.view.x(marks[at].at_us));
        let path = format!("M{x} {}V{}", Px(base - 4.0), Px(base + 4.0));
        let attributes: Attributes = &[("class", &class), ("d", &path)];
        canvas
            .marks
            .shape_with_tip("path", attributes, &tip.join("\n"));
        at += count;
    }
}
