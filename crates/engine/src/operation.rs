//! Operations that actions have started and that go on after the backup or restore: asked how far they are, in rounds, until each has
//! come to an end or its time is up (behaviour §4, backup-operations and restore-operations).
//!
//! A round changes nothing but the list that it is given, so it can be repeated by any server.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bowline_api::artifact::{BackupOperation, OperationPhase, OperationStatus, RestoreOperation};
use bowline_api::{Backup, Restore, Time};
use jiff::{SignedDuration, Timestamp};

use crate::action::{ActionError, BackupAction, RestoreAction};
use crate::finding::chain;
use crate::port::Ports;

/// How long an action may take to say how far an operation is; then it is asked again in the next round.
const ANSWER: Duration = Duration::from_secs(30);

/// What an action says about one of its operations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OperationProgress {
    /// Whether it has ended, well or not.
    pub completed: bool,
    /// Why it failed; only when it has ended.
    pub error: Option<String>,
    /// Units done so far.
    pub n_completed: i64,
    /// Units in all.
    pub n_total: i64,
    /// What is counted, such as `Bytes`.
    pub units: String,
    /// The operation in words.
    pub description: String,
    /// When work on it was begun.
    pub started: Option<Timestamp>,
    /// When there was last news of it.
    pub updated: Option<Timestamp>,
}

/// The outcome of a round.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// Whether any operation is still going on.
    pub is_running: bool,
    /// Whether the list has changed.
    pub has_changed: bool,
    /// Operations that have ended well, of all.
    pub completed: usize,
    /// Operations that have failed, of all.
    pub failed: usize,
    /// Why operations have failed in this round; one line each, which names the action.
    pub errors: Vec<String>,
}

/// One registered operation.
pub trait Registered {
    /// Name of the action that started it.
    fn action(&self) -> &str;
    /// Name that the action gave it.
    fn id(&self) -> &str;
    /// How it goes.
    fn status(&mut self) -> &mut OperationStatus;
}

/// Who can be asked about operations.
#[async_trait]
pub trait Operators: Sync {
    /// How far an operation is.
    async fn progress(&self, action: &str, id: &str) -> Result<OperationProgress, ActionError>;
    /// Tells an operation to end. It may have ended already.
    async fn cancel(&self, action: &str, id: &str) -> Result<(), ActionError>;
}

/// The actions of a backup, to be asked about its operations.
pub struct BackupOperators<'a> {
    /// The actions.
    pub actions: &'a [Arc<dyn BackupAction>],
    /// The backup.
    pub backup: &'a Backup,
    /// The ports of the server.
    pub ports: &'a Ports,
}

/// The actions of a restore, to be asked about its operations.
pub struct RestoreOperators<'a> {
    /// The actions.
    pub actions: &'a [Arc<dyn RestoreAction>],
    /// The restore.
    pub restore: &'a Restore,
    /// The ports of the server.
    pub ports: &'a Ports,
}

/// Asks once about every operation that has not ended. One that has no end `timeout` after it was registered is cancelled and has failed.
pub async fn round<T: Registered>(
    operations: &mut [T],
    operators: &dyn Operators,
    ports: &Ports,
    timeout: Duration,
) -> Round {
    let mut round = Round::default();
    for operation in operations {
        let (action, id) = (operation.action().to_owned(), operation.id().to_owned());
        let status = operation.status();
        if !status.phase.as_ref().is_some_and(OperationPhase::is_terminal) {
            let before = status.clone();
            let answer = tokio::select! {
                answer = operators.progress(&action, &id) => Some(answer),
                () = ports.clock.sleep(ANSWER) => None,
            };
            let news = answer.map(|answer| answer.map_err(|error| chain(&error)));
            take_news(status, news);
            if is_overdue(status, ports.clock.now(), timeout) {
                if let Err(error) = operators.cancel(&action, &id).await {
                    tracing::warn!(
                        action,
                        operation = id,
                        error = chain(&error),
                        "operation can't be cancelled"
                    );
                }
                fail(status, "Asynchronous action timed out".into());
            }
            round.has_changed |= *status != before;
            if status.phase == Some(OperationPhase::Failed) {
                round.errors.push(format!("{}, plugin: {action}", status.error));
            }
        }
        match status.phase {
            Some(OperationPhase::Completed) => round.completed += 1,
            Some(OperationPhase::Failed) => round.failed += 1,
            _ => round.is_running = true,
        }
    }
    round
}

/// Notes an answer; `None` when there was none in time.
fn take_news(status: &mut OperationStatus, news: Option<Result<OperationProgress, String>>) {
    let news = match news {
        None => return,
        Some(Err(error)) => return fail(status, error),
        Some(Ok(news)) => news,
    };
    status.n_completed = news.n_completed;
    status.n_total = news.n_total;
    status.operation_units = news.units;
    status.description = news.description;
    status.started = news.started.map(Time).or(status.started.take());
    status.updated = news.updated.map(Time).or(status.updated.take());
    match (news.completed, news.error.filter(|error| !error.is_empty())) {
        (true, Some(error)) => fail(status, error),
        (true, None) => status.phase = Some(OperationPhase::Completed),
        (false, _) if status.started.is_some() => status.phase = Some(OperationPhase::InProgress),
        (false, _) => {}
    }
}

