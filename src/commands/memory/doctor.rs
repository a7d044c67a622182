//! `MEMORY DOCTOR`: what is striking about the figures, in words for people.

use super::figures::{MemoryFigures, Waste};

/// With less in use, ratios say nothing.
const USED_BYTES_MIN: u64 = 5 << 20;

/// Waste of fewer bytes is none.
const WASTE_BYTES_MIN: i64 = 10 << 20;

/// How many times what is in use the peak may be.
const PEAK_RATIO_MAX: f64 = 1.5;

/// How many times what is in use may be resident.
const FRAGMENTATION_MAX: f64 = 1.4;

/// How much larger each layer may be than the one within it.
const LAYER_RATIO_MAX: f64 = 1.1;

/// Bytes of one client, on average.
const CLIENT_BYTES_MAX: u64 = 200 << 10;

/// Bytes for all replicas.
const REPLICAS_BYTES_MAX: u64 = 10 << 20;

/// The report.
pub(super) fn report(
    figures: &MemoryFigures,
    connected_clients: usize,
    connected_replicas: usize,
) -> String {
    if figures.used < USED_BYTES_MIN {
        return "There is hardly any memory in use, so the figures do not say much yet.\n"
            .to_owned();
    }
    let is_much =
        |waste: Waste, ratio_max: f64| waste.ratio > ratio_max && waste.bytes > WASTE_BYTES_MIN;
    let each_client = figures.clients / connected_clients.max(1) as u64;
    let findings = [
        (
            figures.peak as f64 > figures.used as f64 * PEAK_RATIO_MAX,
            "Peak: there was a time when more than 150% of the present memory was in use. Pages \
             of that time may still be resident; they will be used again, or given back by \
             MEMORY PURGE.",
        ),
        (
            is_much(figures.fragmentation(), FRAGMENTATION_MAX),
            "Resident memory: it is more than 1.4 times what is in use. That follows from a high \
             peak, or from values of changing sizes.",
        ),
        (
            is_much(figures.allocator_fragmentation(), LAYER_RATIO_MAX),
            "Fragmentation: pages that are in use are less than 90% full. That follows from a \
             high peak, or from values of changing sizes.",
        ),
        (
            is_much(figures.allocator_rss(), LAYER_RATIO_MAX),
            "Allocator: it holds more than 1.1 times the pages that are in use. MEMORY PURGE \
             gives the others back.",
        ),
        (
            is_much(figures.rss_overhead(), LAYER_RATIO_MAX),
            "Process: more than 1.1 times what the allocator holds is resident.",
        ),
        (
            connected_replicas > 0 && figures.replicas > REPLICAS_BYTES_MAX,
            "Replicas: more than 10 MB wait to be sent to them. INFO replication and CLIENT LIST \
             show which one lags.",
        ),
        (
            each_client > CLIENT_BYTES_MAX,
            "Clients: each takes more than 200 KB on average. CLIENT LIST shows which of them do \
             not read their replies, or send very long pipelines.",
        ),
    ];
    let found = findings.iter().filter(|(applies, _)| *applies);
    let lines: String = found.map(|(_, text)| format!(" * {text}\n\n")).collect();
    if lines.is_empty() {
        "Nothing is striking about the memory of this server.\n".to_owned()
    } else {
        format!("Some figures about the memory of this server are striking:\n\n{lines}")
    }
}
