//! What may happen to a group, and how it ends.

use super::group::Group;
use super::net::HostId;

/// Half an hour is long enough for what ends only when somebody ends it, in microseconds.
const FOREVER_US: u64 = 1_800_000_000;

impl Group {
    fn some_host(&mut self) -> HostId {
        self.rng.below(self.nodes.len() as u64) as HostId
    }

    fn some_server(&mut self) -> HostId {
        self.rng.below(self.servers as u64) as HostId
    }

    fn some_sentinel(&mut self) -> HostId {
        let sentinels = self.nodes.len() - self.servers;
        self.servers + self.rng.below(sentinels as u64) as HostId
    }

    /// A server that takes writes, as far as there is one.
    fn some_master(&mut self) -> HostId {
        let is_master = |host: &HostId| {
            let env = self.nodes[*host].env();
            env.is_some_and(|env| !env.replication.is_replica())
        };
        let master = (0..self.servers).find(is_master);
        master.unwrap_or_else(|| self.some_server())
    }

    /// One thing that may happen.
    pub fn disturb(&mut self) {
        match self.rng.below(36) {
            0 | 1 => self.cut(),
            2 => self.silence_two(),
            3 | 4 => self.part(),
            5..=8 => self.heal_net(),
            9..=11 => {
                let host = self.some_master();
                self.end(host);
            }
            12 => {
                let host = self.some_server();
                self.end(host);
            }
            13 | 14 => {
                let host = self.some_sentinel();
                self.end(host);
            }
            15..=18 => {
                let host = self.some_host();
                self.start(host);
            }
            19 => {
                for host in 0..self.nodes.len() {
                    self.start(host);
                }
            }
            20 | 21 => self.freeze(),
            22 => self.isolate_master(),
            23 => self.set_clock(),
            24..=26 => self.disturb_files(),
            27 => self.slow_down(),
            28 | 29 => self.leave_one_behind(),
            30..=32 => self.order_failover(),
            33 => self.order_two_failovers(),
            _ => {
                let host = self.some_host();
                self.mend_disk(host);
            }
        }
    }

    // ---- The network ----

    fn cut(&mut self) {
        let (a, b) = (self.some_host(), self.some_host());
        self.net.borrow_mut().cut(a, b);
        let now_us = self.now_us();
        self.troubles.disturb_between(a, b, now_us);
        self.tell(format!("connections between {a} and {b} are cut"));
    }

    /// One hears nothing of the other; in half of all cases the other hears nothing, either.
    fn part_two(&mut self, a: HostId, b: HostId, is_one_way: bool) {
        match is_one_way {
            true => self.net.borrow_mut().mute(a, b),
            false => self.net.borrow_mut().silence(a, b),
        }
        if a.max(b) < self.nodes.len() {
            self.troubles.disturb_between(a, b, FOREVER_US);
        }
    }

    fn silence_two(&mut self) {
        let (a, b) = (self.some_host(), self.some_host());
        if a == b {
            return;
        }
        let is_one_way = self.rng.below(2) == 0;
        self.part_two(a, b, is_one_way);
        self.tell(format!(
            "{a} and {b} do not hear each other, one way: {is_one_way}"
        ));
    }

    /// The network falls into two parts.
    fn part(&mut self) {
        let mut all: Vec<HostId> = (0..self.nodes.len()).collect();
        if self.rng.below(2) == 0 {
            all.extend(self.client_hosts());
        }
        let (mut here, mut there) = (Vec::new(), Vec::new());
        for host in all {
            match self.rng.below(2) {
                0 => here.push(host),
                _ => there.push(host),
            }
        }
        let is_one_way = self.rng.below(3) == 0;
        for a in &here {
            for b in &there {
                self.part_two(*a, *b, is_one_way);
            }
        }
        self.tell(format!(
            "{here:?} and {there:?} are parted, one way: {is_one_way}"
        ));
    }

    /// A master is cut off from all Sentinels but a few, and goes on with some of its replicas.
    fn isolate_master(&mut self) {
        let master = self.some_master();
        let mut side = vec![master];
        for host in 0..self.nodes.len() {
            let chance = if host < self.servers { 2 } else { 4 };
            if host != master && self.rng.below(chance) == 0 {
                side.push(host);
            }
        }
        for a in &side {
            for b in (0..self.nodes.len()).filter(|b| !side.contains(b)) {
                self.part_two(*a, b, false);
            }
        }
        self.tell(format!("{side:?} are cut off from the others"));
    }

