//! `make bench`: our server beside its peers, on this machine, in one run.
//!
//! Numbers from different days or machines do not compare, so every figure here is taken next to
//! the peers' own: the same load, rounds that alternate between the servers, medians. Where there
//! are two cores the servers have one and the load the other. CPU per operation is the server
//! process's own time, which a slow client cannot hide; operations per second are what that client
//! saw.
//!
//! What runs is chosen by environment variables (see `Settings`); the output is Markdown, fit for
//! `docs/performance.md`.

mod appending;
mod collections;
mod datasets;
mod echo;
mod environment;
mod growth;
mod load;
mod memory;
mod pause;
mod peer;
mod persistence;
mod replicating;
mod report;
mod scraping;
mod services;
mod settings;
mod sizes;
mod speed;
mod syncing;
mod tls;
mod workload;

use settings::Settings;

fn main() {
    if let Ok(port) = std::env::var("ECHO_PORT") {
        echo::serve(port.parse().expect("ECHO_PORT is a port"));
        return;
    }
    let settings = Settings::from_env();
    let peers = settings.peers();
    report::machine(&peers);
    peer::pin(std::process::id(), peer::LOAD_CORE);
    speed::run(&settings, &peers);
    memory::run(&settings, &peers);
    persistence::run(&settings, &peers);
    growth::run(&settings, &peers);
    sizes::run(&settings, &peers);
    pause::run(&settings, &peers);
    appending::run(&settings, &peers);
    replicating::run(&settings, &peers);
    syncing::run(&settings, &peers);
    scraping::run(&settings, &peers);
}
