//! How fast the two implementations of the checksum of snapshots are, for pieces of several sizes:
//! `cargo bench --bench checksum`.

use std::hint::black_box;
use std::time::Instant;

use crc_fast::{CrcAlgorithm, Digest};

/// Bytes that each measurement goes over.
const TOTAL_BYTES: usize = 256 << 20;

fn main() {
    println!("| bytes in a piece | crc-fast, MB/s | crc64, MB/s |");
    println!("|---|---|---|");
    for piece in [16, 64, 512, 4096, 1 << 20] {
        let mut digest = Digest::new(CrcAlgorithm::Crc64Redis);
        let fast = megabytes_per_second(piece, |bytes| digest.update(bytes));
        let mut sum = 0;
        let tables = megabytes_per_second(piece, |bytes| sum = crc64::crc64(sum, bytes));
        assert_eq!(digest.finalize(), sum);
        println!("| {piece} | {fast:.0} | {tables:.0} |");
    }
}

/// The speed of something that is given one piece after the other.
fn megabytes_per_second(piece: usize, mut update: impl FnMut(&[u8])) -> f64 {
    let bytes: Vec<u8> = (0..piece).map(|n| ((n * 31) >> 3) as u8).collect();
    let begun = Instant::now();
    for _ in 0..TOTAL_BYTES / piece {
        update(black_box(&bytes));
    }
    TOTAL_BYTES as f64 / 1e6 / begun.elapsed().as_secs_f64()
}
