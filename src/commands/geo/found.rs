//! The search itself, and what is done with the places that it finds; how a command asks for it is
//! another matter.

use std::cmp::Ordering;

use super::{Unit, reply_distance, reply_point};
use crate::base::geo::{Point, Shape};
use crate::base::partial_sort::sort_part;
use crate::commands::wording::element;
use crate::data::listpack::Element;
use crate::data::zset::{Builder, Cut, SortedSet, ZSetRef};
use crate::resp::writer::Reply;
use crate::table::KeyHasher;

/// In which order places are shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Order {
    /// The nearest first.
    Nearest,
    /// The farthest first.
    Farthest,
}

/// How many places are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Count {
    /// All.
    All,
    /// So many, the first in order.
    First(usize),
    /// So many, whichever are found first.
    Any(usize),
}

impl Count {
    /// The most places that are shown.
    fn most(self) -> usize {
        match self {
            Count::All => usize::MAX,
            Count::First(n) | Count::Any(n) => n,
        }
    }
}

/// What to search for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Search {
    pub(super) center: Point,
    pub(super) shape: Shape,
    /// The unit of distances in the result.
    pub(super) unit: Unit,
    pub(super) count: Count,
    pub(super) order: Option<Order>,
}

/// What is shown beside a place's name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct With {
    pub(super) distance: bool,
    pub(super) hash: bool,
    pub(super) coordinates: bool,
}

impl With {
    /// How much that is.
    pub(super) fn count(self) -> usize {
        [self.distance, self.hash, self.coordinates]
            .into_iter()
            .filter(|with| *with)
            .count()
    }
}

/// A place that was found.
pub(super) struct Found<'a> {
    name: Element<'a>,
    score: f64,
    place: Point,
    distance_m: f64,
}

impl Search {
    /// Searches a set.
    pub(super) fn run<'a>(&self, set: ZSetRef<'a>) -> Vec<Found<'a>> {
        let mut found = Vec::new();
        let enough = match self.count {
            Count::Any(n) => n,
            Count::All | Count::First(_) => usize::MAX,
        };
        let ranges = self.shape.score_ranges(self.center).into_iter();
        let members = ranges.flat_map(|range| {
            let ranks = set.between(Cut::BeforeScore(range.start), Cut::BeforeScore(range.end));
            set.range(ranks)
        });
        for (name, score) in members {
            let place = Point::from_score(score);
            if let Some(distance_m) = self.shape.distance_within(self.center, place) {
                found.push(Found {
                    name,
                    score,
                    place,
                    distance_m,
                });
                if found.len() == enough {
                    break;
                }
            }
        }
        let by_distance = |a: &Found<'_>, b: &Found<'_>| {
            let order = a.distance_m.partial_cmp(&b.distance_m);
            order.unwrap_or(Ordering::Equal)
        };
        let all = found.len();
        let shown = self.count.most().min(all);
        let wanted = if shown == all { None } else { Some(0..shown) };
        match self.effective_order() {
            None => {}
            Some(Order::Nearest) => sort_part(&mut found, wanted, by_distance),
            Some(Order::Farthest) => sort_part(&mut found, wanted, |a, b| by_distance(b, a)),
        }
        found.truncate(shown);
        found
    }

    /// To show the first of them makes sense only in order.
    fn effective_order(&self) -> Option<Order> {
        match self.count {
            Count::First(_) => self.order.or(Some(Order::Nearest)),
            Count::All | Count::Any(_) => self.order,
        }
    }

    /// Replies with what was found.
    pub(super) fn list(&self, reply: &mut Reply, found: &[Found<'_>], with: With) {
        reply.array(found.len());
        for place in found {
            if with.count() > 0 {
                reply.array(with.count() + 1);
            }
            element(reply, place.name);
            if with.distance {
                reply_distance(reply, place.distance_m, self.unit);
            }
            if with.hash {
                reply.int(place.score as i64);
            }
            if with.coordinates {
                reply_point(reply, place.place);
            }
        }
    }

    /// What was found as a set of its own, with places or distances as scores.
    pub(super) fn collect(
        &self,
        found: &[Found<'_>],
        distances: bool,
        hasher: KeyHasher,
    ) -> SortedSet {
        let mut builder = Builder::new(hasher, found.len());
        for place in found {
            let score = if distances {
                place.distance_m / self.unit.metres
            } else {
                place.score
            };
            place
                .name
                .with_bytes(|name| builder.update(name, |_| score));
        }
        builder.finish()
    }
}
