//! The page: one file that shows a run, for somebody who never saw the lab.
//!
//! It fetches nothing and runs nothing, and forbids its browser to, whatever a record holds. What
//! matters comes first: a sentence, four figures, the picture; then tables, and all events.

use super::chart::{self, Form, View};
use super::failovers::Failover;
use super::gaps::WORTH_NAMING_US;
use super::history::History;
use super::log;
use super::markup::{Attributes, Markup};
use super::stages_table;
use super::steps::{self, Step};
use super::summary::{Pause, Summary};
use super::tables;
use super::words::{count, counted, duration, seconds, shortened};
use super::writes_table;

/// Failovers that are shown in a picture of their own.
const CLOSE_UPS_MAX: usize = 3;
/// A failover has a picture of its own if the run is so many times as long.
const CLOSE_UP_FACTOR: i64 = 3;
/// Steps that are listed.
const STEPS_MAX: usize = 500;
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/// The page of a run.
pub fn html(history: &History, summary: &Summary) -> String {
    let mut markup = Markup::default();
    let title = match history.setup.title.as_str() {
        "" => "A run of the failover lab",
        title => title,
    };
    open(&mut markup, title);
    markup.element("p", &[("class", &"lab")], "Failover lab");
    markup.element("h1", &[], title);
    if !history.setup.question.is_empty() {
        markup.element("p", &[("class", &"question")], &history.setup.question);
    }
    let class = format!("verdict {}", tone(summary));
    markup.element(
        "p",
        &[("id", &"verdict"), ("class", &class)],
        &summary.sentence,
    );
    tiles(&mut markup, summary);
    let steps = steps::of(history);
    pictures(&mut markup, history, summary, &steps);
    markup.open("div", &[("class", &"pair")]);
    if !summary.writers.is_empty() {
        markup.open("section", &[]);
        markup.element("h2", &[], "What became of the writes");
        writes_table::draw(&mut markup, history, summary);
        markup.close();
    }
    if !summary.failovers.is_empty() {
        markup.open("section", &[]);
        markup.element("h2", &[], "How long the failover took");
        stages_table::draw(&mut markup, summary);
        markup.close();
    }
    markup.close();
    step_list(&mut markup, history, &steps);
    markup.element("h2", &[], "Nodes and settings");
    if !history.nodes.is_empty() {
        tables::nodes(&mut markup, history, summary);
    }
    tables::settings(&mut markup, history);
    markup.element("h2", &[], "Events");
    log::draw(&mut markup, history);
    close(markup)
}

/// Begins a page, up to its main part.
pub fn open(markup: &mut Markup, title: &str) {
    markup.verbatim("<!doctype html>\n");
    markup.open("html", &[("lang", &"en")]);
    markup.open("head", &[]);
    markup.void("meta", &[("charset", &"utf-8")]);
    let policy: Attributes = &[
        ("http-equiv", &"Content-Security-Policy"),
        ("content", &POLICY),
    ];
    markup.void("meta", policy);
    let viewport = "width=device-width, initial-scale=1";
    markup.void("meta", &[("name", &"viewport"), ("content", &viewport)]);
    // Without it, a browser asks the server of the page for an icon.
    markup.void("link", &[("rel", &"icon"), ("href", &"data:,")]);
    markup.element("title", &[], title);
    markup.open("style", &[]);
    markup.verbatim(include_str!("style.css"));
    markup.close();
    markup.close();
    markup.open("body", &[]);
    markup.append(chart::definitions());
    markup.open("main", &[]);
}

/// Ends a page.
pub fn close(mut markup: Markup) -> String {
    let words = "Made by redis-lab. This page is one file: it fetches nothing and runs no scripts.";
    markup.open("footer", &[]);
    markup.text(words);
    markup.close();
    for _ in ["main", "body", "html"] {
        markup.close();
    }
    markup.verbatim("\n");
    markup.finish()
}

/// Whether the run went well; the sentence says why.
fn tone(summary: &Summary) -> &'static str {
    let figures = [
        summary.lost(),
        summary.sum(|w| w.duplicated),
        summary.sum(|w| w.reordered),
    ];
    if figures.iter().any(|n| *n > 0) || !summary.all_held {
        "bad"
    } else if !summary.is_checked() {
        "open"
    } else {
        "good"
    }
}

