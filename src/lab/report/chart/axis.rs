//! Round times for the ticks of an axis.

/// Steps between ticks, in microseconds, that people take for round.
const STEPS_US: [i64; 32] = [
    1_000,
    2_000,
    5_000,
    10_000,
    20_000,
    50_000,
    100_000,
    200_000,
    500_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    20_000_000,
    30_000_000,
    60_000_000,
    120_000_000,
    300_000_000,
    600_000_000,
    1_200_000_000,
    1_800_000_000,
    3_600_000_000,
    7_200_000_000,
    14_400_000_000,
    21_600_000_000,
    43_200_000_000,
    86_400_000_000,
    172_800_000_000,
    604_800_000_000,
    2_592_000_000_000,
    31_536_000_000_000,
    315_360_000_000_000,
];
const TICKS_LIMIT: usize = 100;

/// Round times between `from_us` and `to_us`, no more than `count_max` of them, with their words.
pub fn ticks(from_us: i64, to_us: i64, count_max: usize) -> Vec<(i64, String)> {
    let count_max = count_max.clamp(1, TICKS_LIMIT) as i64;
    let span = to_us.saturating_sub(from_us).max(1);
    let fits = |step: &&i64| span / **step <= count_max;
    let step = *STEPS_US
        .iter()
        .find(fits)
        .unwrap_or(&(span / count_max + 1));
    let first = from_us.div_euclid(step) * step;
    (0..=count_max + 1)
        .map(|i| first.saturating_add(step.saturating_mul(i)))
        .filter(|at| (from_us..=to_us).contains(at))
        .map(|at| (at, words(at, step)))
        .collect()
}

/// A time as text, as exact as ticks of this step need it.
fn words(at_us: i64, step_us: i64) -> String {
    let (second, minute, hour) = (1_000_000, 60_000_000, 3_600_000_000);
    if step_us < second {
        let digits = if step_us >= 100_000 {
            1
        } else if step_us >= 10_000 {
            2
        } else {
            3
        };
        return format!("{:.digits$} s", at_us as f64 / 1e6);
    }
    if step_us < minute {
        return format!("{} s", at_us / second);
    }
    match (at_us / hour, at_us % hour / minute) {
        (0, 0) => "0".to_owned(),
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes}"),
    }
}

/// A round number that is `value` at least, for the top of a scale.
pub fn round_up(value: f64) -> f64 {
    if value <= 1.0 {
        return 1.0;
    }
    let power = 10f64.powf(value.log10().floor());
    let round = [1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    let fits = |factor: &&f64| **factor * power >= value * 0.999_999;
    round.iter().find(fits).unwrap_or(&10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words_of(from_us: i64, to_us: i64) -> Vec<String> {
        let ticks = ticks(from_us, to_us, 6);
        ticks.into_iter().map(|(_, words)| words).collect()
    }

    #[test]
    fn ticks_are_round_and_few() {
        assert_eq!(words_of(0, 14_300_000), ["0 s", "5 s", "10 s"]);
        assert_eq!(
            words_of(4_960_000, 5_130_000),
            ["5.00 s", "5.05 s", "5.10 s"]
        );
        assert_eq!(
            words_of(0, 7_200_000_000),
            ["0", "20 min", "40 min", "1 h", "1 h 20", "1 h 40", "2 h"]
        );
        for span in (0..62).map(|bit| 1i64 << bit) {
            assert!(ticks(0, span, 6).len() <= 7, "{span}");
            assert!(ticks(-span, span, 200).len() <= 102, "{span}");
        }
    }

    #[test]
    fn the_top_of_a_scale_is_round() {
        let round = [0.0, 1.0, 1.2, 97.0, 100.0, 1234.0, 6.5e9].map(round_up);
        assert_eq!(round, [1.0, 1.0, 1.5, 100.0, 100.0, 1500.0, 8e9]);
    }
}
