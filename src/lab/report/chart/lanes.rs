//! Nodes with their roles, failovers with their stages, and links as they were disturbed: rows of
//! coloured bands.

use super::canvas::{Canvas, Form, fitted};
use super::labels::text_width;
use crate::lab::model::{LinkState, NodeKind, UnixUs};
use crate::lab::report::failovers::Failover;
use crate::lab::report::history::{History, Node};
use crate::lab::report::links::{self, LinkBand, LinkRow, Way};
use crate::lab::report::markup::{Attributes, Px};
use crate::lab::report::states::{self, Band, Health, Role};
use crate::lab::report::words::{bytes, duration, seconds};

const LANE: f64 = 22.0;
const LINK: f64 = 16.0;
const SPACE: f64 = 5.0;
/// Rows of links that are drawn.
const LINK_ROWS_MAX: usize = 30;
/// Bands of one picture: with more, those are left out that are too narrow to be seen.
const BANDS_MAX: f64 = 1500.0;
const LABEL: f64 = 11.0;

/// The lanes of all nodes, servers before Sentinels.
pub fn nodes(canvas: &mut Canvas, history: &History) {
    if history.nodes.is_empty() {
        return;
    }
    canvas.heading("Nodes", "what each of them was, and whom it followed");
    let of = |kind: NodeKind| history.nodes.iter().filter(move |node| node.kind == kind);
    for node in of(NodeKind::Server).chain(of(NodeKind::Sentinel)) {
        lane(canvas, history, node);
    }
}

fn lane(canvas: &mut Canvas, history: &History, node: &Node) {
    let bands = states::bands(history, node);
    let told: Vec<String> = bands
        .iter()
        .filter(|band| band.health != Health::Absent)
        .take(20)
        .map(|band| {
            format!(
                "{} {}",
                state_words(band),
                stretch_words(history, band.from_us, band.to_us)
            )
        })
        .collect();
    let label = format!("{}: {}", node.name, told.join("; "));
    let attributes: Attributes = &[
        ("class", &"lane"),
        ("data-node", &node.name),
        ("role", &"img"),
        ("aria-label", &label),
    ];
    canvas.markup.open("g", attributes);
    canvas.name(&node.name, &made_of(node));
    let narrowest = narrowest(canvas, history.nodes.len());
    for band in &bands {
        draw_band(canvas, history, node, band, narrowest);
    }
    canvas.markup.close();
    canvas.y += LANE + SPACE;
}

/// The program of a node without its folder, and its version.
fn made_of(node: &Node) -> String {
    let program = node.program.rsplit('/').next().unwrap_or_default();
    match (program, node.version.as_str()) {
        ("", version) => version.to_owned(),
        (program, "") => program.to_owned(),
        // The version says more, and both seldom fit.
        (_, version) => version.to_owned(),
    }
}

/// Bands that are narrower are not drawn, such that one picture has not too many.
fn narrowest(canvas: &Canvas, rows: usize) -> f64 {
    canvas.view.columns() as f64 * rows as f64 / BANDS_MAX
}

fn draw_band(canvas: &mut Canvas, history: &History, node: &Node, band: &Band, narrowest: f64) {
    let Some((from, to)) = canvas.view.stretch(band.from_us, band.to_us) else {
        return;
    };
    let width = (to - from).max(0.8);
    if band.health == Health::Absent || width < narrowest.min(2.0) {
        return;
    }
    let words = state_words(band);
    let stretch = stretch_words(history, band.from_us, band.to_us);
    let tip = format!("{}: {words} {stretch}", node.name);
    let at = (Px(from), Px(canvas.y), Px(width), Px(LANE));
    let class = match (&band.role, band.health) {
        (_, Health::Down) => "down",
        (Role::Master, _) => "master",
        (
            Role::Replica {
                is_linked: true, ..
            },
            _,
        ) => "replica",
        (Role::Replica { .. }, _) => "unlinked",
        (Role::Sentinel, _) => "sentinel",
        (Role::Unknown, _) => "unknown",
    };
    let hatch = match band.health {
        Health::Stopped => Some("stopped"),
        Health::Silent => Some("silent"),
        _ => None,
    };
    for class in [Some(class), hatch].into_iter().flatten() {
        let class = format!("b {class}");
        canvas.markup.shape_with_tip(
            "rect",
            &[
                ("class", &class),
                ("x", &at.0),
                ("y", &at.1),
                ("width", &at.2),
                ("height", &at.3),
            ],
            &tip,
        );
    }
    let class = if class == "master" && hatch.is_none() {
        "bt on"
    } else {
        "bt"
    };
    label_band(canvas, class, from, width, &short_words(band, &words));
}

