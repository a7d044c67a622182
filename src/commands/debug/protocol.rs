//! `DEBUG PROTOCOL`: one sample of every kind of reply, for the tests of client libraries.

use super::super::context::{CmdResult, Ctx};
use super::super::error::CmdError;
use crate::resp::args::Args;
use crate::resp::writer::{Protocol, Reply};

/// A kind of reply and how its sample is written.
type Sample = (&'static str, fn(&mut Reply));

/// All kinds, in the order in which a wrong name lists them.
const SAMPLES: &[Sample] = &[
    ("string", |reply| reply.bulk("Hello World")),
    ("integer", |reply| reply.int(12345)),
    ("double", |reply| reply.double_text(b"3.141")),
    ("bignum", |reply| {
        reply.big_number(b"1234567999999999999999999999999999999")
    }),
    ("null", |reply| reply.null()),
    ("array", |reply| {
        reply.array(3);
        (0..3).for_each(|n| reply.int(n));
    }),
    ("set", |reply| {
        reply.set(3);
        (0..3).for_each(|n| reply.int(n));
    }),
    ("map", |reply| {
        reply.map(3);
        for n in 0..3 {
            reply.int(n);
            reply.bool(n == 1);
        }
    }),
    ("attrib", attribute),
    ("push", push),
    ("verbatim", |reply| {
        reply.verbatim("txt", b"This is a verbatim\nstring")
    }),
    ("true", |reply| reply.bool(true)),
    ("false", |reply| reply.bool(false)),
];

/// Replies with the sample of this name.
pub fn sample(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let wanted = |(name, _): &&Sample| args[2].eq_ignore_ascii_case(name.as_bytes());
    let Some((name, write)) = SAMPLES.iter().find(wanted) else {
        let names: Vec<&str> = SAMPLES.iter().map(|(name, _)| *name).collect();
        return Err(CmdError::err(format!(
            "Wrong protocol type name. Please use one of the following: {}",
            names.join("|")
        )));
    };
    if *name == "push" && ctx.reply.protocol == Protocol::Resp2 {
        return Err(CmdError::err("RESP2 is not supported by this command"));
    }
    write(ctx.reply);
    Ok(())
}

/// An attribute belongs to the reply behind it, so there is one.
fn attribute(reply: &mut Reply) {
    if reply.protocol == Protocol::Resp3 {
        reply.attribute(1);
        reply.bulk("key-popularity");
        reply.array(2);
        reply.bulk("key:123");
        reply.int(90);
    }
    reply.bulk("Some real reply following the attribute");
}

/// A push answers nothing, so there is a reply too; what a command pushes to its own client comes
/// behind that.
fn push(reply: &mut Reply) {
    reply.bulk("Some real reply following the push reply");
    reply.push(2);
    reply.bulk("server-cpu-usage");
    reply.int(42);
}
