//! All events of all nodes by time, in words.

use super::history::History;
use super::markup::Markup;
use super::tables;
use super::words::{count, seconds, shortened};
use crate::lab::model::{Event, LinkState, ProcessState, What};

/// Lines that a page shows: so many of the beginning and so many of the end.
const HALF_MAX: usize = 1000;
const WORDS_MAX: usize = 300;

/// The merged log, folded.
pub fn draw(markup: &mut Markup, history: &History) {
    let all = &history.events;
    markup.open("details", &[("id", &"log")]);
    markup.element(
        "summary",
        &[],
        &format!("All {} events by time", count(all.len() as u64)),
    );
    tables::open(markup, "Seconds since the beginning, where, and what");
    markup.open("tbody", &[]);
    let (first, last) = match all.len() {
        n if n <= 2 * HALF_MAX => (n, n),
        n => (HALF_MAX, n - HALF_MAX),
    };
    for event in &all[..first] {
        line(markup, history, event);
    }
    if first < last {
        let words = format!(
            "{} events are left out here; the record and the JSON report have them.",
            count((last - first) as u64)
        );
        markup.open("tr", &[("class", &"left-out")]);
        markup.element("td", &[("colspan", &4)], &words);
        markup.close();
    }
    for event in &all[last..] {
        line(markup, history, event);
    }
    markup.close();
    tables::close(markup);
    markup.close();
}

fn line(markup: &mut Markup, history: &History, event: &Event) {
    let (place, what, words) = told(event);
    markup.open("tr", &[]);
    markup.element(
        "td",
        &[("class", &"num")],
        &seconds(history.since_start(event.at_us)),
    );
    markup.element("td", &[], &shortened(&place, 40));
    markup.element("td", &[], &shortened(&what, 60));
    markup.element("td", &[], &shortened(&words, WORDS_MAX));
    markup.close();
}

/// Where an event was, what kind it is, and what it says.
fn told(event: &Event) -> (String, String, String) {
    let (place, what, words) = match &event.what {
        What::Step { words } => ("script", "step", words.clone()),
        What::Awaited { words, held: true } => ("script", "came true", words.clone()),
        What::Awaited { words, held: false } => ("script", "waited in vain", words.clone()),
        What::Note { words } => ("script", "note", words.clone()),
        What::Process {
            node,
            state,
            detail,
        } => {
            let state = match state {
                ProcessState::Up => "up",
                ProcessState::Stopped => "stopped",
                ProcessState::Down => "down",
            };
            (node.as_str(), state, detail.clone())
        }
        What::Link { from, to, state } => {
            return (
                format!("{from} → {to}"),
                "link".to_owned(),
                link_words(state),
            );
        }
        What::Sentinel { node, name, text } => (node.as_str(), name.as_str(), text.clone()),
        What::Logged { node, text } => (node.as_str(), "log", text.clone()),
        What::Role {
            node,
            role,
            follows,
        } => {
            let follows = follows
                .as_ref()
                .map_or(String::new(), |of| format!("of {of}"));
            let role = if role == "slave" { "replica" } else { role };
            (node.as_str(), "role", format!("{role} {follows}"))
        }
    };
    (place.to_owned(), what.to_owned(), words)
}

fn link_words(state: &LinkState) -> String {
    if *state == LinkState::default() {
        return "as it should be".to_owned();
    }
    let mut words = Vec::new();
    if state.cut {
        words.push("cut".to_owned());
    }
    if state.delay_us > 0 {
        words.push(format!("{} µs later", count(state.delay_us)));
    }
    if state.bytes_per_s > 0 {
        words.push(format!("{} bytes/s at most", count(state.bytes_per_s)));
    }
    words.join(", ")
}