/// The longest of `words` that fits into a band, if any does.
fn label_band(canvas: &mut Canvas, class: &'static str, from: f64, width: f64, words: &[String]) {
    let room = width - 8.0;
    if let Some(words) = words.iter().find(|words| text_width(words, LABEL) <= room) {
        canvas.words(class, from + 5.0, canvas.y + LANE - 7.0, words);
    }
}

fn state_words(band: &Band) -> String {
    let role = match &band.role {
        Role::Unknown => String::new(),
        Role::Master => "master".to_owned(),
        Role::Sentinel => "Sentinel".to_owned(),
        Role::Replica { of, is_linked } => {
            let of = of.as_ref().map_or(String::new(), |of| format!(" of {of}"));
            let link = if *is_linked { "" } else { ", no link" };
            format!("replica{of}{link}")
        }
    };
    let health = match band.health {
        Health::Absent => "not started",
        Health::Up if role.is_empty() => "starting",
        Health::Up => "",
        Health::Silent => "no answer",
        Health::Stopped => "stopped",
        Health::Down => "down",
    };
    match (role.is_empty(), health) {
        (true, health) => health.to_owned(),
        (false, "") => role,
        (false, health) => format!("{health} ({role})"),
    }
}

/// The words for a band from the longest to the shortest.
fn short_words(band: &Band, words: &str) -> Vec<String> {
    let mut all = vec![words.to_owned()];
    let short = match (band.health, &band.role) {
        (Health::Down, _) => &["down"][..],
        (Health::Stopped, _) => &["stopped"],
        (Health::Silent, _) => &["no answer"],
        (_, Role::Master) => &["master"],
        (
            _,
            Role::Replica {
                is_linked: false, ..
            },
        ) => &["no link"],
        (_, Role::Replica { .. }) => &["replica"],
        _ => &[],
    };
    if let (
        Health::Up,
        Role::Replica {
            of: Some(of),
            is_linked: true,
        },
    ) = (band.health, &band.role)
    {
        all.push(format!("of {of}"));
    }
    all.extend(short.iter().map(|words| (*words).to_owned()));
    all
}

fn stretch_words(history: &History, from_us: UnixUs, to_us: UnixUs) -> String {
    let from = seconds(history.since_start(from_us));
    let to = seconds(history.since_start(to_us));
    let length = duration(to_us.saturating_sub(from_us).max(0) as u64);
    format!("from {from} s to {to} s ({length})")
}

/// One row of failovers, cut into stages.
pub fn failovers(canvas: &mut Canvas, history: &History, failovers: &[Failover]) {
    let view = canvas.view;
    let end = |f: &Failover| stages(f).last().map_or(f.began_us, |stage| stage.2);
    let visible: Vec<&Failover> = failovers
        .iter()
        .filter(|f| view.stretch(f.began_us, end(f)).is_some())
        .take(200)
        .collect();
    if visible.is_empty() {
        return;
    }
    canvas.name("Failover", "its stages");
    for failover in visible {
        for (words, from_us, to_us) in stages(failover) {
            let Some((from, to)) = view.stretch(from_us, to_us) else {
                continue;
            };
            let length = duration(to_us.saturating_sub(from_us).max(0) as u64);
            let tip = format!("{words}: {}", stretch_words(history, from_us, to_us));
            let at = (Px(from), Px(canvas.y), Px((to - from).max(0.8)), Px(LANE));
            let class = format!("b stage {}", words.split(' ').next().unwrap_or_default());
            canvas.markup.shape_with_tip(
                "rect",
                &[
                    ("class", &class),
                    ("x", &at.0),
                    ("y", &at.1),
                    ("width", &at.2),
                    ("height", &at.3),
                ],
                &tip,
            );
            let all = [format!("{words} {length}"), length];
            label_band(canvas, "bt", from, to - from, &all);
        }
    }
    canvas.y += LANE + SPACE;
}