fn tiles(markup: &mut Markup, summary: &Summary) {
    markup.open("dl", &[("class", &"tiles")]);
    loss_tile(markup, summary);
    gap_tile(markup, summary);
    failover_tile(markup, &summary.failovers);
    script_tile(markup, summary);
    markup.close();
}

fn loss_tile(markup: &mut Markup, summary: &Summary) {
    let name = "Lost writes";
    if summary.writers.is_empty() {
        return tile(markup, name, "", "—", "nobody wrote");
    }
    if !summary.is_checked() {
        return tile(markup, name, "", "—", "not checked");
    }
    let all = counted(
        summary.acknowledged(),
        "acknowledged write",
        "acknowledged writes",
    );
    let (class, figure) = match summary.lost() {
        0 => ("good", "✓ 0".to_owned()),
        lost => ("bad", format!("✗ {}", count(lost))),
    };
    tile(markup, name, class, &figure, &format!("of {all}"));
}

fn gap_tile(markup: &mut Markup, summary: &Summary) {
    let is_long = |gap: &Pause| gap.length_us >= WORTH_NAMING_US;
    let shared = summary.nobody_wrote.filter(is_long);
    let shared = shared.map(|gap| (gap, "nobody could write for so long"));
    let own = || Some((summary.longest_gap()?, "the longest gap of a writer"));
    let (figure, words) = match shared.or_else(own) {
        Some((gap, words)) if is_long(&gap) => (duration(gap.length_us), words),
        Some((gap, _)) => (duration(gap.length_us), "at most: writes never stopped"),
        None if summary.writers.is_empty() => ("—".to_owned(), "nobody wrote"),
        None => ("—".to_owned(), "no gap was seen"),
    };
    tile(markup, "Without a write", "", &figure, words);
}

fn script_tile(markup: &mut Markup, summary: &Summary) {
    let name = "The script";
    let Some(first) = summary.not_held.first() else {
        let (class, figure, words) = match summary.broke_off() {
            false => ("good", "✓ ran through", "all that it waited for came true"),
            true => ("bad", "✗ broke off", "the record has no end"),
        };
        return tile(markup, name, class, figure, words);
    };
    let times = counted(summary.not_held.len() as u64, "time", "times");
    let words = format!(
        "for “{}”",
        shortened(first.trim_start_matches("wait-for "), 60)
    );
    tile(
        markup,
        name,
        "bad",
        &format!("✗ waited {times} in vain"),
        &words,
    );
}

fn failover_tile(markup: &mut Markup, failovers: &[Failover]) {
    let done: Vec<&Failover> = failovers.iter().filter(|f| f.to.is_some()).collect();
    let name = "Failover";
    match done.as_slice() {
        [] => tile(markup, name, "", "none", "no server took over from another"),
        [one] => {
            let to = one.to.as_deref().unwrap_or_default();
            let after = one.promoted_us.or(one.switched_us);
            let words = after.map_or(String::new(), |us| {
                format!("took over after {}", duration(us))
            });
            tile(markup, name, "", &shortened(to, 24), &words);
        }
        several => {
            let worst = several
                .iter()
                .filter_map(|f| f.promoted_us.or(f.switched_us))
                .max();
            let words = worst.map_or(String::new(), |us| {
                format!("the slowest took {}", duration(us))
            });
            tile(
                markup,
                name,
                "",
                &format!("{} times", several.len()),
                &words,
            );
        }
    }
}

fn tile(markup: &mut Markup, name: &str, class: &str, figure: &str, words: &str) {
    markup.open("div", &[("class", &"tile")]);
    markup.element("dt", &[], name);
    markup.open("dd", &[]);
    markup.element("span", &[("class", &class)], figure);
    markup.element("small", &[], words);
    markup.close();
    markup.close();
}

fn pictures(markup: &mut Markup, history: &History, summary: &Summary, steps: &[Step]) {
    markup.open(
        "section",
        &[("id", &"timeline"), ("aria-labelledby", &"timeline-title")],
    );
    markup.element("h2", &[("id", &"timeline-title")], "What happened when");
    let length = duration(summary.length_us);
    let words = format!(
        "The whole run, {length}, from left to right. Numbered lines are the steps of the script, \
         which are listed below. Point at anything to read more."
    );
    markup.element("p", &[("class", &"about")], &words);
    legend(markup);
    let whole = (history.from_us, history.to_us);
    both_forms(
        markup,
        history,
        summary,
        steps,
        ("run", whole, "The whole run"),
    );
    for (i, failover) in summary.failovers.iter().take(CLOSE_UPS_MAX).enumerate() {
        let Some(span) = close_up(history, failover) else {
            continue;
        };
        let to = failover.to.as_deref().unwrap_or("nobody");
        let words = format!("The failover from {} to {to}, closer", failover.from);
        markup.element("h3", &[], &words);
        let id = format!("failover-{}", i + 1);
        both_forms(markup, history, summary, steps, (&id, span, &words));
    }
    markup.close();
}

