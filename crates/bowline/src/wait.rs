//! Waiting for the server: for the end of a backup or restore, and for its answer to a request.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use bowline_api::request::ServerStatusRequestPhase;
use bowline_api::{Backup, Kind, Restore, ServerStatusRequest, label};
use tokio::time::{Instant, sleep};

use crate::cluster::{Cluster, Fetched};
use crate::failure::Failure;
use crate::output::progress::{Counts, Progress};
use crate::session::Session;

/// How often the state of a backup or restore is read.
const PACE: Duration = Duration::from_millis(500);
/// How soon it is read again at first.
const FIRST_PACE: Duration = Duration::from_millis(50);
/// Phase of what no server has looked at.
const UNTOUCHED: &str = "New";
/// After what time that is remarkable.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often an answer is looked for.
const ANSWER_PACE: Duration = Duration::from_millis(100);

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Noun {
    Backup,
    Restore,
}

impl fmt::Display for Noun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Backup => "backup",
            Self::Restore => "restore",
        })
    }
}

/// A kind that comes to an end.
pub(crate) trait Finite: Kind {
    const NOUN: Noun;

    /// The phase, if it is the last one.
    fn outcome(&self) -> Option<String>;

    /// How far it is.
    fn counts(&self) -> Counts;

    /// What else is worth saying at the end: counts of errors and warnings, reasons.
    fn remarks(&self) -> Vec<String>;
}

/// The sentence that `create` ends with.
pub(crate) fn where_to_look(session: &Session, noun: Noun, name: &str) -> String {
    let program = session.program();
    format!("Run `{program} {noun} describe {name}` or `{program} {noun} logs {name}` for more details.")
}

/// Waits until a backup or restore is over. Ctrl-C ends the waiting, not the work. The phase is told; it does not
/// change the exit code, because scripts read the phase.
pub(crate) async fn until_over<K: Finite>(
    session: &Session,
    cluster: &Cluster,
    name: &str,
) -> anyhow::Result<()> {
    let (noun, screen) = (K::NOUN, &session.screen);
    screen.line(format!(
        "Waiting for {noun} to complete. You may safely press ctrl-c to stop waiting - your {noun} will continue in \
         the background."
    ))?;
    let progress = Progress::new(screen);
    let object = tokio::select! {
        object = follow::<K>(session, cluster, name, &progress) => object?,
        _ = tokio::signal::ctrl_c() => {
            drop(progress);
            screen.line(format!("\nStopped waiting; the {noun} {name:?} goes on in the background."))?;
            return Ok(screen.line(where_to_look(session, noun, name))?);
        }
    };
    drop(progress);
    let phase = object.outcome().unwrap_or_default();
    let (title, program) = (if noun == Noun::Backup { "Backup" } else { "Restore" }, session.program());
    screen.line(format!(
        "\n{title} completed with status: {}. You may check for more information using the commands \
         `{program} {noun} describe {name}` and `{program} {noun} logs {name}`.",
        screen.phase(&phase),
    ))?;
    for remark in object.remarks() {
        screen.line(remark)?;
    }
    Ok(())
}

async fn follow<K: Finite>(
    session: &Session,
    cluster: &Cluster,
    name: &str,
    progress: &Progress,
) -> anyhow::Result<K> {
    let start = Instant::now();
    let mut patience = Some(start + PATIENCE);
    loop {
        let Some(found) = cluster.find::<K>(name).await? else {
            return Err(Failure::new(format!(
                "the {} {name:?} was deleted while it was waited for",
                K::NOUN
            ))
            .into());
        };
        let counts = found.object.counts();
        progress.show(&counts);
        if patience.is_some_and(|end| counts.phase != UNTOUCHED || Instant::now() > end) {
            if counts.phase == UNTOUCHED {
                let namespace = &cluster.namespace;
                session.screen.note(format!(
                    "No server has taken up the {} yet. Does one run? `kubectl -n {namespace} get pods`",
                    K::NOUN
                ));
            }
            patience = None;
        }
        if found.object.outcome().is_some() {
            return Ok(found.object);
        }
        // A small backup is over in no time: the first looks come quickly.
        sleep(PACE.min(start.elapsed() / 4 + FIRST_PACE)).await;
    }
}

impl Finite for Backup {
    const NOUN: Noun = Noun::Backup;

    fn outcome(&self) -> Option<String> {
        let phase = self.phase();
        phase.is_terminal().then(|| phase.to_string())
    }

    fn counts(&self) -> Counts {
        let progress = self.status.progress.clone().unwrap_or_default();
        let (done, total) = (progress.items_backed_up, progress.total_items);
        Counts { phase: self.phase().to_string(), done: done.max(0) as u64, total: total.max(0) as u64 }
    }

    fn remarks(&self) -> Vec<String> {
        let status = &self.status;
        remarks(status.errors, status.warnings, &status.failure_reason, &status.validation_errors)
    }
}

impl Finite for Restore {
    const NOUN: Noun = Noun::Restore;

    fn outcome(&self) -> Option<String> {
        let phase = self.phase();
        phase.is_terminal().then(|| phase.to_string())
    }

    fn counts(&self) -> Counts {
        let progress = self.status.progress.clone().unwrap_or_default();
        let (done, total) = (progress.items_restored, progress.total_items);
        Counts { phase: self.phase().to_string(), done: done.max(0) as u64, total: total.max(0) as u64 }
    }

    fn remarks(&self) -> Vec<String> {
        let status = &self.status;
        remarks(status.errors, status.warnings, &status.failure_reason, &status.validation_errors)
    }
}

fn remarks(errors: i32, warnings: i32, reason: &str, invalid: &[String]) -> Vec<String> {
    let mut remarks: Vec<String> = invalid.to_vec();
    if !reason.is_empty() {
        remarks.push(format!("Reason: {reason}"));
    }
    if errors > 0 || warnings > 0 {
        remarks.push(format!("Errors: {errors}, warnings: {warnings}"));
    }
    remarks
}

/// The server's answer to what it is; `None` when it says nothing within the limit. Its request then stays behind,
/// so that a server that comes later answers it.
pub(crate) async fn server_status(
    cluster: &Cluster,
    limit: Duration,
) -> anyhow::Result<Option<Fetched<ServerStatusRequest>>> {
    let mut request = ServerStatusRequest::default();
    request.metadata.generate_name = Some("velero-cli-".to_owned());
    request.metadata.labels =
        Some(BTreeMap::from([(label::COMPONENT.to_owned(), label::COMPONENT_VALUE.to_owned())]));
    let created = cluster.create(&request).await?;
    let deadline = Instant::now() + limit;
    loop {
        let found = cluster.find::<ServerStatusRequest>(created.name()).await?;
        let processed = Some(ServerStatusRequestPhase::Processed);
        if let Some(answer) = found.filter(|found| found.object.status.phase == processed) {
            return Ok(Some(answer));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        sleep(ANSWER_PACE).await;
    }
}
