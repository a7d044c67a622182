//! A reader of Prometheus' text format that takes nothing amiss, for tests.
//!
//! It knows nothing of the writer, and wants more than Prometheus does: both comments of a family,
//! in one order, once, and above all of its lines; no series twice; histograms that add up.

use std::collections::{BTreeMap, HashMap, HashSet};

/// The labels of a line, by name.
pub type Labels = BTreeMap<String, String>;

/// A family that was read.
#[derive(Debug)]
#[allow(dead_code, reason = "not every test looks at everything")]
pub struct Family {
    /// Its name.
    pub name: String,
    /// `counter`, `gauge`, `histogram`, `summary`.
    pub kind: String,
    /// What it is.
    pub help: String,
    /// Its lines: the name that may have more behind it, labels, value.
    pub samples: Vec<(String, Labels, f64)>,
}

/// A page that was read.
#[derive(Debug, Default)]
pub struct Read {
    /// Its families, in their order.
    pub families: Vec<Family>,
}

impl Read {
    /// The value of a series; labels are written as `name=value`.
    pub fn value(&self, name: &str, labels: &[&str]) -> Option<f64> {
        let wanted = labels.iter().map(|label| {
            let (name, value) = label.split_once('=').expect("name=value");
            (name.to_owned(), value.to_owned())
        });
        let wanted: Labels = wanted.collect();
        let samples = self.families.iter().flat_map(|family| &family.samples);
        let mut found = samples.filter(|(own, labels, _)| own == name && *labels == wanted);
        found.next().map(|(_, _, value)| *value)
    }

    /// The lines of that name, whatever their labels.
    pub fn all(&self, name: &str) -> Vec<(&Labels, f64)> {
        let samples = self.families.iter().flat_map(|family| &family.samples);
        let named = samples.filter(|(own, ..)| own == name);
        named.map(|(_, labels, value)| (labels, *value)).collect()
    }
}

/// Reads a page.
///
/// # Errors
///
/// What is wrong with it, and where.
pub fn read(text: &str) -> Result<Read, String> {
    if !text.is_empty() && !text.ends_with('\n') {
        return Err("the last line does not end".to_owned());
    }
    let mut page = Read::default();
    let mut help: Option<(String, String)> = None;
    let mut names = HashSet::new();
    let mut series = HashSet::new();
    for (number, line) in text.lines().enumerate() {
        let wrong = |what: &str| format!("line {}: {what}: {line}", number + 1);
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, words) = rest.split_once(' ').ok_or_else(|| wrong("no words"))?;
            if help.is_some() || !is_name(name, true) || !names.insert(name.to_owned()) {
                return Err(wrong("a second comment, or no name"));
            }
            let words = unescape(words, false).ok_or_else(|| wrong("a bad escape"))?;
            help = Some((name.to_owned(), words));
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').ok_or_else(|| wrong("no type"))?;
            let (named, help) = help.take().ok_or_else(|| wrong("no HELP above it"))?;
            let known = ["counter", "gauge", "histogram", "summary"];
            if named != name || !known.contains(&kind) {
                return Err(wrong("not the type of this family"));
            }
            page.families.push(Family {
                name: named,
                kind: kind.to_owned(),
                help,
                samples: Vec::new(),
            });
        } else if line.starts_with('#') || help.is_some() {
            return Err(wrong("neither a line of a family nor its comment"));
        } else {
            let sample = sample(line).ok_or_else(|| wrong("no sample"))?;
            let family = page.families.last_mut().ok_or_else(|| wrong("no family"))?;
            if !family.owns(&sample) {
                return Err(wrong("not of this family"));
            }
            if !series.insert((sample.0.clone(), sample.1.clone())) {
                return Err(wrong("a second time"));
            }
            family.samples.push(sample);
        }
    }
    match help {
        Some((name, _)) => Err(format!("{name} has no type")),
        None => page
            .families
            .iter()
            .try_for_each(Family::check)
            .map(|()| page),
    }
}

type Sample = (String, Labels, f64);

impl Family {
    fn owns(&self, (name, labels, value): &Sample) -> bool {
        let suffix = name.strip_prefix(&self.name);
        match (&self.kind[..], suffix) {
            ("counter", Some("")) => *value >= 0.0,
            ("gauge", Some("")) => true,
            ("histogram", Some("_bucket")) => labels.contains_key("le"),
            ("summary", Some("")) => labels.contains_key("quantile"),
            ("histogram" | "summary", Some("_sum" | "_count")) => {
                !labels.contains_key("le") && !labels.contains_key("quantile")
            }
            _ => false,
        }
    }

    /// Whether its histograms add up.
    fn check(&self) -> Result<(), String> {
        if self.kind != "histogram" {
            return Ok(());
        }
        let mut buckets: HashMap<Labels, Vec<(f64, f64)>> = HashMap::new();
        let mut counts: HashMap<&Labels, f64> = HashMap::new();
        for (name, labels, value) in &self.samples {
            if name.ends_with("_bucket") {
                let mut labels = labels.clone();
                let bound = labels.remove("le").and_then(|le| number(&le));
                let bound = bound.ok_or_else(|| format!("{name}: no bound"))?;
                buckets.entry(labels).or_default().push((bound, *value));
            } else if name.ends_with("_count") {
                counts.insert(labels, *value);
            }
        }
        if buckets.len() != counts.len() {
            return Err(format!("{}: not as many counts as histograms", self.name));
        }
        for (labels, buckets) in &buckets {
            let grows = buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1);
            let last = buckets.last().filter(|(bound, _)| *bound == f64::INFINITY);
            if !grows || last.map(|(_, count)| count) != counts.get(labels) {
                return Err(format!("{}: {labels:?} does not add up", self.name));
            }
        }
        Ok(())
    }
}

fn sample(line: &str) -> Option<Sample> {
    let end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(end);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Labels::new(), rest),
    };
    let value = number(rest.strip_prefix(' ')?)?;
    is_name(name, true).then(|| (name.to_owned(), labels, value))
}

/// The labels behind an opening brace, at least one, and what stands behind the closing one.
fn labels(mut rest: &str) -> Option<(Labels, &str)> {
    let mut labels = Labels::new();
    loop {
        let (name, behind) = rest.split_once("=\"")?;
        let mut escaped = false;
        let end = behind.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        })?;
        let value = unescape(&behind[..end], true)?;
        if !is_name(name, false) || labels.insert(name.to_owned(), value).is_some() {
            return None;
        }
        rest = &behind[end + 1..];
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => return Some((labels, rest.strip_prefix('}')?)),
        }
    }
}

fn unescape(text: &str, quoted: bool) -> Option<String> {
    let mut plain = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => plain.push(match letters.next()? {
                '\\' => '\\',
                'n' => '\n',
                '"' if quoted => '"',
                _ => return None,
            }),
            '"' if quoted => return None,
            letter => plain.push(letter),
        }
    }
    Some(plain)
}

fn number(text: &str) -> Option<f64> {
    match text {
        "+Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        "NaN" => Some(f64::NAN),
        _ if text.starts_with(|c: char| c.is_ascii_digit() || c == '-') => text.parse().ok(),
        _ => None,
    }
}

fn is_name(name: &str, is_metric: bool) -> bool {
    let starts = |c: char| c.is_ascii_alphabetic() || c == '_' || is_metric && c == ':';
    name.starts_with(starts) && name.chars().all(|c| starts(c) || c.is_ascii_digit())
}
