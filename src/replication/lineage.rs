//! Where two histories part.
//!
//! A master that was cut off from its replicas goes on writing, and one of them is promoted
//! meanwhile. The two histories are one up to some byte, the *fork*; what the old master wrote
//! behind it exists nowhere else. Each of the two knows its own name and those of the histories
//! that it grew out of, each with the last byte in common ([`Identity::lineage`]). The fork is in
//! the youngest history that both know: where the first of the two left it.
//!
//! ```text
//!   old master   M  1 ............... 700          its lineage: M up to 700
//!   new master   M  1 ....... 500 | N 501 ...      its lineage: N, M up to 500     fork: 500
//! ```
//!
//! A stock server tells its own name and one more in `INFO replication`. One that followed another
//! when that was promoted may have been behind at that moment, so it only knows a lower bound;
//! what is computed from one says so.
//!
//! [`Identity::lineage`]: super::identity::Identity::lineage

use super::identity::{ANCESTORS_MAX, Ancestor, ReplId};

/// Where a history parts from ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fork {
    /// The last byte in common.
    pub offset: u64,
    /// Whether it is the last; else they have at least so much in common.
    pub is_exact: bool,
}

/// What a server tells of its history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lineage {
    /// Its own history first, then those that it grew out of.
    ancestors: Vec<Ancestor>,
}

impl Lineage {
    /// What the text of `INFO replication` says; none if that is not what it is.
    pub fn parse_info(text: &[u8]) -> Option<Lineage> {
        let field = |name: &str| {
            let is_it = |line: &&[u8]| line.starts_with(name.as_bytes());
            let line = text.split(|&byte| byte == b'\n').find(is_it)?;
            line[name.len()..]
                .strip_prefix(b":")
                .map(<[u8]>::trim_ascii)
        };
        let number = |name: &str| str::from_utf8(field(name)?).ok()?.parse::<i64>().ok();
        let id = ReplId::parse(field("master_replid")?)?;
        let is_master = field("role")? == b"master";
        // The history of a replica goes on at its master: how far, it cannot say.
        let end = if is_master {
            u64::MAX
        } else {
            u64::try_from(number("master_repl_offset")?).ok()?
        };
        let mut ancestors = vec![Ancestor {
            id,
            end,
            is_exact: is_master,
        }];
        let previous = field("master_replid2").and_then(ReplId::parse);
        let second = number("second_repl_offset").and_then(|at| u64::try_from(at).ok());
        if let (Some(id), Some(end)) = (previous, second.and_then(|at| at.checked_sub(1)))
            && id != ReplId::NONE
        {
            ancestors.push(Ancestor {
                id,
                end,
                is_exact: is_master,
            });
        }
        Some(Lineage { ancestors })
    }

    /// The same as a peer of ours tells it in a line: [`text`](Self::text) of its lineage.
    pub fn parse_text(text: &[u8]) -> Option<Lineage> {
        let mut ancestors = Vec::new();
        for word in text.split(|&byte| byte == b',') {
            let mut parts = word.splitn(3, |&byte| byte == b':');
            let id = parts.next().and_then(ReplId::parse)?;
            let end = str::from_utf8(parts.next()?).ok()?.parse().ok()?;
            let is_exact = match parts.next()? {
                b"=" => true,
                b">" => false,
                _ => return None,
            };
            ancestors.push(Ancestor { id, end, is_exact });
        }
        Some(Lineage { ancestors })
    }

    /// A lineage in one line, `name:end:=` for each history, or `:>` where the end is a lower
    /// bound, with commas between them.
    pub fn text(lineage: impl Iterator<Item = Ancestor>) -> String {
        let words: Vec<String> = lineage
            .map(|known| {
                let mark = if known.is_exact { '=' } else { '>' };
                format!("{}:{}:{mark}", known.id, known.end)
            })
            .collect();
        words.join(",")
    }

    /// The history that the server is of.
    pub fn id(&self) -> ReplId {
        self.ancestors[0].id
    }

    /// The histories that the one of this name grew out of, as a file has them that belongs to it;
    /// none if the text is of another history, or is not what it should be.
    pub fn ancestors_in_file(text: &[u8], id: ReplId) -> Vec<Ancestor> {
        let lineage = Lineage::parse_text(text).filter(|lineage| lineage.id() == id);
        let mut ancestors = lineage.map_or(Vec::new(), |lineage| lineage.ancestors().to_vec());
        ancestors.truncate(ANCESTORS_MAX);
        ancestors
    }

