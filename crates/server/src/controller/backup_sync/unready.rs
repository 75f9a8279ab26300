//! What lies in locations under a backup's name and is no backup yet, or can't be read: unfinished runs of other servers, the log of a
//! failed one, damaged metadata. Such names are looked at less and less often, because there may be many and each look is a request.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::context::elapsed;

/// The longest pause between two looks.
const LONGEST: Duration = Duration::from_hours(1);

/// Names by location. Holds no more than the locations do.
#[derive(Debug, Default)]
pub(super) struct Unready(Mutex<HashMap<String, HashMap<String, Looks>>>);

#[derive(Clone, Copy, Debug)]
struct Looks {
    first: Timestamp,
    last: Timestamp,
}

impl Looks {
    /// After half as long again as it has been known.
    fn next(self) -> Duration {
        (elapsed(self.first, self.last) / 2).min(LONGEST)
    }
}

impl Unready {
    /// Whether a name is to be looked at now.
    pub(super) fn is_due(&self, location: &str, backup: &str, now: Timestamp) -> bool {
        let names = self.lock();
        let looks = names.get(location).and_then(|names| names.get(backup));
        looks.is_none_or(|looks| elapsed(looks.last, now) >= looks.next())
    }

    /// Notes that there was no backup to be had.
    pub(super) fn note(&self, location: &str, backup: &str, now: Timestamp) {
        let mut names = self.lock();
        let looks = names.entry(location.to_owned()).or_default().entry(backup.to_owned());
        looks.and_modify(|looks| looks.last = now).or_insert(Looks { first: now, last: now });
    }

    /// Forgets what is not in the location any more, or has become a backup.
    pub(super) fn keep_only(&self, location: &str, unknown: &BTreeSet<&String>) {
        if let Some(names) = self.lock().get_mut(location) {
            names.retain(|name, _| unknown.contains(name));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, HashMap<String, Looks>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_backup_is_looked_at_less_and_less_often() {
        let (unready, minute) = (Unready::default(), Duration::from_mins(1));
        let at = |minutes: u64| Timestamp::UNIX_EPOCH + minute * minutes as u32;
        let looks = (0..24 * 60).filter(|&minute| {
            let due = unready.is_due("l", "b", at(minute));
            if due {
                unready.note("l", "b", at(minute));
            }
            due
        });
        let looks: Vec<_> = looks.collect();
        assert_eq!(looks[..6], [0, 1, 2, 3, 5, 8]);
        assert!(looks.windows(2).all(|pair| pair[1] - pair[0] <= 60), "{looks:?}");
        assert!(looks.len() < 40, "{} looks a day", looks.len());
        unready.keep_only("l", &BTreeSet::new());
        assert!(unready.is_due("l", "b", at(24 * 60)));
    }
}
