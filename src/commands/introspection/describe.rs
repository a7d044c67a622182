//! The two descriptions of a command: `COMMAND INFO` for programs, `COMMAND DOCS` for people.
//!
//! Shapes and field names are what client libraries parse. Fields without content are left out of
//! a documentation map, so a map's length is counted from the same list that is then written.

use super::super::context::{Command, CommandTable};
use super::super::row::{Arg, ArgKind, BeginSearch, FindKeys, KeySpec, Row};
use crate::resp::writer::Reply;

/// The array of ten that describes a command, its members nested.
pub fn info(reply: &mut Reply, table: &CommandTable, command: &Command) {
    let (first, last, step) = command.legacy_range;
    reply.array(10);
    reply.bulk(command.full_name);
    reply.int(command.row.arity.into());
    names(reply, command.flags.names());
    reply.int(first.into());
    reply.int(last.into());
    reply.int(step.into());
    names(
        reply,
        command
            .row
            .acl_categories()
            .names()
            .map(|name| format!("@{name}")),
    );
    reply.set(command.row.tips.len());
    command.row.tips.iter().for_each(|tip| reply.bulk(tip));
    reply.set(command.row.keys.len());
    command
        .row
        .keys
        .iter()
        .for_each(|spec| key_spec(reply, spec));
    // Members are an array, but nothing at all is an empty set.
    match table.members(command) {
        [] => reply.set(0),
        members => {
            reply.array(members.len());
            members.iter().for_each(|member| info(reply, table, member));
        }
    }
}

/// A set of names as simple strings.
pub fn names(reply: &mut Reply, names: impl Iterator<Item = impl AsRef<[u8]>>) {
    let names: Vec<_> = names.collect();
    reply.set(names.len());
    names.iter().for_each(|name| reply.simple(name));
}

fn key_spec(reply: &mut Reply, spec: &KeySpec) {
    reply.map(if spec.notes.is_empty() { 3 } else { 4 });
    if !spec.notes.is_empty() {
        reply.bulk("notes");
        reply.bulk(spec.notes);
    }
    reply.bulk("flags");
    names(reply, spec.flags.names());
    reply.bulk("begin_search");
    match spec.begin {
        BeginSearch::Index(index) => numbers(reply, "index", &[("index", index)]),
        BeginSearch::Keyword {
            keyword,
            start_from,
        } => {
            typed(reply, "keyword", 2);
            reply.bulk("keyword");
            reply.bulk(keyword);
            reply.bulk("startfrom");
            reply.int(start_from.into());
        }
        BeginSearch::Unknown => numbers(reply, "unknown", &[]),
    }
    reply.bulk("find_keys");
    match spec.find {
        FindKeys::Range { last, step, limit } => {
            numbers(
                reply,
                "range",
                &[("lastkey", last), ("keystep", step), ("limit", limit)],
            );
        }
        FindKeys::KeyNum {
            keynum,
            first,
            step,
        } => {
            let fields = [
                ("keynumidx", keynum),
                ("firstkey", first),
                ("keystep", step),
            ];
            numbers(reply, "keynum", &fields);
        }
        FindKeys::Unknown => numbers(reply, "unknown", &[]),
    }
}

/// A step of a key specification: its type, and the head of a map of its parameters.
fn typed(reply: &mut Reply, kind: &str, parameters: usize) {
    reply.map(2);
    reply.bulk("type");
    reply.bulk(kind);
    reply.bulk("spec");
    reply.map(parameters);
}

fn numbers(reply: &mut Reply, kind: &str, parameters: &[(&str, i32)]) {
    typed(reply, kind, parameters.len());
    for (name, value) in parameters {
        reply.bulk(name);
        reply.int((*value).into());
    }
}

/// A command's full name and the map that documents it.
pub fn named_docs(reply: &mut Reply, table: &CommandTable, command: &Command) {
    reply.bulk(command.full_name);
    docs(reply, table, command);
}

