//! `redis.conf` and `sentinel.conf` as pages: their words, with the facts of the table.
//!
//! A file is a row of blocks between empty lines. A block is text, directives, or text with the
//! directives that it is about behind it:
//!
//! ```text
//! # Seconds of silence after which a link is given up.        text
//! #
//! #     repl-timeout <seconds>                                lines as they are
//! #repl-timeout 60                                            a directive with its default
//! ```

use std::path::Path;

use tanist::config::{Config, NumberFormat, NumberRule, Row, Settings, Traits};

use super::roff::{Roff, bold, escaped};

/// A part of a file.
#[derive(Default)]
struct Block<'a> {
    text: Vec<&'a str>,
    directives: Vec<&'a str>,
}

/// What a file is made of.
enum Piece<'a> {
    Heading(&'a str),
    Block(Block<'a>),
}

fn pieces(file: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut block = Block::default();
    for line in file.lines().chain([""]) {
        if let Some(heading) = line.strip_prefix("####") {
            pieces.push(Piece::Heading(heading.trim_matches(['#', ' '])));
        } else if let Some(text) = line.strip_prefix("# ") {
            block.text.push(text);
        } else if line == "#" {
            block.text.push("");
        } else if !line.is_empty() {
            block.directives.push(line.trim_start_matches('#'));
        } else if !block.text.is_empty() || !block.directives.is_empty() {
            pieces.push(Piece::Block(std::mem::take(&mut block)));
        }
    }
    pieces
}

/// Runs of lines that are all text, or all as they are.
fn runs<'a>(text: &[&'a str]) -> Vec<(bool, Vec<&'a str>)> {
    let mut runs: Vec<(bool, Vec<&str>)> = Vec::new();
    for part in text.split(|line| line.is_empty()) {
        let mut begins = true;
        for line in part {
            let is_literal = line.starts_with("    ");
            match runs.last_mut() {
                Some((literal, lines)) if !begins && *literal == is_literal => lines.push(line),
                _ => runs.push((is_literal, vec![line])),
            }
            begins = false;
        }
    }
    runs
}

/// A directive as a tag: its name in bold letters, then its arguments.
fn tag(directive: &str) -> String {
    let is_sentinel = directive.starts_with("sentinel ");
    let end = directive.match_indices(' ').nth(usize::from(is_sentinel));
    let (name, arguments) = directive.split_at(end.map_or(directive.len(), |(at, _)| at));
    format!("{}{}", bold(name), escaped(arguments))
}

/// A number of the bounds, in the unit in which it is written.
fn bound(number: i128, rule: NumberRule) -> String {
    match rule.format {
        NumberFormat::Octal => format!("{number:o}"),
        NumberFormat::Plain | NumberFormat::Memory => number.to_string(),
    }
}

/// The value that the directive has by itself.
fn default_of(row: &Row, defaults: &[Settings; 2]) -> String {
    let [here, there] = defaults.each_ref().map(|settings| row.saved(settings));
    let text = |line: &Vec<u8>| String::from_utf8_lossy(line).into_owned();
    let lines: Vec<String> = here.iter().map(text).collect();
    if here != there {
        "It depends on where the server is started.".to_owned()
    } else if lines.is_empty() {
        "Not set by default.".to_owned()
    } else {
        format!("Default: {}.", lines.join(", "))
    }
}

/// What the table says of a directive.
pub fn facts(row: &Row) -> String {
    let defaults = ["/", "/tmp"].map(|folder| Config::defaults(Path::new(folder)).settings);
    let mut facts = vec![default_of(row, &defaults)];
    let (least, greatest) = row.number.bounds;
    if least != greatest {
        let [least, greatest] = [least, greatest].map(|number| bound(number, row.number));
        facts.push(format!("From {least} to {greatest}."));
    }
    if let Some(alias) = row.alias {
        facts.push(format!("Formerly {alias}."));
    }
    if !row.is_mutable() {
        facts.push("Cannot be changed while the server runs.".to_owned());
    } else if row.is(Traits::PROTECTED) {
        facts.push("Can be changed at run time if enable-protected-configs allows it.".to_owned());
    }
    facts.join(" ")
}

fn write_block(roff: &mut Roff, block: &Block<'_>) {
    let is_tagged = !block.directives.is_empty();
    if is_tagged {
        let tags: Vec<String> = block.directives.iter().map(|line| tag(line)).collect();
        roff.tags(tags.iter().map(String::as_str));
    }
    for (number, (is_literal, lines)) in runs(&block.text).into_iter().enumerate() {
        match (is_tagged, is_literal) {
            (true, true) => roff.indented_lines(lines),
            (false, true) => roff.lines(lines),
            (true, false) if number == 0 => roff.fill(&lines.join(" ")),
            (true, false) => roff.indented_paragraph(&lines.join(" ")),
            (false, false) => roff.paragraph(&lines.join(" ")),
        }
    }
}

fn write_facts(roff: &mut Roff, block: &Block<'_>) {
    let names = block
        .directives
        .iter()
        .filter_map(|line| line.split(' ').next());
    let mut rows: Vec<&Row> = Vec::new();
    for row in names.filter_map(|name| Row::find(name.as_bytes())) {
        if !rows.iter().any(|seen| seen.name == row.name) {
            rows.push(row);
        }
    }
    for row in &rows {
        let facts = facts(row);
        match rows.len() {
            1 => roff.indented_paragraph(&facts),
            _ => roff.indented_paragraph(&format!("{}: {facts}", row.name)),
        }
    }
}

/// Writes a file as sections, one for each heading. `with_facts` adds what the table of the
/// server's directives says of each.
pub fn write(roff: &mut Roff, file: &str, with_facts: bool) {
    roff.section("Description");
    for piece in pieces(file) {
        match piece {
            Piece::Heading(title) => roff.section(title),
            Piece::Block(block) => {
                write_block(roff, &block);
                if with_facts {
                    write_facts(roff, &block);
                }
            }
        }
    }
}
