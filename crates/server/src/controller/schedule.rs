//! Schedule: makes backups at their times. Missed times are not made up for, and a schedule waits while a backup of it is unfinished.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bowline_api::schedule::SchedulePhase;
use bowline_api::{Backup, BackupPhase, Kind, OwnerReference, Schedule, Time, label};
use bowline_reconcile::{Failure, Guard, Next, Reconcile};
use jiff::Timestamp;
use kube::ResourceExt;

use crate::context::{Context, elapsed};
use crate::cron::Cron;
use crate::failure::failure;

/// A time that is this near is waited for without another look at the schedule before.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

pub(super) struct Schedules {
    context: Arc<Context>,
}

/// What to do about a schedule.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// Say that its cron expression can't be read.
    Refuse(String),
    /// Say that it is in order.
    Enable,
    /// Leave out what is due at once.
    Skip,
    /// Make a backup.
    Run,
    /// Nothing for this time.
    Wait(Duration),
    /// Nothing until it changes.
    Rest,
}

struct Observed<'a> {
    schedule: &'a Schedule,
    /// Whether a backup of it is unfinished.
    busy: bool,
    skip_immediately: bool,
    now: Timestamp,
}

fn decide(observed: &Observed<'_>) -> Step {
    let Observed { schedule, now, .. } = *observed;
    let cron = match Cron::parse(&schedule.spec.schedule) {
        Ok(cron) => cron,
        Err(error) => return refuse(schedule, format!("invalid schedule: {error}")),
    };
    if schedule.status.phase != Some(SchedulePhase::Enabled) || !schedule.status.validation_errors.is_empty()
    {
        return Step::Enable;
    }
    if schedule.spec.paused {
        return Step::Rest;
    }
    // Skipping turns the setting off, so that it happens once.
    if schedule.spec.skip_immediately.unwrap_or(observed.skip_immediately) {
        return Step::Skip;
    }
    let Some(base) = base(schedule) else { return Step::Rest };
    match cron.next(base) {
        None => Step::Rest,
        Some(due) if due > now => Step::Wait(elapsed(now, due).min(LONGEST_WAIT)),
        Some(_) if observed.busy => Step::Rest,
        Some(_) => Step::Run,
    }
}

fn refuse(schedule: &Schedule, error: String) -> Step {
    let known = schedule.status.phase == Some(SchedulePhase::FailedValidation)
        && schedule.status.validation_errors.first() == Some(&error);
    if known { Step::Rest } else { Step::Refuse(error) }
}

/// The time from which the next one is counted.
fn base(schedule: &Schedule) -> Option<Timestamp> {
    let status = &schedule.status;
    let last = status.last_backup.as_ref().or(schedule.metadata.creation_timestamp.as_ref());
    last.into_iter().chain(&status.last_skipped).map(|Time(at)| *at).max()
}

/// The backup of a schedule at a time.
fn backup(schedule: &Schedule, now: Timestamp) -> Backup {
    let name = schedule.name_any();
    let template = &schedule.spec.template;
    let mut backup = Backup::new(&format!("{name}-{}", now.strftime("%Y%m%d%H%M%S")), template.clone());
    let labels = &template.metadata.labels;
    let mut labels = if labels.is_empty() { schedule.labels().clone() } else { labels.clone() };
    labels.insert(label::SCHEDULE_NAME.into(), name.clone());
    backup.metadata.labels = Some(labels);
    backup.metadata.annotations =
        Some(schedule.annotations().clone()).filter(|annotations| !annotations.is_empty());
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

    fn busy(&self, schedule: &str) -> bool {
        self.context.caches.backups.list().iter().any(|backup| {
            let unfinished = match backup.phase() {
                BackupPhase::New
                | BackupPhase::Queued
                | BackupPhase::ReadyToStart
                | BackupPhase::InProgress => true,
                BackupPhase::Other(phase) => phase.is_empty(),
                _ => false,
            };
            unfinished && super::backup::schedule(backup) == schedule
        })
    }

    async fn act(&self, schedule: &Schedule, step: Step) -> Result<Next, Failure> {
        let mut after = schedule.clone();
        let status = &mut after.status;
        match step {
            Step::Rest => return Ok(Next::After(LONGEST_WAIT)),
            Step::Wait(left) => return Ok(Next::After(left)),
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
            Step::Skip => {
                status.last_skipped = Some(Time(self.context.now()));
                after.spec.skip_immediately = Some(false);
            }
            Step::Run => {
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
            result => result.map(drop).map_err(failure),
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
        let step = decide(&Observed {
            schedule: &schedule,
            busy: self.busy(name),
            skip_immediately: self.context.config.schedule_skip_immediately,
            now: self.context.now(),
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

    fn step(schedule: &Schedule, busy: bool, now: &str) -> Step {
        decide(&Observed { schedule, busy, skip_immediately: false, now: at(now) })
    }

    #[test]
    fn a_new_schedule_waits_for_its_first_time_and_then_runs_once() {
        let mut schedule = schedule("@every 1m");
        assert_eq!(step(&schedule, false, "2026-01-01T00:01:00Z"), Step::Wait(Duration::from_secs(30)));
        assert_eq!(step(&schedule, false, "2026-01-01T00:01:30Z"), Step::Run);
        assert_eq!(step(&schedule, true, "2026-01-01T00:01:30Z"), Step::Rest);
        schedule.status.last_backup = Some(Time(at("2026-01-01T00:05:00Z")));
        assert!(matches!(step(&schedule, false, "2026-01-01T00:05:01Z"), Step::Wait(_)));
    }

    #[test]
    fn pausing_skipping_and_errors_are_respected() {
        let now = "2026-01-01T01:00:00Z";
        let mut schedule = schedule("CRON_TZ=UTC * * * * *");
        schedule.spec.paused = true;
        assert_eq!(step(&schedule, false, now), Step::Rest);
        schedule.spec.paused = false;
        schedule.spec.skip_immediately = Some(true);
        assert_eq!(step(&schedule, false, now), Step::Skip);
        schedule.spec.schedule = "nonsense".into();
        let Step::Refuse(error) = step(&schedule, false, now) else { panic!("not refused") };
        schedule.status.phase = Some(SchedulePhase::FailedValidation);
        schedule.status.validation_errors = vec![error];
        assert_eq!(step(&schedule, false, now), Step::Rest);
        schedule.spec.schedule = "@daily".into();
        assert_eq!(step(&schedule, false, now), Step::Enable);
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
