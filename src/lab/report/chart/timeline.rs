//! The whole picture: all charts, with the steps of the script and the gap drawn through them.

use super::canvas::{Canvas, Form, View};
use super::labels::text_width;
use super::{axis, cables, curves, lanes, marks, writes};
use crate::lab::model::UnixUs;
use crate::lab::report::gaps::WORTH_NAMING_US;
use crate::lab::report::history::History;
use crate::lab::report::markup::{Attributes, Markup, Px};
use crate::lab::report::steps::Step;
use crate::lab::report::summary::{Pause, Summary};
use crate::lab::report::words::{duration, seconds, shortened};

/// Lines of steps in one picture.
const STEPS_MAX: usize = 400;
/// Rows of the numbers of steps.
const NUMBER_ROWS: usize = 3;
const NUMBER_ROW: f64 = 17.0;

/// The patterns that all pictures of a page use.
pub fn definitions() -> Markup {
    let mut markup = Markup::default();
    let zero: Attributes = &[
        ("class", &"definitions"),
        ("width", &0),
        ("height", &0),
        ("aria-hidden", &"true"),
    ];
    markup.open("svg", zero);
    markup.open("defs", &[]);
    let pattern = |markup: &mut Markup, id: &'static str, size: u32, turn: &'static str| {
        let attributes: Attributes = &[
            ("id", &id),
            ("width", &size),
            ("height", &size),
            ("patternUnits", &"userSpaceOnUse"),
            ("patternTransform", &turn),
        ];
        markup.open("pattern", attributes);
        let path = format!("M0 0V{size}");
        markup.shape("path", &[("class", &id), ("d", &path)]);
        markup.close();
    };
    pattern(&mut markup, "hatch-down", 7, "rotate(45)");
    pattern(&mut markup, "hatch-stopped", 6, "rotate(-45)");
    pattern(&mut markup, "hatch-silent", 6, "rotate(90)");
    pattern(&mut markup, "hatch-unlinked", 8, "rotate(0)");
    pattern(&mut markup, "hatch-cut", 6, "rotate(45)");
    pattern(&mut markup, "hatch-failed", 5, "rotate(45)");
    markup.close();
    markup.close();
    markup
}

/// The picture of the stretch of time of `view`, with `words` as its name.
pub fn draw(
    history: &History,
    summary: &Summary,
    steps: &[Step],
    view: &View,
    words: &str,
) -> Markup {
    let mut canvas = Canvas::new(view);
    let numbers = step_numbers(&mut canvas, history, steps);
    axis_words(&mut canvas, history);
    let top = canvas.y;
    gap_row(&mut canvas, summary);
    lanes::nodes(&mut canvas, history);
    lanes::failovers(&mut canvas, history, &summary.failovers);
    cables::draw(&mut canvas, history);
    marks::sentinel_events(&mut canvas, history);
    marks::notes(&mut canvas, history);
    writes::draw(&mut canvas, history);
    curves::draw(&mut canvas, history);
    let bottom = canvas.y;
    axis_words(&mut canvas, history);
    let height = canvas.y + 4.0;

    let mut markup = Markup::default();
    let size = format!("0 0 {} {}", Px(view.width()), Px(height));
    let class = match view.form {
        Form::Wide => "timeline wide",
        Form::Narrow => "timeline narrow",
    };
    let attributes: Attributes = &[
        ("id", &view.id),
        ("class", &class),
        ("viewBox", &size),
        ("role", &"group"),
        ("aria-label", &words),
    ];
    markup.open("svg", attributes);
    behind_all(&mut markup, history, summary, view, (top, bottom));
    markup.append(canvas.charts);
    step_lines(&mut markup, history, &numbers, bottom, view);
    gap_edges(&mut markup, summary, view, (top, bottom));
    markup.append(canvas.marks);
    markup.open("g", &[("class", &"words"), ("aria-hidden", &"true")]);
    markup.append(canvas.words);
    markup.close();
    markup.close();
    markup
}

