//! Durations as Go writes them: `720h0m0s`, `1.5s`, `0s`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// Go's units with their length in nanoseconds; micro has three spellings.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", SECOND),
    ("m", MINUTE),
    ("h", HOUR),
];

/// A span of time, possibly negative, with Go's range (±292 years) and precision (nanoseconds).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(i64);

impl Duration {
    /// No time at all; in most specs it stands for "the server's default".
    pub const ZERO: Self = Self(0);

    /// From nanoseconds.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// From whole seconds; beyond Go's range the nearest possible value.
    pub const fn from_secs(seconds: i64) -> Self {
        Self(seconds.saturating_mul(SECOND as i64))
    }

    /// From whole minutes; beyond Go's range the nearest possible value.
    pub const fn from_mins(minutes: i64) -> Self {
        Self(minutes.saturating_mul(MINUTE as i64))
    }

    /// From whole hours; beyond Go's range the nearest possible value.
    pub const fn from_hours(hours: i64) -> Self {
        Self(hours.saturating_mul(HOUR as i64))
    }

    /// In nanoseconds.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Whether this is exactly no time.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Whether this points to the past.
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }

    /// As the standard library's duration, which can't be negative: `None` then.
    pub fn to_std(self) -> Option<std::time::Duration> {
        u64::try_from(self.0).ok().map(std::time::Duration::from_nanos)
    }
}

impl From<std::time::Duration> for Duration {
    /// Beyond Go's range the greatest possible value.
    fn from(duration: std::time::Duration) -> Self {
        Self(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
    }
}

impl From<Duration> for jiff::SignedDuration {
    fn from(duration: Duration) -> Self {
        Self::from_nanos(duration.0)
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.unsigned_abs();
        let sign = if self.0 < 0 { "-" } else { "" };
        let text = match nanos {
            0 => "0s".to_owned(),
            1..1_000 => format!("{nanos}ns"),
            1_000..1_000_000 => format!("{}\u{b5}s", decimal(nanos, 1_000)),
            1_000_000..SECOND => format!("{}ms", decimal(nanos, 1_000_000)),
            SECOND..MINUTE => format!("{}s", decimal(nanos, SECOND)),
            MINUTE..HOUR => format!("{}m{}s", nanos / MINUTE, decimal(nanos % MINUTE, SECOND)),
            _ => {
                let (minutes, rest) = (nanos / MINUTE % 60, nanos % MINUTE);
                format!("{}h{minutes}m{}s", nanos / HOUR, decimal(rest, SECOND))
            }
        };
        f.pad(&format!("{sign}{text}"))
    }
}

/// `nanos / unit` as a decimal number without trailing zeros.
fn decimal(nanos: u64, unit: u64) -> String {
    let (whole, fraction) = (nanos / unit, nanos % unit);
    if fraction == 0 {
        return whole.to_string();
    }
    let width = unit.ilog10() as usize;
    let digits = format!("{fraction:0width$}");
    format!("{whole}.{}", digits.trim_end_matches('0'))
}

/// Why a text is not a duration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseDurationError {
    text: String,
    reason: &'static str,
}

impl fmt::Display for ParseDurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid duration {:?}: {} (examples: 30s, 10m, 1h30m)", self.text, self.reason)
    }
}

impl std::error::Error for ParseDurationError {}

impl FromStr for Duration {
    type Err = ParseDurationError;

    /// Accepts what Go's `time.ParseDuration` accepts.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).map(Self).map_err(|reason| ParseDurationError { text: text.to_owned(), reason })
    }
}

fn parse(text: &str) -> Result<i64, &'static str> {
    const OUT_OF_RANGE: &str = "out of range";
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    match rest {
        "0" => return Ok(0),
        "" => return Err("empty"),
        _ => {}
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (nanos, tail) = component(rest)?;
        total = total.checked_add(nanos).ok_or(OUT_OF_RANGE)?;
        rest = tail;
    }
    let total = if negative { -i128::from(total) } else { i128::from(total) };
    i64::try_from(total).map_err(|_| OUT_OF_RANGE)
}

