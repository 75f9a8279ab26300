//! One backup or restore from end to end: engine, upload, artifacts, log. Data first and metadata last, so that a backup exists
//! entirely or not at all. The controllers use this, and so does the command line without a server.

mod backup;
mod config_map;
mod deletion;
mod diff;
mod finalize;
mod prepare;
mod restore;
mod rounds;
mod rules;
mod source;

use bowline_engine::finding::{Finding, Findings, Level, Place};
use bowline_engine::port::Ports;
use bowline_engine::progress::Progress;
use bowline_reconcile::telemetry::{FinishedLog, RunLog, RunLogs};
use bowline_store::{BackupStore, Body};
use thiserror::Error;
use tokio_util::io::ReaderStream;
use tokio_util::sync::CancellationToken;

use crate::config::EngineSettings;

pub use backup::{FinishedBackup, run_backup};
pub use config_map::ConfigMapError;
pub use deletion::{DeleteActionsError, run_delete_actions};
pub use diff::{Against, DiffFailure, DiffReport, diff_backup};
pub use finalize::{FinalizeError, complete_restore, finalize_backup, finalize_restore};
pub use prepare::{prepare_backup, prepare_restore, validate_backup, validate_restore};
pub use restore::{FinishedRestore, RestoreFailure, plan_restore, run_restore};
pub use rounds::{RoundError, poll_backup, poll_restore};
pub use rules::{PluginActions, RunRules};
pub use source::{Source, SourceError};

/// What a run works with.
pub struct Operation<'a> {
    /// The cluster.
    pub ports: &'a Ports,
    /// The location.
    pub store: &'a BackupStore,
    /// How to run.
    pub settings: &'a EngineSettings,
    /// The server's namespace, where some actions have their ConfigMaps; `None` without a server.
    pub namespace: Option<&'a str>,
    /// Where temporary files go.
    pub scratch: &'a std::path::Path,
    /// Where the log comes from.
    pub logs: &'a RunLogs,
    /// Counters to look at meanwhile.
    pub progress: &'a Progress,
    /// Ends the run; nothing of a backup is left then.
    pub cancel: &'a CancellationToken,
}

/// What a plan or a comparison works with: it reads the cluster and writes only temporary files.
#[derive(Clone, Copy)]
pub struct Tools<'a> {
    /// The cluster.
    pub ports: &'a Ports,
    /// How to run.
    pub settings: &'a EngineSettings,
    /// The server's namespace, where ConfigMaps are; `None` without a server.
    pub namespace: Option<&'a str>,
    /// Where temporary files go.
    pub scratch: &'a std::path::Path,
    /// Counters to look at meanwhile.
    pub progress: &'a Progress,
    /// Ends it early.
    pub cancel: &'a CancellationToken,
}

impl<'a> Tools<'a> {
    /// The same for a run, which also needs a location and a log.
    pub(crate) fn on(self, store: &'a BackupStore, logs: &'a RunLogs) -> Operation<'a> {
        let Self { ports, settings, namespace, scratch, progress, cancel } = self;
        Operation { ports, store, settings, namespace, scratch, logs, progress, cancel }
    }
}

impl<'a> Operation<'a> {
    /// The part that needs neither a store nor a log.
    pub fn tools(&self) -> Tools<'a> {
        let Self { ports, settings, namespace, scratch, progress, cancel, .. } = *self;
        Tools { ports, settings, namespace, scratch, progress, cancel }
    }
}

/// The run was stopped from outside, and may be done again.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the run was stopped before its end")]
pub struct Stopped;

/// The log of a run as an upload. A log that could not be kept is empty.
fn log_body(log: RunLog) -> Body {
    match log.finish() {
        Ok(FinishedLog { file, size }) => {
            Body::from_stream(ReaderStream::new(tokio::fs::File::from_std(file))).with_size(size)
        }
        Err(error) => {
            tracing::warn!(error = %error, "the log could not be kept");
            Body::from(Vec::new())
        }
    }
}

fn count(findings: &Findings, level: Level) -> i32 {
    i32::try_from(findings.count(level)).unwrap_or(i32::MAX)
}

fn number(count: u64) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// A finding as a backup's results spell it (backup-format §3.6).
fn backup_line(finding: &Finding) -> String {
    let mut line = String::new();
    if let Some(resource) = &finding.resource {
        line = format!(" resource: /{resource}");
    }
    if let Some(name) = &finding.name {
        line.push_str(" name: /");
        line.push_str(name);
    }
    format!("{line} message: /{}", finding.message)
}

/// A finding as a restore's results spell it: free text, with the object in front where the text does not name it.
fn restore_line(finding: &Finding) -> String {
    let (Some(resource), Some(name)) = (&finding.resource, &finding.name) else {
        return finding.message.clone();
    };
    if finding.message.contains(name) {
        return finding.message.clone();
    }
    match &finding.place {
        Place::Namespace(namespace) => format!("{resource}/{namespace}/{name}: {}", finding.message),
        Place::Cluster | Place::Velero => format!("{resource}/{name}: {}", finding.message),
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod spelling {
    use bowline_engine::catalog::GroupResource;

    use super::*;

    #[test]
    fn findings_read_as_velero_spells_them() {
        let resource = GroupResource::new("apps", "deployments");
        let finding = Finding::about(Level::Error, &resource, Some("shop"), "web", "boom");
        assert_eq!(backup_line(&finding), " resource: /deployments.apps name: /web message: /boom");
        assert_eq!(restore_line(&finding), "deployments.apps/shop/web: boom");
        let general = Finding::general(Level::Warning, "hm");
        assert_eq!((backup_line(&general), restore_line(&general)), (" message: /hm".into(), "hm".into()));
    }
}
