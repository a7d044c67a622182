//! The language of manual pages, as far as these pages use it: `man(7)`.
//!
//! A line of text that begins with a dot or a quote would be a request, and a backslash begins an
//! escape, so all text goes through [`escaped`] and is filled in lines here.

use std::env;
use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use tanist::base::local_time::LocalTime;
use tanist::base::version::TANIST_VERSION;

/// Longest line of the source, as the checkers of pages want it.
const COLUMNS: usize = 78;

/// A page that is being written.
pub struct Roff {
    text: String,
}

/// Text with what would be markup made plain.
pub fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\e"),
            '-' => out.push_str("\\-"),
            '\'' => out.push_str("\\(aq"),
            '^' => out.push_str("\\(ha"),
            '~' => out.push_str("\\(ti"),
            '`' => out.push_str("\\(ga"),
            c => out.push(c),
        }
    }
    if out.starts_with('.') {
        out.insert_str(0, "\\&");
    }
    out
}

/// Text in bold letters.
pub fn bold(text: &str) -> String {
    format!("\\fB{}\\fR", escaped(text))
}

/// The day of the build, with the name of its month in full, as the checkers of pages want it.
/// `SOURCE_DATE_EPOCH` sets it, so that a build can be repeated.
fn date() -> String {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let set = env::var("SOURCE_DATE_EPOCH").ok();
    let set = set.and_then(|seconds| seconds.parse::<i64>().ok());
    let now = || SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = set.unwrap_or_else(|| now().map_or(0, |since| since.as_secs() as i64));
    let shown = LocalTime::new(seconds * 1_000_000, 0).to_string();
    let mut words = shown.split(' ');
    let mut word = || words.next().unwrap_or_default();
    let (day, month, year) = (word(), word(), word());
    let month = MONTHS.into_iter().find(|name| name.starts_with(month));
    let month = month.expect("the name of a month");
    format!("{month} {}, {year}", day.trim_start_matches('0'))
}

impl Roff {
    /// A page with its head and the section that indexes read.
    pub fn new(name: &str, section: u8, does: &str) -> Roff {
        let title = name.to_uppercase();
        let date = date();
        let text = format!(
            ".TH {title} {section} \"{date}\" \"Tanist {TANIST_VERSION}\"\n.SH NAME\n{} \\- {}\n",
            escaped(name),
            escaped(does)
        );
        Roff { text }
    }

    /// The page.
    pub fn finish(self) -> String {
        self.text
    }

    /// A new section.
    pub fn section(&mut self, title: &str) {
        writeln!(self.text, ".SH {}", escaped(&title.to_uppercase())).expect("a string");
    }

    /// A new paragraph.
    pub fn paragraph(&mut self, text: &str) {
        self.begin_paragraph();
        self.fill(text);
    }

    /// The first paragraph of a section needs no mark.
    fn begin_paragraph(&mut self) {
        let last = self.text.lines().last();
        if !last.is_some_and(|line| line.starts_with(".SH")) {
            self.text.push_str(".PP\n");
        }
    }

    /// Further paragraphs under a tag.
    pub fn indented_paragraph(&mut self, text: &str) {
        self.text.push_str(".IP\n");
        self.fill(text);
    }

    /// Tags, each on a line of its own, in markup, and the text beside them.
    pub fn tags<'a>(&mut self, tags: impl IntoIterator<Item = &'a str>) {
        for (number, tag) in tags.into_iter().enumerate() {
            let request = if number == 0 { ".TP" } else { ".TQ" };
            writeln!(self.text, "{request}\n{tag}").expect("a string");
        }
    }

    /// Text, filled.
    pub fn fill(&mut self, text: &str) {
        let mut columns = 0;
        for word in text.split_whitespace() {
            let word = escaped(word);
            let fits = columns + 1 + word.len() <= COLUMNS;
            if columns > 0 {
                self.text.push(if fits { ' ' } else { '\n' });
                columns = if fits { columns + 1 } else { 0 };
            }
            columns += word.len();
            self.text.push_str(&word);
        }
        self.text.push('\n');
    }

    /// Lines as they are.
    pub fn lines<'a>(&mut self, lines: impl IntoIterator<Item = &'a str>) {
        self.begin_paragraph();
        self.text.push_str(".nf\n");
        for line in lines {
            self.text.push_str(&escaped(line));
            self.text.push('\n');
        }
        self.text.push_str(".fi\n");
    }

    /// Lines as they are, under a tag.
    pub fn indented_lines<'a>(&mut self, lines: impl IntoIterator<Item = &'a str>) {
        self.text.push_str(".RS\n");
        self.lines(lines);
        self.text.push_str(".RE\n");
    }
}
