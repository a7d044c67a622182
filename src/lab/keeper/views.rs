//! What was seen of all nodes, and what can be concluded from it.
//!
//! Nodes are looked at one by one, so two of them are never seen at the same instant. Conclusions
//! allow for that: a replica has caught up if it is where its master was when that was last seen
//! *before* the replica was, whatever the master has done since.

use std::collections::VecDeque;

use crate::lab::model::{Sample, UnixUs};
use crate::lab::view::{SentinelView, View};

/// Offsets that are remembered of each server: three seconds of them.
const OFFSETS_KEPT: usize = 30;

/// See the module's head.
#[derive(Debug, Default)]
pub struct Views {
    nodes: Vec<Seen>,
}

#[derive(Clone, Debug, Default)]
struct Seen {
    last: Option<View>,
    /// Where it was, and when, oldest first.
    offsets: VecDeque<(UnixUs, u64)>,
    /// The role in which it was seen last, and whom it followed.
    role: Option<(String, Option<String>)>,
}

impl Views {
    /// Of so many nodes, none of which was seen.
    pub fn of(nodes: usize) -> Views {
        Views {
            nodes: vec![Seen::default(); nodes],
        }
    }

    /// A node was seen.
    pub fn see(&mut self, number: usize, view: View) {
        let seen = &mut self.nodes[number];
        if let View::Server(Sample {
            at_us,
            offset: Some(offset),
            ..
        }) = &view
        {
            if seen.offsets.len() == OFFSETS_KEPT {
                seen.offsets.pop_front();
            }
            seen.offsets.push_back((*at_us, *offset));
        }
        seen.last = Some(view);
    }

    /// A node has ended: what was seen of it is so no more.
    pub fn forget(&mut self, number: usize) {
        let seen = &mut self.nodes[number];
        seen.last = None;
        seen.offsets.clear();
    }

    /// The role that a server has now, and whom it follows, if that is not as it was.
    pub fn new_role(&mut self, number: usize, sample: &Sample) -> Option<(String, Option<String>)> {
        let role = (sample.role.clone()?, sample.follows.clone());
        let known = &mut self.nodes[number].role;
        let is_new = known.as_ref() != Some(&role);
        *known = Some(role.clone());
        is_new.then_some(role)
    }

    /// The server of this number as it was last seen.
    pub fn server(&self, number: usize) -> Option<&Sample> {
        match self.nodes[number].last.as_ref()? {
            View::Server(sample) => Some(sample),
            View::Sentinel(_) => None,
        }
    }

    /// The same, if it has answered and was seen later than that.
    pub fn server_since(&self, number: usize, since_us: UnixUs) -> Option<&Sample> {
        let sample = self.server(number)?;
        (sample.at_us > since_us && !sample.silent).then_some(sample)
    }

    /// The Sentinel of this number as it was last seen.
    pub fn sentinel(&self, number: usize) -> Option<&SentinelView> {
        match self.nodes[number].last.as_ref()? {
            View::Sentinel(view) => Some(view),
            View::Server(_) => None,
        }
    }

    /// The same, if it has answered and was seen later than that.
    pub fn sentinel_since(&self, number: usize, since_us: UnixUs) -> Option<&SentinelView> {
        let view = self.sentinel(number)?;
        (view.at_us > since_us && !view.silent).then_some(view)
    }

    /// Where a server was when it was last seen after the one instant and not after the other.
    pub fn offset_between(&self, number: usize, from_us: UnixUs, to_us: UnixUs) -> Option<u64> {
        let mut newest = self.nodes[number].offsets.iter().rev();
        let seen = newest.find(|(seen_us, _)| *seen_us > from_us && *seen_us <= to_us);
        seen.map(|(_, offset)| *offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(at_us: UnixUs, role: &str, offset: u64) -> Sample {
        Sample {
            at_us,
            role: Some(role.to_owned()),
            offset: Some(offset),
            ..Sample::default()
        }
    }

    #[test]
    fn a_server_is_known_as_it_was_before_an_instant() {
        let mut views = Views::of(1);
        for at in 1..=40 {
            views.see(0, View::Server(sample(at * 10, "master", at as u64)));
        }
        assert_eq!(views.offset_between(0, 0, 400), Some(40));
        assert_eq!(views.offset_between(0, 0, 399), Some(39));
        assert_eq!(views.offset_between(0, 390, 399), None, "not seen since");
        assert_eq!(views.offset_between(0, 0, 50), None, "too long ago");
        assert!(views.server_since(0, 399).is_some());
        assert!(views.server_since(0, 400).is_none());
        views.forget(0);
        assert_eq!(views.server(0), None);
        assert_eq!(views.offset_between(0, 0, 400), None);
    }

    #[test]
    fn a_role_is_new_once() {
        let mut views = Views::of(1);
        let role = |name: &str| Some((name.to_owned(), None));
        assert_eq!(views.new_role(0, &sample(1, "slave", 0)), role("slave"));
        assert_eq!(views.new_role(0, &sample(2, "slave", 0)), None);
        assert_eq!(views.new_role(0, &Sample::default()), None, "it was silent");
        assert_eq!(views.new_role(0, &sample(3, "master", 0)), role("master"));
    }
}