fn docs(reply: &mut Reply, table: &CommandTable, command: &Command) {
    let row = command.row;
    let members = table.members(command);
    let flags = doc_flags(row);
    let deprecated = row.deprecated.as_ref();
    let texts: Vec<(&str, &str)> = [
        ("summary", row.summary),
        ("since", row.since),
        ("group", row.group.name()),
        ("complexity", row.complexity),
    ]
    .into_iter()
    .filter(|(_, text)| !text.is_empty())
    .collect();
    let present = [
        !flags.is_empty(),
        deprecated.is_some(),
        deprecated.is_some(),
        !row.history.is_empty(),
        !row.args.is_empty(),
        !members.is_empty(),
    ];
    reply.map(texts.len() + present.into_iter().filter(|is| *is).count());
    texts.into_iter().for_each(|field| text_field(reply, field));
    if !flags.is_empty() {
        reply.bulk("doc_flags");
        names(reply, flags.into_iter());
    }
    if let Some(deprecation) = deprecated {
        text_field(reply, ("deprecated_since", deprecation.since));
        text_field(reply, ("replaced_by", deprecation.replaced_by));
    }
    if !row.history.is_empty() {
        reply.bulk("history");
        reply.set(row.history.len());
        for (since, change) in row.history {
            reply.array(2);
            reply.bulk(since);
            reply.bulk(change);
        }
    }
    if !row.args.is_empty() {
        reply.bulk("arguments");
        arguments(reply, row.args);
    }
    if !members.is_empty() {
        reply.bulk("subcommands");
        reply.map(members.len());
        members
            .iter()
            .for_each(|member| named_docs(reply, table, member));
    }
}

fn doc_flags(row: &Row) -> Vec<&'static str> {
    let flags = [
        (row.deprecated.is_some(), "deprecated"),
        (row.syscmd, "syscmd"),
    ];
    flags
        .into_iter()
        .filter(|(is, _)| *is)
        .map(|(_, name)| name)
        .collect()
}

fn text_field(reply: &mut Reply, (name, text): (&str, &str)) {
    reply.bulk(name);
    reply.bulk(text);
}

fn arguments(reply: &mut Reply, args: &[Arg]) {
    reply.array(args.len());
    args.iter().for_each(|arg| argument(reply, arg));
}

fn argument(reply: &mut Reply, arg: &Arg) {
    let is_container = matches!(arg.kind, ArgKind::OneOf | ArgKind::Block);
    let display = match arg.display {
        "" => arg.name,
        text => text,
    };
    let flags: Vec<&str> = [
        (arg.optional, "optional"),
        (arg.multiple, "multiple"),
        (arg.multiple_token, "multiple_token"),
    ]
    .into_iter()
    .filter(|(is, _)| *is)
    .map(|(_, name)| name)
    .collect();
    let optional_texts: Vec<(&str, &str)> = [
        ("token", arg.token),
        ("since", arg.since),
        ("deprecated_since", arg.deprecated_since),
    ]
    .into_iter()
    .filter(|(name, text)| {
        // A bare token may be the empty word.
        let is_bare = *name == "token" && arg.kind == ArgKind::PureToken;
        !text.is_empty() || is_bare
    })
    .collect();
    let has_key_spec = arg.key_spec >= 0;
    // Name and type always, and either a text to show or the arguments inside.
    let fields = 3 + usize::from(has_key_spec) + usize::from(!flags.is_empty());
    reply.map(fields + optional_texts.len());
    text_field(reply, ("name", arg.name));
    text_field(reply, ("type", arg.kind.name()));
    if !is_container {
        text_field(reply, ("display_text", display));
    }
    if has_key_spec {
        reply.bulk("key_spec_index");
        reply.int(arg.key_spec.into());
    }
    optional_texts
        .into_iter()
        .for_each(|field| text_field(reply, field));
    if !flags.is_empty() {
        reply.bulk("flags");
        names(reply, flags.into_iter());
    }
    if is_container {
        reply.bulk("arguments");
        arguments(reply, arg.args);
    }
}
