//! Schedule: makes backups at their times. Missed times are not made up for, and a schedule waits while a backup of it is unfinished.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bowline_api::schedule::SchedulePhase;
use bowline_api::{Backup, Kind, OwnerReference, Schedule, Time, label};
use bowline_engine::schedule::{self as engine, Cron, Options};
use bowline_reconcile::{Failure, Guard, Next, Reconcile};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use kube::ResourceExt;

use crate::context::{Context, elapsed};
use crate::failure::failure;

/// A time that is this near is waited for without another look at the schedule before.
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// How soon to look again while a backup of the schedule is unfinished; its end is no change of the schedule.
const UNTIL_IDLE: Duration = Duration::from_secs(5);

/// On a backup that a schedule made: when.
const RUN_ANNOTATION: &str = "bowline.io/scheduled";

pub(super) struct Schedules {
    context: Arc<Context>,
}

/// What to do about a schedule.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// Say what of it can't be read.
    Refuse(String),
    /// Say that it is in order.
    Enable,
    /// Nothing until it changes.
    Rest,
    /// Write down when its last backup was made, which a server that ended before this one did not come to.
    Note(Timestamp),
    /// What its times ask for.
    Timed(engine::Step),
}

struct Observed<'a> {
    schedule: &'a Schedule,
    /// When the last backup was made, as the backups say.
    last_run: Option<Timestamp>,
    /// Whether a backup of it is unfinished.
    underway: bool,
    skip_immediately: bool,
    now: Timestamp,
}

fn decide(observed: &Observed<'_>) -> Step {
    let Observed { schedule, now, .. } = *observed;
    let (cron, options) = match read(schedule) {
        Ok(settings) => settings,
        Err(error) => return refuse(schedule, error),
    };
    let status = &schedule.status;
    if status.phase != Some(SchedulePhase::Enabled) || !status.validation_errors.is_empty() {
        return Step::Enable;
    }
    if let Some(run) = observed.last_run.filter(|run| is_later(*run, status.last_backup.as_ref())) {
        return Step::Note(run);
    }
    let Some(Time(created)) = schedule.metadata.creation_timestamp else { return Step::Rest };
    let timed = engine::Observed {
        key: format!("{}/{}", schedule.namespace().unwrap_or_default(), schedule.name_any()),
        paused: schedule.spec.paused,
        skip_immediately: schedule.spec.skip_immediately.unwrap_or(observed.skip_immediately),
        created,
        last_backup: status.last_backup.as_ref().map(|Time(at)| *at).max(observed.last_run),
        last_skipped: status.last_skipped.as_ref().map(|Time(at)| *at),
        underway: observed.underway,
    };
    Step::Timed(engine::decide(&cron, &timed, &options, now))
}

/// Whether a time is after one that is written down, which is to the second.
fn is_later(time: Timestamp, written: Option<&Time>) -> bool {
    written.is_none_or(|Time(written)| written.as_second() < time.as_second())
}

/// Its times and its options, or what is wrong with them.
fn read(schedule: &Schedule) -> Result<(Cron, Options), String> {
    let cron =
        Cron::parse_in(&schedule.spec.schedule, TimeZone::system()).map_err(|error| error.to_string())?;
    let options = Options::from_annotations(schedule.annotations()).map_err(|error| error.to_string())?;
    Ok((cron, options))
}

fn refuse(schedule: &Schedule, error: String) -> Step {
    let known = schedule.status.phase == Some(SchedulePhase::FailedValidation)
        && schedule.status.validation_errors.first() == Some(&error);
    if known { Step::Rest } else { Step::Refuse(error) }
}

/// When the last run was due that made a backup, as its annotation says. The schedule's own status may lack it, when a server ended
/// between the two.
fn last_run(schedule: &str, backups: &[Arc<Backup>]) -> Option<Timestamp> {
    let own = backups.iter().filter(|backup| super::schedule_of(backup) == schedule);
    own.filter_map(|backup| backup.annotations().get(RUN_ANNOTATION)?.parse().ok()).max()
}

