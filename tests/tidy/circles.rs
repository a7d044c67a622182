//! Which files import each other in a circle.
//!
//! A file that imports another can be read after it. In a circle there is no such order: to
//! understand one file, one has to understand them all. The compiler does not mind, so this counts
//! the files in circles, that is, in the strongly connected parts of the graph of imports.
//!
//! An arrow leads from a file to the one where an item that it names is *defined*: paths are
//! resolved through re-exports, so a `mod.rs` that hands out what its children define stands
//! between nobody and them, and declaring children is no import. A re-export is one where the file
//! makes use of the name itself. Test code does not count.
//!
//! As everywhere in these tests, the reader is small: it knows `use` trees, paths that begin with
//! `crate`, `super`, `self` or a child's name, and item definitions by their keyword. It does not
//! see that a method is called which another file defines.

use std::collections::{BTreeSet, HashMap};

use super::{Source, is_word, leading_word, words};

/// Re-exports of re-exports are followed so far.
const HOPS_MAX: usize = 8;

/// The files of each circle, by path.
pub fn circles(sources: &[Source]) -> Vec<Vec<&str>> {
    let house = House::of(sources);
    let arrows: Vec<_> = (0..house.files.len())
        .map(|file| house.arrows(file))
        .collect();
    let reach: Vec<_> = (0..arrows.len())
        .map(|file| reachable(&arrows, file))
        .collect();
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for file in 0..arrows.len() {
        let circle: Vec<usize> = reach[file]
            .iter()
            .copied()
            .filter(|other| reach[*other].contains(&file))
            .collect();
        if !circle.is_empty() && seen.insert(circle.clone()) {
            found.push(circle.into_iter().map(|i| house.files[i].path).collect());
        }
    }
    found
}

/// For people: what each file of a circle imports from others of the same circle.
pub fn arrows_within(sources: &[Source], circle: &[&str]) -> Vec<(String, String)> {
    let house = House::of(sources);
    let mut within = Vec::new();
    for (index, file) in house.files.iter().enumerate() {
        let targets = house
            .arrows(index)
            .into_iter()
            .map(|to| house.files[to].path);
        let targets = targets.filter(|to| circle.contains(to) && circle.contains(&file.path));
        within.extend(targets.map(|to| (file.path.to_owned(), to.to_owned())));
    }
    within
}

/// Everything that can be reached by one arrow or more.
fn reachable(arrows: &[BTreeSet<usize>], from: usize) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<usize> = arrows[from].iter().copied().collect();
    while let Some(file) = next.pop() {
        if reached.insert(file) {
            next.extend(&arrows[file]);
        }
    }
    reached
}

/// A file with code that is not for tests.
struct File<'a> {
    path: &'a str,
    /// The modules on the way to it: `["keyspace", "db"]`.
    module: Vec<String>,
    /// Its code without test modules and without `use` statements.
    code: String,
    imports: Vec<Import>,
    /// The names of the items that it defines.
    definitions: BTreeSet<String>,
}

/// A name that a `use` brings in.
#[derive(Debug, PartialEq)]
struct Import {
    path: Vec<String>,
    /// What it is called here; `*` for all that is there.
    name: String,
    is_public: bool,
}

/// What a path leads to.
#[derive(Clone, Copy)]
enum Target {
    Module(usize),
    ItemOf(usize),
}

struct House<'a> {
    files: Vec<File<'a>>,
    by_module: HashMap<Vec<String>, usize>,
}

