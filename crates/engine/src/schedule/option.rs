//! What a schedule can ask for beyond Velero, by annotations. Without them it behaves as in Velero.

use std::collections::BTreeMap;

use bowline_api::duration::Duration;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use thiserror::Error;

/// Most that a run may be put off.
const MAX_JITTER: Duration = Duration::from_hours(24);

/// Why an annotation is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("annotation {annotation}: {problem}")]
pub struct OptionError {
    /// Its name.
    pub annotation: &'static str,
    /// What is wrong with its value.
    pub problem: String,
}

/// What becomes of a run that could not start in time, because the server was away or another backup took too long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissedRun {
    /// It runs as soon as possible, however many were missed. This is what Velero does.
    #[default]
    RunOnce,
    /// It is left out when it is more than ten minutes late.
    Skip,
}

/// The optional behaviour of one schedule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Runs start up to this much later than planned, by a time that is fixed for each run and differs between schedules.
    /// Should be less than the time between two runs.
    pub jitter: Duration,
    /// What becomes of a run that is late.
    pub missed_run: MissedRun,
}

impl Options {
    /// Annotation for [`Options::jitter`]: a duration such as `10m`, at most `24h`.
    pub const JITTER: &str = "bowline.io/jitter";
    /// Annotation for [`Options::missed_run`]: `runOnce` or `skip`.
    pub const MISSED_RUN_POLICY: &str = "bowline.io/missed-run-policy";

    /// Reads the annotations of a schedule. An error belongs to its validation errors.
    pub fn from_annotations(annotations: &BTreeMap<String, String>) -> Result<Self, OptionError> {
        let wrong = |annotation, problem: String| OptionError { annotation, problem };
        let mut options = Self::default();
        if let Some(text) = annotations.get(Self::JITTER) {
            let jitter: Duration = text.parse().map_err(|error| wrong(Self::JITTER, format!("{error}")))?;
            if jitter.is_negative() || jitter > MAX_JITTER {
                return Err(wrong(Self::JITTER, format!("{text:?} is not between 0s and {MAX_JITTER}")));
            }
            options.jitter = jitter;
        }
        options.missed_run = match annotations.get(Self::MISSED_RUN_POLICY).map(String::as_str) {
            None | Some("runOnce") => MissedRun::RunOnce,
            Some("skip") => MissedRun::Skip,
            Some(text) => {
                return Err(wrong(
                    Self::MISSED_RUN_POLICY,
                    format!("unknown {text:?}, must be runOnce or skip"),
                ));
            }
        };
        Ok(options)
    }

    /// By how much the run that is planned for a time starts later.
    pub(super) fn jitter_of(&self, key: &str, planned: Timestamp) -> SignedDuration {
        let most = self.jitter.as_nanos() / 1_000_000_000;
        if most <= 0 {
            return SignedDuration::ZERO;
        }
        let digest = Sha256::digest(format!("{key} {}", planned.as_second()));
        let number = digest.iter().take(7).fold(0_i64, |number, byte| (number << 8) | i64::from(*byte));
        SignedDuration::from_secs(number % (most + 1))
    }
}
