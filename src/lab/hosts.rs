//! Names of hosts, alone and in groups, as scripts say them.

use super::model::NodeKind;

/// What a host is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostKind {
    /// A node of the lab.
    Node(NodeKind),
    /// A writer, or the readers.
    Client,
}

/// All hosts of a lab, in the order in which they came.
#[derive(Debug, Default)]
pub struct Hosts {
    hosts: Vec<(String, HostKind)>,
}

impl Hosts {
    /// Adds a host.
    ///
    /// # Errors
    ///
    /// The name is taken.
    pub fn add(&mut self, name: &str, kind: HostKind) -> Result<(), String> {
        let is_group = ["all", "servers", "sentinels", "clients"].contains(&name);
        if is_group || self.hosts.iter().any(|(known, _)| known == name) {
            return Err(format!("the name '{name}' is taken"));
        }
        self.hosts.push((name.to_owned(), kind));
        Ok(())
    }

    /// The names of all hosts.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.hosts.iter().map(|(name, _)| name.as_str())
    }

    fn of_kind(&self, is_meant: impl Fn(HostKind) -> bool) -> Vec<String> {
        let meant = self.hosts.iter().filter(|(_, kind)| is_meant(*kind));
        meant.map(|(name, _)| name.clone()).collect()
    }

    /// The hosts that these words stand for, each once: names, names with commas between them, with
    /// or without braces around them, and `all`, `servers`, `sentinels`, `clients`.
    ///
    /// # Errors
    ///
    /// There is no such host.
    pub fn expand(&self, words: &[String]) -> Result<Vec<String>, String> {
        let mut named = Vec::new();
        let names = words
            .iter()
            .flat_map(|word| word.trim_matches(['{', '}']).split(','));
        for name in names.filter(|name| !name.is_empty()) {
            let meant = match name {
                "all" => self.of_kind(|_| true),
                "servers" => self.of_kind(|kind| kind == HostKind::Node(NodeKind::Server)),
                "sentinels" => self.of_kind(|kind| kind == HostKind::Node(NodeKind::Sentinel)),
                "clients" => self.of_kind(|kind| kind == HostKind::Client),
                name if self.names().any(|known| known == name) => vec![name.to_owned()],
                name => {
                    let known: Vec<&str> = self.names().collect();
                    let known = known.join(" ");
                    return Err(format!("there is no host '{name}'; there are {known}"));
                }
            };
            for name in meant {
                if !named.contains(&name) {
                    named.push(name);
                }
            }
        }
        Ok(named)
    }

    /// All pairs of hosts of different sides, each in one order.
    pub fn pairs_between(sides: &[Vec<String>]) -> Vec<(String, String)> {
        let mut pairs = Vec::new();
        for (at, side) in sides.iter().enumerate() {
            for other in &sides[at + 1..] {
                for from in side {
                    let to = other.iter().filter(|to| *to != from);
                    pairs.extend(to.map(|to| (from.clone(), to.clone())));
                }
            }
        }
        pairs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts() -> Hosts {
        let mut hosts = Hosts::default();
        for (name, kind) in [
            ("m1", HostKind::Node(NodeKind::Server)),
            ("r1", HostKind::Node(NodeKind::Server)),
            ("s1", HostKind::Node(NodeKind::Sentinel)),
            ("w1", HostKind::Client),
        ] {
            hosts.add(name, kind).expect("names are free");
        }
        hosts
    }

    fn expand(line: &str) -> Result<String, String> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        hosts().expand(&words).map(|names| names.join(" "))
    }

    #[test]
    fn words_stand_for_hosts_each_once() {
        assert_eq!(expand("m1 r1"), Ok("m1 r1".to_owned()));
        assert_eq!(expand("{m1,w1}"), Ok("m1 w1".to_owned()));
        assert_eq!(expand("servers m1"), Ok("m1 r1".to_owned()));
        assert_eq!(expand("clients,sentinels"), Ok("w1 s1".to_owned()));
        assert_eq!(expand("all"), Ok("m1 r1 s1 w1".to_owned()));
        assert_eq!(
            expand("m1 x"),
            Err("there is no host 'x'; there are m1 r1 s1 w1".to_owned())
        );
    }

    #[test]
    fn a_name_is_given_once() {
        let mut hosts = hosts();
        assert!(hosts.add("m1", HostKind::Client).is_err());
        assert!(hosts.add("all", HostKind::Client).is_err());
    }

    #[test]
    fn pairs_are_of_different_sides() {
        let side = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let pairs = Hosts::pairs_between(&[side("m1 w1"), side("r1"), side("s1")]);
        let said: Vec<String> = pairs.iter().map(|(a, b)| format!("{a}-{b}")).collect();
        assert_eq!(said.join(" "), "m1-r1 w1-r1 m1-s1 w1-s1 r1-s1");
    }
}
