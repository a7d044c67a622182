//! Configuration files that stop the start, and with what words.

use crate::harness::*;

/// Each is the end of a file that begins with `port` and `bind`.
const FILES: &[&str] = &[
    "sentinel monitor",
    "sentinel nonsense",
    "sentinel nonsense a b",
    "sentinel monitor mymaster 127.0.0.1 6379",
    "sentinel monitor mymaster 127.0.0.1 6379 0",
    "sentinel monitor mymaster 127.0.0.1 6379 -1",
    "sentinel monitor mymaster 127.0.0.1 6379 two",
    "sentinel monitor mymaster 127.0.0.1 65536 2",
    "sentinel monitor mymaster 127.0.0.1 -1 2",
    "sentinel monitor mymaster localhost 6379 2",
    "sentinel monitor mymaster 127.0.0.1 6379 2\nsentinel monitor mymaster 127.0.0.1 6380 2",
    "sentinel down-after-milliseconds nobody 1000",
    "sentinel monitor mymaster 127.0.0.1 6379 2\nsentinel down-after-milliseconds mymaster 0",
    "sentinel monitor mymaster 127.0.0.1 6379 2\nsentinel down-after-milliseconds mymaster",
    "sentinel monitor mymaster 127.0.0.1 6379 2\nsentinel failover-timeout mymaster -1",
    "sentinel failover-timeout nobody 1",
    "sentinel parallel-syncs nobody 1",
    "sentinel auth-pass nobody secret",
    "sentinel auth-user nobody watcher",
    "sentinel notification-script nobody /bin/true",
    "sentinel client-reconfig-script nobody /bin/true",
    "sentinel config-epoch nobody 1",
    "sentinel leader-epoch nobody 1",
    "sentinel known-replica nobody 127.0.0.1 1",
    "sentinel known-sentinel nobody 127.0.0.1 1 aaaa",
    "sentinel myid short",
    "sentinel deny-scripts-reconfig maybe",
    "sentinel resolve-hostnames maybe",
    "sentinel announce-hostnames maybe",
    "sentinel rename-command nobody CONFIG own",
    "sentinel monitor mymaster 127.0.0.1 6379 2\nsentinel rename-command mymaster CONFIG a\n\
     sentinel rename-command mymaster CONFIG b",
    "sentinel monitor mymaster 127.0.0.1 6379 2\nsentinel known-replica mymaster 127.0.0.1 1\n\
     sentinel known-replica mymaster 127.0.0.1 1",
    "sentinel monitor mymaster 127.0.0.1 6379 2\nsentinel known-replica mymaster 127.0.0.1 70000",
    "sentinel monitor mymaster 127.0.0.1 6379 2\n\
     sentinel master-reboot-down-after-period mymaster -1",
    "sentinel master-reboot-down-after-period nobody 1",
    "nonsense 1",
    "port none",
    "sentinel monitor \"mymaster 127.0.0.1 6379 2",
];

/// The exit code, and what is said of the file.
fn refusal(make: Make, file: &str) -> (i32, String) {
    let options = file.lines().fold(make.sentinel(), |o, line| o.config(line));
    let Some(exit) = Server::prepare(options).start_or_exit() else {
        return (0, "nothing, and starts".to_owned());
    };
    let said = match exit.log.find("Reading the configuration file") {
        // Ours names the file at the end, too.
        Some(at) => match exit.log[at..].split_once("In the file ") {
            Some((said, _)) => said.to_owned(),
            None => exit.log[at..].to_owned(),
        },
        None => format!("nothing of the file in\n{}", exit.log),
    };
    (exit.code(), said)
}

#[test]
fn a_bad_file_is_refused_as_by_a_stock_sentinel() {
    let mut different = String::new();
    for file in FILES {
        let [ours, stock] = [Make::Ours, Make::Stock].map(|make| refusal(make, file));
        if ours != stock {
            different += &format!("{file}\n  ours:  {ours:?}\n  stock: {stock:?}\n");
        }
        assert!(!stock.1.starts_with("nothing"), "{file}: {}", stock.1);
    }
    assert!(different.is_empty(), "refused differently:\n{different}");
}
