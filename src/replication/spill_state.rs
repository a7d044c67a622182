//! Whether the stream can go to disk for replicas that sync; `spill.rs` acts on it.

/// Whether bytes of the stream can be moved to disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Spill {
    /// As far as anybody knows.
    #[default]
    Works,
    /// Not before then, in monotonic milliseconds.
    Failed { until_ms: u64 },
}
