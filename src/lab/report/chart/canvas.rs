//! Where a time is drawn, and rows that have a name.

use super::labels::text_width;
use crate::lab::model::UnixUs;
use crate::lab::report::markup::{Markup, Px};

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
#[derive(Debug)]
pub struct Canvas<'v> {
    /// The stretch of time that it shows.
    pub view: &'v View,
    /// What is drawn already.
    pub markup: Markup,
    /// Where the next row begins.
    pub y: f64,
}

impl<'v> Canvas<'v> {
    /// An empty picture.
    pub fn new(view: &'v View) -> Canvas<'v> {
        Canvas {
            view,
            markup: Markup::default(),
            y: 0.0,
        }
    }

    /// The heading of rows of one kind.
    pub fn heading(&mut self, words: &str, explanation: &str) {
        self.y += 22.0;
        let y = Px(self.y - 5.0);
        self.markup
            .open("text", &[("class", &"h"), ("x", &0), ("y", &y)]);
        self.markup.text(words);
        if !explanation.is_empty() && self.view.form == Form::Wide {
            self.markup
                .element("tspan", &[("class", &"e"), ("dx", &8)], explanation);
        }
        self.markup.close();
    }

    /// The name of a row, with a detail in lesser script. The row begins at `y` then.
    pub fn name(&mut self, name: &str, detail: &str) {
        let y = match self.view.form {
            Form::Wide => self.y + 14.0,
            Form::Narrow => {
                self.y += 15.0;
                self.y - 3.0
            }
        };
        let room = match self.view.form {
            Form::Wide => self.view.left() - 10.0,
            Form::Narrow => self.view.right(),
        };
        let own = text_width(name, TEXT);
        let name = &*fitted(name, room, TEXT);
        self.markup
            .open("text", &[("class", &"n"), ("x", &0), ("y", &Px(y))]);
        self.markup.text(name);
        let detail = fitted(detail, room - own - 6.0, TEXT - 1.5);
        if !detail.is_empty() {
            self.markup
                .element("tspan", &[("class", &"d"), ("dx", &6)], &detail);
        }
        self.markup.close();
    }

    /// Text inside a chart.
    pub fn words(&mut self, class: &'static str, x: f64, y: f64, words: &str) {
        let at = (Px(x), Px(y));
        self.markup.element(
            "text",
            &[("class", &class), ("x", &at.0), ("y", &at.1)],
            words,
        );
    }

    /// A line across the whole stretch of time.
    pub fn rule(&mut self, class: &'static str, y: f64) {
        let (left, right) = (Px(self.view.left()), Px(self.view.right()));
        let path = format!("M{left} {}H{right}", Px(y));
        self.markup
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
