//! Replies that many families word alike: help texts, what collections hold, and refusals that
//! quote what was typed.

use super::context::{CmdResult, Ctx};
use super::error::CmdError;
use crate::data::listpack::Element;
use crate::resp::args::Args;
use crate::resp::writer::Reply;

/// Replies to `HELP`: one line for the container, the lines given, one for `HELP` itself.
pub fn help(ctx: &mut Ctx<'_>, args: &Args<'_>, lines: &[&str]) -> CmdResult {
    let mut head = until_nul(&args[0]).to_ascii_uppercase();
    head.extend_from_slice(b" <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
    ctx.reply.array(lines.len() + 3);
    ctx.reply.simple(head);
    for line in lines {
        ctx.reply.simple(line);
    }
    ctx.reply.simple("HELP");
    ctx.reply.simple("    Print this help.");
    Ok(())
}

/// Replies with what a collection holds, as the string that it is to clients.
#[inline]
pub fn element(reply: &mut Reply, element: Element<'_>) {
    match element {
        Element::Int(int) => reply.bulk_int(int),
        Element::Bytes(bytes) => reply.bulk(bytes),
    }
}

/// Replies with what a collection holds, or a null where it does not.
#[inline]
pub fn element_or_null(reply: &mut Reply, found: Option<Element<'_>>) {
    match found {
        Some(found) => element(reply, found),
        None => reply.null(),
    }
}

/// Replies with a number, or a null where there is none.
#[inline]
pub fn int_or_null(reply: &mut Reply, number: Option<i64>) {
    match number {
        Some(number) => reply.int(number),
        None => reply.null(),
    }
}

/// A refusal with code `ERR` that quotes a word of the client's.
pub fn quoting(before: &str, word: &[u8], after: &str) -> CmdError {
    CmdError::err([before.as_bytes(), until_nul(word), after.as_bytes()].concat())
}

/// The same with two such words; the texts stand around and between them.
pub fn quoting_both(texts: [&str; 3], words: [&[u8]; 2]) -> CmdError {
    let [before, between, after] = texts.map(str::as_bytes);
    let [first, second] = words.map(until_nul);
    CmdError::err([before, first, between, second, after].concat())
}

/// The refusal of a subcommand whose arguments, though enough, make no sense.
pub fn bad_subcommand(args: &Args<'_>) -> CmdError {
    let name = until_nul(&args[1]);
    let container = until_nul(&args[0]).to_ascii_uppercase();
    let text: [&[u8]; 5] = [
        b"unknown subcommand or wrong number of arguments for '",
        &name[..name.len().min(128)],
        b"'. Try ",
        &container,
        b" HELP.",
    ];
    CmdError::err(text.concat())
}

/// A word as far as an error text shows it.
fn until_nul(word: &[u8]) -> &[u8] {
    word.split(|b| *b == 0).next().unwrap_or_default()
}
