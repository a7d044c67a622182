//! The links that were disturbed, when and how.
//!
//! A partition cuts every link between two groups, in both directions, at once. Shown pair by pair
//! that is a wall; so pairs that had the same fate are put together: `m1 s1 ⇄ r1 r2 s2 s3`.

use std::collections::{BTreeMap, BTreeSet};

use super::history::History;
use crate::lab::model::{LinkState, UnixUs, What};

/// What one step does to many links, it does within this time.
const SAME_US: i64 = 200_000;

/// Which way the bytes go that are disturbed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// Both.
    Both,
    /// From the left hosts to the right ones.
    Forth,
    /// From the right hosts to the left ones.
    Back,
}

/// A time in which a link was other than it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkBand {
    /// When it began.
    pub from_us: UnixUs,
    /// When it ended.
    pub to_us: UnixUs,
    /// What the link was like.
    pub state: LinkState,
    /// Which way.
    pub way: Way,
}

/// Hosts whose links had the same fate: each of the left with each of the right ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkRow {
    /// Hosts on the one side.
    pub left: Vec<String>,
    /// Hosts on the other side.
    pub right: Vec<String>,
    /// What their links were like, by time.
    pub bands: Vec<LinkBand>,
}

/// All links that were disturbed, in the order in which they first were.
pub fn rows(history: &History) -> Vec<LinkRow> {
    let directed = directed_bands(history);
    let mut pairs: Vec<(String, String, Vec<LinkBand>)> = Vec::new();
    for (from, to) in directed.keys() {
        // Each pair once: from its lesser end, if that way is disturbed at all.
        let back = (to.clone(), from.clone());
        if from < to || !directed.contains_key(&back) {
            let none = Vec::new();
            let backward = directed.get(&back).unwrap_or(&none);
            let forward = &directed[&(from.clone(), to.clone())];
            pairs.push((from.clone(), to.clone(), joined(forward, backward)));
        }
    }
    let mut fates: Vec<(Vec<LinkBand>, Vec<Pair>)> = Vec::new();
    for (from, to, bands) in pairs {
        let known = fates
            .iter_mut()
            .find(|(other, _)| is_same_fate(other, &bands));
        match known {
            Some((_, members)) => members.push((from, to)),
            None => fates.push((bands, vec![(from, to)])),
        }
    }
    let mut rows: Vec<LinkRow> = fates
        .into_iter()
        .flat_map(|(bands, m)| grouped(bands, m))
        .collect();
    rows.sort_by_key(|row| row.bands.first().map(|band| band.from_us));
    rows
}

/// Two hosts; a direction, where that matters.
type Pair = (String, String);
type Directed = BTreeMap<Pair, Vec<LinkBand>>;

/// What each direction was like, while it was not as it should be.
fn directed_bands(history: &History) -> Directed {
    let mut all = Directed::new();
    let mut since: BTreeMap<(&str, &str), (UnixUs, LinkState)> = BTreeMap::new();
    let close = |all: &mut Directed, key: (&str, &str), from_us, to_us, state: LinkState| {
        if state != LinkState::default() && from_us < to_us {
            let key = (key.0.to_owned(), key.1.to_owned());
            all.entry(key).or_default().push(LinkBand {
                from_us,
                to_us,
                state,
                way: Way::Forth,
            });
        }
    };
    for event in &history.events {
        if let What::Link { from, to, state } = &event.what
            && from != to
        {
            let key = (from.as_str(), to.as_str());
            match since.get(&key) {
                Some((_, before)) if before == state => {}
                Some((from_us, before)) => {
                    close(&mut all, key, *from_us, event.at_us, *before);
                    since.insert(key, (event.at_us, *state));
                }
                None => {
                    since.insert(key, (event.at_us, *state));
                }
            }
        }
    }
    for (key, (from_us, state)) in since {
        close(&mut all, key, from_us, history.to_us, state);
    }
    all
}

/// Both directions of one pair: what they share at the same time is one band.
fn joined(forward: &[LinkBand], backward: &[LinkBand]) -> Vec<LinkBand> {
    let mut back: Vec<Option<&LinkBand>> = backward.iter().map(Some).collect();
    let mut bands = Vec::new();
    for band in forward {
        let twin = back
            .iter_mut()
            .find(|b| b.is_some_and(|b| is_same(b, band)));
        let way = match twin {
            Some(twin) => {
                *twin = None;
                Way::Both
            }
            None => Way::Forth,
        };
        bands.push(LinkBand {
            way,
            ..band.clone()
        });
    }
    bands.extend(back.into_iter().flatten().map(|band| LinkBand {
        way: Way::Back,
        ..band.clone()
    }));
    bands.sort_by_key(|band| (band.from_us, band.way));
    bands
}

