//! Failovers that are given up.

use crate::sentinel::action::Answer;
use crate::sentinel::context::Cx;
use crate::sentinel::failover::{Attempt, Failover, Reason};
use crate::sentinel::instance::{Master, Reconf};

/// Gives a failover up.
pub fn abort(master: &mut Master, event: &'static str, cx: &mut Cx<'_>) {
    cx.warn_master(event, master);
    if let Some(Attempt {
        reason: Reason::Coordinated(client),
        ..
    }) = master.failover.attempt()
    {
        let text = "NOGOODSLAVE The failover was given up".to_owned();
        cx.answer(*client, Answer::Error(text));
    }
    master.failover = Failover::No;
    for replica in &mut master.replicas {
        replica.reconf = Reconf::No;
    }
}

/// Gives a failover up that somebody who asked for something else has made moot.
pub fn give_up_quietly(master: &mut Master, cx: &mut Cx<'_>) {
    if let Some(Attempt {
        reason: Reason::Coordinated(client),
        ..
    }) = master.failover.attempt()
    {
        let text = "ERR The failover was given up".to_owned();
        cx.answer(*client, Answer::Error(text));
    }
    master.failover = Failover::No;
}
