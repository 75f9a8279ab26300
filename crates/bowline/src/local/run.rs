//! One backup or restore from here: the server's own operations over a kubeconfig and a place.

use std::io::Write;
use std::time::Duration;

use bowline_api::restore::RestorePhase;
use bowline_api::{Backup, BackupPhase, BackupSpec, Restore};
use bowline_reconcile::telemetry::{self, RunLogs};
use bowline_server::operation::{self, FinishedBackup, Operation, Tools};
use bowline_store::BackupStore;
use tokio::time::Instant;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::Place;
use super::link::Link;
use super::place::Access;
use crate::cli::backup::{check_resources, warn_of_missing_namespaces};
use crate::failure::{Failure, causes};
use crate::output::progress::Progress;
use crate::session::Session;
use crate::wait::Noun;

/// Exit code when some objects could not be saved or restored.
const PARTIAL: u8 = 2;
/// Name of the location that the backup says it is in. A server that finds it puts its own name there.
const LOCATION: &str = "default";

const BACKUP_STOPPED: &str = "the backup was stopped; nothing of it is left behind";
const RESTORE_STOPPED: &str =
    "the restore was stopped; what it has restored so far stays; run it again to go on";

/// Everything that a run needs.
struct Run<'a> {
    session: &'a Session,
    place: Place,
    store: BackupStore,
    link: Link,
    logs: RunLogs,
}

/// Saves a backup in a place.
pub(crate) async fn backup(session: &Session, mut backup: Backup, place: Place) -> anyhow::Result<()> {
    let name = backup.metadata.name.clone().unwrap_or_default();
    check(&operation::validate_backup(&backup.spec))?;
    check_possible(&needs_server(&backup.spec))?;
    if let Some(hint) = place.hint() {
        session
            .screen
            .note(format!("warning: {place} holds no backups itself; {hint} to put this one beside them"));
    }
    let run = Run::new(session, place, Access::Create).await?;
    check_resources(&run.link.connection.client, &backup.spec).await?;
    warn_of_missing_namespaces(session, &session.cluster().await?, &backup.spec).await;
    if run.store.exists(&name).await.map_err(|error| run.failed(&error))? {
        return Err(Failure::new(format!("the backup {name:?} already exists in {}", run.place))
            .hint(format!("choose another name, or look at it: `{}`", run.command("describe", &name)))
            .into());
    }
    backup.metadata.namespace = Some(session.namespace().to_owned());
    let now = run.link.ports.clock.now();
    backup.metadata.creation_timestamp = Some(bowline_api::Time(now));
    operation::prepare_backup(&mut backup, LOCATION, &run.link.config.defaults, &run.link.version, now);
    let namespace = backup.spec.resource_policy.is_some().then_some(session.namespace());
    let start = Instant::now();
    let done = run
        .watched(BACKUP_STOPPED, namespace, async |operation| {
            Box::pin(operation::run_backup(&operation, backup)).await
        })
        .await?;
    run.backup_done(&name, &done, start.elapsed())
}

/// Restores from a backup in a place.
pub(crate) async fn restore(session: &Session, mut restore: Restore, place: Place) -> anyhow::Result<()> {
    let name = restore.metadata.name.clone().unwrap_or_default();
    check(&operation::validate_restore(&restore.spec))?;
    let run = Run::new(session, place, Access::Change).await?;
    let stored = super::LocalStore { place: run.place.clone(), store: run.store.clone() };
    let backup = stored.backup(&restore.spec.backup_name).await?;
    restore.metadata.namespace = Some(session.namespace().to_owned());
    operation::prepare_restore(&mut restore, &run.link.config.defaults, run.link.ports.clock.now());
    let namespace = super::plan::has_rules(&restore.spec).then_some(session.namespace());
    let start = Instant::now();
    let done = run
        .watched(RESTORE_STOPPED, namespace, async |operation| {
            let done = Box::pin(operation::run_restore(&operation, restore, backup)).await?;
            // There are no controllers that would do this later.
            Box::pin(operation::complete_restore(&operation, done.restore)).await
        })
        .await?;
    run.restore_done(&name, &done, start.elapsed()).await
}

/// Flags for what only a server can do: the data of volumes.
fn needs_server(spec: &BackupSpec) -> Vec<&'static str> {
    let asked = [
        (spec.snapshot_volumes == Some(true), "--snapshot-volumes"),
        (spec.snapshot_move_data == Some(true), "--snapshot-move-data"),
        (spec.default_volumes_to_fs_backup == Some(true), "--default-volumes-to-fs-backup"),
        (!spec.datamover.is_empty(), "--data-mover"),
        (!spec.volume_snapshot_locations.is_empty(), "--volume-snapshot-locations"),
    ];
    asked.into_iter().filter(|(asked, _)| *asked).map(|(_, flag)| flag).collect()
}

/// Refuses flags that would have no effect.
fn check_possible(flags: &[&str]) -> anyhow::Result<()> {
    if flags.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("{} can't be used without a server", flags.join(", ")))
        .hint("leave out the flags, or leave out --to and --from to let the server do it")
        .into())
}

/// Refuses a spec that contradicts itself.
pub(super) fn check(errors: &[String]) -> anyhow::Result<()> {
    if errors.is_empty() { Ok(()) } else { Err(Failure::new(errors.join("\n")).into()) }
}

impl<'a> Run<'a> {
    async fn new(session: &'a Session, place: Place, access: Access) -> anyhow::Result<Self> {
        let link = Link::new(session).await?;
        let location = place.location(access)?;
        let store = bowline_store::open(&location).await.map_err(|error| super::failed(&place, &error))?;
        let store = BackupStore::new(store);
        if let Err(error) = store.validate().await {
            let hint = place.hint().or_else(|| error.hint().map(str::to_owned));
            return Err(super::told(&place, &causes(&error), hint.as_deref()));
        }
        let logs = RunLogs::default();
        start_log(session, &logs);
        Ok(Self { session, place, store, link, logs })
    }