/// Ticks through all charts, and the gap.
fn behind_all(
    markup: &mut Markup,
    history: &History,
    summary: &Summary,
    view: &View,
    (top, bottom): (f64, f64),
) {
    if let Some((from_us, to_us, _)) = shown_gap(summary)
        && let Some((from, to)) = view.stretch(from_us, to_us)
    {
        let at = (
            Px(from),
            Px(top),
            Px((to - from).max(1.5)),
            Px(bottom - top),
        );
        let attributes: Attributes = &[
            ("class", &"gap"),
            ("x", &at.0),
            ("y", &at.1),
            ("width", &at.2),
            ("height", &at.3),
        ];
        markup.shape("rect", attributes);
    }
    for (at, _) in ticks(history, view) {
        let path = format!("M{} {}V{}", Px(view.x(at)), Px(top), Px(bottom));
        markup.shape("path", &[("class", &"grid"), ("d", &path)]);
    }
}

/// The ends of the gap, over all that is coloured.
fn gap_edges(markup: &mut Markup, summary: &Summary, view: &View, (top, bottom): (f64, f64)) {
    if let Some((from_us, to_us, _)) = shown_gap(summary) {
        for at in [from_us, to_us].into_iter().filter(|at| view.contains(*at)) {
            let path = format!("M{} {}V{}", Px(view.x(at)), Px(top), Px(bottom));
            markup.shape("path", &[("class", &"gap-edge"), ("d", &path)]);
        }
    }
}

fn ticks(history: &History, view: &View) -> Vec<(UnixUs, String)> {
    let count = if view.form == Form::Wide { 12 } else { 5 };
    let (from, to) = (
        history.since_start(view.from_us),
        history.since_start(view.to_us),
    );
    let ticks = axis::ticks(from, to, count).into_iter();
    ticks
        .map(|(at, words)| (history.from_us.saturating_add(at), words))
        .collect()
}

fn axis_words(canvas: &mut Canvas, history: &History) {
    canvas.y += 15.0;
    if canvas.view.form == Form::Wide {
        canvas.words("d", 0.0, canvas.y - 3.0, "time since the beginning");
    }
    for (at, words) in ticks(history, canvas.view) {
        canvas.words("t", canvas.view.x(at), canvas.y - 3.0, &words);
    }
}

/// The gap that all charts show: that of all writers together, else the longest of any; none if
/// that is not worth naming.
fn shown_gap(summary: &Summary) -> Option<(UnixUs, UnixUs, String)> {
    let is_shown = |pause: &Pause| pause.length_us >= WORTH_NAMING_US;
    let (pause, words) = match summary.nobody_wrote.filter(is_shown) {
        Some(pause) => (pause, "nobody could write: ".to_owned()),
        None => {
            let longest = summary.longest_gap().filter(is_shown);
            let mut writers = summary.writers.iter();
            let writer = writers.find(|w| w.longest_gap == longest && longest.is_some())?;
            let name = shortened(&writer.writer, 24);
            (longest?, format!("{name} could not write: "))
        }
    };
    let to_us = pause
        .at_us
        .saturating_add(i64::try_from(pause.length_us).unwrap_or(i64::MAX));
    Some((pause.at_us, to_us, words + &duration(pause.length_us)))
}