impl<'a> House<'a> {
    fn of(sources: &'a [Source]) -> House<'a> {
        let of_tests = test_modules(sources);
        let mut files = Vec::new();
        for source in sources.iter().filter(|s| !s.is_tests()) {
            let module = module_of(&source.path);
            if !of_tests.iter().any(|test| module.starts_with(test)) {
                files.push(File::read(source, module));
            }
        }
        let modules = files
            .iter()
            .enumerate()
            .map(|(index, f)| (f.module.clone(), index));
        let by_module = modules.collect();
        House { files, by_module }
    }

    fn child(&self, of: usize, name: &str) -> Option<usize> {
        let mut path = self.files[of].module.clone();
        path.push(name.to_owned());
        self.by_module.get(&path).copied()
    }

    /// Where a path that stands in a file leads to; none if it leaves the crate.
    fn resolve(&self, from: usize, path: &[String], hops: usize) -> Option<Target> {
        let mut at = from;
        for (index, name) in path.iter().enumerate() {
            at = match name.as_str() {
                "crate" => *self.by_module.get(&Vec::new())?,
                "self" => at,
                "super" => {
                    let module = &self.files[at].module;
                    *self
                        .by_module
                        .get(&module[..module.len().checked_sub(1)?])?
                }
                name => match self.child(at, name) {
                    Some(child) => child,
                    None => {
                        let is_ours = index > 0;
                        return self.item(at, &path[index..], is_ours, hops);
                    }
                },
            };
        }
        Some(Target::Module(at))
    }

    /// Where an item is defined that a module defines or imports.
    fn item(&self, at: usize, path: &[String], is_ours: bool, hops: usize) -> Option<Target> {
        let file = &self.files[at];
        if hops == HOPS_MAX || file.defines(&path[0]) {
            return Some(Target::ItemOf(at));
        }
        let through = |import: &Import| {
            let onward: Vec<String> = import.path.iter().chain(&path[1..]).cloned().collect();
            self.resolve(at, &onward, hops + 1)
        };
        if let Some(import) = file.imports.iter().find(|import| import.name == path[0]) {
            return through(import);
        }
        for glob in file.imports.iter().filter(|import| import.name == "*") {
            if let Some(Target::Module(there)) = self.resolve(at, &glob.path, hops + 1)
                && there != at
                && self.knows(there, &path[0])
            {
                return self.resolve(there, path, hops + 1);
            }
        }
        is_ours.then_some(Target::ItemOf(at))
    }

    /// Whether a module has a name, without asking what its own globs bring in.
    fn knows(&self, module: usize, name: &str) -> bool {
        let file = &self.files[module];
        let imports = || file.imports.iter().any(|import| import.name == name);
        file.defines(name) || self.child(module, name).is_some() || imports()
    }

    /// The files in which a file's names are defined.
    fn arrows(&self, from: usize) -> BTreeSet<usize> {
        let file = &self.files[from];
        let mut arrows = BTreeSet::new();
        for import in &file.imports {
            let is_used = || words(&file.code, &import.name).next().is_some();
            if import.is_public && (import.name == "*" || !is_used()) {
                continue;
            }
            match self.resolve(from, &import.path, 0) {
                Some(Target::Module(module)) => {
                    let names = match import.name.as_str() {
                        "*" => self.names_used_from(from, module),
                        name => names_behind(&file.code, name),
                    };
                    arrows.extend(names.iter().filter_map(|name| self.file_of(module, name)));
                }
                Some(Target::ItemOf(other)) => _ = arrows.insert(other),
                None => {}
            }
        }
        let inline = paths(&file.code, |first| self.child(from, first).is_some());
        let inline = inline.iter().filter_map(|path| self.resolve(from, path, 0));
        arrows.extend(inline.map(|target| match target {
            Target::Module(other) | Target::ItemOf(other) => other,
        }));
        arrows.remove(&from);
        arrows
    }

    fn file_of(&self, module: usize, name: &str) -> Option<usize> {
        match self.resolve(module, &["self".to_owned(), name.to_owned()], 0)? {
            Target::Module(file) | Target::ItemOf(file) => Some(file),
        }
    }

    /// The names of a module that a file which imports all of them makes use of.
    fn names_used_from(&self, file: usize, module: usize) -> Vec<String> {
        let used = |name: &&str| words(&self.files[file].code, name).next().is_some();
        let there = &self.files[module];
        let defined = there.definitions.iter().map(String::as_str);
        let imported = there.imports.iter().map(|import| import.name.as_str());
        let imported = imported.filter(|name| *name != "*");
        defined
            .chain(imported)
            .filter(used)
            .map(str::to_owned)
            .collect()
    }
}

impl<'a> File<'a> {
    fn read(source: &'a Source, module: Vec<String>) -> File<'a> {
        let mut code = without_test_modules(&source.code);
        let imports = take_imports(&mut code);
        take_declarations(&mut code);
        File {
            path: &source.path,
            module,
            definitions: definitions(&code),
            code,
            imports,
        }
    }

    fn defines(&self, name: &str) -> bool {
        self.definitions.contains(name)
    }
}

/// `src/a/b.rs` and `src/a/b/mod.rs` are `["a", "b"]`.
fn module_of(path: &str) -> Vec<String> {
    let inside = path.strip_prefix("src/").unwrap_or(path);
    let stem = inside.strip_suffix(".rs").unwrap_or(inside);
    let mut module: Vec<String> = stem.split('/').map(str::to_owned).collect();
    if matches!(
        module.last().map(String::as_str),
        Some("mod" | "lib" | "main")
    ) {
        module.pop();
    }
    module
}

/// Modules that are declared for tests only.
fn test_modules(sources: &[Source]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for source in sources {
        for at in words(&source.code, "mod") {
            let name = leading_word(&source.code[at + 3..]);
            if is_for_tests(&source.code, at) {
                let mut module = module_of(&source.path);
                module.push(name.to_owned());
                found.push(module);
            }
        }
    }
    found
}

/// Whether the item whose keyword stands at `at` has an attribute that keeps it for tests.
fn is_for_tests(code: &str, at: usize) -> bool {
    let start = code[..at].rfind([';', '}', '{']).map_or(0, |end| end + 1);
    code[start..at].contains("cfg(test)")
}

fn without_test_modules(code: &str) -> String {
    let mut rest = code.to_owned();
    let mut from = 0;
    while let Some(at) = next_word(&rest, "mod", from) {
        from = at + 3;
        let (Some(open), Some(end)) = (rest[at..].find('{'), rest[at..].find(';')) else {
            continue;
        };
        if open < end && is_for_tests(&rest, at) {
            let close = closing_brace(&rest, at + open);
            // The end of it must still be seen, or its attribute would be the next one's.
            rest.replace_range(at..close, ";");
            from = at;
        }
    }
    rest
}

fn next_word(code: &str, word: &str, from: usize) -> Option<usize> {
    words(&code[from..], word).next().map(|at| from + at)
}

/// Where the block ends that opens at `at`.
fn closing_brace(code: &str, at: usize) -> usize {
    let mut depth = 0;
    for (offset, byte) in code[at..].bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 1 => return at + offset + 1,
            b'}' => depth -= 1,
            _ => {}
        }
    }
    code.len()
}

