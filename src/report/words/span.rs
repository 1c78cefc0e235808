//! Lengths, counts and times, as people read them.

use jiff::Timestamp as Wall;

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A length of time in its two largest units: `850 ms`, `1.9 s`, `42 s`, `3 min 20 s`, `1 h 5 min`.
pub fn duration(ms: u64) -> String {
    match ms {
        0 => "0 s".to_owned(),
        1..SECOND => format!("{ms} ms"),
        SECOND..10_000 => tenths(ms),
        10_000..MINUTE => format!("{} s", ms / SECOND),
        MINUTE..HOUR => two(ms / MINUTE, "min", ms % MINUTE / SECOND, "s"),
        HOUR..DAY => two(ms / HOUR, "h", ms % HOUR / MINUTE, "min"),
        DAY.. => two(ms / DAY, "d", ms % DAY / HOUR, "h"),
    }
}

fn tenths(ms: u64) -> String {
    match (ms / SECOND, ms % SECOND / 100) {
        (whole, 0) => format!("{whole} s"),
        (whole, tenth) => format!("{whole}.{tenth} s"),
    }
}

fn two(large: u64, large_unit: &str, small: u64, small_unit: &str) -> String {
    if small == 0 {
        return format!("{large} {large_unit}");
    }
    format!("{large} {large_unit} {small} {small_unit}")
}

/// How old something is, in one unit, rounded down: `0 s`, `12 s`, `3 min`, `2 h`, `5 d`.
pub fn age(ms: u64) -> String {
    match ms {
        0..MINUTE => format!("{} s", ms / SECOND),
        MINUTE..HOUR => format!("{} min", ms / MINUTE),
        HOUR..DAY => format!("{} h", ms / HOUR),
        DAY.. => format!("{} d", ms / DAY),
    }
}

/// A time of day in UTC: `02:41:10Z`.
pub fn utc(at: Wall) -> String {
    at.strftime("%H:%M:%SZ").to_string()
}

/// A count in groups of three: `41,202`.
pub fn count(number: u64) -> String {
    grouped(&number.to_string())
}

/// Digits in groups of three.
pub(super) fn grouped(digits: &str) -> String {
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A count with its noun: `1 finding`, `1,204 findings`.
pub fn plural(number: u64, noun: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{} {noun}{s}", count(number))
}

/// A size: `812 B`, `1.2 MB`, `48 GB`. Powers of 1000.
pub fn bytes(size: u64) -> String {
    let mut unit_size = 1;
    let mut unit = "B";
    for (next_size, next) in [(1000, "kB"), (1_000_000, "MB"), (1_000_000_000, "GB")] {
        if size >= next_size {
            (unit_size, unit) = (next_size, next);
        }
    }
    let (whole, tenth) = (size / unit_size, size % unit_size * 10 / unit_size);
    if tenth == 0 || whole >= 10 {
        return format!("{} {unit}", count(whole));
    }
    format!("{whole}.{tenth} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_in_their_largest_units() {
        let cases = [
            (0, "0 s"),
            (850, "850 ms"),
            (1000, "1 s"),
            (1949, "1.9 s"),
            (41_999, "41 s"),
            (60_000, "1 min"),
            (200_000, "3 min 20 s"),
            (3_900_000, "1 h 5 min"),
            (u64::MAX, "213503982334 d 14 h"),
        ];
        for (ms, text) in cases {
            assert_eq!(duration(ms), text);
        }
        assert_eq!([age(999), age(61_000), age(7_300_000)], ["0 s", "1 min", "2 h"]);
    }

    #[test]
    fn counts_and_sizes_carry_their_units() {
        assert_eq!([count(0), count(999), count(1000)], ["0", "999", "1,000"]);
        assert_eq!(count(41_202_007), "41,202,007");
        assert_eq!([plural(1, "finding"), plural(0, "finding")], ["1 finding", "0 findings"]);
        assert_eq!(
            [bytes(812), bytes(1_250_000), bytes(48_000_000_000)],
            ["812 B", "1.2 MB", "48 GB"]
        );
    }

    #[test]
    fn times_are_utc() {
        let at: Wall = "2026-11-23T03:41:10+01:00".parse().expect("a time");
        assert_eq!(utc(at), "02:41:10Z");
    }
}