/// The stretch of time around a failover; none if it is most of the run anyway.
fn close_up(history: &History, failover: &Failover) -> Option<(i64, i64)> {
    let ends = [
        failover.promoted_us,
        failover.switched_us,
        failover.first_write_us,
        failover.ended_us,
    ];
    // What drags on is not worth making all the rest small for.
    let last = ends.into_iter().take(3).flatten().max()?;
    let end = ends[3]
        .filter(|end| *end < 2 * last)
        .unwrap_or(last)
        .max(last);
    let length = i64::try_from(end).ok()?.max(10_000);
    let from = failover
        .began_us
        .saturating_sub(length / 6)
        .max(history.from_us);
    let to = failover
        .began_us
        .saturating_add(length + length / 6)
        .min(history.to_us);
    let is_much_shorter =
        to.saturating_sub(from) < (history.to_us - history.from_us) / CLOSE_UP_FACTOR;
    (is_much_shorter && from < to).then_some((from, to))
}

fn both_forms(
    markup: &mut Markup,
    history: &History,
    summary: &Summary,
    steps: &[Step],
    (id, (from_us, to_us), words): (&str, (i64, i64), &str),
) {
    for (form, suffix) in [(Form::Wide, "wide"), (Form::Narrow, "narrow")] {
        let view = View {
            id: format!("{id}-{suffix}"),
            from_us,
            to_us,
            form,
        };
        markup.append(chart::draw(history, summary, steps, &view, words));
    }
}

/// What colours and patterns mean.
fn legend(markup: &mut Markup) {
    let entries: [(&[&'static str], &str); 10] = [
        (&["b master"], "master: takes writes"),
        (&["b replica"], "replica: follows a master"),
        (&["b unlinked"], "replica without a link to its master"),
        (
            &["b sentinel"],
            "Sentinel: watches, and chooses a new master",
        ),
        (&["b down"], "process is gone"),
        (&["b replica", "b stopped"], "process stands still"),
        (&["b replica", "b silent"], "no answer"),
        (&["b cut"], "link cut"),
        (&["b slow"], "link delayed or limited"),
        (&["gap"], "no write was accepted"),
    ];
    markup.open("ul", &[("class", &"legend"), ("aria-label", &"Legend")]);
    for (classes, words) in entries {
        markup.open("li", &[]);
        markup.open(
            "svg",
            &[("viewBox", &"0 0 26 14"), ("aria-hidden", &"true")],
        );
        for class in classes {
            let attributes: Attributes = &[
                ("class", class),
                ("x", &1),
                ("y", &1),
                ("width", &24),
                ("height", &12),
            ];
            markup.shape("rect", attributes);
        }
        markup.close();
        markup.text(words);
        markup.close();
    }
    markup.close();
}

fn step_list(markup: &mut Markup, history: &History, steps: &[Step]) {
    if steps.is_empty() {
        return;
    }
    markup.element("h2", &[], "The steps of the script");
    markup.open("ol", &[("class", &"steps"), ("id", &"steps")]);
    for step in steps.iter().take(STEPS_MAX) {
        markup.open("li", &[]);
        markup.element("code", &[], &shortened(&step.words, 400));
        let at = format!(" at {} s", seconds(history.since_start(step.at_us)));
        markup.element("span", &[("class", &"at")], &at);
        if let Some((at_us, held)) = step.awaited {
            let took = match at_us.saturating_sub(step.at_us) {
                us if us > 0 => format!(" after {}", duration(us as u64)),
                _ => String::new(),
            };
            let (class, words) = match held {
                true => ("good", format!(" ✓ came true{took}")),
                false => ("bad", format!(" ✗ did not come true{took}")),
            };
            markup.element("span", &[("class", &class)], &words);
        }
        markup.close();
    }
    markup.close();
    if steps.len() > STEPS_MAX {
        let words = format!(
            "And {} steps more.",
            count((steps.len() - STEPS_MAX) as u64)
        );
        markup.element("p", &[("class", &"about")], &words);
    }
}
