//! The samples of an event drawn with letters: a column for each, of four rows, and under it how
//! long ago it was, from top to bottom.

use super::events::{Sample, Series};

/// How many columns stand beside each other.
const COLUMNS: usize = 80;
const ROWS: usize = 4;
/// The three heights within a row.
const TOPS: [char; 3] = ['_', 'o', '#'];

/// Draws the samples of an event.
pub fn draw(event: &str, series: &Series, now_s: i64) -> String {
    let samples: Vec<Sample> = series.samples().collect();
    let all = samples.iter().map(|sample| sample.spent_ms);
    let high = all.clone().max().unwrap_or_default();
    let low = all.min().unwrap_or_default();
    let worst = series.worst_ms();
    let mut text = format!(
        "{event} - high {high} ms, low {low} ms (all time high {worst} ms)\n{}\n",
        "-".repeat(COLUMNS)
    );
    for (n, part) in samples.chunks(COLUMNS).enumerate() {
        if n > 0 {
            text.push('\n');
        }
        draw_part(&mut text, part, low, high, now_s);
    }
    text
}

fn draw_part(text: &mut String, part: &[Sample], low: u64, high: u64, now_s: i64) {
    let steps = (ROWS * TOPS.len()) as u64;
    let height = |sample: &Sample| {
        let step = (sample.spent_ms - low) * steps / (high - low).max(1);
        step.min(steps - 1) as usize
    };
    for row in (0..ROWS).rev() {
        let floor = row * TOPS.len();
        text.extend(
            part.iter()
                .map(|sample| match height(sample).checked_sub(floor) {
                    None => ' ',
                    Some(top) => TOPS.get(top).copied().unwrap_or('|'),
                }),
        );
        text.push('\n');
    }
    text.extend(std::iter::repeat_n(' ', part.len()));
    text.push('\n');
    let ages: Vec<Vec<u8>> = (part.iter())
        .map(|sample| age(now_s - sample.unix_s).into_bytes())
        .collect();
    let longest = ages.iter().map(Vec::len).max().unwrap_or_default();
    for line in 0..longest {
        let letter = |age: &Vec<u8>| age.get(line).map_or(' ', |letter| char::from(*letter));
        text.extend(ages.iter().map(letter));
        text.push('\n');
    }
}

/// A time in the largest unit of which it has one.
fn age(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::super::events::LatencyEvents;
    use super::*;

    #[test]
    fn samples_are_columns_with_their_ages_below() {
        let mut events = LatencyEvents::default();
        for (second, ms) in [(0, 100), (86_400, 150), (86_990, 400), (86_999, 300)] {
            events.note("fork", second, ms);
        }
        let (name, series) = events.get(b"fork").expect("samples");
        let text = draw(name, series, 87_000);
        let mut lines = text.lines();
        let head = "fork - high 400 ms, low 100 ms (all time high 400 ms)";
        assert_eq!(lines.next(), Some(head));
        assert_eq!(lines.next(), Some(&*"-".repeat(80)));
        let rest: Vec<&str> = lines.collect();
        let expected = [
            "  # ", "  |#", "  ||", "_#||", "    ", "1111", "d00s", " ms ",
        ];
        assert_eq!(rest, expected);
    }

    #[test]
    fn many_samples_are_drawn_in_parts_and_equal_ones_lie_low() {
        let mut events = LatencyEvents::default();
        (0..100).for_each(|second| events.note("fork", second, 7));
        let (name, series) = events.get(b"fork").expect("samples");
        let text = draw(name, series, 100);
        let floors: Vec<&str> = text.lines().filter(|line| line.starts_with('_')).collect();
        assert_eq!(floors, ["_".repeat(80), "_".repeat(20)]);
    }
}
