//! Times of schedules: five fields, the words `@daily` and the like, `@every 1h30m`, and `CRON_TZ=Zone` in front of either. The rules are
//! those of robfig/cron v3, which Velero uses; where they differ from other crons it is said.

use std::time::Duration;

use bowline_api::Duration as GoDuration;
use jiff::civil::{DateTime, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp, Zoned};
use thiserror::Error;

/// How far the next time is searched for: `30 2 30 2 *` never comes.
const YEARS: i16 = 5;

/// When a schedule is due.
#[derive(Clone, Debug)]
pub(crate) enum Cron {
    /// At certain times of the day.
    Fields(Box<Fields>),
    /// After the same time again and again.
    Every(Duration),
}

/// The five fields as bit sets, and the zone they are in; `None` is that of the machine.
#[derive(Clone, Debug)]
pub(crate) struct Fields {
    minute: Bits,
    hour: Bits,
    day: Bits,
    month: Bits,
    weekday: Bits,
    zone: Option<TimeZone>,
}

/// Why a text is no schedule.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum CronError {
    #[error("empty spec string")]
    Empty,
    #[error("expected exactly 5 fields, found {0}")]
    Fields(usize),
    #[error("unknown time zone {0:?}")]
    Zone(String),
    #[error("unrecognized descriptor {0:?}")]
    Descriptor(String),
    #[error("{0}")]
    Every(String),
    #[error("{field}: {reason}: {text:?}")]
    Field { field: &'static str, reason: &'static str, text: String },
}

/// Values of a field, and whether it was given as `*`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Bits {
    values: u64,
    star: bool,
}

/// The name, smallest and largest value of a field, and names for its values from the smallest on.
struct Bounds {
    name: &'static str,
    min: u32,
    max: u32,
    names: &'static [&'static str],
}

const MINUTE: Bounds = Bounds { name: "minute", min: 0, max: 59, names: &[] };
const HOUR: Bounds = Bounds { name: "hour", min: 0, max: 23, names: &[] };
const DAY: Bounds = Bounds { name: "day of month", min: 1, max: 31, names: &[] };
const MONTH: Bounds = Bounds {
    name: "month",
    min: 1,
    max: 12,
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
/// 7 is not Sunday here.
const WEEKDAY: Bounds =
    Bounds { name: "day of week", min: 0, max: 6, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] };

impl Cron {
    /// Reads a schedule.
    pub(crate) fn parse(text: &str) -> Result<Self, CronError> {
        let (zone, rest) = zone(text)?;
        match rest.strip_prefix('@') {
            Some(word) => descriptor(word, zone),
            None if rest.is_empty() => Err(CronError::Empty),
            None => Fields::parse(rest, zone).map(|fields| Self::Fields(Box::new(fields))),
        }
    }

    /// The first time after `now`; `None` when there is none within five years.
    pub(crate) fn next(&self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Every(period) => {
                let second = Timestamp::from_second(now.as_second()).ok()?;
                second.checked_add(SignedDuration::try_from(*period).ok()?).ok()
            }
            Self::Fields(fields) => fields.next(now),
        }
    }
}

fn zone(text: &str) -> Result<(Option<TimeZone>, &str), CronError> {
    let Some(rest) = text.strip_prefix("CRON_TZ=").or_else(|| text.strip_prefix("TZ=")) else {
        return Ok((None, text.trim()));
    };
    let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let zone = TimeZone::get(name).map_err(|_| CronError::Zone(name.to_owned()))?;
    Ok((Some(zone), rest.trim()))
}

fn descriptor(word: &str, zone: Option<TimeZone>) -> Result<Cron, CronError> {
    if let Some(period) = word.strip_prefix("every ") {
        let period: GoDuration = period.parse().map_err(|error| CronError::Every(format!("{error}")))?;
        // Parts of a second are dropped, and less than one second is one.
        let seconds = period.to_std().map_or(0, |period| period.as_secs()).max(1);
        return Ok(Cron::Every(Duration::from_secs(seconds)));
    }
    let fields = match word {
        "yearly" | "annually" => "0 0 1 1 *",
        "monthly" => "0 0 1 * *",
        "weekly" => "0 0 * * 0",
        "daily" | "midnight" => "0 0 * * *",
        "hourly" => "0 * * * *",
        _ => return Err(CronError::Descriptor(format!("@{word}"))),
    };
    Fields::parse(fields, zone).map(|fields| Cron::Fields(Box::new(fields)))
}

impl Fields {
    fn parse(text: &str, zone: Option<TimeZone>) -> Result<Self, CronError> {
        let parts: Vec<_> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = parts.as_slice() else {
            return Err(CronError::Fields(parts.len()));
        };
        Ok(Self {
            minute: MINUTE.parse(minute)?,
            hour: HOUR.parse(hour)?,
            day: DAY.parse(day)?,
            month: MONTH.parse(month)?,
            weekday: WEEKDAY.parse(weekday)?,
            zone,
        })
    }

