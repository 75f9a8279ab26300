//! When a schedule creates its next backup (behaviour §1.4 and §4): cron expressions and the decision, without any I/O.

mod cron;
mod option;

use bowline_api::backup::BackupPhase;
use jiff::{SignedDuration, Timestamp};

pub use cron::{Cron, CronError};
pub use option::{MissedRun, OptionError, Options};

/// How late a run may start before [`MissedRun::Skip`] counts it as missed.
const GRACE: SignedDuration = SignedDuration::from_mins(10);

/// What a decision depends on, besides the time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// `namespace/name` of the schedule; spreads the jitter of several schedules.
    pub key: String,
    /// `spec.paused`.
    pub paused: bool,
    /// `spec.skipImmediately`, or the server's default where that is not set.
    pub skip_immediately: bool,
    /// When the schedule was created.
    pub created: Timestamp,
    /// `status.lastBackup`.
    pub last_backup: Option<Timestamp>,
    /// `status.lastSkipped`.
    pub last_skipped: Option<Timestamp>,
    /// Whether one of its backups has not got past its first phases, see [`is_underway`].
    pub underway: bool,
}

/// What is to be done for a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing, until somebody unpauses it.
    Rest,
    /// Nothing, ever: the expression names no time, as the 30th of February. (Velero would create a backup each minute.)
    Never,
    /// Set `skipImmediately` to false and `lastSkipped` to now, so that the next run is the one after now.
    SkipOnce,
    /// Nothing before this time.
    Wait(Timestamp),
    /// A run is due, but one of the schedule's backups is still underway. Ask again when it has ended.
    Hold,
    /// Leave out the run of this time, because it is too late for it: set `lastSkipped` to now.
    Miss(Timestamp),
    /// Create a backup with the name that [`backup_name`] gives, and set `lastBackup` to now.
    Run,
}

/// Decides what is to be done now. May be asked any number of times: the answer depends on what is stored, not on who asks.
///
/// Runs that were missed are not made up one by one: after a pause of the server there is one late run, at once.
pub fn decide(cron: &Cron, observed: &Observed, options: &Options, now: Timestamp) -> Step {
    if observed.paused {
        return Step::Rest;
    }
    if observed.skip_immediately {
        return Step::SkipOnce;
    }
    let base = observed.last_backup.unwrap_or(observed.created);
    let base = observed.last_skipped.map_or(base, |skipped| base.max(skipped));
    let Some(planned) = cron.next(base) else {
        return Step::Never;
    };
    let start = planned.saturating_add(options.jitter_of(&observed.key, planned)).unwrap_or(planned);
    if now <= start {
        Step::Wait(start)
    } else if options.missed_run == MissedRun::Skip && now.duration_since(start) > GRACE {
        Step::Miss(planned)
    } else if observed.underway {
        Step::Hold
    } else {
        Step::Run
    }
}

/// Whether a backup in this phase keeps its schedule from creating the next one. Unlike Velero, which forgets them, this
/// counts backups that are queued.
pub fn is_underway(phase: Option<&BackupPhase>) -> bool {
    use BackupPhase::{InProgress, New, Queued, ReadyToStart};
    phase.is_none_or(|phase| matches!(phase, New | Queued | ReadyToStart | InProgress))
}

/// Name of the backup that a schedule creates at a time: `nightly-20261121083015`, in UTC.
pub fn backup_name(schedule: &str, now: Timestamp) -> String {
    format!("{schedule}-{}", now.strftime("%Y%m%d%H%M%S"))
}

#[cfg(test)]
mod tests;