/// The backup of a schedule at a time.
fn backup(schedule: &Schedule, now: Timestamp) -> Backup {
    let name = schedule.name_any();
    let template = &schedule.spec.template;
    let mut backup = Backup::new(&engine::backup_name(&name, now), template.clone());
    let labels = &template.metadata.labels;
    let mut labels = if labels.is_empty() { schedule.labels().clone() } else { labels.clone() };
    labels.insert(label::SCHEDULE_NAME.into(), name.clone());
    backup.metadata.labels = Some(labels);
    let mut annotations = schedule.annotations().clone();
    annotations.insert(RUN_ANNOTATION.into(), now.to_string());
    backup.metadata.annotations = Some(annotations);
    if schedule.spec.use_owner_references_in_backup == Some(true) {
        backup.metadata.owner_references = Some(vec![OwnerReference {
            api_version: Schedule::API_VERSION.into(),
            kind: Schedule::KIND.into(),
            name,
            uid: schedule.uid().unwrap_or_default(),
            controller: Some(true),
            ..OwnerReference::default()
        }]);
    }
    backup
}

impl Schedules {
    pub(super) fn new(context: &Arc<Context>) -> Self {
        Self { context: Arc::clone(context) }
    }

    fn is_underway(&self, schedule: &str) -> bool {
        let backups = self.context.caches.backups.list();
        let mut own = backups.iter().filter(|backup| super::schedule_of(backup) == schedule);
        own.any(|backup| engine::is_underway(backup.status.phase.as_ref()))
    }

    async fn act(&self, schedule: &Schedule, step: Step) -> Result<Next, Failure> {
        let mut after = schedule.clone();
        let status = &mut after.status;
        match step {
            Step::Timed(engine::Step::Wait(due)) => {
                // A run is due after its time, not at it.
                let left = elapsed(self.context.now(), due) + Duration::from_millis(1);
                return Ok(Next::After(left.min(LONGEST_WAIT)));
            }
            Step::Rest | Step::Timed(engine::Step::Rest | engine::Step::Never) => return Ok(Next::OnChange),
            Step::Timed(engine::Step::Hold) => return Ok(Next::After(UNTIL_IDLE)),
            Step::Note(run) => status.last_backup = Some(Time(run)),
            Step::Enable => {
                status.phase = Some(SchedulePhase::Enabled);
                status.validation_errors.clear();
            }
            Step::Refuse(error) => {
                self.context
                    .metrics
                    .backup
                    .validation_failure
                    .with_label_values(&[&schedule.name_any()])
                    .inc();
                self.context.reporter.warning(schedule, "FailedValidation", &error).await;
                status.phase = Some(SchedulePhase::FailedValidation);
                status.validation_errors = vec![error];
            }
            Step::Timed(engine::Step::SkipOnce) => {
                status.last_skipped = Some(Time(self.context.now()));
                after.spec.skip_immediately = Some(false);
            }
            Step::Timed(engine::Step::Miss(planned)) => {
                tracing::warn!(schedule = schedule.name_any(), %planned, "run is left out, it is too late for it");
                status.last_skipped = Some(Time(self.context.now()));
            }
            Step::Timed(engine::Step::Run) => {
                let now = self.context.now();
                self.run(schedule, now).await?;
                status.last_backup = Some(Time(now));
            }
        }
        self.context.patch(schedule, &after, Guard::None).await.map_err(failure)?;
        Ok(Next::OnChange)
    }

    async fn run(&self, schedule: &Schedule, now: Timestamp) -> Result<(), Failure> {
        let backup = backup(schedule, now);
        tracing::info!(schedule = schedule.name_any(), name = backup.name_any(), "schedule is due");
        match self.context.create(&backup).await {
            // It was created before, and only the time was not written down.
            Err(error) if error.is_conflict() => Ok(()),
            result => {
                let made = result.map_err(failure)?;
                let note = format!("the backup {} is made", made.name_any());
                self.context.reporter.normal(schedule, "BackupCreated", &note).await;
                Ok(())
            }
        }
    }
}