/// The length of the gap, over all charts.
fn gap_row(canvas: &mut Canvas, summary: &Summary) {
    let view = canvas.view;
    let Some((from_us, to_us, words)) = shown_gap(summary) else {
        return;
    };
    let Some((from, to)) = view.stretch(from_us, to_us) else {
        return;
    };
    let width = text_width(&words, 12.0);
    canvas.y += 20.0;
    let beside = canvas.y - 4.0;
    let (class, x, y) = if to - from > width + 12.0 {
        canvas.y += 10.0;
        ("g mid", (from + to) / 2.0, beside - 3.0)
    } else if to + width + 8.0 < view.right() {
        ("g", to + 6.0, beside)
    } else if from - width > 8.0 {
        ("g end", from - 6.0, beside)
    } else {
        canvas.y += 10.0;
        ("g end", view.right(), beside - 3.0)
    };
    let label = format!("Gap: {words}");
    let attributes: Attributes = &[
        ("class", &"gap-label"),
        ("role", &"img"),
        ("aria-label", &label),
    ];
    canvas.charts.open("g", attributes);
    let line = Px(canvas.y - 12.0);
    let path = format!(
        "M{} {line}v8m0 -4H{}m0 -4v8",
        Px(from),
        Px(to.max(from + 1.5))
    );
    canvas
        .charts
        .shape("path", &[("class", &"gap-line"), ("d", &path)]);
    canvas.charts.close();
    canvas.words(class, x, y, &words);
}

/// A step in the picture: where its line is and begins, and the step.
struct Placed<'s> {
    x: f64,
    top: f64,
    step: &'s Step,
}

/// Draws the numbers of the steps, in rows if they stand close; returns where their lines begin.
fn step_numbers<'s>(canvas: &mut Canvas, history: &History, steps: &'s [Step]) -> Vec<Placed<'s>> {
    let view = canvas.view;
    let mut placed = Vec::new();
    let mut ends = [f64::MIN; NUMBER_ROWS];
    let visible = || {
        steps
            .iter()
            .filter(|step| view.contains(step.at_us))
            .take(STEPS_MAX)
    };
    if visible().next().is_none() {
        return Vec::new();
    }
    let mut rows = 1;
    for step in visible() {
        let x = view.x(step.at_us);
        let words = step.number.to_string();
        let width = text_width(&words, 10.5) + 8.0;
        let row = ends.iter().position(|end| *end < x - width / 2.0);
        if let Some(row) = row {
            ends[row] = x + width / 2.0 + 1.0;
            rows = rows.max(row + 1);
        }
        placed.push((x, width, row, step));
    }
    if view.form == Form::Wide {
        canvas.words("d", 0.0, 12.0, "steps of the script");
    }
    let bottom = rows as f64 * NUMBER_ROW;
    let lines = placed.into_iter().map(|(x, width, row, step)| {
        let Some(row) = row else {
            return Placed {
                x,
                top: bottom,
                step,
            };
        };
        let y = row as f64 * NUMBER_ROW;
        let at = (Px(x - width / 2.0), Px(y), Px(width), Px(NUMBER_ROW - 2.0));
        let tip = step_words(history, step);
        canvas.charts.open("g", &[("class", &"step")]);
        canvas.charts.element("title", &[], &tip);
        let attributes: Attributes = &[
            ("x", &at.0),
            ("y", &at.1),
            ("width", &at.2),
            ("height", &at.3),
            ("rx", &3),
        ];
        canvas.charts.shape("rect", attributes);
        canvas.words("step-number", x, y + 11.5, &step.number.to_string());
        canvas.charts.close();
        Placed {
            x,
            top: y + NUMBER_ROW - 2.0,
            step,
        }
    });
    let lines = lines.collect();
    canvas.y = bottom;
    lines
}

fn step_words(history: &History, step: &Step) -> String {
    let at = seconds(history.since_start(step.at_us));
    format!("{}. {} at {at} s", step.number, shortened(&step.words, 160))
}

fn step_lines(markup: &mut Markup, history: &History, steps: &[Placed], bottom: f64, view: &View) {
    let mut column = None;
    for placed in steps {
        // Those that share a pixel share a line.
        let own = view.column(placed.step.at_us);
        if own == column {
            continue;
        }
        column = own;
        let path = format!("M{} {}V{}", Px(placed.x), Px(placed.top), Px(bottom));
        let tip = step_words(history, placed.step);
        markup.shape_with_tip("path", &[("class", &"step-line"), ("d", &path)], &tip);
    }
}