/// Takes the `use` statements out of the code.
fn take_imports(code: &mut String) -> Vec<Import> {
    let mut imports = Vec::new();
    let mut from = 0;
    while let Some(at) = next_word(code, "use", from) {
        from = at + 3;
        // `use<'a>` in a type bounds what a function captures.
        let Some(end) = code[at..]
            .find(';')
            .filter(|_| !code[from..].starts_with('<'))
        else {
            continue;
        };
        let before = code[..at].trim_end();
        let start = before.rfind([';', '}', '{', ']']).map_or(0, |end| end + 1);
        let is_public = words(&before[start..], "pub").next().is_some();
        if !is_for_tests(code, at) {
            read_tree(&code[from..at + end], &[], is_public, &mut imports);
        }
        code.replace_range(at..at + end, "");
        from = at;
    }
    imports
}

/// Takes the declarations of children out of the code.
fn take_declarations(code: &mut String) {
    let mut from = 0;
    while let Some(at) = next_word(code, "mod", from) {
        from = at + 3;
        let end = code[at..]
            .find([';', '{'])
            .map_or(code.len(), |end| at + end);
        if code[end..].starts_with(';') {
            code.replace_range(at..end, "");
            from = at;
        }
    }
}

/// Reads `a::{b, c as d, e::*}`.
fn read_tree(text: &str, prefix: &[String], is_public: bool, imports: &mut Vec<Import>) {
    let mut path = prefix.to_vec();
    let mut rest = text.trim();
    loop {
        if let Some(group) = rest.strip_prefix('{') {
            for part in parts(group.strip_suffix('}').unwrap_or(group)) {
                read_tree(part, &path, is_public, imports);
            }
            return;
        }
        let word = leading_word(rest);
        rest = rest[word.len()..].trim_start();
        if word.is_empty() {
            let name = if rest.starts_with('*') { "*" } else { return };
            let name = name.to_owned();
            imports.push(Import {
                path,
                name,
                is_public,
            });
            return;
        }
        // `a::{self}` is `a`.
        if word != "self" || path.is_empty() {
            path.push(word.to_owned());
        }
        match rest.strip_prefix("::") {
            Some(behind) => rest = behind.trim_start(),
            None => break,
        }
    }
    let renamed = rest.strip_prefix("as ").map(leading_word);
    let name = renamed
        .unwrap_or_else(|| path.last().map_or("", String::as_str))
        .to_owned();
    imports.push(Import {
        path,
        name,
        is_public,
    });
}

/// The parts between the commas of a group.
fn parts(group: &str) -> Vec<&str> {
    let (mut found, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, byte) in group.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            b',' if depth == 0 => {
                found.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    found.push(&group[start..]);
    found.retain(|part| !part.trim().is_empty());
    found
}

/// The paths in code that begin with one of the words for our own modules, or with a child's name.
fn paths(code: &str, is_child: impl Fn(&str) -> bool) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = code[from..].find("::").map(|at| from + at) {
        let start = code[..at]
            .bytes()
            .rposition(|b| !is_word(b))
            .map_or(0, |i| i + 1);
        let first = &code[start..at];
        let mut path = vec![first.to_owned()];
        from = at;
        while let Some(rest) = code[from..].strip_prefix("::") {
            let word = leading_word(rest);
            from += 2 + word.len();
            if word.is_empty() {
                break;
            }
            path.push(word.to_owned());
        }
        // What is visible in some module does not use it.
        let is_visibility = code[..start].trim_end().ends_with("(in");
        let is_rooted = matches!(first, "crate" | "super" | "self") && !is_visibility;
        let is_inside = code[..start].ends_with("::");
        if is_rooted || !is_inside && is_child(first) {
            found.push(path);
        }
    }
    found
}

