//! Links as they were disturbed: a row for all links of the same fate.

use super::canvas::{Canvas, Form, OVER_HATCHING};
use super::labels::text_width;
use crate::lab::model::LinkState;
use crate::lab::report::history::History;
use crate::lab::report::links::{self, LinkBand, LinkRow, Way};
use crate::lab::report::markup::Attributes;
use crate::lab::report::words::{bytes, duration};

const HEIGHT: f64 = 16.0;
const SPACE: f64 = 6.0;
/// Rows that are drawn.
const ROWS_MAX: usize = 30;
/// Blocks of one picture: with more, those are left out that are too narrow to be seen.
const BLOCKS_MAX: f64 = 1000.0;
/// States that the description of a row tells.
const TOLD_MAX: usize = 20;

/// The rows of all links that were disturbed in this stretch of time.
pub fn draw(canvas: &mut Canvas, history: &History) {
    let view = canvas.view;
    let is_visible = |band: &LinkBand| view.stretch(band.from_us, band.to_us).is_some();
    let mut rows = links::rows(history);
    rows.retain(|row| row.bands.iter().any(is_visible));
    if rows.is_empty() {
        return;
    }
    canvas.heading("Disturbed links", "⇄ both directions, → or ← one");
    let blocks_max = BLOCKS_MAX / rows.len().min(ROWS_MAX) as f64;
    let narrowest = (view.columns() as f64 / blocks_max).min(2.0);
    for row in rows.iter().take(ROWS_MAX) {
        draw_row(canvas, history, row, narrowest);
    }
    if rows.len() > ROWS_MAX {
        canvas.y += 14.0;
        let more = format!("and {} rows of links more", rows.len() - ROWS_MAX);
        canvas.words("d", 0.0, canvas.y, &more);
    }
}

fn draw_row(canvas: &mut Canvas, history: &History, row: &LinkRow, narrowest: f64) {
    let told = |band: &LinkBand| {
        let stretch = history.stretch(band.from_us, band.to_us);
        format!("{} {} {stretch}", arrow(band.way), state_words(&band.state))
    };
    let all: Vec<String> = row.bands.iter().take(TOLD_MAX).map(told).collect();
    let is_one_way = row.bands.iter().all(|band| band.way == Way::Forth);
    let between = arrow(if is_one_way { Way::Forth } else { Way::Both });
    let left = format!("{} {between}", row.left.join(" "));
    let right = row.right.join(" ");
    let name = format!("{left} {right}");
    let label = format!("{name}: {}", all.join("; "));
    let attributes: Attributes = &[("class", &"link"), ("role", &"img"), ("aria-label", &label)];
    canvas.charts.open("g", attributes);
    let top = canvas.y;
    let is_long = text_width(&name, 12.0) > canvas.view.left() - 12.0;
    if is_long && canvas.view.form == Form::Wide {
        // Two lines: one side of the links in each.
        canvas.y -= 2.0;
        canvas.name(&left, "");
        canvas.y += 13.0;
        canvas.name(&right, "");
        canvas.y = top;
    } else {
        canvas.name(&name, "");
    }
    for band in &row.bands {
        let place = canvas.view.stretch(band.from_us, band.to_us);
        if let Some(place) = place.filter(|(from, to)| (to - from).max(1.0) >= narrowest) {
            draw_band(canvas, band, place, &format!("{name}: {}", told(band)));
        }
    }
    canvas.charts.close();
    let is_two_lines = is_long && canvas.view.form == Form::Wide;
    canvas.y += HEIGHT + SPACE + if is_two_lines { 10.0 } else { 0.0 };
}

fn draw_band(canvas: &mut Canvas, band: &LinkBand, place: (f64, f64), tip: &str) {
    let class = if band.state.cut { "b cut" } else { "b slow" };
    let top = canvas.y;
    // What goes one way only has half a row: forth above, back below.
    match band.way {
        Way::Both => canvas.block(class, place, HEIGHT, tip),
        Way::Forth => canvas.block(class, place, HEIGHT / 2.0, tip),
        Way::Back => {
            canvas.y += HEIGHT / 2.0;
            canvas.block(class, place, HEIGHT / 2.0, tip);
        }
    }
    canvas.y = top;
    let words = match band.way {
        Way::Both => state_words(&band.state),
        way => format!("{} {}", arrow(way), state_words(&band.state)),
    };
    canvas.block_words(OVER_HATCHING, place, top + HEIGHT - 4.0, &[words]);
}

fn arrow(way: Way) -> &'static str {
    match way {
        Way::Both => "⇄",
        Way::Forth => "→",
        Way::Back => "←",
    }
}

fn state_words(state: &LinkState) -> String {
    if state.cut {
        return "cut".to_owned();
    }
    let mut words = Vec::new();
    if state.delay_us > 0 {
        words.push(format!("{} later", duration(state.delay_us)));
    }
    if state.bytes_per_s > 0 {
        words.push(format!("{}/s at most", bytes(state.bytes_per_s)));
    }
    words.join(", ")
}
