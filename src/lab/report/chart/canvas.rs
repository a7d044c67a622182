//! Where a time is drawn, and rows that have a name.

use super::labels::text_width;
use crate::lab::model::UnixUs;
use crate::lab::report::markup::{Attributes, Markup, Px};

/// The form of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Names of rows stand left of them.
    Wide,
    /// Names of rows stand above them.
    Narrow,
}

/// A stretch of time, and how it is drawn.
#[derive(Clone, Debug)]
pub struct View {
    /// What the identifiers in this picture begin with; no two pictures of a page have the same.
    pub id: String,
    /// When it begins.
    pub from_us: UnixUs,
    /// When it ends; later than `from_us`.
    pub to_us: UnixUs,
    /// Its form.
    pub form: Form,
}

/// The right end keeps clear of the edge, for words that are centred there.
const EDGE: f64 = 14.0;
/// The size of text.
pub const TEXT: f64 = 12.0;
/// The class of words that would be hard to read without a plate behind them.
pub const OVER_HATCHING: &str = "bt over";
const DETAIL: f64 = 10.5;
/// How much longer names are, which are bold.
const BOLD: f64 = 1.12;
const BLOCK: f64 = 11.0;

impl View {
    /// The width of the whole picture.
    pub fn width(&self) -> f64 {
        match self.form {
            Form::Wide => 1160.0,
            Form::Narrow => 400.0,
        }
    }

    /// Where the beginning is.
    pub fn left(&self) -> f64 {
        match self.form {
            Form::Wide => 172.0,
            Form::Narrow => EDGE,
        }
    }

    /// Where the end is.
    pub fn right(&self) -> f64 {
        self.width() - EDGE
    }

    /// Where a time is; one outside is at the nearer end.
    pub fn x(&self, at_us: UnixUs) -> f64 {
        let since = at_us.saturating_sub(self.from_us) as f64;
        let part = since / self.to_us.saturating_sub(self.from_us) as f64;
        self.left() + part.clamp(0.0, 1.0) * (self.right() - self.left())
    }

    /// The pixel, from 0, that a time falls in; none if it is outside.
    pub fn column(&self, at_us: UnixUs) -> Option<usize> {
        let inside = self.contains(at_us);
        inside.then(|| ((self.x(at_us) - self.left()) as usize).min(self.columns() - 1))
    }

    /// How many pixels there are.
    pub fn columns(&self) -> usize {
        (self.right() - self.left()) as usize
    }

    /// The time that a pixel stands for, in microseconds.
    pub fn us_per_column(&self) -> f64 {
        self.to_us.saturating_sub(self.from_us) as f64 / self.columns() as f64
    }

    /// Whether a time is inside.
    pub fn contains(&self, at_us: UnixUs) -> bool {
        (self.from_us..=self.to_us).contains(&at_us)
    }

    /// Where a stretch of time begins and ends; none if it is outside.
    pub fn stretch(&self, from_us: UnixUs, to_us: UnixUs) -> Option<(f64, f64)> {
        let is_inside = from_us <= self.to_us && to_us >= self.from_us;
        is_inside.then(|| (self.x(from_us), self.x(to_us)))
    }
}

/// A picture in the making: rows are added below one another.
///
/// It has layers, for lines are drawn through all charts: over what is coloured, and under words.
#[derive(Debug)]
pub struct Canvas<'v> {
    /// The stretch of time that it shows.
    pub view: &'v View,
    /// The lowest layer: charts, with all that they tell to those who do not see them.
    pub charts: Markup,
    /// The layer of marks with their words.
    pub marks: Markup,
    /// The highest layer: words that repeat what charts tell.
    pub words: Markup,
    /// Where the next row begins.
    pub y: f64,
}

