//! Cuts, delays and mends links, and notes each change for the record.

use super::state::{Keeper, now_us};
use crate::lab::hosts::Hosts;
use crate::lab::model::{LinkState, What};
use crate::lab::request::LinkChange;

impl Keeper {
    /// Changes the links between hosts, in both directions unless told otherwise.
    ///
    /// # Errors
    ///
    /// There is no such host, or only one.
    pub(super) fn change_links(
        &mut self,
        from: &[String],
        to: &[String],
        one_way: bool,
        what: LinkChange,
    ) -> Result<String, String> {
        let sides = [self.hosts.expand(from)?, self.hosts.expand(to)?];
        let pairs = Hosts::pairs_between(&sides);
        if pairs.is_empty() {
            return Err("a link has two ends".to_owned());
        }
        for (from, to) in pairs {
            self.change_link(&from, &to, what);
            if !one_way {
                self.change_link(&to, &from, what);
            }
        }
        Ok(String::new())
    }

    fn change_link(&mut self, from: &str, to: &str, what: LinkChange) {
        let before = self.relay.state(from, to);
        let state = match what {
            LinkChange::Cut => LinkState {
                cut: true,
                ..before
            },
            LinkChange::Heal => LinkState::default(),
            LinkChange::Delay(delay_us) => LinkState { delay_us, ..before },
            LinkChange::Rate(bytes_per_s) => LinkState {
                bytes_per_s,
                ..before
            },
        };
        if state == before {
            return;
        }
        self.relay.set(from, to, state);
        let (from, to) = (from.to_owned(), to.to_owned());
        self.event(now_us(), What::Link { from, to, state });
    }

    /// Nothing passes between hosts of different sides.
    ///
    /// # Errors
    ///
    /// There is no such host, or one is on two sides.
    pub(super) fn partition(&mut self, sides: &[Vec<String>]) -> Result<String, String> {
        let sides: Vec<Vec<String>> = sides
            .iter()
            .map(|side| self.hosts.expand(side))
            .collect::<Result<_, _>>()?;
        for (at, side) in sides.iter().enumerate() {
            let others = sides[at + 1..].iter().flatten();
            if let Some(twice) = others.into_iter().find(|name| side.contains(name)) {
                return Err(format!("{twice} is on two sides"));
            }
        }
        for (from, to) in Hosts::pairs_between(&sides) {
            self.change_link(&from, &to, LinkChange::Cut);
            self.change_link(&to, &from, LinkChange::Cut);
        }
        Ok(String::new())
    }

    /// All links are as they were at the beginning.
    pub(super) fn heal_all(&mut self) -> String {
        let names: Vec<String> = self.hosts.names().map(str::to_owned).collect();
        for from in &names {
            for to in names.iter().filter(|to| *to != from) {
                self.change_link(from, to, LinkChange::Heal);
            }
        }
        String::new()
    }
}