#[async_trait]
impl Reconcile for Schedules {
    fn name(&self) -> &'static str {
        "schedule"
    }

    async fn reconcile(&self, name: &str) -> Result<Next, Failure> {
        let caches = &self.context.caches;
        if caches.schedules.get(name).is_none() {
            self.context.metrics.drop_schedule(name);
            return Ok(Next::OnChange);
        }
        caches.backups.ready().await;
        self.context.metrics.start_schedule(name);
        // A backup is made only by what the API server says now: the cache may not know of the last one yet.
        let Some(schedule) = self.context.live::<Schedule>(name).await.map_err(failure)? else {
            return Ok(Next::OnChange);
        };
        let now = self.context.now();
        let step = decide(&Observed {
            schedule: &schedule,
            // What a backup from a bucket says of the future must not keep the schedule from its runs.
            last_run: last_run(name, &caches.backups.list()).filter(|run| *run <= now),
            underway: self.is_underway(name),
            skip_immediately: self.context.config.schedule_skip_immediately,
            now,
        });
        self.act(&schedule, step).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn schedule(cron: &str) -> Schedule {
        let mut schedule = Schedule::default();
        schedule.metadata.name = Some("nightly".into());
        schedule.metadata.creation_timestamp = Some(Time(at("2026-01-01T00:00:30Z")));
        schedule.spec.schedule = cron.into();
        schedule.status.phase = Some(SchedulePhase::Enabled);
        schedule
    }

    fn step(schedule: &Schedule, underway: bool, now: &str) -> Step {
        decide(&Observed { schedule, last_run: None, underway, skip_immediately: false, now: at(now) })
    }

    #[test]
    fn a_new_schedule_waits_for_its_first_time_and_then_runs_once() {
        let mut schedule = schedule("@every 1m");
        let wait = |time| Step::Timed(engine::Step::Wait(at(time)));
        assert_eq!(step(&schedule, false, "2026-01-01T00:01:00Z"), wait("2026-01-01T00:01:30Z"));
        assert_eq!(step(&schedule, false, "2026-01-01T00:01:31Z"), Step::Timed(engine::Step::Run));
        assert_eq!(step(&schedule, true, "2026-01-01T00:01:31Z"), Step::Timed(engine::Step::Hold));
        schedule.status.last_backup = Some(Time(at("2026-01-01T00:05:00Z")));
        assert_eq!(step(&schedule, false, "2026-01-01T00:05:01Z"), wait("2026-01-01T00:06:00Z"));
    }

    #[test]
    fn a_run_whose_time_was_not_written_down_is_not_made_again() {
        let mut schedule = schedule("@every 1m");
        let run = at("2026-01-01T00:01:31.25Z");
        let mut made = backup(&schedule, run);
        let last = |made: &Backup| last_run("nightly", &[Arc::new(made.clone())]);
        assert_eq!(last(&made), Some(run));
        let now = at("2026-01-01T00:02:00Z");
        let step = |schedule: &Schedule, last_run| {
            decide(&Observed { schedule, last_run, underway: false, skip_immediately: false, now })
        };
        assert_eq!(step(&schedule, None), Step::Timed(engine::Step::Run));
        assert_eq!(step(&schedule, last(&made)), Step::Note(run), "the time is written down first");
        schedule.status.last_backup = Some(Time(at("2026-01-01T00:01:31Z")));
        assert!(matches!(step(&schedule, last(&made)), Step::Timed(engine::Step::Wait(_))));
        // A backup that somebody made from the schedule's template is no run of it.
        made.metadata.annotations = None;
        assert_eq!(last(&made), None);
    }

    #[test]
    fn errors_are_said_once_and_corrections_are_seen() {
        let now = "2026-01-01T01:00:00Z";
        let mut schedule = schedule("nonsense");
        let Step::Refuse(error) = step(&schedule, false, now) else { panic!("not refused") };
        schedule.status.phase = Some(SchedulePhase::FailedValidation);
        schedule.status.validation_errors = vec![error];
        assert_eq!(step(&schedule, false, now), Step::Rest);
        schedule.spec.schedule = "@daily".into();
        assert_eq!(step(&schedule, false, now), Step::Enable);
    }

    #[test]
    fn a_wrong_option_is_a_validation_error() {
        let mut schedule = schedule("@daily");
        schedule.metadata.annotations = Some([(Options::JITTER.to_owned(), "soon".to_owned())].into());
        let Step::Refuse(error) = step(&schedule, false, "2026-01-01T01:00:00Z") else {
            panic!("not refused")
        };
        assert!(error.contains(Options::JITTER), "{error}");
    }

    #[test]
    fn the_backup_carries_name_labels_and_owner() {
        let mut schedule = schedule("@daily");
        schedule.metadata.uid = Some("1".into());
        schedule.metadata.labels = Some([("app".to_owned(), "shop".to_owned())].into());
        schedule.spec.use_owner_references_in_backup = Some(true);
        let made = backup(&schedule, at("2026-11-21T04:05:06Z"));
        assert_eq!(made.name_any(), "nightly-20261121040506");
        assert_eq!(
            (made.labels()["app"].as_str(), made.labels()[label::SCHEDULE_NAME].as_str()),
            ("shop", "nightly")
        );
        assert_eq!(made.owner_references()[0].uid, "1");
        schedule.spec.template.metadata.labels = [("only".to_owned(), "this".to_owned())].into();
        assert!(!backup(&schedule, at("2026-11-21T04:05:06Z")).labels().contains_key("app"));
    }
}
