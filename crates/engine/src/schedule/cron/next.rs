//! The next time of a cron expression: fields are moved forward, from month to minute, until all of them fit. The steps are
//! those of Go's library, so that days on which the clocks change come out the same.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::{Fields, STAR};

/// The search ends after so many years.
const MAX_YEARS: i16 = 5;
/// And after so many steps: where a zone has left out a whole day, moving by days can stand still. (Go hangs.)
const MAX_STEPS: usize = 10_000;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;

/// A moment with what the clocks of a zone show.
#[derive(Clone, Copy)]
struct Moment {
    second: i64,
    shown: DateTime,
}

impl Fields {
    pub(super) fn next(&self, after: Timestamp) -> Option<Timestamp> {
        if [self.minutes, self.hours, self.months].contains(&0) {
            return None;
        }
        // Nanoseconds are cut off, also before 1970.
        let second = after.as_nanosecond().div_euclid(1_000_000_000);
        let start = self.at(i64::try_from(second).ok()? + 1)?;
        let last_year = start.shown.year().checked_add(MAX_YEARS)?;
        let mut search = Search { fields: self, at: start, cleared: false, steps: 0 };
        while search.at.shown.year() <= last_year {
            if search.pass()? {
                return Timestamp::from_second(search.at.second).ok();
            }
        }
        None
    }

    fn at(&self, second: i64) -> Option<Moment> {
        let shown = self.zone.to_datetime(Timestamp::from_second(second).ok()?);
        Some(Moment { second, shown })
    }

    /// The moment at which the clocks show a time. Where they never do, or do twice, it is the one that Go chooses: the
    /// offset that holds at about that time decides.
    fn showing(&self, shown: DateTime) -> Option<Moment> {
        let as_utc = TimeZone::UTC.to_timestamp(shown).ok()?.as_second();
        let offset_at =
            |second| Some(i64::from(self.zone.to_offset(Timestamp::from_second(second).ok()?).seconds()));
        let offset = offset_at(as_utc - offset_at(as_utc)?)?;
        self.at(as_utc - offset)
    }

    fn has_day(&self, shown: DateTime) -> bool {
        let in_month = self.days & (1 << shown.day()) != 0;
        let in_week = self.weekdays & (1 << shown.weekday().to_sunday_zero_offset()) != 0;
        if (self.days | self.weekdays) & STAR != 0 { in_month && in_week } else { in_month || in_week }
    }
}

/// A search on its way.
struct Search<'a> {
    fields: &'a Fields,
    at: Moment,
    /// Whether a field was moved, so that all smaller ones have been set to their beginning.
    cleared: bool,
    steps: usize,
}

impl Search<'_> {
    /// Moves forward until all fields fit: `true`; or until a larger field must be looked at again: `false`. `None` at the
    /// end of time.
    fn pass(&mut self) -> Option<bool> {
        Some(self.month()? && self.day()? && self.hour()? && self.minute()? && self.second()?)
    }

    fn month(&mut self) -> Option<bool> {
        while self.fields.months & (1 << self.at.shown.month()) == 0 {
            self.clear(self.at.shown.date().first_of_month().at(0, 0, 0, 0))?;
            // The 31st of a month without one is the 1st of the next.
            let shown = self.at.shown;
            let next = shown.date().last_of_month().tomorrow().ok()?;
            let date =
                next.checked_add(SignedDuration::from_hours(24 * (i64::from(shown.day()) - 1))).ok()?;
            self.step(self.fields.showing(date.to_datetime(shown.time())))?;
            if self.at.shown.month() == 1 {
                return Some(false);
            }
        }
        Some(true)
    }

    fn day(&mut self) -> Option<bool> {
        while !self.fields.has_day(self.at.shown) {
            self.clear(self.at.shown.date().at(0, 0, 0, 0))?;
            let tomorrow = self.at.shown.date().tomorrow().ok()?;
            self.step(self.fields.showing(tomorrow.to_datetime(self.at.shown.time())))?;
            // Midnight may be left out: then it is an hour before or after.
            let hour = i64::from(self.at.shown.hour());
            if hour != 0 {
                let correction = if hour > 12 { 24 - hour } else { -hour };
                self.at = self.fields.at(self.at.second + correction * HOUR)?;
            }
            if self.at.shown.day() == 1 {
                return Some(false);
            }
        }
        Some(true)
    }

    fn hour(&mut self) -> Option<bool> {
        while self.fields.hours & (1 << self.at.shown.hour()) == 0 {
            let shown = self.at.shown;
            self.clear(shown.date().at(shown.hour(), 0, 0, 0))?;
            self.step(self.fields.at(self.at.second + HOUR))?;
            if self.at.shown.hour() == 0 {
                return Some(false);
            }
        }
        Some(true)
    }

    fn minute(&mut self) -> Option<bool> {
        while self.fields.minutes & (1 << self.at.shown.minute()) == 0 {
            self.cut();
            self.step(self.fields.at(self.at.second + MINUTE))?;
            if self.at.shown.minute() == 0 {
                return Some(false);
            }
        }
        Some(true)
    }

    /// Only second 0 fits.
    fn second(&mut self) -> Option<bool> {
        let second = i64::from(self.at.shown.second());
        if second == 0 {
            return Some(true);
        }
        self.cleared = true;
        self.step(self.fields.at(self.at.second + MINUTE - second))?;
        Some(false)
    }

    /// Before the first move: sets the smaller fields to their beginning.
    fn clear(&mut self, shown: DateTime) -> Option<()> {
        if !self.cleared {
            self.cleared = true;
            self.at = self.fields.showing(shown)?;
        }
        Some(())
    }

    /// As [`Search::clear`], for seconds: whole minutes of the world's time, whatever the zone.
    fn cut(&mut self) {
        if !self.cleared {
            self.cleared = true;
            if let Some(at) = self.fields.at(self.at.second - self.at.second.rem_euclid(MINUTE)) {
                self.at = at;
            }
        }
    }

    fn step(&mut self, to: Option<Moment>) -> Option<()> {
        self.steps += 1;
        self.at = to.filter(|_| self.steps <= MAX_STEPS)?;
        Some(())
    }
}