    /// A replica hears nothing of its master for a moment, which goes on to write with the others,
    /// and then ends.
    fn leave_one_behind(&mut self) {
        let (master, replica) = (self.some_master(), self.some_server());
        if master == replica {
            return;
        }
        self.part_two(master, replica, false);
        self.tell(format!("{replica} is left behind {master}"));
        let ms = 100 + self.rng.below(1500);
        self.run_ms(ms);
        self.end(master);
    }

    fn heal_net(&mut self) {
        let now_us = self.now_us();
        self.net.borrow_mut().heal();
        self.troubles.end_between(now_us);
        self.tell("all hear each other".to_owned());
    }

    // ---- Nodes ----

    /// A node ends, by itself or with its machine.
    fn end(&mut self, host: HostId) {
        let net = std::rc::Rc::clone(&self.net);
        let power = self.rng.below(3) == 0;
        self.tell(format!("{host} is killed, power lost: {power}"));
        match power {
            true => self.nodes[host].lose_power(&net),
            false => self.nodes[host].kill(&net),
        }
        self.note_end(host);
        let now_us = self.now_us();
        self.troubles.end(host, now_us);
    }

    fn freeze(&mut self) {
        let host = match self.rng.below(2) {
            0 => self.some_master(),
            _ => self.some_host(),
        };
        let until_us = self.now_us() + self.rng.below(6_000_000);
        self.nodes[host].frozen_until_us = until_us;
        self.troubles.disturb(host, until_us);
        self.tell(format!("{host} is frozen until {until_us} us"));
    }

    fn set_clock(&mut self) {
        let host = self.some_host();
        let far = self.rng.below(4) == 0;
        let range_us = if far { 20_000_000_000 } else { 3_000_000 };
        let us = self.rng.below(2 * range_us) as i64 - range_us as i64;
        self.nodes[host].set_skew(us);
        let now_us = self.now_us();
        self.troubles.disturb(host, now_us);
        self.tell(format!("the clock of {host} is {us} us ahead"));
    }

    // ---- An operator ----

    /// A Sentinel is asked for another master, in half of all cases with the old one's help.
    fn order_failover(&mut self) {
        let host = self.some_sentinel();
        let line = match self.rng.below(2) {
            0 => "SENTINEL FAILOVER m",
            _ => "SENTINEL FAILOVER m COORDINATED",
        };
        self.order(host, line);
    }

    /// Two operators do not know of each other.
    fn order_two_failovers(&mut self) {
        self.order_failover();
        let ms = self.rng.below(300);
        self.run_ms(ms);
        self.order_failover();
    }

    // ---- Disks ----

    /// The file of a Sentinel cannot be written, or not at once.
    fn disturb_files(&mut self) {
        let host = self.some_sentinel();
        let what = self.rng.below(6);
        let (chance, count) = (self.rng.fork(), self.rng.below(12));
        let node = &mut self.nodes[host];
        match what {
            0 => node.disk.set_full(true),
            1 => node.disk.fail_syncs(1 + count),
            2 => node.disk.set_failing(300, chance),
            3 => node.disk.fail_folder_syncs(1 + count),
            4 => node.disk.set_sync_time(1..1_000_000),
            _ => {
                node.loses_power = count % 2 == 0;
                node.disk.end_process_after(Some(count));
            }
        }
        self.tell(format!("the disk of {host} has trouble {what}"));
    }

    fn slow_down(&mut self) {
        let host = self.some_server();
        let us = self.rng.below(400_000);
        self.nodes[host].disk.set_speed(us);
        self.troubles.disturb(host, FOREVER_US);
        self.tell(format!("the disk of {host} takes {us} us for a kilobyte"));
    }

    fn mend_disk(&mut self, host: HostId) {
        self.nodes[host].disk.mend();
        self.nodes[host].disk.end_process_after(None);
        if host >= self.servers {
            self.nodes[host].disk.set_sync_time(1..20_000);
        }
        let now_us = self.now_us();
        // One that is frozen still is not.
        let until_us = now_us.max(self.nodes[host].frozen_until_us);
        self.troubles.end(host, until_us);
        self.tell(format!("the disk of {host} is mended"));
    }

    /// Nothing disturbs anybody any more.
    pub fn heal(&mut self) {
        self.heal_net();
        for host in 0..self.nodes.len() {
            self.nodes[host].frozen_until_us = 0;
            self.mend_disk(host);
            self.start(host);
        }
    }
}