    /// Steps through time from the coarsest field that does not fit to the finest. In a gap of daylight saving an hour that does not
    /// exist is skipped with its runs.
    fn next(&self, now: Timestamp) -> Option<Timestamp> {
        let zone = self.zone.clone().unwrap_or_else(TimeZone::system);
        let start =
            Timestamp::from_second(now.as_second()).ok()?.checked_add(SignedDuration::from_secs(1)).ok()?;
        let start = start.to_zoned(zone);
        let last_year = start.year().checked_add(YEARS)?;
        let mut time =
            start.checked_add(SignedDuration::from_secs(i64::from(60 - start.second()) % 60)).ok()?;
        while time.year() <= last_year {
            time = if !self.month.has(time.month()) {
                first_of_next_month(&time)?
            } else if !self.is_day(&time) {
                next_day(&time)?
            } else if !self.hour.has(time.hour()) {
                next_hour(&time)?
            } else if !self.minute.has(time.minute()) {
                time.checked_add(SignedDuration::from_mins(1)).ok()?
            } else {
                return Some(time.timestamp());
            };
        }
        None
    }

    /// With a `*` in one of the two fields for days the other decides, else either is enough.
    fn is_day(&self, time: &Zoned) -> bool {
        let (day, weekday) = (self.day.has(time.day()), self.weekday.has(number(time.weekday())));
        if self.day.star || self.weekday.star { day && weekday } else { day || weekday }
    }
}

fn number(weekday: Weekday) -> i8 {
    weekday.to_sunday_zero_offset()
}

fn first_of_next_month(time: &Zoned) -> Option<Zoned> {
    at(time, time.date().first_of_month().checked_add(Span::new().months(1)).ok()?.at(0, 0, 0, 0))
}

fn next_day(time: &Zoned) -> Option<Zoned> {
    at(time, time.date().tomorrow().ok()?.at(0, 0, 0, 0))
}

fn next_hour(time: &Zoned) -> Option<Zoned> {
    // By the clock on the wall up to the hour, then by elapsed time, so that an hour that comes twice is seen twice.
    let begin = time.checked_sub(SignedDuration::from_mins(i64::from(time.minute()))).ok()?;
    begin.checked_add(SignedDuration::from_hours(1)).ok()
}

fn at(time: &Zoned, civil: DateTime) -> Option<Zoned> {
    civil.to_zoned(time.time_zone().clone()).ok()
}

impl Bits {
    fn has(self, value: i8) -> bool {
        self.values & (1 << value) != 0
    }
}

