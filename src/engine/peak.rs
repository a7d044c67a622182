//! The largest of late: what `INFO clients` shows of input and output buffers.

/// Seconds that count as late.
const SECONDS: usize = 8;

/// The largest value that was noted within the last seconds.
#[derive(Debug, Default)]
pub struct RecentPeak {
    /// The peak of each second; the oldest is overwritten.
    peaks: [usize; SECONDS],
    at: usize,
}

impl RecentPeak {
    /// Notes a value.
    pub fn note(&mut self, value: usize) {
        self.peaks[self.at] = self.peaks[self.at].max(value);
    }

    /// Begins a second, which the monotonic clock counts; the oldest is forgotten.
    pub fn start_second(&mut self, second: u64) {
        self.at = (second % SECONDS as u64) as usize;
        self.peaks[self.at] = 0;
    }

    /// The largest of late.
    pub fn get(&self) -> usize {
        self.peaks.iter().copied().max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_is_remembered_for_some_seconds() {
        let mut peak = RecentPeak::default();
        assert_eq!(peak.get(), 0);
        peak.start_second(100);
        peak.note(500);
        peak.note(20);
        for second in 101..108 {
            peak.start_second(second);
            peak.note(30);
            assert_eq!(peak.get(), 500);
        }
        peak.start_second(108);
        assert_eq!(peak.get(), 30);
    }
}
