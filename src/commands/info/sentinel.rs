//! The section of what a Sentinel watches.

use super::report::Report;
use super::view::View;
use crate::sentinel::Sentinel;
use crate::sentinel::instance::Master;

/// The bits by which occasions of simulated failures are shown.
const AFTER_ELECTION: u8 = 1;
const AFTER_PROMOTION: u8 = 2;

pub fn sentinel(view: &View<'_>, out: &mut Report) {
    let Some(sentinel) = &view.env.sentinel else {
        return;
    };
    let since_ms = sentinel.tilt_since_ms();
    let seconds = |since_ms| (view.env.now.mono_ms().saturating_sub(since_ms) / 1000) as i64;
    let tilt_s = since_ms.map_or(-1, seconds);
    let failure = sentinel.simulated_failure();
    let bit = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
    let failure =
        bit(failure.after_election, AFTER_ELECTION) | bit(failure.after_promotion, AFTER_PROMOTION);
    out.line("sentinel_masters", sentinel.masters_len());
    out.flag("sentinel_tilt", since_ms.is_some());
    out.lines(&[
        ("sentinel_tilt_since_seconds", &tilt_s),
        ("sentinel_running_scripts", &sentinel.running_scripts()),
        ("sentinel_scripts_queue_length", &sentinel.scripts().len()),
        ("sentinel_simulate_failure_flags", &failure),
    ]);
    for (number, master) in sentinel.masters().enumerate() {
        out.line(format_args!("master{number}"), line_of(sentinel, master));
    }
}

fn line_of(sentinel: &Sentinel, master: &Master) -> String {
    let address = &master.base.address;
    format!(
        "name={},status={},address={}:{},slaves={},sentinels={}",
        master.name,
        master.status(),
        sentinel.shown_host(address),
        address.port,
        master.replicas.len(),
        master.voters()
    )
}
