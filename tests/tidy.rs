//! House rules that the compiler does not know, kept by a test.
//!
//! A crate has no walls inside: nothing stops a low module from importing a high one, a file from
//! growing by one harmless screen at a time, or `unsafe` from leaking out of its yard. So this
//! test reads the sources as text and says, file by file, what breaks a rule of ARCHITECTURE.md.
//!
//! The reader is deliberately small: it blanks comments, strings and character literals (keeping
//! every newline, so positions still mean lines) and then looks for tokens. No macro is expanded
//! and, but for circles of imports, no path resolved; the rules are such that this is enough.
//!
//! Exceptions are written out below by name with the size they may have. They may only shrink: an
//! entry that is no longer needed fails the test as well.

#[path = "tidy/circles.rs"]
mod circles;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Folders of `src/` from the ground up. An import may point to its own floor or down.
const FLOORS: &[&[&str]] = &[
    &["base", "http", "resp", "sys"],
    // It measures servers, and must not depend on the code that it measures.
    &["lab"],
    &["table"],
    &["data"],
    &["keyspace"],
    &["persist"],
    &["acl"],
    &["config"],
    &["replication", "sentinel"],
    &["commands"],
    &["engine"],
    &["server"],
];

/// Files of `src/` that are in circles of imports. May only fall.
const FILES_IN_CIRCLES: usize = 20;

const FILE_LINES_SOFT: usize = 600;
const FILE_LINES_HARD: usize = 1000;
const FUNCTION_LINES_MAX: usize = 70;
const COLUMNS_MAX: usize = 100;

/// Files over the soft limit, with the most lines each may have.
const LONG_FILES: &[(&str, usize)] = &[];

/// Functions over the limit as `file: name`, with the most lines each may have.
const LONG_FUNCTIONS: &[(&str, usize)] = &[];

/// A source file: its path from the crate's root, its text, and the text with everything that is
/// not code blanked out.
struct Source {
    path: String,
    text: String,
    code: String,
}

impl Source {
    fn name(&self) -> &str {
        self.path
            .rsplit('/')
            .next()
            .expect("a path has a last part")
    }

    /// Test modules and tables of rows are long by nature and easy to read all the same.
    fn is_tests(&self) -> bool {
        self.path.starts_with("tests/")
            || self.name() == "tests.rs"
            || self.name().ends_with("_tests.rs")
    }

    fn is_rows(&self) -> bool {
        let of_rows = |folder| self.path.starts_with(folder);
        self.name().contains("table") && ["src/commands/", "src/config/"].iter().any(of_rows)
    }

    /// The folder of `src/` that the file belongs to; none for `lib.rs` and `main.rs`.
    fn house_folder(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?;
        match inside.split_once('/') {
            Some((folder, _)) => Some(folder),
            None => inside
                .strip_suffix(".rs")
                .filter(|stem| *stem != "lib" && *stem != "main"),
        }
    }

    /// How many modules deep the file is: 1 for `src/base/mod.rs`, 2 for `src/base/glob.rs`.
    fn module_depth(&self) -> usize {
        let inside = self.path.strip_prefix("src/").unwrap_or(&self.path);
        let parts = inside.split('/').count();
        if matches!(self.name(), "mod.rs" | "lib.rs" | "main.rs") {
            parts - 1
        } else {
            parts
        }
    }

    fn line_of(&self, position: usize) -> usize {
        self.code.as_bytes()[..position]
            .iter()
            .filter(|b| **b == b'\n')
            .count()
            + 1
    }

    fn line_count(&self) -> usize {
        self.text.lines().count()
    }
}

/// What the rules found, one line a finding.
#[derive(Default)]
struct Findings(String);

impl Findings {
    fn add(&mut self, source: &Source, line: usize, what: &str) {
        writeln!(self.0, "{}:{line}: {what}", source.path).expect("writing to a string");
    }

    #[track_caller]
    fn expect_none(self, rule: &str) {
        assert!(self.0.is_empty(), "{rule}\n{}", self.0);
    }
}

fn sources(folders: &[&str]) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    for folder in folders {
        collect_rust_files(&root.join(folder), &mut paths);
    }
    paths.sort();
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("sources are readable UTF-8");
        let code = blank_non_code(&text);
        let relative = path.strip_prefix(root).expect("found below the root");
        Source {
            path: relative.to_str().expect("UTF-8 path").to_owned(),
            text,
            code,
        }
    };
    paths.into_iter().map(read).collect()
}

fn collect_rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            collect_rust_files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// Replaces comments, strings and character literals by spaces, byte for byte, newlines kept.
fn blank_non_code(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = non_code_end(bytes, at);
        for byte in &mut code[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end.max(at + 1);
    }
    String::from_utf8_lossy(&code).into_owned()
}

