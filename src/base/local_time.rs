//! Local time as text, made of the time of day and the distance to UTC, with nobody to be asked.
//!
//! The C library knows the distance (see `sys/clock.rs`), but it looks it up under a lock, and a
//! line of the log must be dated where no lock may be taken.

use std::fmt::{self, Display, Formatter};

const SECONDS_PER_DAY: i64 = 86_400;
/// The calendar repeats itself after so many days, which are 400 years.
const DAYS_PER_CYCLE: i64 = 146_097;
/// Days from the first of March of the year 0, where a cycle begins, to the first of January 1970.
const DAYS_TO_EPOCH: i64 = 719_468;
/// The first of January 1970 was a Thursday.
const EPOCH_WEEKDAY: i64 = 4;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// A date and a time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalTime {
    year: i64,
    /// From 1.
    month: u8,
    /// From 1.
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
    milli: u16,
    /// From Sunday, which is 0.
    weekday: u8,
}

impl LocalTime {
    /// The local time at `unix_us` microseconds since the epoch, where clocks are `ahead_s`
    /// seconds ahead of UTC.
    pub fn new(unix_us: i64, ahead_s: i32) -> LocalTime {
        let local_us = unix_us + i64::from(ahead_s) * 1_000_000;
        let seconds = local_us.div_euclid(1_000_000);
        let (year, month, day) = date(seconds.div_euclid(SECONDS_PER_DAY));
        let of_day = seconds.rem_euclid(SECONDS_PER_DAY);
        LocalTime {
            year,
            month,
            day,
            hour: (of_day / 3600) as u8,
            minute: (of_day / 60 % 60) as u8,
            second: (of_day % 60) as u8,
            milli: (local_us.rem_euclid(1_000_000) / 1000) as u16,
            weekday: (seconds.div_euclid(SECONDS_PER_DAY) + EPOCH_WEEKDAY).rem_euclid(7) as u8,
        }
    }

    fn month_name(&self) -> &'static str {
        MONTHS[usize::from(self.month) - 1]
    }

    /// As the system's log takes it (RFC 3164): `Nov  1 23:12:45`.
    pub fn for_syslog(&self) -> impl Display {
        let LocalTime {
            day,
            hour,
            minute,
            second,
            ..
        } = *self;
        let month = self.month_name();
        fmt::from_fn(move |f| write!(f, "{month} {day:2} {hour:02}:{minute:02}:{second:02}"))
    }
}

impl LocalTime {
    /// As the C library's `ctime` shows it: `Sun Nov  1 23:12:45 2026`.
    pub fn as_ctime(&self) -> impl Display {
        const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
        let (weekday, year) = (DAYS[usize::from(self.weekday)], self.year);
        let rest = self.for_syslog();
        fmt::from_fn(move |f| write!(f, "{weekday} {rest} {year}"))
    }
}

/// As our log shows it: `21 Nov 2026 23:12:45.123`.
impl Display for LocalTime {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:02} {} {} {:02}:{:02}:{:02}.{:03}",
            self.day,
            self.month_name(),
            self.year,
            self.hour,
            self.minute,
            self.second,
            self.milli
        )
    }
}

/// Reads a date as logs show it, `30 Nov 2026 09:15:10.123`, where clocks are at UTC: microseconds
/// since the epoch.
pub fn parse_log_date(text: &str) -> Option<i64> {
    let words: Vec<&str> = text.split(' ').collect();
    let [day, month, year, time] = words[..] else {
        return None;
    };
    let number = |digits: &str| -> Option<i64> {
        let is_plain = digits.len() <= 4 && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse().ok().filter(|_| is_plain)
    };
    let month = MONTHS.iter().position(|name| *name == month)? as u8 + 1;
    let (day, year) = (number(day)?, number(year)?);
    // A guess that is some days off, put right by what each of those days turns out to be.
    let guess = (year - 1970) * 365 + (year - 1969) / 4 + i64::from(month - 1) * 30 + day - 1;
    let days = (guess - 30..guess + 30).find(|days| date(*days) == (year, month, day as u8))?;
    let (time, milli) = time.split_once('.')?;
    let parts: Vec<&str> = time.split(':').collect();
    let [hour, minute, second] = parts[..] else {
        return None;
    };
    let seconds = days * SECONDS_PER_DAY + number(hour)? * 3600 + number(minute)? * 60;
    Some((seconds + number(second)?) * 1_000_000 + number(milli)? * 1000)
}

/// Year, month and day of a day counted from the epoch.
///
/// Years are counted from March, so that the day that only some years have is their last one; the
/// months from March on have 31, 30, 31, 30, 31 days, again and again, which is 153 in five.
fn date(days: i64) -> (i64, u8, u8) {
    let days = days + DAYS_TO_EPOCH;
    let (cycle, of_cycle) = (
        days.div_euclid(DAYS_PER_CYCLE),
        days.rem_euclid(DAYS_PER_CYCLE),
    );
    // Every fourth year is longer, but for every hundredth, but for every four hundredth.
    let leap_days = of_cycle / 1460 - of_cycle / 36_524 + of_cycle / 146_096;
    let year = (of_cycle - leap_days) / 365;
    let of_year = of_cycle - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let (month, next_year) = match from_march {
        0..10 => (from_march + 3, 0),
        _ => (from_march - 9, 1),
    };
    (cycle * 400 + year + next_year, month as u8, day as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(unix_ms: i64, ahead_s: i32) -> String {
        LocalTime::new(unix_ms * 1000, ahead_s).to_string()
    }

    #[test]
    fn times_are_shown_as_logs_show_them() {
        assert_eq!(text(0, 0), "01 Jan 1970 00:00:00.000");
        assert_eq!(text(1_795_302_765_123, 0), "21 Nov 2026 23:12:45.123");
        assert_eq!(text(1_795_302_765_123, 3600), "22 Nov 2026 00:12:45.123");
        assert_eq!(text(951_782_399_999, 0), "28 Feb 2000 23:59:59.999");
        assert_eq!(text(951_782_400_000, 0), "29 Feb 2000 00:00:00.000");
        assert_eq!(text(0, -12_600), "31 Dec 1969 20:30:00.000");
        let time = LocalTime::new(1_793_488_365_000_000, 0);
        assert_eq!(time.for_syslog().to_string(), "Oct 31 23:12:45");
        let time = LocalTime::new(1_793_488_365_000_000, 3600);
        assert_eq!(time.for_syslog().to_string(), "Nov  1 00:12:45");
    }

    #[test]
    fn dates_of_logs_are_read_again() {
        for unix_ms in [0, 951_782_400_000, 1_795_302_765_123, 4_102_444_799_999] {
            assert_eq!(parse_log_date(&text(unix_ms, 0)), Some(unix_ms * 1000));
        }
        for other in [
            "",
            "30 Feb 2026 00:00:00.000",
            "1 Nov 2026 0:0",
            "x Nov 2026 1:2:3.4",
        ] {
            assert_eq!(parse_log_date(other), None, "{other}");
        }
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let length = |year: i64, month| match month {
            2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        let mut expected = (1969, 12, 31);
        for days in -1..200_000 {
            assert_eq!(date(days), expected, "day {days}");
            let (year, month, day) = expected;
            expected = match (month, day) {
                (12, 31) => (year + 1, 1, 1),
                _ if day == length(year, month) => (year, month + 1, 1),
                _ => (year, month, day + 1),
            };
        }
    }
}
