//! A page in Prometheus' text format (version 0.0.4), written into a buffer that is kept.
//!
//! ```text
//! # HELP name what it is
//! # TYPE name counter
//! name{label="value"} 1
//! ```
//!
//! A family's lines stand together below its two comments. Nothing here allocates once the buffer
//! has grown to the size of a page.

use std::io::Write as _;

use crate::base::numbers::{format_i64, format_u64};

/// Rows of things of which there may be any number, at most.
pub const ROWS_MAX: usize = 1000;

/// What kind of figures a family has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// It only grows, but for a restart or `CONFIG RESETSTAT`.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Counts of what is at most so large.
    Histogram,
    /// Quantiles.
    Summary,
}

impl Kind {
    /// As the format names it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
            Kind::Summary => "summary",
        }
    }
}

/// A number as the format writes it.
pub trait Figure {
    /// Appends it.
    fn write(&self, out: &mut Vec<u8>);
}

impl Figure for u64 {
    fn write(&self, out: &mut Vec<u8>) {
        format_u64(*self, out);
    }
}

impl Figure for i64 {
    fn write(&self, out: &mut Vec<u8>) {
        format_i64(*self, out);
    }
}

impl Figure for usize {
    fn write(&self, out: &mut Vec<u8>) {
        format_u64(*self as u64, out);
    }
}

impl Figure for bool {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(b'0' + u8::from(*self));
    }
}

impl Figure for f64 {
    fn write(&self, out: &mut Vec<u8>) {
        if self.is_infinite() {
            let text: &[u8] = if *self > 0.0 { b"+Inf" } else { b"-Inf" };
            out.extend_from_slice(text);
        } else {
            write!(out, "{self}").expect("a vector takes all");
        }
    }
}

/// A number that is written already.
pub struct Written<'a>(pub &'a str);

impl Figure for Written<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.as_bytes());
    }
}

/// A time, or whatever else is counted in a decimal fraction of its unit: 1,500 of the third
/// decimal is written as `1.500`.
pub struct Fraction {
    count: u64,
    decimals: u32,
}

impl Fraction {
    /// Seconds, from milliseconds.
    pub fn of_ms(count: u64) -> Fraction {
        Fraction { count, decimals: 3 }
    }

    /// Seconds, from microseconds.
    pub fn of_us(count: u64) -> Fraction {
        Fraction { count, decimals: 6 }
    }

    /// Seconds, from nanoseconds.
    pub fn of_ns(count: u64) -> Fraction {
        Fraction { count, decimals: 9 }
    }

    /// Microseconds, from nanoseconds.
    pub fn of_thousandths(count: u64) -> Fraction {
        Fraction { count, decimals: 3 }
    }
}

impl Figure for Fraction {
    fn write(&self, out: &mut Vec<u8>) {
        let unit = 10_u64.pow(self.decimals);
        format_u64(self.count / unit, out);
        let mut rest = self.count % unit;
        if rest == 0 {
            return;
        }
        out.push(b'.');
        let mut place = unit / 10;
        while rest > 0 {
            out.push(b'0' + (rest / place) as u8);
            rest %= place;
            place /= 10;
        }
    }
}

/// See the module's head.
#[derive(Default, Debug)]
pub struct Page {
    text: Vec<u8>,
}

impl Page {
    /// An empty page that is written into this buffer.
    pub fn reusing(mut text: Vec<u8>) -> Page {
        text.clear();
        Page { text }
    }

    /// What was written.
    pub fn into_text(self) -> Vec<u8> {
        self.text
    }

    /// Begins a family.
    pub fn family(&mut self, name: &str, kind: Kind, help: &str) {
        for part in ["# HELP ", name, " "] {
            self.raw(part);
        }
        escape(help, false, &mut self.text);
        for part in ["\n# TYPE ", name, " ", kind.name(), "\n"] {
            self.raw(part);
        }
    }

    /// A figure of the family.
    pub fn figure(&mut self, name: &str, labels: &[(&str, &str)], value: impl Figure) {
        self.raw(name);
        for (number, (label, text)) in labels.iter().enumerate() {
            self.raw(if number == 0 { "{" } else { "," });
            self.raw(label);
            self.raw("=\"");
            escape(text, true, &mut self.text);
            self.raw("\"");
        }
        self.raw(if labels.is_empty() { " " } else { "} " });
        value.write(&mut self.text);
        self.raw("\n");
    }

