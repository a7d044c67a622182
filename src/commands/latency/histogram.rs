//! A histogram of run times, for `INFO latencystats`.
//!
//! Buckets are logarithmic with linear steps inside each power of two, the shape of an HDR
//! histogram: 2^6 steps a power keep every recorded value within 1.6 % of the truth. Values run
//! from one nanosecond to just over a second; what lies above counts as the maximum.
//!
//! The runs of each power are counted beside its buckets, so that what is asked of a histogram
//! reads the few cache lines of these, and the buckets of the one power that the answer lies in:
//! there is a histogram of 13 KB for each command, and a page of metrics asks all of them.

const STEP_BITS: u32 = 6;
const STEPS: usize = 1 << STEP_BITS;
/// Powers of two above the linear part: up to 2^30 ns.
const POWERS: usize = 30 - STEP_BITS as usize;
const BUCKETS: usize = STEPS * (POWERS + 1);
const MAX_NS: u64 = Histogram::MAX_NS;

/// Run times in nanoseconds.
#[derive(Clone, Debug)]
pub struct Histogram {
    /// Runs of each power: the sums of its `STEPS` buckets.
    of_powers: [u64; POWERS + 1],
    counts: [u64; BUCKETS],
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram {
            of_powers: [0; POWERS + 1],
            counts: [0; BUCKETS],
        }
    }
}

/// The bucket of a value: below `STEPS` the value itself, above it the power of two and the
/// `STEP_BITS` bits after the leading one.
fn bucket_of(ns: u64) -> usize {
    let ns = ns.min(MAX_NS);
    if ns < STEPS as u64 {
        return ns as usize;
    }
    let power = 63 - ns.leading_zeros();
    let shift = power - STEP_BITS;
    let step = (ns >> shift) as usize - STEPS;
    (shift as usize + 1) * STEPS + step
}

/// The largest value of a bucket.
fn upper_bound(bucket: usize) -> u64 {
    if bucket < STEPS {
        return bucket as u64;
    }
    let shift = (bucket / STEPS - 1) as u32;
    let step = (bucket % STEPS) as u64;
    ((STEPS as u64 + step + 1) << shift) - 1
}

impl Histogram {
    /// Longer run times count as this one, in nanoseconds.
    pub const MAX_NS: u64 = (1 << 30) - 1;

    /// Counts one run.
    pub fn record(&mut self, ns: u64) {
        let bucket = bucket_of(ns);
        self.counts[bucket] += 1;
        self.of_powers[bucket / STEPS] += 1;
    }

    /// How many runs were counted.
    pub fn total(&self) -> u64 {
        self.of_powers.iter().sum()
    }

    /// The time within which `percent` of the runs ended, in nanoseconds; 0 when there are none.
    pub fn percentile(&self, percent: f64) -> u64 {
        let share = percent.clamp(0.0, 100.0) / 100.0;
        let wanted = (share * self.total() as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (power, sum) in self.of_powers.iter().enumerate() {
            if seen + sum < wanted {
                seen += sum;
                continue;
            }
            let first = power * STEPS;
            for (step, count) in self.counts[first..first + STEPS].iter().enumerate() {
                seen += count;
                if seen >= wanted {
                    return upper_bound(first + step);
                }
            }
        }
        0
    }

    /// Runs that took at most so long each, to the precision of the buckets. Bounds only grow.
    pub fn counts_up_to<const N: usize>(&self, bounds_ns: &[u64; N]) -> [u64; N] {
        let (mut below, mut next) = (0, 0);
        bounds_ns.map(|ns| {
            let bucket = bucket_of(ns);
            let (power, step) = (bucket / STEPS, bucket % STEPS);
            while next < power {
                below += self.of_powers[next];
                next += 1;
            }
            // Of an empty power nothing is read: most of them are, and lie far apart.
            match self.of_powers[power] {
                0 => below,
                _ => {
                    let first = power * STEPS;
                    let within = &self.counts[first..=first + step];
                    below + within.iter().sum::<u64>()
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_its_bucket_within_the_precision() {
        for ns in (0..5000).chain([65_535, 65_536, 1 << 20, 999_999_999, MAX_NS]) {
            let b = bucket_of(ns);
            let top = upper_bound(b);
            assert!(top >= ns, "{ns} above its bucket's bound {top}");
            assert!(top - ns <= ns / STEPS as u64 + 1, "{ns} far below {top}");
            assert!(b == 0 || upper_bound(b - 1) < ns);
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn counts_grow_with_their_bounds_up_to_all() {
        let mut h = Histogram::default();
        for ns in [0, 500, 1023, 1024, 70_000, MAX_NS, u64::MAX] {
            h.record(ns);
        }
        let bounds = [0, 0, 1023, 1024, 65_535, 100_000, MAX_NS, u64::MAX];
        assert_eq!(h.counts_up_to(&bounds), [1, 1, 3, 4, 4, 5, 7, 7]);
        assert_eq!(Histogram::default().counts_up_to(&[5, MAX_NS]), [0, 0]);
    }

    #[test]
    fn percentiles_follow_the_distribution() {
        let mut h = Histogram::default();
        assert_eq!(h.percentile(50.0), 0);
        for ns in 1..=1000 {
            h.record(ns);
        }
        let p50 = h.percentile(50.0);
        assert!((500..=516).contains(&p50), "{p50}");
        assert!((1000..=1024).contains(&h.percentile(100.0)));
        assert_eq!(h.total(), 1000);
        for percent in [0.0, 0.05, 0.1, 6.3, 6.4, 6.5, 12.7, 12.8, 99.95, 100.0] {
            let wanted = ((percent / 100.0 * 1000.0_f64).ceil() as u64).max(1);
            let bucket = bucket_of(wanted);
            assert_eq!(h.percentile(percent), upper_bound(bucket), "{percent}");
        }
    }
}
