//! Two operators who do not know of each other, and Sentinels that do not hear each other.

use super::*;

/// What a Sentinel is told.
fn force(rig: &mut Rig, n: usize) {
    let now = rig.now;
    let machine = rig.seats[n].machine.as_mut().expect("it runs");
    machine.force_failover(b"m0", now).expect("it can be done");
    rig.turn(n);
}

/// One master with three replicas, and so many Sentinels. The first of these are parted from the
/// others, each side with a replica, and each is told to fail over.
fn failed_over_twice(seed: u64, sentinels: usize, here: usize) -> Rig {
    let mut rig = Rig::group(seed, 1, 3, sentinels);
    rig.wait("all know each other", 30_000, |rig| rig.is_acquainted(1, 3));
    let side: Vec<Place> = (0..here)
        .map(Place::Sentinel)
        .chain([Place::Server(1)])
        .collect();
    for place in &side {
        let mut others = rig.places();
        others.retain(|other| !side.contains(other));
        rig.isolate(*place, others);
    }
    force(&mut rig, 0);
    force(&mut rig, sentinels - 1);
    rig.run_ms(4000);
    rig
}

fn masters_of(rig: &Rig, sentinels: usize) -> Vec<Option<usize>> {
    (0..sentinels).map(|n| rig.named(n, 0)).collect()
}

#[test]
fn two_failovers_in_one_epoch_end_in_one_master() {
    let mut most = 0;
    for seed in 0..4 {
        for (sentinels, here) in [(3, 1), (5, 2), (5, 3), (4, 2)] {
            let mut rig = failed_over_twice(seed, sentinels, here);
            let before = masters_of(&rig, sentinels);
            let (first, last) = (before[0], before[sentinels - 1]);
            assert_ne!(first, last, "{}", rig.told());
            let is_parted = before[..here].iter().all(|named| *named == first)
                && before[here..].iter().all(|named| *named == last);
            assert!(is_parted, "{}", rig.told());
            rig.cuts.clear();
            rig.wait("all agree", 60_000, |rig| rig.is_settled(0, 0..4));
            let master = rig.named(0, 0);
            most += usize::from(master == if 2 * here > sentinels { first } else { last });
            rig.run_ms(10_000);
            assert_eq!(rig.named(0, 0), master, "{}", rig.told());
            assert!(rig.is_settled(0, 0..4), "{}", rig.told());
        }
    }
    println!("in {most} of 16 it is what most have said");
}