    /// The histories that its own grew out of.
    pub fn ancestors(&self) -> &[Ancestor] {
        &self.ancestors[1..]
    }

    /// Where its history parts from one of this lineage; none if they have none in common.
    pub fn fork(&self, ours: impl Iterator<Item = Ancestor>) -> Option<Fork> {
        let common = ours.filter_map(|our| {
            let their = self.ancestors.iter().find(|their| their.id == our.id)?;
            let offset = our.end.min(their.end);
            let is_exact =
                (our.is_exact && our.end == offset) || (their.is_exact && their.end == offset);
            Some(Fork { offset, is_exact })
        });
        common.max_by_key(|fork| fork.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(letter: char) -> ReplId {
        ReplId::parse(letter.to_string().repeat(ReplId::LEN).as_bytes()).expect("40 characters")
    }

    fn known(letter: char, end: u64, is_exact: bool) -> Ancestor {
        Ancestor {
            id: id(letter),
            end,
            is_exact,
        }
    }

    fn info(role: &str, ids: [char; 2], offsets: [i64; 2]) -> String {
        format!(
            "# Replication\r\nrole:{role}\r\nconnected_slaves:0\r\nmaster_replid:{}\r\n\
             master_replid2:{}\r\nmaster_repl_offset:{}\r\nsecond_repl_offset:{}\r\n",
            id(ids[0]),
            id(ids[1]),
            offsets[0],
            offsets[1]
        )
    }

    #[track_caller]
    fn expect(theirs: &str, ours: &[Ancestor], fork: Option<(u64, bool)>) {
        let lineage = Lineage::parse_info(theirs.as_bytes()).expect("INFO replication");
        let got = lineage.fork(ours.iter().copied());
        assert_eq!(got.map(|fork| (fork.offset, fork.is_exact)), fork);
    }

    #[test]
    fn a_promoted_replica_parts_where_it_was_promoted() {
        let promoted = info("master", ['n', 'm'], [900, 501]);
        expect(&promoted, &[known('m', 700, true)], Some((500, true)));
        // We are not past the fork.
        expect(&promoted, &[known('m', 450, true)], Some((450, true)));
        expect(&promoted, &[known('x', 700, true)], None);
    }

    #[test]
    fn one_that_was_promoted_parts_from_its_old_master_at_its_own_promotion() {
        let old = info("master", ['m', '0'], [900, -1]);
        let ours = [known('n', 700, true), known('m', 500, true)];
        expect(&old, &ours, Some((500, true)));
    }

    #[test]
    fn a_replica_and_one_that_followed_know_lower_bounds() {
        let replica = info("slave", ['n', 'm'], [900, 481]);
        expect(&replica, &[known('m', 700, true)], Some((480, false)));
        let of_ours = info("slave", ['m', '0'], [650, -1]);
        expect(&of_ours, &[known('m', 700, true)], Some((650, false)));
        // What lies behind our end does not matter.
        expect(&replica, &[known('m', 480, true)], Some((480, true)));
    }

    #[test]
    fn the_youngest_common_history_counts() {
        let theirs = Lineage {
            ancestors: vec![
                known('z', u64::MAX, true),
                known('y', 900, true),
                known('m', 500, true),
            ],
        };
        let ours = [known('m', 700, true), known('a', 100, true)];
        let fork = theirs.fork(ours.into_iter());
        assert_eq!(fork.map(|fork| fork.offset), Some(500));
    }

    #[test]
    fn a_lineage_goes_through_a_line() {
        let lineage = [known('n', 12, true), known('m', 7, false)];
        let text = Lineage::text(lineage.into_iter());
        let parsed = Lineage::parse_text(text.as_bytes()).expect("a lineage");
        assert_eq!(parsed.ancestors, lineage);
        for bad in [
            "",
            "x:1:=",
            &text[1..],
            &text.replace('=', "?"),
            &format!("{text},"),
        ] {
            assert_eq!(Lineage::parse_text(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn what_is_no_info_tells_nothing() {
        for text in ["", "role:master\r\n", "master_replid:x\r\nrole:master\r\n"] {
            assert_eq!(Lineage::parse_info(text.as_bytes()), None, "{text}");
        }
    }
}