/// The words that stand behind `name::` in code.
fn names_behind(code: &str, name: &str) -> Vec<String> {
    let behind = |at: usize| code[at + name.len()..].strip_prefix("::").map(leading_word);
    words(code, name)
        .filter_map(behind)
        .map(str::to_owned)
        .collect()
}

/// The names of items that code defines.
fn definitions(code: &str) -> BTreeSet<String> {
    let keywords = [
        "struct", "enum", "union", "fn", "const", "static", "type", "trait", "mod",
    ];
    let mut found = BTreeSet::new();
    for keyword in keywords {
        for at in words(code, keyword) {
            let rest = code[at + keyword.len()..].trim_start();
            let name = leading_word(rest.strip_prefix("mut ").unwrap_or(rest));
            found.insert(name.to_owned());
        }
    }
    let macros = words(code, "macro_rules");
    let name = |at: usize| leading_word(code[at + 11..].trim_start_matches(['!', ' ']));
    found.extend(macros.map(name).map(str::to_owned));
    found
}

#[test]
fn circles_are_found_and_nothing_else() {
    let source = |(path, code): (&str, &str)| Source {
        path: path.to_owned(),
        text: String::new(),
        code: code.to_owned(),
    };
    let found = |files: &[(&str, &str)]| {
        let sources: Vec<Source> = files.iter().copied().map(source).collect();
        let circles = circles(&sources);
        let own = |circle: Vec<&str>| circle.into_iter().map(str::to_owned).collect::<Vec<_>>();
        circles.into_iter().map(own).collect::<Vec<_>>()
    };
    let root = ("src/lib.rs", "pub mod a; pub mod b;");
    let circle = [["src/a/x.rs".to_owned(), "src/b.rs".to_owned()].to_vec()];

    // A parent that declares a child and hands out what it defines is in no circle.
    let facade = (
        "src/a/mod.rs",
        "mod x; pub use x::{X, Y as Z}; #[cfg(test)] mod rig;",
    );
    let leaf = ("src/a/x.rs", "pub struct X; pub struct Y;");
    let above = ("src/b.rs", "use crate::a::{X, Z}; pub struct B(X, Z);");
    assert_eq!(found(&[root, facade, leaf, above]), [] as [Vec<String>; 0]);

    // Arrows lead through it, whether the path is imported, written out, or begins at a module.
    let looks_up = (
        "src/a/x.rs",
        "use super::super::b::B; pub struct X(B); pub struct Y;",
    );
    assert_eq!(found(&[root, facade, looks_up, above]), circle);
    for above in [
        "pub struct B(crate::a::Z);",
        "use crate::a; pub struct B(a::X);",
        "use crate::a::*; pub struct B(Z);",
        "use crate::{a::{self as first}}; pub struct B(first::X);",
    ] {
        assert_eq!(
            found(&[root, facade, looks_up, ("src/b.rs", above)]),
            circle
        );
    }

    // Who may see an item does not say what it is made of.
    let seen = (
        "src/a/x.rs",
        "pub struct X; pub struct Y; pub(in crate::b) fn f() {}",
    );
    assert_eq!(found(&[root, facade, seen, above]), [] as [Vec<String>; 0]);

    // Tests may look where they like.
    for test in [
        "pub struct X; pub struct Y; #[cfg(test)] mod tests { use crate::b::B; }",
        "pub struct X; pub struct Y; #[cfg(test)] use crate::b::B;",
    ] {
        let leaf = ("src/a/x.rs", test);
        let rig = ("src/a/rig.rs", "use crate::b::B; use super::X;");
        assert_eq!(
            found(&[root, facade, leaf, rig, above]),
            [] as [Vec<String>; 0]
        );
    }

    // A parent whose own items a child uses is in a circle with it if it uses the child's.
    let parent = (
        "src/a/mod.rs",
        "mod x; pub use self::x::X; pub struct A(X);",
    );
    let child = ("src/a/x.rs", "use super::A; pub struct X(Box<A>);");
    assert_eq!(found(&[root, parent, child, ("src/b.rs", "")])[0].len(), 2);
}
