//! Elements by chance, one walk for any number of them.
//!
//! The places are counted in groups: of one element in a set, of a field and its value in a hash.
//! What is handed out is the place where a group begins.

use super::{ListpackRef, Pos};
use crate::base::rng::Rng;

impl ListpackRef<'_> {
    /// One group by chance; none if there is no whole one.
    pub fn random(self, group: usize, rng: &mut Rng) -> Option<Pos> {
        let groups = self.len() / group;
        if groups == 0 {
            return None;
        }
        let index = rng.below(groups as u64) as usize * group;
        self.seek(index as i64)
    }

    /// `count` groups by chance, independent of each other, in the order of drawing.
    pub fn random_repeating(self, group: usize, count: usize, rng: &mut Rng) -> Vec<Pos> {
        let groups = (self.len() / group) as u64;
        if groups == 0 {
            return Vec::new();
        }
        let mut draws: Vec<(usize, usize)> = (0..count)
            .map(|nth| (rng.below(groups) as usize * group, nth))
            .collect();
        draws.sort_unstable();
        let mut drawn = vec![Pos(0); count];
        let mut entries = self.entries().enumerate();
        let mut here = entries.next();
        for (index, nth) in draws {
            while let Some((at, _)) = here
                && at < index
            {
                here = entries.next();
            }
            let (_, (pos, _)) = here.expect("indexes are below the number of elements");
            drawn[nth] = pos;
        }
        drawn
    }

    /// `count` different groups, or all if there are fewer, in the order in which they stand.
    pub fn random_distinct(self, group: usize, count: usize, rng: &mut Rng) -> Vec<Pos> {
        let mut unseen = self.len() / group;
        let mut wanted = count.min(unseen);
        let mut drawn = Vec::with_capacity(wanted);
        // Each group is taken with the chance that it is among the ones still wanted.
        for (pos, _) in self.entries().step_by(group) {
            if wanted == 0 {
                break;
            }
            if rng.below(unseen as u64) < wanted as u64 {
                drawn.push(pos);
                wanted -= 1;
            }
            unseen -= 1;
        }
        drawn
    }
}