/// The stages of a failover that took place, each with its words, begin and end.
fn stages(failover: &Failover) -> Vec<(&'static str, UnixUs, UnixUs)> {
    let ends = [
        ("unnoticed", failover.sdown_us),
        ("not agreed", failover.odown_us),
        ("electing", failover.elected_us),
        ("promoting", failover.promoted_us),
        ("telling", failover.switched_us),
    ];
    let mut stages = Vec::new();
    let mut from_us = failover.began_us;
    for (words, end) in ends {
        let Some(end) = end else {
            continue;
        };
        let to_us = failover.began_us.saturating_add(end as i64);
        if to_us >= from_us {
            stages.push((words, from_us, to_us));
            from_us = to_us;
        }
    }
    stages
}

/// A row for all links of the same fate.
pub fn links(canvas: &mut Canvas, history: &History) {
    let rows = links::rows(history);
    if rows.is_empty() {
        return;
    }
    canvas.heading("Disturbed links", "⇄ in both directions, → or ← in one");
    let narrowest = narrowest(canvas, rows.len().min(LINK_ROWS_MAX));
    for row in rows.iter().take(LINK_ROWS_MAX) {
        link_row(canvas, history, row, narrowest);
    }
    if rows.len() > LINK_ROWS_MAX {
        let more = format!("and {} rows of links more", rows.len() - LINK_ROWS_MAX);
        canvas.y += 14.0;
        canvas.words("d", 0.0, canvas.y, &more);
    }
}

fn link_row(canvas: &mut Canvas, history: &History, row: &LinkRow, narrowest: f64) {
    let (left, right) = (row.left.join(" "), row.right.join(" "));
    let way = |way: Way| match way {
        Way::Both => "⇄",
        Way::Forth => "→",
        Way::Back => "←",
    };
    let told: Vec<String> = row
        .bands
        .iter()
        .take(20)
        .map(|band| {
            let stretch = stretch_words(history, band.from_us, band.to_us);
            format!("{} {} {stretch}", way(band.way), link_words(&band.state))
        })
        .collect();
    let is_one_way = row.bands.iter().all(|band| band.way == Way::Forth);
    let name = format!("{left} {} {right}", if is_one_way { "→" } else { "⇄" });
    let label = format!("{name}: {}", told.join("; "));
    canvas.markup.open(
        "g",
        &[("class", &"link"), ("role", &"img"), ("aria-label", &label)],
    );
    let room = canvas.view.left() - 12.0;
    let shown = match canvas.view.form {
        Form::Wide if text_width(&name, 12.0) > room => fitted(&name, room, 12.0),
        _ => name.clone(),
    };
    canvas.name(&shown, "");
    for band in &row.bands {
        link_band(canvas, history, &name, way(band.way), band, narrowest);
    }
    canvas.markup.close();
    canvas.y += LINK + SPACE;
}

fn link_band(
    canvas: &mut Canvas,
    history: &History,
    name: &str,
    way: &str,
    band: &LinkBand,
    narrowest: f64,
) {
    let Some((from, to)) = canvas.view.stretch(band.from_us, band.to_us) else {
        return;
    };
    let width = (to - from).max(1.0);
    if width < narrowest.min(2.0) {
        return;
    }
    // What goes one way only has half a row: forth above, back below.
    let (top, height) = match band.way {
        Way::Both => (canvas.y, LINK),
        Way::Forth => (canvas.y, LINK / 2.0),
        Way::Back => (canvas.y + LINK / 2.0, LINK / 2.0),
    };
    let words = link_words(&band.state);
    let tip = format!(
        "{name}: {way} {words} {}",
        stretch_words(history, band.from_us, band.to_us)
    );
    let class = if band.state.cut { "b cut" } else { "b slow" };
    let at = (Px(from), Px(top), Px(width), Px(height));
    canvas.markup.shape_with_tip(
        "rect",
        &[
            ("class", &class),
            ("x", &at.0),
            ("y", &at.1),
            ("width", &at.2),
            ("height", &at.3),
        ],
        &tip,
    );
    let shown = match band.way {
        Way::Both => words,
        _ => format!("{way} {words}"),
    };
    if text_width(&shown, LABEL) <= width - 8.0 {
        canvas.words("bt", from + 5.0, canvas.y + LINK - 4.0, &shown);
    }
}

fn link_words(state: &LinkState) -> String {
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
