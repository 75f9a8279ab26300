//! Times and spans as Velero prints them.

use bowline_api::Time;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// The moment and the zone that times are told in.
#[derive(Clone, Debug)]
pub(crate) struct Now {
    pub(crate) time: Timestamp,
    pub(crate) zone: TimeZone,
}

impl Now {
    /// This moment, in the zone of this machine.
    pub(crate) fn here() -> Self {
        Self { time: Timestamp::now(), zone: TimeZone::system() }
    }

    /// `2026-11-21 06:46:11 +0000 UTC`; `n/a` for no time.
    pub(crate) fn absolute(&self, time: Option<&Time>) -> String {
        self.absolute_or(time, "n/a")
    }

    /// [`Now::absolute`] with another word for no time.
    pub(crate) fn absolute_or(&self, time: Option<&Time>, none: &str) -> String {
        time.map_or_else(
            || none.to_owned(),
            |time| time.0.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S %z %Z").to_string(),
        )
    }

    /// `29d` for a time to come, `5m ago` for one gone by, `n/a` for none.
    pub(crate) fn relative(&self, time: Option<&Time>) -> String {
        let Some(time) = time else { return "n/a".to_owned() };
        let distance = time.0.duration_since(self.time);
        if distance.is_positive() { short(distance) } else { format!("{} ago", short(distance.abs())) }
    }
}

/// The largest whole unit: `12s`, `5m`, `3h`, `29d`, `2y`.
fn short(span: SignedDuration) -> String {
    let (seconds, minutes, hours) = (span.as_secs(), span.as_mins(), span.as_hours());
    if seconds < 60 {
        format!("{seconds}s")
    } else if minutes < 60 {
        format!("{minutes}m")
    } else if hours < 24 {
        format!("{hours}h")
    } else if hours < 24 * 365 {
        format!("{}d", hours / 24)
    } else {
        format!("{}y", hours / (24 * 365))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{Now, Time, TimeZone};

    pub(crate) fn at(time: &str) -> Now {
        Now { time: time.parse().unwrap(), zone: TimeZone::UTC }
    }

    #[test]
    fn times_are_told_like_go_does() {
        let now = at("2026-11-21T06:46:20Z");
        let time = |text: &str| Time(text.parse().unwrap());
        assert_eq!(now.absolute(Some(&time("2026-11-21T06:46:11Z"))), "2026-11-21 06:46:11 +0000 UTC");
        for (when, told) in [
            ("2026-12-21T06:46:11Z", "29d"),
            ("2026-11-21T06:46:50Z", "30s"),
            ("2026-11-21T06:41:00Z", "5m ago"),
            ("2024-11-01T00:00:00Z", "2y ago"),
        ] {
            assert_eq!(now.relative(Some(&time(when))), told);
        }
        assert_eq!((now.relative(None), now.absolute(None)), ("n/a".to_owned(), "n/a".to_owned()));
    }
}
