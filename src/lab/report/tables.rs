//! Tables of a page: how they are written, and those of what was set up.
//!
//! A figure is a row, for it needs words that explain it; what has figures — a writer, a failover —
//! is a column.

use super::history::{History, Node};
use super::markup::{Attributes, Markup};
use super::summary::{ServerFigures, Summary};
use super::words::{count, shortened};
use crate::lab::model::NodeKind;

/// Columns of one table.
pub const COLUMNS_MAX: usize = 12;
const WORDS_MAX: usize = 200;

/// A cell: its class, and its words.
pub type Cell = (&'static str, String);

/// Begins a table that can be moved sideways where there is no room for it.
pub fn open(markup: &mut Markup, words: &str) {
    let attributes: Attributes = &[
        ("class", &"scroll"),
        ("role", &"region"),
        ("aria-label", &words),
        ("tabindex", &0),
    ];
    markup.open("div", attributes);
    markup.open("table", &[]);
    markup.element("caption", &[], words);
}

/// Ends it.
pub fn close(markup: &mut Markup) {
    markup.close();
    markup.close();
}

/// The row of column heads; the first column has none.
pub fn head(markup: &mut Markup, columns: &[Cell]) {
    markup.open("thead", &[]);
    markup.open("tr", &[]);
    markup.element("td", &[], "");
    for (class, words) in columns {
        let attributes: Attributes = &[("scope", &"col"), ("class", class)];
        markup.element("th", attributes, words);
    }
    markup.close();
    markup.close();
}

/// A row: its name, words that explain it, and its cells with their classes.
pub fn row(markup: &mut Markup, name: &str, explained: &str, cells: &[Cell]) {
    markup.open("tr", &[]);
    markup.open("th", &[("scope", &"row")]);
    markup.text(name);
    if !explained.is_empty() {
        markup.element("small", &[], explained);
    }
    markup.close();
    for (class, words) in cells {
        markup.element("td", &[("class", class)], words);
    }
    markup.close();
}

/// All nodes, with how far each was behind at worst.
pub fn nodes(markup: &mut Markup, history: &History, summary: &Summary) {
    open(
        markup,
        "The nodes; lag and staleness are the worst of the run",
    );
    let heads = ["Kind", "Address", "Program", "Version", "Lag", "Staleness"];
    head(markup, &heads.map(|words| ("", words.to_owned())));
    markup.open("tbody", &[]);
    for node in &history.nodes {
        let figures = summary
            .servers
            .iter()
            .find(|figures| figures.node == node.name);
        row(markup, &node.name, "", &node_cells(node, figures));
    }
    markup.close();
    close(markup);
}

fn node_cells(node: &Node, figures: Option<&ServerFigures>) -> Vec<Cell> {
    let ms = |ms: Option<u64>| ms.map_or("—".to_owned(), |ms| format!("{} ms", count(ms)));
    let kind = match node.kind {
        NodeKind::Server => "server",
        NodeKind::Sentinel => "Sentinel",
    };
    let or_dash = |words: &str| match words {
        "" => "—".to_owned(),
        words => shortened(words, WORDS_MAX),
    };
    let words = [
        kind.to_owned(),
        or_dash(&node.address),
        or_dash(&node.program),
        or_dash(&node.version),
        ms(figures.and_then(|figures| figures.lag_ms)),
        ms(figures.and_then(|figures| figures.staleness_ms)),
    ];
    words.into_iter().map(|words| ("", words)).collect()
}

/// The settings of the run.
pub fn settings(markup: &mut Markup, history: &History) {
    open(markup, "What the run was made with");
    markup.open("tbody", &[]);
    row(markup, "seed", "", &[("", history.setup.seed.to_string())]);
    for (name, value) in &history.setup.settings {
        row(markup, name, "", &[("", shortened(value, 10 * WORDS_MAX))]);
    }
    markup.close();
    close(markup);
}
