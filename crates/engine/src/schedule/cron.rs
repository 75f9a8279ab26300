//! Cron expressions, exactly as the standard parser of robfig/cron 3.0.1 reads and runs them: five fields, names, ranges,
//! steps, `?`, `@daily` and the like, `@every 1h30m`, and a time zone in front (`CRON_TZ=Europe/Berlin 0 3 * * *`).
//!
//! Peculiar, and kept: `N/step` runs to the field's maximum; a day field that begins with `*` does not restrict the other
//! one, unless it has a step above 1; times that a change to summer time leaves out are left out.

mod next;
mod parse;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use thiserror::Error;

/// Why a text is not a cron expression, in the words that users of Velero know.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CronError {
    /// There is no text.
    #[error("Schedule must be a non-empty valid Cron expression")]
    Empty,
    /// The text breaks the rules.
    #[error("invalid schedule: {0}")]
    Invalid(String),
}

/// A checked cron expression.
#[derive(Clone, Debug)]
pub struct Cron(Rhythm);

#[derive(Clone, Debug)]
enum Rhythm {
    Every(SignedDuration),
    Fields(Fields),
}

/// Sets of minutes, hours and so on, as bits, and the zone whose clocks are meant.
#[derive(Clone, Debug)]
struct Fields {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    zone: TimeZone,
}

/// Stands in a set of days for a `*` that does not restrict the other set of days.
const STAR: u64 = 1 << 63;

impl Cron {
    /// Reads an expression. Without a zone of its own it means UTC.
    pub fn parse(text: &str) -> Result<Self, CronError> {
        Self::parse_in(text, TimeZone::UTC)
    }

    /// Reads an expression that, without a zone of its own, means the given one (Velero: that of the server's container).
    pub fn parse_in(text: &str, zone: TimeZone) -> Result<Self, CronError> {
        if text.is_empty() {
            return Err(CronError::Empty);
        }
        parse::expression(text, zone).map(Self).map_err(CronError::Invalid)
    }

    /// The first time after another one; `None` when there is none within five years.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        match &self.0 {
            Rhythm::Every(delay) => Timestamp::from_second(after.as_second()).ok()?.checked_add(*delay).ok(),
            Rhythm::Fields(fields) => fields.next(after),
        }
    }

    /// The time between the next two runs after a time.
    pub fn interval(&self, after: Timestamp) -> Option<SignedDuration> {
        let first = self.next(after)?;
        Some(self.next(first)?.duration_since(first))
    }
}

#[cfg(test)]
mod tests;
