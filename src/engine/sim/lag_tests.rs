//! Delays of the network show as lag, to the millisecond, by clocks that are not equal and jump.

use super::cluster::Cluster;

/// A tree in which what is sent between two servers is under way for so long.
fn tree_with_delays(parents: &[Option<usize>], delays: &[(usize, usize, u64)]) -> Cluster {
    let mut cluster = Cluster::tree(1, parents);
    {
        let mut net = cluster.net.borrow_mut();
        for (a, b, ms) in delays {
            net.latency_us_of.insert((*a, *b), ms * 1000);
            net.cut(*a, *b);
        }
    }
    cluster.run_ms(10_000);
    cluster
}

/// Writes for a while; what each server says of its lag while the last of it is fresh.
fn lags(cluster: &mut Cluster, root: usize) -> Vec<Option<u64>> {
    for _ in 0..20 {
        cluster.write(root, 1);
        cluster.run_ms(60);
    }
    let nodes = cluster.nodes.iter();
    let lag = |env: &crate::commands::env::Env| {
        let info = env.replication.info(env.now);
        info.master.and_then(|master| master.lag).map(|lag| lag.ms)
    };
    nodes.map(|node| node.env().and_then(lag)).collect()
}

/// What a server shows of its first replica.
fn told(cluster: &Cluster, host: usize) -> (Option<u64>, bool) {
    let env = cluster.nodes[host].env().expect("it runs");
    let info = env.replication.info(env.now);
    let lag = info.replicas[0].lag.expect("it is online");
    (lag.ms, lag.is_measured)
}

#[test]
fn a_delay_is_lag_through_one_hop_and_two() {
    let mut cluster = tree_with_delays(&[None, Some(0)], &[(0, 1, 250)]);
    assert_eq!(lags(&mut cluster, 0), [None, Some(250)]);
    assert_eq!(told(&cluster, 0), (Some(250), true));
    for delays in [[250, 0], [0, 250], [125, 125]] {
        let mut cluster = tree_with_delays(
            &[None, Some(0), Some(1)],
            &[(0, 1, delays[0]), (1, 2, delays[1])],
        );
        let lags = lags(&mut cluster, 0);
        assert_eq!(lags, [None, Some(delays[0]), Some(250)], "{delays:?}");
        assert_eq!(told(&cluster, 1), (Some(250), true));
    }
}

#[test]
fn clocks_that_jump_after_the_start_change_nothing() {
    let parents = [None, Some(0), Some(1)];
    let mut cluster = tree_with_delays(&parents, &[(0, 1, 125), (1, 2, 125)]);
    for jumps in [[3_000, -7_200_000, 50], [-86_400_000, 12, 3_600_000]] {
        for (host, ms) in jumps.into_iter().enumerate() {
            cluster.nodes[host].set_skew(ms * 1000);
        }
        assert_eq!(lags(&mut cluster, 0), [None, Some(125), Some(250)]);
        // And links that are made by such clocks measure them.
        for (a, b) in [(0, 1), (1, 2)] {
            cluster.net.borrow_mut().cut(a, b);
        }
        cluster.run_ms(10_000);
        assert_eq!(lags(&mut cluster, 0), [None, Some(125), Some(250)]);
    }
}

#[test]
fn a_promoted_server_is_the_origin_of_those_below_it() {
    let parents = [None, Some(0), Some(1)];
    let mut cluster = tree_with_delays(&parents, &[(0, 1, 250), (1, 2, 30)]);
    cluster.follow(1, None);
    cluster.run_ms(5000);
    assert_eq!(lags(&mut cluster, 1), [None, None, Some(30)]);
}

#[test]
fn lag_grows_while_a_link_is_down_and_ends_with_it() {
    let mut cluster = tree_with_delays(&[None, Some(0)], &[(0, 1, 20)]);
    assert_eq!(lags(&mut cluster, 0), [None, Some(20)]);
    cluster.net.borrow_mut().silence(0, 1);
    cluster.net.borrow_mut().cut(0, 1);
    cluster.run_ms(3000);
    let env = cluster.nodes[1].env().expect("it runs");
    let grown = env.replication.info(env.now).master.and_then(|m| m.lag);
    assert!(grown.expect("it was measured").ms > 2000, "{grown:?}");
    cluster.net.borrow_mut().heal();
    cluster.run_ms(10_000);
    assert_eq!(lags(&mut cluster, 0), [None, Some(20)]);
}
