//! When those who want metrics have their turn.

use super::super::runtime::Runtime;
use crate::commands::env::Env;
use crate::commands::info::view::View;
use crate::commands::metrics::PageFigures;
use crate::engine::world::{Accepted, World};

impl<W: World> Runtime<W> {
    /// Takes in somebody who wants metrics.
    pub fn admit_for_metrics(&mut self, env: &Env, accepted: Accepted<W::Socket>) {
        let Runtime { metrics, world, .. } = self;
        metrics.admit(accepted, env.now.mono_ms(), world);
    }

    /// Goes on with those who want metrics.
    #[inline]
    pub fn serve_metrics(&mut self, env: &Env) {
        if self.metrics.has_work(env.now) {
            self.serve_metrics_now(env);
        }
    }

    #[cold]
    fn serve_metrics_now(&mut self, env: &Env) {
        let (started_ns, now_ms) = (self.world.mono_ns(), env.now.mono_ms());
        let mut metrics = std::mem::take(&mut self.metrics);
        metrics.go_on(now_ms, &mut self.world);
        if metrics.waiting > 0 {
            let own = PageFigures {
                connections: metrics.conns.len(),
                ..metrics.figures
            };
            let mut page = metrics.blank();
            let view = View::of(env, self.table, self.facts_of_late(env));
            metrics.renderer.write(&view, own, &mut page);
            metrics.hand_out(page, now_ms);
            metrics.go_on(now_ms, &mut self.world);
        }
        let ended_ns = self.world.mono_ns();
        metrics.note_spent(ended_ns - started_ns, ended_ns / 1000);
        self.metrics = metrics;
    }
}
