//! Answers that come later than the command, in the words of the wire.

use crate::commands::call;
use crate::commands::context::Ctx;
use crate::sentinel::{Answer, Verdict};

/// Replies to a command that has waited for its answer.
pub fn reply_answer(ctx: &mut Ctx<'_>, answer: &Answer) {
    match answer {
        Answer::Ok => ctx.reply.ok(),
        Answer::Error(text) => call::reply_error(ctx, text.as_bytes()),
        Answer::Verdict(verdict) => reply_verdict(ctx, verdict),
    }
}

/// Whether we see a master down, and for whom we have voted in which epoch.
pub(super) fn reply_verdict(ctx: &mut Ctx<'_>, verdict: &Verdict) {
    let (leader, epoch) = match &verdict.vote {
        Some((leader, epoch)) => (leader.as_str(), *epoch),
        None => ("*", 0),
    };
    ctx.reply.array(3);
    ctx.reply.int(verdict.down.into());
    ctx.reply.bulk(leader);
    ctx.reply.int(epoch as i64);
}