/// Where the comment or literal that begins at `at` ends; `at` itself if none begins there.
fn non_code_end(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    let to_end = |length: Option<usize>| length.map_or(bytes.len(), |n| at + n);
    let after_word = at > 0 && is_word(bytes[at - 1]);
    match rest {
        [b'/', b'/', ..] => to_end(rest.iter().position(|b| *b == b'\n')),
        [b'/', b'*', ..] => to_end(block_comment_length(rest)),
        [b'"', ..] => to_end(string_length(rest)),
        [b'r', b'"' | b'#', ..] if !after_word || bytes[at - 1] == b'b' => {
            raw_string_length(rest).map_or(at, |n| at + n)
        }
        [b'\'', b'\\', ..] => to_end(rest.iter().skip(3).position(|b| *b == b'\'').map(|n| n + 4)),
        [b'\'', first, ..] => {
            // A lifetime has no closing quote right behind its first character.
            let width = utf8_width(*first);
            if rest.get(1 + width) == Some(&b'\'') {
                at + width + 2
            } else {
                at
            }
        }
        _ => at,
    }
}

fn utf8_width(first: u8) -> usize {
    match first {
        0xF0.. => 4,
        0xE0.. => 3,
        0xC0.. => 2,
        _ => 1,
    }
}

fn block_comment_length(rest: &[u8]) -> Option<usize> {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] if depth == 1 => return Some(at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    None
}

fn string_length(rest: &[u8]) -> Option<usize> {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b'"' => return Some(at + 1),
            _ => at += 1,
        }
    }
    None
}

/// The length of `r"…"` or `r#"…"#`; none if this is not a raw string (`r#type`).
fn raw_string_length(rest: &[u8]) -> Option<usize> {
    let hashes = rest[1..].iter().take_while(|b| **b == b'#').count();
    let body = 1 + hashes;
    if rest.get(body) != Some(&b'"') {
        return None;
    }
    let mut closing = vec![b'"'];
    closing.resize(1 + hashes, b'#');
    let tail = &rest[body + 1..];
    let length = tail.windows(closing.len()).position(|w| w == closing)?;
    Some(body + 1 + length + closing.len())
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Positions at which `word` stands in `code` as a word of its own.
fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let bytes = code.as_bytes();
    code.match_indices(word)
        .map(|(at, _)| at)
        .filter(move |at| {
            let before = at.checked_sub(1).map(|i| bytes[i]);
            let after = bytes.get(at + word.len()).copied();
            !before.is_some_and(is_word) && !after.is_some_and(is_word)
        })
}

fn leading_word(code: &str) -> &str {
    let code = code.trim_start();
    let end = code.bytes().position(|b| !is_word(b)).unwrap_or(code.len());
    &code[..end]
}

/// The first path segments that follow `crate::`: one, or each of a `{…}` group.
fn first_segments(after: &str) -> Vec<&str> {
    let after = after.trim_start();
    let Some(group) = after.strip_prefix('{') else {
        return vec![leading_word(after)];
    };
    let mut depth = 0;
    let mut found = vec![leading_word(group)];
    for (at, byte) in group.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 0 => break,
            b'}' => depth -= 1,
            b',' if depth == 0 => found.push(leading_word(&group[at + 1..])),
            _ => {}
        }
    }
    found.retain(|segment| !segment.is_empty());
    found
}

/// Every `(position, folder)` that the file's paths reach by way of the crate's root, be it
/// `crate::folder` or a chain of `super::` long enough to arrive there.
fn reached_from_root(source: &Source) -> Vec<(usize, &str)> {
    let code = source.code.as_str();
    let mut reached = Vec::new();
    for at in words(code, "crate") {
        if let Some(after) = code[at + 5..].strip_prefix("::") {
            reached.extend(first_segments(after).into_iter().map(|folder| (at, folder)));
        }
    }
    let climb = "super::".repeat(source.module_depth());
    if !climb.is_empty() {
        for at in words(code, &climb).filter(|at| !code[..*at].ends_with("::")) {
            let folders = first_segments(&code[at + climb.len()..]);
            reached.extend(
                folders
                    .into_iter()
                    .filter(|f| floor_of(f).is_some())
                    .map(|f| (at, f)),
            );
        }
    }
    reached
}

fn floor_of(folder: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&folder))
}

/// The end of the body of the function whose `fn` stands at `at`; none for a declaration.
fn body_end(code: &str, at: usize) -> Option<usize> {
    let mut brackets = 0_i32;
    let mut braces = 0_i32;
    for (offset, byte) in code[at..].bytes().enumerate() {
        match byte {
            b'(' | b'[' => brackets += 1,
            b')' | b']' => brackets -= 1,
            b';' if brackets == 0 && braces == 0 => return None,
            b'{' => braces += 1,
            b'}' => {
                braces -= 1;
                if braces == 0 && brackets == 0 {
                    return Some(at + offset);
                }
            }
            _ => {}
        }
    }
    None
}

