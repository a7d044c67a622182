//! Servers that are killed at random moments, under load, in the middle of rewrites, again and
//! again in the same folder: what was answered is there, and the file always loads.
//!
//! The kernel keeps what a killed process has written. So nothing that was answered may be
//! missing, whatever `appendfsync` says; only with `everysec` a write may be held back while a
//! sync runs, for two seconds at most.
//!
//! `TANIST_TEST_CRASHES` says how many times to kill; `TANIST_TEST_SEED` where to begin.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::habits::{Client, HABITS};
use crate::harness::*;

/// How many times servers are killed, ordinarily.
const CRASHES: u64 = 100;
/// How many times one after the other in one folder.
const CRASHES_IN_A_ROW: u64 = 5;
/// Folders at once.
const AT_ONCE: usize = 3;
/// So long a write may wait for a sync that runs, with some room for a slow machine.
const HELD_BACK: Duration = Duration::from_millis(3000);

/// What a server is told.
struct Plan {
    policy: &'static str,
    settings: Vec<String>,
}

impl Plan {
    fn draw(rng: &mut Rng) -> Plan {
        let policy = *["always", "always", "everysec", "no"]
            .get(rng.below(4) as usize)
            .expect("one of four");
        let yes_or_no = |rng: &mut Rng| if rng.chance(50) { "yes" } else { "no" };
        let settings = vec![
            "appendonly yes".to_owned(),
            format!("appendfsync {policy}"),
            format!("aof-use-rdb-preamble {}", yes_or_no(rng)),
            format!("aof-timestamp-enabled {}", yes_or_no(rng)),
            format!("aof-rewrite-incremental-fsync {}", yes_or_no(rng)),
            format!("no-appendfsync-on-rewrite {}", yes_or_no(rng)),
            format!("auto-aof-rewrite-min-size {}", 1000 << rng.below(12)),
            format!(
                "rdb-key-save-delay {}",
                rng.pick(&["0", "0", "200", "2000"])
            ),
        ];
        Plan { policy, settings }
    }
}

/// Asks for rewrites, and now and then for something else that makes children, until told to stop.
fn keep_rewriting(port: u16, rng: &mut Rng, stop: &AtomicBool) {
    let Ok(mut conn) = Conn::to(port) else { return };
    while !stop.load(Ordering::SeqCst) {
        let words: &[&str] = match rng.below(12) {
            0 => &["BGSAVE"],
            1 => &["CONFIG", "SET", "aof-use-rdb-preamble", "yes"],
            2 => &["CONFIG", "SET", "aof-use-rdb-preamble", "no"],
            _ => &["BGREWRITEAOF"],
        };
        if conn.try_command(words).is_err() {
            return;
        }
        thread::sleep(Duration::from_millis(rng.below(30)));
    }
}

/// Waits for the moment of a crash.
fn wait_for_the_moment(server: &Server, rng: &mut Rng) {
    let longest_ms = if rng.chance(15) { 3500 } else { 400 };
    thread::sleep(Duration::from_millis(rng.below(longest_ms)));
    if rng.chance(50) {
        // A rewrite has just begun, or has just ended.
        let seen = server.log_count("AOF rewrite") + server.log_count("rewriting started by pid");
        let deadline = Instant::now() + Duration::from_millis(300);
        let count =
            || server.log_count("AOF rewrite") + server.log_count("rewriting started by pid");
        while count() == seen && Instant::now() < deadline {
            thread::yield_now();
        }
        thread::sleep(Duration::from_micros(rng.below(8000)));
    }
}

/// One crash, and what is there afterwards. Returns how many answered writes were lost that may be.
fn crash(server: &mut Server, clients: &mut [Client], plan: &Plan, rng: &mut Rng) -> u64 {
    let stop = AtomicBool::new(false);
    let port = server.port;
    let alone = rng.chance(30);
    let killed = thread::scope(|scope| {
        for client in &mut *clients {
            let mut rng = Rng::new(rng.next());
            scope.spawn(move || client.write_until_broken(port, &mut rng));
        }
        let mut others = Rng::new(rng.next());
        let stop = &stop;
        scope.spawn(move || keep_rewriting(port, &mut others, stop));
        wait_for_the_moment(server, rng);
        let killed = Instant::now();
        match alone {
            // The child of a rewrite goes on for a while beside the next server.
            true => server.kill_without_children(),
            false => server.kill(),
        }
        stop.store(true, Ordering::SeqCst);
        killed
    });
    server.start_again();
    assert_eq!(server.log_count("CRITICAL"), 0, "{}", server.log_tail());
    let promised = match plan.policy {
        "everysec" => killed - HELD_BACK,
        _ => Instant::now(),
    };
    let lost = clients.iter_mut().map(|c| c.check(server, promised)).sum();
    let named = manifest_of(server);
    let mut unnamed = names_in(&aof_folder(server));
    unnamed.retain(|name| named.iter().all(|(file, _)| file != name));
    // The manifest itself, the base and the increment that the dead one was about to name, and
    // what its child still writes.
    assert!(
        unnamed.len() <= 4,
        "{unnamed:?} were left behind\n{}",
        server.log_tail()
    );
    lost
}

#[derive(Default)]
struct Totals {
    answered: AtomicU64,
    lost: AtomicU64,
    rewrites: AtomicU64,
}

fn crash_in_a_row(seed: u64, totals: &Totals) {
    let mut rng = Rng::new(seed);
    let plan = Plan::draw(&mut rng);
    let settings: Vec<&str> = plan.settings.iter().map(String::as_str).collect();
    let mut server = Server::ours(&settings);
    let mut clients: Vec<Client> = HABITS
        .iter()
        .chain(HABITS.iter().take(2))
        .enumerate()
        .map(|(n, habit)| Client::new(*habit, n))
        .collect();
    for _ in 0..CRASHES_IN_A_ROW {
        let lost = crash(&mut server, &mut clients, &plan, &mut rng);
        totals.lost.fetch_add(lost, Ordering::SeqCst);
    }
    let answered = clients.iter().map(Client::answered).sum();
    totals.answered.fetch_add(answered, Ordering::SeqCst);
    let rewrites = server.log_count("Background AOF rewrite finished successfully") as u64;
    totals.rewrites.fetch_add(rewrites, Ordering::SeqCst);
}

#[test]
fn whatever_was_answered_outlives_a_server_that_is_killed() {
    let crashes = std::env::var("TANIST_TEST_CRASHES").ok();
    let crashes = crashes.map_or(CRASHES, |n| n.parse().expect("a number of crashes"));
    let (mut rng, first) = Rng::from_env();
    println!("seed {first}");
    let seeds: Vec<u64> = (0..crashes.div_ceil(CRASHES_IN_A_ROW))
        .map(|n| if n == 0 { first } else { rng.next() })
        .collect();
    let totals = Totals::default();
    run_side_by_side(&seeds, AT_ONCE, |seed| {
        let run = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            crash_in_a_row(*seed, &totals);
        }));
        assert!(run.is_ok(), "the run with TANIST_TEST_SEED={seed} failed");
    });
    let shown = |n: &AtomicU64| n.load(Ordering::SeqCst);
    println!(
        "{} crashes: {} writes answered, {} of the last seconds lost, {} rewrites",
        seeds.len() as u64 * CRASHES_IN_A_ROW,
        shown(&totals.answered),
        shown(&totals.lost),
        shown(&totals.rewrites)
    );
    assert!(shown(&totals.answered) > 100 * crashes);
    assert!(shown(&totals.rewrites) > crashes / 2);
}