    /// Runs an operation, shows how far it is, and stops it on Ctrl-C with these words. `namespace` is the server's, when the
    /// operation is to read ConfigMaps there.
    async fn watched<T>(
        &self,
        stopped: &'static str,
        namespace: Option<&str>,
        run: impl AsyncFnOnce(Operation<'_>) -> Result<T, operation::Stopped>,
    ) -> anyhow::Result<T> {
        let progress = Progress::new(&self.session.screen);
        let done = self.link.watched(&progress, namespace, async |tools| {
            let Tools { ports, settings, namespace, scratch, progress, cancel } = tools;
            let (store, logs) = (&self.store, &self.logs);
            run(Operation { ports, store, settings, namespace, scratch, logs, progress, cancel }).await
        });
        done.await.map_err(|_| Failure::new(stopped).into())
    }

    fn backup_done(&self, name: &str, done: &FinishedBackup, time: Duration) -> anyhow::Result<()> {
        let backup = &done.backup;
        let status = &backup.status;
        let items = status.progress.as_ref().map_or(0, |progress| progress.items_backed_up);
        let verdict = Verdict {
            noun: Noun::Backup,
            name,
            phase: backup.phase().to_string(),
            summary: format!(
                "{items} items ({} KiB) saved in {} in {:.1}s",
                done.archive_bytes.div_ceil(1024),
                self.place,
                time.as_secs_f64()
            ),
            reason: reason(&status.failure_reason, &status.validation_errors),
            counts: (status.errors, status.warnings),
        };
        let hint = format!("see what failed: `{}`", self.command("describe", name));
        match backup.phase() {
            BackupPhase::Completed => verdict.good(self.session),
            BackupPhase::PartiallyFailed => Err(verdict.partial(self.session)?.hint(hint).into()),
            _ => {
                let log = format!("how far it came: `{}`", self.command("logs", name));
                // A place that has refused the backup for a known reason has its log no more than the rest.
                Err(verdict.bad().hint(done.hint.clone().unwrap_or(log)).into())
            }
        }
    }

    async fn restore_done(&self, name: &str, restore: &Restore, time: Duration) -> anyhow::Result<()> {
        let status = &restore.status;
        let items = status.progress.as_ref().map_or(0, |progress| progress.items_restored);
        let verdict = Verdict {
            noun: Noun::Restore,
            name,
            phase: restore.phase().to_string(),
            summary: format!("{items} items restored from {} in {:.1}s", self.place, time.as_secs_f64()),
            reason: reason(&status.failure_reason, &status.validation_errors),
            counts: (status.errors, status.warnings),
        };
        if status.errors > 0 || status.warnings > 0 {
            let results = self.store.restore_results(name).await.map_err(|error| self.failed(&error))?;
            self.session.screen.print(crate::output::describe::findings(
                &self.session.screen,
                results,
                verdict.counts,
            ))?;
        }
        match restore.phase() {
            RestorePhase::Completed => verdict.good(self.session),
            RestorePhase::PartiallyFailed => Err(verdict.partial(self.session)?.into()),
            _ => Err(verdict.bad().into()),
        }
    }

    fn command(&self, verb: &str, name: &str) -> String {
        format!("{} backup {verb} {name} --from {}", self.session.program(), self.place)
    }

    fn failed(&self, error: &bowline_store::Error) -> anyhow::Error {
        super::failed(&self.place, error)
    }
}

/// How a run ended, in words.
struct Verdict<'a> {
    noun: Noun,
    name: &'a str,
    phase: String,
    summary: String,
    reason: String,
    counts: (i32, i32),
}

impl Verdict<'_> {
    fn good(&self, session: &Session) -> anyhow::Result<()> {
        self.told(session)
    }

    fn told(&self, session: &Session) -> anyhow::Result<()> {
        let (errors, warnings) = &self.counts;
        let Self { noun, name, phase, summary, .. } = self;
        let phase = session.screen.phase(phase);
        let title = if *noun == Noun::Backup { "Backup" } else { "Restore" };
        session.screen.line(format!("{title} {name:?} completed with status: {phase}"))?;
        Ok(session.screen.line(format!(
            "{summary}; {}, {}",
            counted(*errors, "error"),
            counted(*warnings, "warning")
        ))?)
    }

    fn partial(&self, session: &Session) -> anyhow::Result<Failure> {
        self.told(session)?;
        let Self { noun, name, counts: (errors, _), .. } = self;
        Ok(Failure::new(format!("the {noun} {name:?} partially failed: {}", counted(*errors, "error")))
            .code(PARTIAL))
    }

    fn bad(&self) -> Failure {
        let Self { noun, name, phase, reason, .. } = self;
        Failure::new(format!("the {noun} {name:?} ended as {phase}: {reason}"))
    }
}

fn counted(count: i32, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

fn reason(failure: &str, invalid: &[String]) -> String {
    if failure.is_empty() { invalid.join("; ") } else { failure.to_owned() }
}

/// Lets the run write its log, and shows it where `-v` asks for that.
fn start_log(session: &Session, logs: &RunLogs) {
    let shown = session.settings.verbosity > 0;
    let writer = move || -> Box<dyn Write> {
        if shown { Box::new(std::io::stderr()) } else { Box::new(std::io::sink()) }
    };
    let layer = telemetry::layer(telemetry::Settings::default(), logs.clone(), writer);
    // A second run in one process would find the first one's subscriber; there is none.
    drop(tracing_subscriber::registry().with(layer).try_init());
}
