//! Figures in the form in which people read them.

/// A length of time with about three digits: `231 ms`, `1.52 s`, `2 min 5 s`.
pub fn duration(us: u64) -> String {
    match us {
        0..1_000 => format!("{:.2} ms", us as f64 / 1e3),
        1_000..10_000 => format!("{:.1} ms", us as f64 / 1e3),
        10_000..999_500 => format!("{:.0} ms", us as f64 / 1e3),
        999_500..10_000_000 => format!("{:.2} s", us as f64 / 1e6),
        10_000_000..120_000_000 => format!("{:.1} s", us as f64 / 1e6),
        120_000_000..7_200_000_000 => {
            format!("{} min {} s", us / 60_000_000, us / 1_000_000 % 60)
        }
        _ => format!("{} h {} min", us / 3_600_000_000, us / 60_000_000 % 60),
    }
}

/// A point in time, in seconds with three digits behind the point.
pub fn seconds(us: i64) -> String {
    format!("{:.3}", us as f64 / 1e6)
}

/// A count with its digits in groups: `12,345`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut grouped = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A count with the word for what is counted: `1 write`, `12 writes`.
pub fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(n), if n == 1 { one } else { many })
}

/// A number of bytes: `512 B`, `1.5 kB`, `20 MB`.
pub fn bytes(n: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if n < 1000 {
        return format!("{n} B");
    }
    let mut value = n as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = usize::from(value < 9.95);
    format!("{value:.digits$} {}", UNITS[unit]).replace(".0 ", " ")
}

/// Items as a sentence lists them, of which no more than `max` are named: `a, b and 3 more`.
pub fn listed(items: &[String], max: usize) -> String {
    match items {
        [] => String::new(),
        [only] => only.clone(),
        _ if items.len() <= max => {
            let (last, first) = items.split_last().expect("there are two at least");
            format!("{} and {last}", first.join(", "))
        }
        _ => format!("{} and {} more", items[..max].join(", "), items.len() - max),
    }
}

/// The first `max` characters of `text`, with a mark if there are more.
pub fn shortened(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        None => text.to_owned(),
        Some(_) => text.chars().take(max.saturating_sub(1)).collect::<String>() + "…",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_have_the_unit_that_suits_them() {
        let shown: Vec<String> = [
            0,
            420,
            4_200,
            231_400,
            999_499,
            999_500,
            12_340_000,
            125_000_000,
            7_260_000_000,
        ]
        .map(duration)
        .into();
        let expected = [
            "0.00 ms",
            "0.42 ms",
            "4.2 ms",
            "231 ms",
            "999 ms",
            "1.00 s",
            "12.3 s",
            "2 min 5 s",
            "2 h 1 min",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn counts_and_bytes_are_readable() {
        assert_eq!(
            [0, 999, 1000, 1234567].map(count),
            ["0", "999", "1,000", "1,234,567"]
        );
        let shown = [0, 999, 1000, 1540, 99_940, 999_999, u64::MAX].map(bytes);
        assert_eq!(
            shown,
            ["0 B", "999 B", "1 kB", "1.5 kB", "100 kB", "1 MB", "18 EB"]
        );
    }

    #[test]
    fn long_lists_and_texts_are_cut() {
        let items: Vec<String> = ["a", "b", "c", "d"].map(str::to_owned).into();
        assert_eq!(listed(&items, 4), "a, b, c and d");
        assert_eq!(listed(&items, 2), "a, b and 2 more");
        assert_eq!(
            (shortened("größer", 6), shortened("größer", 4)),
            ("größer".into(), "grö…".into())
        );
    }
}
