//! The distribution of many runs as a page: a table, and how the values of each figure lie.

use super::figures::{Column, Distribution, FIGURES, Figure, Unit, shown, spread};
use crate::lab::report::markup::{Attributes, Markup, Px};
use crate::lab::report::page;
use crate::lab::report::tables;
use crate::lab::report::words::{counted, shortened};

const WIDTH: f64 = 640.0;
const BAR: f64 = 4.0;
const HEIGHT: f64 = 34.0;
const LABEL_MAX: usize = 40;

/// The page.
pub fn html(distribution: &Distribution) -> String {
    let mut markup = Markup::default();
    let title = match distribution.title.as_str() {
        "" => "Runs of the failover lab",
        title => title,
    };
    page::open(&mut markup, title);
    markup.element("p", &[("class", &"lab")], "Failover lab, many runs");
    markup.element("h1", &[], title);
    markup.open("ul", &[("class", &"plain"), ("id", &"verdicts")]);
    for column in &distribution.columns {
        markup.open("li", &[]);
        markup.element("strong", &[], &column.label);
        let runs = counted(column.runs as u64, "run", "runs");
        let words = format!(
            ": {runs}; {} lost acknowledged writes, in {} no server took over, {} failed.",
            column.with_losses, column.without_failover, column.failed
        );
        markup.text(&words);
        markup.close();
    }
    markup.close();
    table(&mut markup, distribution);
    markup.element("h2", &[], "How the values lie");
    let words = "Each bar counts the values in a small range; the line is the median. One figure \
                 has the same scale for all.";
    markup.element("p", &[("class", &"about")], words);
    for (i, figure) in FIGURES.iter().enumerate() {
        bars(&mut markup, distribution, i, figure);
    }
    page::close(markup)
}

fn table(markup: &mut Markup, distribution: &Distribution) {
    tables::open(
        markup,
        "Median, 99th percentile and worst; in brackets, how many values",
    );
    heads(markup, distribution);
    markup.open("tbody", &[]);
    for (i, figure) in FIGURES.iter().enumerate() {
        let cells = distribution.columns.iter().flat_map(|column| {
            let values = &column.values[i];
            let [median, p99, worst] = spread(values).map(|value| shown(value, figure.unit));
            let is_loss = figure.unit == Unit::Writes && values.last().is_some_and(|n| *n > 0);
            let class = if is_loss { "num alarm" } else { "num" };
            let worst = format!("{worst} ({})", values.len());
            [("num first", median), ("num", p99), (class, worst)]
        });
        tables::row(
            markup,
            figure.name,
            figure.explained,
            &cells.collect::<Vec<_>>(),
        );
    }
    markup.close();
    tables::close(markup);
}

/// Two rows of heads: whose figures, and which.
fn heads(markup: &mut Markup, distribution: &Distribution) {
    markup.open("thead", &[]);
    markup.open("tr", &[]);
    markup.element("td", &[], "");
    for column in &distribution.columns {
        let attributes: Attributes =
            &[("scope", &"colgroup"), ("colspan", &3), ("class", &"first")];
        markup.element("th", attributes, &shortened(&column.label, LABEL_MAX));
    }
    markup.close();
    markup.open("tr", &[]);
    markup.element("td", &[], "");
    for _ in &distribution.columns {
        for (class, words) in [("num first", "median"), ("num", "p99"), ("num", "worst")] {
            markup.element("th", &[("scope", &"col"), ("class", &class)], words);
        }
    }
    markup.close();
    markup.close();
}

/// The values of one figure, for each pair of binaries on the same scale.
fn bars(markup: &mut Markup, distribution: &Distribution, index: usize, figure: &Figure) {
    let of = |column: &Column| column.values[index].last().copied();
    let most = distribution.columns.iter().filter_map(of).max();
    // Where all are nothing, there is nothing to see.
    let Some(most) = most.filter(|most| *most > 0) else {
        return;
    };
    markup.element("h3", &[], &format!("{}: {}", figure.name, figure.explained));
    for column in &distribution.columns {
        let values = &column.values[index];
        let [median, p99, worst] = spread(values).map(|value| shown(value, figure.unit));
        let label = shortened(&column.label, LABEL_MAX);
        let words = format!("{label}: median {median}, p99 {p99}, worst {worst}");
        let size = format!("0 0 {WIDTH} {}", HEIGHT + 32.0);
        let attributes: Attributes = &[
            ("class", &"bars"),
            ("viewBox", &size),
            ("role", &"img"),
            ("aria-label", &words),
        ];
        markup.open("svg", attributes);
        markup.element("text", &[("x", &0), ("y", &12)], &words);
        let zero = HEIGHT + 16.0;
        markup.shape(
            "path",
            &[
                ("class", &"accepted"),
                ("d", &histogram(values, most, zero)),
            ],
        );
        let line = format!("M0 {zero}H{WIDTH}");
        markup.shape("path", &[("class", &"base"), ("d", &line)]);
        if let Some(median) = spread(values)[0] {
            let line = format!(
                "M{} {}V{zero}",
                Px(x(median, most) + BAR / 2.0),
                Px(zero - HEIGHT)
            );
            markup.shape("path", &[("class", &"median"), ("d", &line)]);
        }
        let below = Px(zero + 12.0);
        markup.element("text", &[("class", &"s"), ("x", &0), ("y", &below)], "0");
        let attributes: Attributes = &[("class", &"s end"), ("x", &WIDTH), ("y", &below)];
        markup.element("text", attributes, &shown(Some(most), figure.unit));
        markup.close();
    }
}

fn x(value: u64, most: u64) -> f64 {
    (value as f64 / most.max(1) as f64 * (WIDTH - BAR) / BAR).floor() * BAR
}

/// Bars whose height is the number of values in their range.
fn histogram(sorted: &[u64], most: u64, zero: f64) -> String {
    let mut bars: Vec<(f64, f64)> = Vec::new();
    for value in sorted {
        let at = x(*value, most);
        match bars.last_mut() {
            Some((last, count)) if *last == at => *count += 1.0,
            _ => bars.push((at, 1.0)),
        }
    }
    let highest = bars.iter().fold(1.0, |most: f64, bar| most.max(bar.1));
    let bar = |(at, count): &(f64, f64)| {
        let height = count / highest * (HEIGHT - 4.0);
        format!(
            "M{} {}v{}h{}V{}Z",
            Px(*at),
            Px(zero),
            Px(-height),
            Px(BAR - 1.0),
            Px(zero)
        )
    };
    bars.iter().map(bar).collect()
}