fn fail(status: &mut OperationStatus, error: String) {
    status.phase = Some(OperationPhase::Failed);
    status.error = error;
}

fn is_overdue(status: &OperationStatus, now: Timestamp, timeout: Duration) -> bool {
    let ended = status.phase.as_ref().is_some_and(OperationPhase::is_terminal);
    let timeout = SignedDuration::try_from(timeout).unwrap_or(SignedDuration::MAX);
    let age = status.created.as_ref().map(|Time(created)| now.duration_since(*created));
    !ended && age.is_some_and(|age| age > timeout)
}

impl Registered for BackupOperation {
    fn action(&self) -> &str {
        &self.spec.backup_item_action
    }

    fn id(&self) -> &str {
        &self.spec.operation_id
    }

    fn status(&mut self) -> &mut OperationStatus {
        &mut self.status
    }
}

impl Registered for RestoreOperation {
    fn action(&self) -> &str {
        &self.spec.restore_item_action
    }

    fn id(&self) -> &str {
        &self.spec.operation_id
    }

    fn status(&mut self) -> &mut OperationStatus {
        &mut self.status
    }
}

fn unknown(action: &str) -> ActionError {
    ActionError::Failed(format!("this server has no item action {action}"))
}

#[async_trait]
impl Operators for BackupOperators<'_> {
    async fn progress(&self, action: &str, id: &str) -> Result<OperationProgress, ActionError> {
        let found = self.actions.iter().find(|it| it.name() == action).ok_or_else(|| unknown(action))?;
        found.progress(id, self.backup, self.ports).await
    }

    async fn cancel(&self, action: &str, id: &str) -> Result<(), ActionError> {
        let found = self.actions.iter().find(|it| it.name() == action).ok_or_else(|| unknown(action))?;
        found.cancel(id, self.backup, self.ports).await
    }
}

#[async_trait]
impl Operators for RestoreOperators<'_> {
    async fn progress(&self, action: &str, id: &str) -> Result<OperationProgress, ActionError> {
        let found = self.actions.iter().find(|it| it.name() == action).ok_or_else(|| unknown(action))?;
        found.progress(id, self.restore, self.ports).await
    }

    async fn cancel(&self, action: &str, id: &str) -> Result<(), ActionError> {
        let found = self.actions.iter().find(|it| it.name() == action).ok_or_else(|| unknown(action))?;
        found.cancel(id, self.restore, self.ports).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registered(created: i64) -> OperationStatus {
        let created = Some(Time(Timestamp::from_second(created).unwrap()));
        OperationStatus { phase: Some(OperationPhase::New), created, ..OperationStatus::default() }
    }

    #[test]
    fn an_operation_goes_from_new_through_progress_to_its_end() {
        let mut status = registered(0);
        take_news(&mut status, Some(Ok(OperationProgress { n_total: 9, ..OperationProgress::default() })));
        assert_eq!((status.phase.clone(), status.n_total), (Some(OperationPhase::New), 9));
        let started =
            OperationProgress { started: Some(Timestamp::UNIX_EPOCH), ..OperationProgress::default() };
        take_news(&mut status, Some(Ok(started)));
        assert_eq!(status.phase, Some(OperationPhase::InProgress));
        take_news(&mut status, None);
        assert_eq!(status.phase, Some(OperationPhase::InProgress));
        let ended = OperationProgress { completed: true, ..OperationProgress::default() };
        take_news(&mut status, Some(Ok(ended)));
        assert_eq!(status.phase, Some(OperationPhase::Completed));
        assert!(status.started.is_some());
    }

    #[test]
    fn an_error_of_the_operation_or_of_asking_fails_it() {
        let mut status = registered(0);
        let ended =
            OperationProgress { completed: true, error: Some("boom".into()), ..OperationProgress::default() };
        take_news(&mut status, Some(Ok(ended)));
        assert_eq!((status.phase.clone(), status.error.as_str()), (Some(OperationPhase::Failed), "boom"));
        let mut status = registered(0);
        take_news(&mut status, Some(Err("gone".into())));
        assert_eq!((status.phase.clone(), status.error.as_str()), (Some(OperationPhase::Failed), "gone"));
    }

    #[test]
    fn only_what_has_not_ended_can_be_overdue() {
        let now = Timestamp::from_second(100).unwrap();
        for (created, seconds, expected) in [(0, 99, true), (0, 100, false), (50, 60, false)] {
            assert_eq!(is_overdue(&registered(created), now, Duration::from_secs(seconds)), expected);
        }
        let ended = OperationStatus { phase: Some(OperationPhase::Completed), ..registered(0) };
        assert!(!is_overdue(&ended, now, Duration::ZERO));
    }
}
