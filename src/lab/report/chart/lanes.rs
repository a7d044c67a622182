//! Nodes with their roles, and failovers with their stages: rows of coloured blocks.

use super::canvas::{Canvas, OVER_HATCHING};
use crate::lab::model::{NodeKind, UnixUs};
use crate::lab::report::failovers::Failover;
use crate::lab::report::history::{History, Node};
use crate::lab::report::markup::Attributes;
use crate::lab::report::states::{self, Band, Health, Role};
use crate::lab::report::words::duration;

const LANE: f64 = 22.0;
const SPACE: f64 = 5.0;
/// Blocks of one picture: with more, those are left out that are too narrow to be seen.
const BLOCKS_MAX: f64 = 1500.0;
/// Failovers whose stages are drawn.
const FAILOVERS_MAX: usize = 200;
/// States that the description of a lane tells.
const TOLD_MAX: usize = 20;

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
    let mut bands = states::bands(history, node);
    bands.retain(|band| band.health != Health::Absent);
    let told = |band: &Band| {
        let stretch = history.stretch(band.from_us, band.to_us);
        format!("{} {stretch}", state_words(band))
    };
    let all: Vec<String> = bands.iter().take(TOLD_MAX).map(told).collect();
    let label = format!("{}: {}", node.name, all.join("; "));
    let attributes: Attributes = &[
        ("class", &"lane"),
        ("data-node", &node.name),
        ("role", &"img"),
        ("aria-label", &label),
    ];
    canvas.charts.open("g", attributes);
    canvas.name(&node.name, made_of(node));
    let blocks_max = BLOCKS_MAX / history.nodes.len() as f64;
    let narrowest = (canvas.view.columns() as f64 / blocks_max).min(2.0);
    for band in &bands {
        let place = canvas.view.stretch(band.from_us, band.to_us);
        if let Some((from, to)) = place.filter(|(from, to)| (to - from).max(0.8) >= narrowest) {
            let tip = format!("{}: {}", node.name, told(band));
            draw_band(canvas, band, (from, to), &tip);
        }
    }
    canvas.charts.close();
    canvas.y += LANE + SPACE;
}

/// What a node runs: its version, which says more than its program, for both seldom fit.
fn made_of(node: &Node) -> &str {
    match node.version.as_str() {
        "" => node.program.rsplit('/').next().unwrap_or_default(),
        version => version,
    }
}

fn draw_band(canvas: &mut Canvas, band: &Band, place: (f64, f64), tip: &str) {
    let class = match (&band.role, band.health) {
        (_, Health::Down) => "b down",
        (Role::Master, _) => "b master",
        (
            Role::Replica {
                is_linked: true, ..
            },
            _,
        ) => "b replica",
        (Role::Replica { .. }, _) => "b unlinked",
        (Role::Sentinel, _) => "b sentinel",
        (Role::Unknown, _) => "b unknown",
    };
    let hatch = match band.health {
        Health::Stopped => Some("b stopped"),
        Health::Silent => Some("b silent"),
        _ => None,
    };
    canvas.block(class, place, LANE, tip);
    if let Some(hatch) = hatch {
        canvas.block(hatch, place, LANE, tip);
    }
    let class = match (class, hatch) {
        ("b down", _) | (_, Some(_)) => OVER_HATCHING,
        ("b master", None) => "bt on",
        _ => "bt",
    };
    canvas.block_words(class, place, canvas.y + LANE - 7.0, &short_words(band));
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
fn short_words(band: &Band) -> Vec<String> {
    let mut all = vec![state_words(band)];
    let short = match (band.health, &band.role) {
        (Health::Down, _) => "down".to_owned(),
        (Health::Stopped, _) => "stopped".to_owned(),
        (Health::Silent, _) => "no answer".to_owned(),
        (
            _,
            Role::Replica {
                is_linked: false, ..
            },
        ) => "no link".to_owned(),
        (_, Role::Replica { of: Some(of), .. }) => format!("of {of}"),
        _ => return all,
    };
    all.push(short);
    all
}

/// One row of failovers, cut into stages.
pub fn failovers(canvas: &mut Canvas, history: &History, failovers: &[Failover]) {
    let view = canvas.view;
    let end = |failover: &Failover| stages(failover).last().map_or(failover.began_us, |s| s.2);
    let is_visible = |f: &&Failover| view.stretch(f.began_us, end(f)).is_some();
    let visible: Vec<&Failover> = failovers
        .iter()
        .filter(is_visible)
        .take(FAILOVERS_MAX)
        .collect();
    if visible.is_empty() {
        return;
    }
    canvas.name("Failover", "its stages");
    for (words, from_us, to_us) in visible.into_iter().flat_map(stages) {
        let Some(place) = view.stretch(from_us, to_us) else {
            continue;
        };
        let length = duration(to_us.saturating_sub(from_us).max(0) as u64);
        let tip = format!("{words}: {}", history.stretch(from_us, to_us));
        let class = format!("b stage {}", words.split(' ').next().unwrap_or_default());
        canvas.block(&class, place, LANE, &tip);
        let all = [format!("{words} {length}"), words.to_owned()];
        canvas.block_words("bt", place, canvas.y + LANE - 7.0, &all);
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
