//! The text that `INFO` replies with: sections parted by an empty line, a field a line.

use std::fmt::{Display, Write as _};

/// A report being written.
#[derive(Default)]
pub struct Report {
    text: String,
}

impl Report {
    /// An empty report that is written into this text.
    pub fn reusing(mut text: String) -> Report {
        text.clear();
        Report { text }
    }

    /// Begins a section.
    pub fn title(&mut self, title: &str) {
        if !self.text.is_empty() {
            self.text.push_str("\r\n");
        }
        self.push(format_args!("# {title}\r\n"));
    }

    /// A field.
    pub fn line(&mut self, name: impl Display, value: impl Display) {
        self.push(format_args!("{name}:{value}\r\n"));
    }

    /// Several fields.
    pub fn lines(&mut self, fields: &[(&str, &dyn Display)]) {
        for (name, value) in fields {
            self.line(name, value);
        }
    }

    /// A truth value, as 1 or 0.
    pub fn flag(&mut self, name: &str, value: bool) {
        self.line(name, u8::from(value));
    }

    /// An amount of memory, in bytes and then as people write it.
    pub fn bytes(&mut self, name: &str, bytes: u64) {
        self.line(name, bytes);
        self.line(format_args!("{name}_human"), human(bytes));
    }

    /// What was written.
    pub fn into_text(self) -> String {
        self.text
    }

    fn push(&mut self, text: std::fmt::Arguments<'_>) {
        self.text.write_fmt(text).expect("a String takes any text");
    }
}

/// An amount of memory in the largest unit in which it is at least one.
pub fn human(bytes: u64) -> String {
    let units = ["K", "M", "G", "T", "P"];
    match bytes.checked_ilog2().unwrap_or(0) / 10 {
        0 | 6.. => format!("{bytes}B"),
        power => {
            let unit = (1u64 << (10 * power)) as f64;
            format!("{:.2}{}", bytes as f64 / unit, units[power as usize - 1])
        }
    }
}

/// Two decimals.
pub fn hundredths(value: f64) -> String {
    format!("{value:.2}")
}

/// A name made of a client's bytes, fit for a field.
pub fn safe_name(name: &[u8]) -> String {
    let safe = |c| if "#:\n\r".contains(c) { '_' } else { c };
    String::from_utf8_lossy(name).chars().map(safe).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_written_in_the_largest_unit_that_fits() {
        for (bytes, text) in [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1.00K"),
            (1536, "1.50K"),
            (1 << 20, "1.00M"),
            ((1 << 30) - 1, "1024.00M"),
            (5 << 30, "5.00G"),
            (1 << 40, "1.00T"),
            (1 << 50, "1.00P"),
            (1 << 60, "1152921504606846976B"),
        ] {
            assert_eq!(human(bytes), text);
        }
    }

    #[test]
    fn sections_are_parted_by_an_empty_line() {
        let mut report = Report::default();
        report.title("One");
        report.line("a", 1);
        report.title("Two");
        report.flag("b", true);
        assert_eq!(report.into_text(), "# One\r\na:1\r\n\r\n# Two\r\nb:1\r\n");
    }

    #[test]
    fn names_cannot_break_the_format() {
        assert_eq!(safe_name(b"my#err:\r\n"), "my_err___");
    }
}
