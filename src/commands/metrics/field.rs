//! A field of `INFO` as a figure of the page; all of them stand in [`super::table`].

use super::page::{Fraction, Kind, Page, Written};

/// How the text of a field becomes a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// It is one.
    AsIs,
    /// It is one, but -1 says that nothing is known, and nothing is shown.
    Known,
    /// `ok` is 1, `err` is 0.
    OkOrErr,
    /// It has a percent sign behind it.
    Percent,
    /// Milliseconds, shown in seconds; -1 says that nothing is known.
    Millis,
    /// Microseconds, shown in seconds.
    Micros,
}

/// A field of `INFO` and its metric.
#[derive(Debug)]
pub struct Field {
    /// As `INFO` names it.
    pub field: &'static str,
    /// As it is named here.
    pub metric: &'static str,
    /// What kind of figure it is.
    pub kind: Kind,
    /// How it is read.
    pub form: Form,
    /// What it is.
    pub help: &'static str,
}

impl Field {
    /// Shows it on a page. A text that is no number is not shown.
    pub fn show(&self, text: &str, page: &mut Page) {
        let (name, kind, help) = (self.metric, self.kind, self.help);
        match self.form {
            Form::AsIs if is_number(text) => page.single(name, kind, help, Written(text)),
            Form::Known if is_number(text) && !text.starts_with('-') => {
                page.single(name, kind, help, Written(text));
            }
            Form::OkOrErr => page.single(name, kind, help, text == "ok"),
            Form::Percent => {
                let number = text.strip_suffix('%').filter(|number| is_number(number));
                if let Some(number) = number {
                    page.single(name, kind, help, Written(number));
                }
            }
            Form::Millis => {
                if let Ok(ms) = text.parse() {
                    page.single(name, kind, help, Fraction::of_ms(ms));
                }
            }
            Form::Micros => {
                if let Ok(us) = text.parse() {
                    page.single(name, kind, help, Fraction::of_us(us));
                }
            }
            Form::AsIs | Form::Known => {}
        }
    }
}

/// Whether this is a decimal number.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    let is_part = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
    digits.first().is_some_and(u8::is_ascii_digit) && digits.iter().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::super::table::find;
    use super::*;

    fn shown(field: &str, text: &str) -> Option<String> {
        let mut page = Page::default();
        find(field).expect("it is one").show(text, &mut page);
        let page = String::from_utf8(page.into_text()).expect("text");
        let line = page.lines().next_back()?;
        Some(line.split_once(' ').expect("a value").1.to_owned())
    }

    #[test]
    fn texts_become_numbers_or_nothing() {
        for (field, text, value) in [
            ("connected_clients", "12", Some("12")),
            ("connected_clients", "", None),
            ("connected_clients", "1e5", None),
            ("connected_clients", "-", None),
            ("used_cpu_sys", "0.006993", Some("0.006993")),
            ("rdb_last_bgsave_time_sec", "-1", Some("-1")),
            ("rdb_last_bgsave_status", "ok", Some("1")),
            ("rdb_last_bgsave_status", "err", Some("0")),
            ("used_memory_peak_perc", "75.00%", Some("75.00")),
            ("latest_fork_usec", "1500", Some("0.0015")),
            ("master_lag_ms", "2500", Some("2.5")),
            ("master_lag_ms", "-1", None),
            ("master_sync_seconds_left", "-1", None),
            ("master_sync_seconds_left", "3", Some("3")),
        ] {
            assert_eq!(shown(field, text).as_deref(), value, "{field} {text:?}");
        }
    }
}