/// One number with its unit from the start of `text`, in nanoseconds, and the text behind it.
fn component(text: &str) -> Result<(u64, &str), &'static str> {
    let (whole, rest) = digits(text);
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => digits(rest),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return Err("a number is expected");
    }
    let end = rest.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(rest.len());
    let (unit, tail) = rest.split_at(end);
    if unit.is_empty() {
        return Err("missing unit");
    }
    let (_, length) = UNITS.iter().find(|(name, _)| *name == unit).ok_or("unknown unit")?;
    let whole = if whole.is_empty() { Some(0) } else { whole.parse::<u64>().ok() };
    let nanos = whole.and_then(|whole| whole.checked_mul(*length)).ok_or("out of range")?;
    nanos.checked_add(part(fraction, *length)).map(|nanos| (nanos, tail)).ok_or("out of range")
}

/// The digits that `text` starts with, and what follows them.
fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// `0.fraction` of a unit, rounded down. Digits beyond the eighteenth are below a nanosecond of any unit.
fn part(fraction: &str, unit: u64) -> u64 {
    let digits = &fraction[..fraction.len().min(18)];
    let value: u128 = digits.parse().unwrap_or(0);
    (value * u128::from(unit) / 10u128.pow(digits.len() as u32)) as u64
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Duration;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as \"10m0s\", or a number of nanoseconds")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_i64<E: de::Error>(self, nanos: i64) -> Result<Duration, E> {
                Ok(Duration(nanos))
            }

            fn visit_u64<E: de::Error>(self, nanos: u64) -> Result<Duration, E> {
                i64::try_from(nanos).map(Duration).map_err(|_| E::custom("duration out of range"))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

#[cfg(test)]
mod tests {
    use super::Duration;

    #[test]
    fn prints_like_go() {
        let cases = [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1\u{b5}s"),
            (2_200_000, "2.2ms"),
            (1_500_000_000, "1.5s"),
            (60_000_000_000, "1m0s"),
            (245_000_000_000, "4m5s"),
            (18_367_000_000_000, "5h6m7s"),
            (480_000_000_001, "8m0.000000001s"),
            (2_592_000_000_000_000, "720h0m0s"),
            (-90_000_000_000, "-1m30s"),
            (i64::MAX, "2562047h47m16.854775807s"),
            (i64::MIN, "-2562047h47m16.854775808s"),
        ];
        for (nanos, text) in cases {
            assert_eq!(Duration::from_nanos(nanos).to_string(), text);
            assert_eq!(text.parse::<Duration>().unwrap().as_nanos(), nanos, "{text}");
        }
    }

    #[test]
    fn parses_what_go_parses() {
        let cases = [
            ("0", 0),
            ("+5s", 5_000_000_000),
            ("-0", 0),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("1h1.5m", 3_690_000_000_000),
            ("1us", 1_000),
            ("1\u{3bc}s", 1_000),
            ("0.3333333333333333333h", 1_200_000_000_000 - 1),
            ("9223372036854775807ns", i64::MAX),
        ];
        for (text, nanos) in cases {
            assert_eq!(text.parse::<Duration>().unwrap().as_nanos(), nanos, "{text}");
        }
    }

    #[test]
    fn refuses_what_go_refuses() {
        for text in
            ["", "-", "s", ".", ".s", "1", "1d", "1 s", "3000000h", "1h2", "9223372036854775808ns", "1hs"]
        {
            assert!(text.parse::<Duration>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn reads_text_and_nanoseconds_writes_text() {
        for json in ["\"10m0s\"", "600000000000"] {
            let duration: Duration = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::to_string(&duration).unwrap(), "\"10m0s\"");
        }
        assert!(serde_json::from_str::<Duration>("\"soon\"").is_err());
    }

    #[test]
    fn a_negative_duration_has_no_standard_counterpart() {
        assert_eq!(Duration::from_secs(-1).to_std(), None);
        let second = std::time::Duration::from_secs(1);
        assert_eq!(Duration::from(second).to_std(), Some(second));
    }
}