impl Bounds {
    fn parse(&self, text: &str) -> Result<Bits, CronError> {
        let mut bits = Bits::default();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let range = self.range(part)?;
            bits.values |= range.values;
            bits.star |= range.star;
        }
        Ok(bits)
    }

    /// `*`, `5`, `5-10`, each with `/step`. `5/15` runs on to the largest value; `*/2` is no star any more.
    fn range(&self, text: &str) -> Result<Bits, CronError> {
        let mut halves = text.split('/');
        let (range, step) = (halves.next().unwrap_or_default(), halves.next());
        if halves.next().is_some() {
            return Err(self.error("too many slashes", text));
        }
        let ends: Vec<_> = range.split('-').collect();
        let mut star = matches!(ends[0], "*" | "?");
        let (start, mut end) = match ends.as_slice() {
            _ if star => (self.min, self.max),
            [single] => (self.value(single)?, self.value(single)?),
            [first, last] => (self.value(first)?, self.value(last)?),
            _ => return Err(self.error("too many hyphens", text)),
        };
        let step = step.map_or(Ok(1), |step| self.digits(step))?;
        if text.contains('/') && ends.len() == 1 {
            end = self.max;
        }
        star &= step <= 1;
        match () {
            () if start < self.min => Err(self.error("beginning of range below minimum", text)),
            () if end > self.max => Err(self.error("end of range above maximum", text)),
            () if start > end => Err(self.error("beginning of range beyond its end", text)),
            () if step == 0 => Err(self.error("step of range should be a positive number", text)),
            () => {
                let values =
                    (start..=end).step_by(step as usize).fold(0, |values, value| values | 1 << value);
                Ok(Bits { values, star })
            }
        }
    }

    fn value(&self, text: &str) -> Result<u32, CronError> {
        let lower = text.to_lowercase();
        match self.names.iter().position(|name| *name == lower) {
            Some(index) => Ok(self.min + index as u32),
            None => self.digits(text),
        }
    }

    fn digits(&self, text: &str) -> Result<u32, CronError> {
        text.parse().map_err(|_| self.error("failed to parse number", text))
    }

    fn error(&self, reason: &'static str, text: &str) -> CronError {
        CronError::Field { field: self.name, reason, text: text.chars().take(64).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(cron: &str, now: &str) -> Option<String> {
        // The machine's own zone must not matter for the tests.
        let cron = if cron.contains("TZ=") || cron.starts_with("@every") {
            cron.to_owned()
        } else {
            format!("TZ=UTC {cron}")
        };
        Cron::parse(&cron).unwrap().next(now.parse().unwrap()).map(|time| time.to_string())
    }

    #[test]
    fn the_next_time_is_found() {
        for (cron, now, expected) in [
            ("0/15 * * * *", "2012-07-09T14:45:00Z", "2012-07-09T15:00:00Z"),
            ("0/15 * * * *", "2012-07-09T14:59:59Z", "2012-07-09T15:00:00Z"),
            ("20-35/15 * * * *", "2012-07-09T15:45:00Z", "2012-07-09T16:20:00Z"),
            ("*/15 * * * *", "2012-07-09T23:46:00Z", "2012-07-10T00:00:00Z"),
            ("0 0 9 Apr-Oct ?", "2012-07-09T23:35:00Z", "2012-08-09T00:00:00Z"),
            ("0 0 */5 Apr,Aug,Oct Mon", "2012-07-09T23:35:00Z", "2012-08-01T00:00:00Z"),
            ("0 0 29 Feb ?", "2012-07-09T23:35:00Z", "2016-02-29T00:00:00Z"),
            ("@daily", "2012-07-09T00:00:00Z", "2012-07-10T00:00:00Z"),
            ("@weekly", "2026-11-21T08:00:00Z", "2026-11-22T00:00:00Z"),
            ("@every 1h30m", "2012-07-09T14:45:00.5Z", "2012-07-09T16:15:00Z"),
            ("@every 10ms", "2012-07-09T14:45:00Z", "2012-07-09T14:45:01Z"),
        ] {
            assert_eq!(next(cron, now).as_deref(), Some(expected), "{cron}");
        }
        assert_eq!(next("30 2 30 2 *", "2012-07-09T00:00:00Z"), None);
    }

    #[test]
    fn days_match_by_either_field_unless_one_is_a_star() {
        // The 15th or a Sunday; then Sundays only.
        assert_eq!(next("0 0 15 * Sun", "2012-07-09T00:00:00Z").as_deref(), Some("2012-07-15T00:00:00Z"));
        assert_eq!(next("0 0 1,16 * Sun", "2012-07-08T00:00:00Z").as_deref(), Some("2012-07-15T00:00:00Z"));
        assert_eq!(next("0 0 * * Mon", "2012-07-10T00:00:00Z").as_deref(), Some("2012-07-16T00:00:00Z"));
    }

    #[test]
    fn daylight_saving_skips_what_does_not_exist_and_repeats_what_comes_twice() {
        let zone = "TZ=America/New_York";
        for (cron, now, expected) in [
            ("30 2 11 Mar ?", "2012-03-11T00:00:00-05:00", "2013-03-11T02:30:00-04:00"),
            ("0 * * * ?", "2012-03-11T01:00:00-05:00", "2012-03-11T03:00:00-04:00"),
            ("0 1 * * ?", "2012-11-04T01:00:00-04:00", "2012-11-04T01:00:00-05:00"),
            ("0 3 * * ?", "2012-11-04T01:00:00-04:00", "2012-11-04T03:00:00-05:00"),
        ] {
            let expected: Timestamp = expected.parse().unwrap();
            assert_eq!(next(&format!("{zone} {cron}"), now), Some(expected.to_string()), "{cron} from {now}");
        }
    }

    #[test]
    fn bad_schedules_are_refused_with_their_field() {
        for (cron, text) in [
            ("", "empty"),
            ("TZ=UTC", "empty"),
            ("* * * *", "found 4"),
            ("@yesterday", "unrecognized descriptor"),
            ("@every soon", "invalid duration"),
            ("CRON_TZ=Nowhere/Land 0 0 * * *", "unknown time zone"),
            ("60 * * * *", "minute: end of range above maximum"),
            ("* * * * 7", "day of week: end of range above maximum"),
            ("* * 0 * *", "day of month: beginning of range below minimum"),
            ("9-5 * * * *", "beyond its end"),
            ("*/0 * * * *", "positive number"),
            ("1-2-3 * * * *", "too many hyphens"),
            ("1/2/3 * * * *", "too many slashes"),
            ("x * * * *", "failed to parse number"),
        ] {
            let error = Cron::parse(cron).unwrap_err().to_string();
            assert!(error.contains(text), "{cron}: {error}");
        }
    }
}