#[test]
fn imports_point_down() {
    let mut findings = Findings::default();
    for source in sources(&["src"]) {
        let Some(folder) = source.house_folder() else {
            continue;
        };
        let Some(floor) = floor_of(folder) else {
            findings.add(
                &source,
                1,
                &format!("the folder {folder} stands on no floor"),
            );
            continue;
        };
        for (at, target) in reached_from_root(&source) {
            let line = source.line_of(at);
            match floor_of(target) {
                None => findings.add(&source, line, &format!("crate::{target} is on no floor")),
                Some(above) if above > floor => findings.add(
                    &source,
                    line,
                    &format!("{folder} (floor {floor}) reaches up to {target} (floor {above})"),
                ),
                Some(_) => {}
            }
        }
    }
    findings.expect_none("An import points down, never up.");
}

#[test]
fn fewer_and_fewer_files_import_each_other_in_circles() {
    let all = sources(&["src"]);
    let circles = circles::circles(&all);
    let files: usize = circles.iter().map(Vec::len).sum();
    let report = || {
        let mut report = String::new();
        for circle in &circles {
            writeln!(report, "A circle of {}:", circle.len()).expect("writing to a string");
            for (from, to) in circles::arrows_within(&all, circle) {
                writeln!(report, "    {from} imports {to}").expect("writing to a string");
            }
        }
        report
    };
    assert!(
        files <= FILES_IN_CIRCLES,
        "{files} files are in circles of imports, and {FILES_IN_CIRCLES} may be.\n{}",
        report()
    );
    assert!(
        files == FILES_IN_CIRCLES,
        "only {files} files are in circles of imports: let FILES_IN_CIRCLES say so\n{}",
        report()
    );
}

#[test]
fn files_stay_short_enough_to_hold_in_mind() {
    let mut findings = Findings::default();
    let mut needed = Vec::new();
    for source in sources(&["src", "tests", "benches", "examples"]) {
        let lines = source.line_count();
        if source.is_rows() {
            continue;
        }
        if lines > FILE_LINES_HARD {
            findings.add(&source, lines, &format!("over {FILE_LINES_HARD} lines"));
        } else if lines > FILE_LINES_SOFT && !source.is_tests() {
            needed.push(source.path.clone());
            let allowed = LONG_FILES.iter().find(|(path, _)| *path == source.path);
            match allowed {
                None => findings.add(&source, lines, &format!("over {FILE_LINES_SOFT} lines")),
                Some((_, most)) if lines > *most => {
                    findings.add(&source, lines, &format!("grew over its {most} lines"));
                }
                Some(_) => {}
            }
        }
    }
    findings.expect_none("A file does one job and is short.");
    for (path, _) in LONG_FILES {
        assert!(
            needed.iter().any(|n| n == path),
            "{path} is short now: strike the exception"
        );
    }
}

#[test]
fn functions_fit_on_a_screen() {
    let mut findings = Findings::default();
    let mut needed = Vec::new();
    for source in sources(&["src", "benches", "examples"])
        .iter()
        .filter(|s| !s.is_tests())
    {
        for at in words(&source.code, "fn") {
            let name = leading_word(&source.code[at + 2..]);
            if name.is_empty() {
                continue;
            }
            let Some(end) = body_end(&source.code, at) else {
                continue;
            };
            let lines = source.line_of(end) - source.line_of(at) + 1;
            if lines <= FUNCTION_LINES_MAX {
                continue;
            }
            let key = format!("{}: {name}", source.path);
            let most = LONG_FUNCTIONS
                .iter()
                .find(|(k, _)| *k == key)
                .map(|(_, most)| *most);
            if lines > most.unwrap_or(FUNCTION_LINES_MAX) {
                findings.add(
                    source,
                    source.line_of(at),
                    &format!("{name} has {lines} lines"),
                );
            }
            needed.push(key);
        }
    }
    findings.expect_none("A function fits on a screen: branching above, work in leaves.");
    for (key, _) in LONG_FUNCTIONS {
        assert!(
            needed.iter().any(|n| n == key),
            "{key} is short now: strike the exception"
        );
    }
}

#[test]
fn lines_are_at_most_100_columns_wide() {
    let mut findings = Findings::default();
    for source in sources(&["src", "tests", "benches", "examples"]) {
        for (index, line) in source.text.lines().enumerate() {
            let columns = line.chars().count();
            if columns > COLUMNS_MAX {
                findings.add(&source, index + 1, &format!("{columns} columns"));
            }
        }
    }
    findings.expect_none("Lines end before column 100.");
}

#[test]
fn every_file_opens_with_its_story() {
    let mut findings = Findings::default();
    for source in sources(&["src", "tests", "benches", "examples"]) {
        if !source.text.starts_with("//!") {
            findings.add(&source, 1, "no `//!` at the head");
        }
    }
    findings.expect_none("A file's head tells its problem, its shape and its invariants.");
}