impl<'v> Canvas<'v> {
    /// An empty picture.
    pub fn new(view: &'v View) -> Canvas<'v> {
        Canvas {
            view,
            charts: Markup::default(),
            marks: Markup::default(),
            words: Markup::default(),
            y: 0.0,
        }
    }

    /// The heading of rows of one kind.
    pub fn heading(&mut self, words: &str, explanation: &str) {
        self.y += 24.0;
        let y = Px(self.y - 6.0);
        let markup = &mut self.words;
        markup.open("text", &[("class", &"h"), ("x", &0), ("y", &y)]);
        markup.text(words);
        if !explanation.is_empty() && self.view.form == Form::Wide {
            markup.element("tspan", &[("class", &"e"), ("dx", &8)], explanation);
        }
        markup.close();
    }

    /// The name of a row, with a detail in lesser script: behind it, or below it if there is no
    /// room. The row begins at `y` then.
    pub fn name(&mut self, name: &str, detail: &str) {
        let (room, y) = match self.view.form {
            Form::Wide => (self.view.left() - 10.0, self.y + 14.0),
            Form::Narrow => {
                self.y += 16.0;
                (self.view.right() - 50.0, self.y - 4.0)
            }
        };
        let own = text_width(name, TEXT) * BOLD + 7.0;
        let name = fitted(name, room, TEXT);
        self.words("n", 0.0, y, &name);
        if own + text_width(detail, DETAIL) <= room {
            self.words("d", own, y, detail);
        } else if self.view.form == Form::Wide && own > room / 2.0 {
            self.words("d", 0.0, y + 12.0, &fitted(detail, room, DETAIL));
        } else {
            self.words("d", own, y, &fitted(detail, room - own, DETAIL));
        }
    }

    /// Words of the highest layer.
    pub fn words(&mut self, class: &'static str, x: f64, y: f64, words: &str) {
        if words.is_empty() {
            return;
        }
        let at = (Px(x), Px(y));
        self.words.element(
            "text",
            &[("class", &class), ("x", &at.0), ("y", &at.1)],
            words,
        );
    }

    /// A coloured block from `from` to `to` and of this height, which tells `tip`.
    pub fn block(&mut self, class: &str, (from, to): (f64, f64), height: f64, tip: &str) {
        let at = (Px(from), Px(self.y), Px((to - from).max(0.8)), Px(height));
        let attributes: Attributes = &[
            ("class", &class),
            ("x", &at.0),
            ("y", &at.1),
            ("width", &at.2),
            ("height", &at.3),
        ];
        self.charts.shape_with_tip("rect", attributes, tip);
    }

    /// The longest of `words` that fits into a block, if any does; its base line is at `y`.
    pub fn block_words(
        &mut self,
        class: &'static str,
        (from, to): (f64, f64),
        y: f64,
        words: &[String],
    ) {
        let room = to - from - 10.0;
        let Some(words) = words.iter().find(|words| text_width(words, BLOCK) <= room) else {
            return;
        };
        if class == OVER_HATCHING {
            let width = (text_width(words, BLOCK) * 1.1 + 6.0).min(room + 6.0);
            let at = (Px(from + 2.0), Px(y - 10.5), Px(width), Px(14.0));
            let attributes: Attributes = &[
                ("class", &"plate"),
                ("x", &at.0),
                ("y", &at.1),
                ("width", &at.2),
                ("height", &at.3),
            ];
            self.words.shape("rect", attributes);
        }
        self.words(class, from + 5.0, y, words);
    }

    /// A line across the whole stretch of time.
    pub fn rule(&mut self, class: &'static str, y: f64) {
        let (left, right) = (Px(self.view.left()), Px(self.view.right()));
        let path = format!("M{left} {}H{right}", Px(y));
        self.charts
            .shape("path", &[("class", &class), ("d", &path)]);
    }
}

/// As much of `text` as there is room for.
pub fn fitted(text: &str, room: f64, size: f64) -> String {
    if text_width(text, size) <= room {
        return text.to_owned();
    }
    let mut fitted = String::new();
    for c in text.chars() {
        fitted.push(c);
        if text_width(&fitted, size) + size > room {
            fitted.pop();
            break;
        }
    }
    if fitted.is_empty() {
        fitted
    } else {
        fitted + "…"
    }
}
