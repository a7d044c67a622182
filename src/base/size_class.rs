//! The allocator's size classes, computed.
//!
//! Entries and bucket arrays are always allocated at the full size of the class that serves them.
//! The allocator would round up anyway, so nothing is lost, and two things are won: an entry may
//! be rewritten in place whenever the new contents round to the same class, and memory figures are
//! exact without asking the allocator.
//!
//! The classes are jemalloc's with an 8-byte quantum: multiples of 8 up to 64, then four classes
//! to each doubling (80, 96, 112, 128, 160, …). A different allocator only wastes what the
//! rounding adds; nothing depends on it for correctness.

/// The smallest spacing between two classes, and the smallest class.
const QUANTUM: usize = 8;

/// The size of the class that serves a request of `size` bytes.
#[inline]
pub const fn size_class(size: usize) -> usize {
    if size <= QUANTUM {
        return QUANTUM;
    }
    let doubling = (size - 1).ilog2();
    let spacing = 1usize << doubling.saturating_sub(2);
    let spacing = if spacing < QUANTUM { QUANTUM } else { spacing };
    (size + spacing - 1) & !(spacing - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_series_is_the_allocators() {
        let mut series = Vec::new();
        let mut size = 0;
        while size < 700 {
            size = size_class(size + 1);
            series.push(size);
        }
        assert_eq!(
            series,
            [
                8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448,
                512, 640, 768
            ]
        );
    }

    #[test]
    fn a_class_serves_itself_and_wastes_at_most_a_fifth() {
        for size in 65..100_000 {
            let class = size_class(size);
            assert!(class >= size && size_class(class) == class);
            assert!(class - size < size / 4 + 1, "{size} -> {class}");
        }
    }

    #[test]
    fn the_target_entry_fits_without_loss() {
        assert_eq!(size_class(8 + 16 + 32), 56);
    }
}