#[test]
fn no_scaffolding_is_left_standing() {
    let mut findings = Findings::default();
    for source in sources(&["src", "tests", "benches", "examples"]) {
        for leftover in ["dbg", "todo", "unimplemented"] {
            for at in words(&source.code, leftover) {
                if source.code[at + leftover.len()..].starts_with('!') {
                    findings.add(&source, source.line_of(at), &format!("{leftover}!"));
                }
            }
        }
        for (index, line) in source.text.lines().enumerate() {
            if line.contains(concat!("FIX", "ME")) {
                findings.add(&source, index + 1, "a note to mend this");
            }
        }
    }
    findings.expect_none("What is landed is finished.");
}

#[test]
fn the_tests_that_prove_the_security_claims_are_there() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/security.md");
    let text = fs::read_to_string(path).expect("docs/security.md is there");
    let all = sources(&["src", "tests"]);
    let is_there = |name: &str| {
        let wanted = format!("fn {name}(");
        all.iter().any(|source| source.code.contains(&wanted))
    };
    // Names of tests are sentences: they have more words than anything else that is quoted.
    let quoted = text.split('`').skip(1).step_by(2);
    let is_sentence = |name: &&str| name.matches('_').count() >= 2;
    let missing: Vec<&str> = quoted
        .filter(is_sentence)
        .filter(|n| !is_there(n))
        .collect();
    assert!(missing.is_empty(), "no tests have the names {missing:?}");
}

#[test]
fn unsafe_stays_behind_its_fences() {
    let fenced = |path: &str| {
        path.starts_with("src/sys/")
            || path.starts_with("src/table/")
            || path == "src/keyspace/boxed.rs"
            || path.starts_with("src/keyspace/entry")
            || path.starts_with("src/keyspace/db")
            || path.starts_with("src/data/element")
            || path.starts_with("src/data/ranked")
    };
    let mut findings = Findings::default();
    for source in sources(&["src"]).iter().filter(|s| !fenced(&s.path)) {
        for at in words(&source.code, "unsafe") {
            findings.add(
                source,
                source.line_of(at),
                "unsafe outside the fenced modules",
            );
        }
    }
    findings.expect_none(
        "Unsafe code lives in two yards: sys/; tables, what they hold, and the database over them.",
    );
}

#[test]
fn no_module_file_is_left_undeclared() {
    let all = sources(&["src"]);
    let mut findings = Findings::default();
    for source in &all {
        let path = Path::new(&source.path);
        let (folder, stem) = (
            path.parent().expect("below src"),
            path.file_stem().expect("named"),
        );
        let stem = stem.to_str().expect("UTF-8 path");
        if source.path == "src/lib.rs" || source.path == "src/main.rs" {
            continue;
        }
        // `a/mod.rs` is declared a folder higher under its folder's name.
        let (home, module) = if stem == "mod" {
            let name = folder
                .file_name()
                .expect("below src")
                .to_str()
                .expect("UTF-8 path");
            (folder.parent().expect("below src"), name)
        } else {
            (folder, stem)
        };
        let parents = [
            home.join("mod.rs"),
            home.join("lib.rs"),
            home.with_extension("rs"),
        ];
        let by_name = format!("mod {module};");
        let by_path = format!("#[path = \"{}\"]", source.name());
        let declared = all.iter().any(|other| {
            let other_path = Path::new(&other.path);
            (parents.iter().any(|p| p == other_path) && other.code.contains(&by_name))
                || (other_path.parent() == Some(folder) && other.text.contains(&by_path))
        });
        if !declared {
            findings.add(source, 1, "no file declares this module");
        }
    }
    findings.expect_none("A file that nobody declares is not compiled.");
}

#[test]
fn the_reader_tells_code_from_text() {
    let blank = |text: &str| {
        blank_non_code(text)
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(blank("a /* b /* c */ d */ e // f\ng"), "a e g");
    assert_eq!(
        blank(r#"x("un\"safe", b"q", 'u', '\'', '\\')"#),
        "x( , b , , , )"
    );
    assert_eq!(
        blank(r##"let r = r#"a " b"#; r#type<'a>"##),
        "let r = ; r#type<'a>"
    );
    assert_eq!(blank("'ä' 'b: loop"), "'b: loop");
    assert_eq!(
        first_segments("{base::{a, b}, server, self}"),
        ["base", "server", "self"]
    );
    assert_eq!(first_segments("resp::Reply;"), ["resp"]);
    let code = "fn a(x: [u8; 4]) -> T { if y { 1 } }";
    assert_eq!(body_end(code, 0), Some(code.len() - 1));
    assert_eq!(body_end("fn a(x: [u8; 4]);", 0), None);
}