    /// A family of one figure.
    pub fn single(&mut self, name: &str, kind: Kind, help: &str, value: impl Figure) {
        self.family(name, kind, help);
        self.figure(name, &[], value);
    }

    /// One figure of the family for each thing that may be the case; of all but `present` it is 0.
    pub fn states(&mut self, name: &str, label: &str, all: &[&str], present: &str) {
        for state in all {
            self.figure(name, &[(label, state)], *state == present);
        }
    }

    /// A figure of the family whose labels are written already, without their braces.
    pub fn labelled(&mut self, name: &str, labels: &str, value: impl Figure) {
        self.raw(name);
        self.raw("{");
        self.raw(labels);
        self.raw("} ");
        value.write(&mut self.text);
        self.raw("\n");
    }

    /// A line that consists of these parts, a figure and its end.
    pub fn parts(&mut self, start: &str, end: &str, value: impl Figure) {
        self.raw(start);
        self.raw(end);
        value.write(&mut self.text);
        self.raw("\n");
    }

    #[inline]
    fn raw(&mut self, text: &str) {
        self.text.extend_from_slice(text.as_bytes());
    }
}

/// A label as it is written.
pub fn label(name: &str, value: &str) -> String {
    let mut text = Vec::with_capacity(name.len() + value.len() + 3);
    text.extend_from_slice(name.as_bytes());
    text.extend_from_slice(b"=\"");
    escape(value, true, &mut text);
    text.push(b'"');
    String::from_utf8(text).expect("escapes are letters")
}

/// Appends a text in which what would end a line, or a label's value, is escaped.
fn escape(text: &str, quoted: bool, out: &mut Vec<u8>) {
    let is_plain = |byte: &u8| !matches!(byte, b'\\' | b'\n' | b'"');
    if text.as_bytes().iter().all(is_plain) {
        return out.extend_from_slice(text.as_bytes());
    }
    for byte in text.bytes() {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'"' if quoted => out.extend_from_slice(b"\\\""),
            byte => out.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(page: Page) -> String {
        String::from_utf8(page.into_text()).expect("all of it is text")
    }

    #[test]
    fn a_family_is_two_comments_and_its_figures() {
        let mut page = Page::reusing(b"of before".to_vec());
        page.single("a", Kind::Counter, "What a is.", 1_u64);
        page.family("b", Kind::Gauge, "Two\nlines \\ \"words\"");
        page.figure("b", &[("x", "1"), ("y", "2")], -5_i64);
        page.states("b", "z", &["on", "off"], "off");
        page.labelled("b", &label("x", "q\"q"), 2.5);
        page.parts("b{x=\"", "5\"} ", 3_u64);
        assert_eq!(
            text(page),
            "# HELP a What a is.\n# TYPE a counter\na 1\n\
             # HELP b Two\\nlines \\\\ \"words\"\n# TYPE b gauge\nb{x=\"1\",y=\"2\"} -5\n\
             b{z=\"on\"} 0\nb{z=\"off\"} 1\nb{x=\"q\\\"q\"} 2.5\nb{x=\"5\"} 3\n"
        );
    }

    #[test]
    fn values_of_labels_cannot_break_the_format() {
        let mut page = Page::default();
        page.figure("a", &[("x", "\"} 1\nb{y=\"\\")], true);
        assert_eq!(text(page), "a{x=\"\\\"} 1\\nb{y=\\\"\\\\\"} 1\n");
    }

    #[test]
    fn numbers_are_exact() {
        let written = |figure: &dyn Figure| {
            let mut out = Vec::new();
            figure.write(&mut out);
            String::from_utf8(out).expect("digits")
        };
        for (figure, text) in [
            (&u64::MAX as &dyn Figure, "18446744073709551615"),
            (&i64::MIN, "-9223372036854775808"),
            (&7_usize, "7"),
            (&false, "0"),
            (&0.1, "0.1"),
            (&f64::INFINITY, "+Inf"),
            (&f64::NEG_INFINITY, "-Inf"),
            (&f64::NAN, "NaN"),
            (&Written("0.05"), "0.05"),
            (&Fraction::of_ms(0), "0"),
            (&Fraction::of_ms(1500), "1.5"),
            (&Fraction::of_us(1), "0.000001"),
            (&Fraction::of_us(60_000_000), "60"),
            (&Fraction::of_ns(1_000_000_010), "1.00000001"),
            (&Fraction::of_thousandths(26_879), "26.879"),
        ] {
            assert_eq!(written(figure), text);
        }
    }
}
