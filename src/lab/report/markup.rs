//! Markup that cannot be broken by what it shows.
//!
//! Names, steps and log lines come from scripts and from foreign programs, so nothing of them may
//! act as markup. Everything that a page holds is written through [`Markup`], which escapes all
//! text and closes what it has opened: a page is well-formed by construction, not by care.

use std::fmt::{self, Display, Write};

/// Attributes of an element: names, which are ours, and values, which need not be.
pub type Attributes<'a> = &'a [(&'static str, &'a dyn Display)];

/// A piece of HTML or SVG in the making.
#[derive(Debug, Default)]
pub struct Markup {
    out: String,
    open: Vec<&'static str>,
}

impl Markup {
    /// Begins an element, which [`Markup::close`] ends.
    pub fn open(&mut self, tag: &'static str, attributes: Attributes) {
        self.tag(tag, attributes);
        self.out.push('>');
        self.open.push(tag);
    }

    /// Ends the element that was opened last.
    ///
    /// # Panics
    ///
    /// None is open.
    pub fn close(&mut self) {
        let tag = self.open.pop().expect("something is open");
        self.write(format_args!("</{tag}>"));
    }

    /// Adds text.
    pub fn text(&mut self, text: &str) {
        escape_into(text, &mut self.out);
    }

    /// An element that holds nothing but text.
    pub fn element(&mut self, tag: &'static str, attributes: Attributes, text: &str) {
        self.open(tag, attributes);
        self.text(text);
        self.close();
    }

    /// An element of SVG that holds nothing.
    pub fn shape(&mut self, tag: &'static str, attributes: Attributes) {
        self.tag(tag, attributes);
        self.out.push_str("/>");
    }

    /// An element of SVG that shows `tip` when it is pointed at.
    pub fn shape_with_tip(&mut self, tag: &'static str, attributes: Attributes, tip: &str) {
        self.open(tag, attributes);
        self.element("title", &[], tip);
        self.close();
    }

    /// An element of HTML that never has an end tag, as `meta`.
    pub fn void(&mut self, tag: &'static str, attributes: Attributes) {
        self.tag(tag, attributes);
        self.out.push('>');
    }

    /// Adds what another piece holds.
    pub fn append(&mut self, other: Markup) {
        self.out.push_str(&other.finish());
    }

    /// Adds text of ours that must not be escaped: a style sheet, a document type.
    pub fn verbatim(&mut self, text: &'static str) {
        self.out.push_str(text);
    }

    /// The whole piece.
    ///
    /// # Panics
    ///
    /// Something is still open.
    pub fn finish(self) -> String {
        assert!(self.open.is_empty(), "{:?} is open", self.open);
        self.out
    }

    fn tag(&mut self, tag: &'static str, attributes: Attributes) {
        self.write(format_args!("<{tag}"));
        for (name, value) in attributes {
            self.write(format_args!(" {name}=\""));
            escape_into(&value.to_string(), &mut self.out);
            self.out.push('"');
        }
    }

    fn write(&mut self, what: fmt::Arguments) {
        self.out.write_fmt(what).expect("a string takes all");
    }
}

/// Adds `text` such that it is nothing but text. What steers a terminal or turns the direction of
/// reading is shown as a replacement character.
fn escape_into(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' => out.push(c),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => out.push('\u{fffd}'),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
}

/// A coordinate or length of SVG, to a tenth of a pixel.
#[derive(Clone, Copy, Debug)]
pub struct Px(pub f64);

impl Display for Px {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = (self.0 * 10.0).round() as i64;
        let sign = if tenths < 0 { "-" } else { "" };
        let (whole, rest) = (tenths.abs() / 10, tenths.abs() % 10);
        match rest {
            0 => write!(f, "{sign}{whole}"),
            rest => write!(f, "{sign}{whole}.{rest}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_nothing_but_text() {
        let mut markup = Markup::default();
        let hostile = "\"><script>alert('&')</script>\u{1b}[2J\u{202e}";
        markup.element("p", &[("title", &hostile)], hostile);
        let text =
            "&quot;&gt;&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;\u{fffd}[2J\u{fffd}";
        assert_eq!(markup.finish(), format!("<p title=\"{text}\">{text}</p>"));
    }

    #[test]
    fn coordinates_are_short() {
        let shown: Vec<String> = [0.0, 1.0, -1.26, 1.04, 0.05, -0.02]
            .map(|x| Px(x).to_string())
            .into();
        assert_eq!(shown, ["0", "1", "-1.3", "1", "0.1", "0"]);
    }
}