fn is_same(a: &LinkBand, b: &LinkBand) -> bool {
    let near = |a: UnixUs, b: UnixUs| a.abs_diff(b) <= SAME_US as u64;
    a.state == b.state && near(a.from_us, b.from_us) && near(a.to_us, b.to_us)
}

fn is_same_fate(a: &[LinkBand], b: &[LinkBand]) -> bool {
    let mut both = a.iter().zip(b);
    a.len() == b.len() && both.all(|(a, b)| a.way == b.way && is_same(a, b))
}

/// Pairs of the same fate as few rows of hosts against hosts.
fn grouped(bands: Vec<LinkBand>, pairs: Vec<Pair>) -> Vec<LinkRow> {
    let is_even = bands.iter().all(|band| band.way == Way::Both);
    let mut edges: BTreeSet<Pair> = pairs.into_iter().collect();
    if is_even {
        // Which end stands on the left is then free.
        let turned: Vec<_> = edges.iter().map(|(a, b)| (b.clone(), a.clone())).collect();
        edges.extend(turned);
    }
    let mut rows = Vec::new();
    while !edges.is_empty() {
        let mut peers: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (a, b) in &edges {
            peers.entry(a).or_default().insert(b);
        }
        let most = peers
            .values()
            .map(BTreeSet::len)
            .max()
            .expect("there are edges");
        let mut of_most = peers.values().filter(|peers| peers.len() == most);
        let right = of_most.next().expect("one has the most").clone();
        let is_left = |host: &&str| !right.contains(host) && right.is_subset(&peers[host]);
        let left: Vec<&str> = peers.keys().copied().filter(is_left).collect();
        let row = LinkRow {
            left: left.into_iter().map(str::to_owned).collect(),
            right: right.into_iter().map(str::to_owned).collect(),
            bands: bands.clone(),
        };
        let is_in_row = |a: &String, b: &String| row.left.contains(a) && row.right.contains(b);
        edges.retain(|(a, b)| !(is_in_row(a, b) || is_even && is_in_row(b, a)));
        rows.push(row);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::report::testing::{Scribe, at};

    fn row_words(run: Scribe) -> Vec<String> {
        let record = run.ended(9_000);
        let words = |row: LinkRow| {
            let way = row.bands.iter().map(|band| match band.way {
                Way::Both => '=',
                Way::Forth => '>',
                Way::Back => '<',
            });
            let way: String = way.collect();
            format!("{} {way} {}", row.left.join(","), row.right.join(","))
        };
        rows(&History::of(&record)).into_iter().map(words).collect()
    }

    #[test]
    fn a_partition_is_one_row() {
        let mut run = Scribe::begun("");
        run.part(1_000, &["m1", "s1"], &["r1", "r2", "s2"], true);
        run.part(3_000, &["m1", "s1"], &["r1", "r2", "s2"], false);
        assert_eq!(row_words(run), ["m1,s1 = r1,r2,s2"]);
    }

    #[test]
    fn three_parts_are_as_many_rows_as_it_needs() {
        let mut run = Scribe::begun("");
        run.part(1_000, &["a"], &["b", "c", "d"], true);
        run.part(1_001, &["b"], &["c", "d"], true);
        assert_eq!(row_words(run), ["a = b,c,d", "b = c,d"]);
    }

    #[test]
    fn what_goes_one_way_only_is_told_from_what_goes_both_ways() {
        let mut run = Scribe::begun("");
        let cut = LinkState {
            cut: true,
            ..LinkState::default()
        };
        let link = |from: &str, to: &str, state| What::Link {
            from: from.to_owned(),
            to: to.to_owned(),
            state,
        };
        run.event(1_000, link("r1", "m1", cut));
        run.event(2_000, link("r1", "m1", LinkState::default()));
        run.event(3_000, link("m1", "r2", cut));
        run.event(4_000, link("r2", "m1", cut));
        run.event(4_000, link("x", "x", cut));
        assert_eq!(row_words(run), ["r1 > m1", "m1 >< r2"]);
    }

    #[test]
    fn a_link_that_is_never_healed_is_disturbed_until_the_end() {
        let mut run = Scribe::begun("");
        run.part(1_000, &["a"], &["b"], true);
        let record = run.ended(9_000);
        let rows = rows(&History::of(&record));
        let band = &rows[0].bands[0];
        assert_eq!((band.from_us, band.to_us), (at(1_000), at(9_000)));
    }
}
