//! A former master and what it loses: the writes that its new master lacks are kept before the data
//! of that one are taken.

use super::claim::{Claim, TRIES_MAX};
use super::origin::Origin;
use super::{Handover, Link, Stage};
use crate::replication::action::{Action, LostWrites};
use crate::replication::context::Context;

impl Link {
    /// The link of a master that becomes a replica: its data is its own, and its new master may
    /// know its history.
    /// `base` is the lowest offset that a replica of its is known to have run, if it had one.
    pub(in crate::replication) fn of_former_master(
        cx: &mut Context,
        base: Option<u64>,
        host: String,
        port: u16,
    ) -> Link {
        let mut link = Link::at_start(host, port);
        link.on_restored(cx);
        let all_have_all = base == Some(cx.history.identity().offset());
        let may_lose = cx.settings.keeps_lost_writes() && cx.history.log().is_some();
        link.claim = (may_lose && !all_have_all).then(|| Claim::of(base));
        link
    }

    /// The link of a master that hands over to one of its replicas.
    pub(in crate::replication) fn to_target(
        cx: &mut Context,
        base: Option<u64>,
        host: String,
        port: u16,
    ) -> Link {
        let mut link = Link::of_former_master(cx, base, host, port);
        link.handover = Some(Handover::ToAsk);
        link
    }

    /// What we lose if the data of this place take the place of ours.
    pub(super) fn about_to_lose(&self, cx: &Context, origin: Origin) -> Option<LostWrites> {
        let claim = self.claim.as_ref()?;
        let identity = cx.history.identity();
        let told = self.lineage.as_ref().and_then(|lineage| {
            let mut fork = lineage.fork(identity.lineage())?;
            // It has changed its history since it told.
            fork.is_exact &= origin.id() == Some(lineage.id());
            Some(fork)
        });
        let (after, is_exact) = match (told, claim.base) {
            (Some(fork), _) if fork.is_exact => (fork.offset, true),
            (Some(fork), base) => (base.unwrap_or(0).max(fork.offset), false),
            (None, base) => (base?, false),
        };
        let end = identity.offset();
        (after < end).then(|| LostWrites {
            id: identity.id(),
            after,
            end,
            is_exact,
            new_id: origin.id(),
            master: format!("{}:{}", self.host, self.port),
        })
    }

    /// The snapshot is complete and welcome: keep what is lost by it, then take it.
    pub(super) fn keep_lost_then_end(&mut self, cx: &mut Context, origin: Origin) {
        let lost = self.about_to_lose(cx, origin);
        match (&mut self.claim, lost) {
            (Some(claim), Some(lost)) => {
                claim.asked = Some(lost.clone());
                cx.push(Action::KeepLost(lost));
            }
            _ => {
                self.claim = None;
                cx.push(Action::EndSnapshot);
            }
        }
    }

    /// What is about to be lost was kept, or could not be.
    pub(in crate::replication) fn on_lost_kept(
        &mut self,
        cx: &mut Context,
        result: Result<(), String>,
    ) {
        let Some(claim) = &mut self.claim else {
            return;
        };
        if claim.asked.is_none() || !matches!(self.stage, Stage::Loading(_)) {
            return;
        }
        if let Err(reason) = result {
            claim.tries += 1;
            if claim.tries < TRIES_MAX {
                return cx.warning(format!(
                    "LOST WRITES: they cannot be kept: {reason}. Trying again before the data of \
                     the new master are taken."
                ));
            }
            cx.warning(format!(
                "LOST WRITES: they cannot be kept: {reason}. Given up; the data of the new master \
                 are taken, and the writes are gone."
            ));
        }
        self.claim = None;
        cx.push(Action::EndSnapshot);
    }

    /// A second has passed while a snapshot waits for what is lost by it to be kept.
    pub(super) fn try_again_to_keep(&self, cx: &mut Context) {
        if let Some(lost) = self.claim.as_ref().and_then(|claim| claim.asked.as_ref()) {
            cx.push(Action::KeepLost(lost.clone()));
        }
    }

    /// The attempt is over; the next one may be with another master.
    pub(super) fn forget_attempt(&mut self) {
        self.lineage = None;
        if let Some(claim) = &mut self.claim {
            claim.asked = None;
        }
    }

    /// Our history is our master's from now on, and so are those that it grew out of.
    pub(super) fn learn_lineage(&self, cx: &mut Context) {
        if let Some(lineage) = &self.lineage
            && lineage.id() == cx.history.identity().id()
        {
            cx.history.learn(lineage.ancestors());
        }
    }
}
