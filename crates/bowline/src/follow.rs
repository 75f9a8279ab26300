//! The log of a backup while it is written: its lines in the log of the server's pod. The stored log comes when the backup is over.

use std::time::Duration;

use bowline_api::Backup;
use futures::io::Lines;
use futures::{AsyncBufReadExt, TryStreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, LogParams};
use kube::{Api, ResourceExt};
use tokio::time::interval;

use crate::cluster::Cluster;
use crate::failure::causes;
use crate::output::progress::Progress;
use crate::output::screen::Screen;
use crate::session::Session;
use crate::wait::Finite;

/// Label of the server's pods.
pub(crate) const SERVER: &str = "deploy=velero";
/// Container that runs the server.
const CONTAINER: &str = "velero";
/// How often to look whether the backup is over.
const PACE: Duration = Duration::from_secs(1);
/// How long the last lines may take after the backup is over.
const TAIL: Duration = Duration::from_millis(500);

/// Shows the lines of a backup until it is over. Says whether they were shown; where the server's log can't be read, this only waits.
pub(crate) async fn log(session: &Session, cluster: &Cluster, backup: &Backup) -> anyhow::Result<bool> {
    let name = backup.name_any();
    let screen = &session.screen;
    let lines = match open(cluster).await {
        Ok(Some(lines)) => Some(lines),
        Ok(None) => {
            screen
                .note("The server runs in no pod of this cluster; the log follows when the backup is over.");
            None
        }
        Err(error) => {
            let why = causes(&error);
            screen.note(format!(
                "The server's log can't be read ({why}); the log follows when the backup is over."
            ));
            None
        }
    };
    let mark = format!("{}/{name}", cluster.namespace);
    match lines {
        Some(mut lines) => {
            let silent = Progress::Silent;
            tokio::select! {
                shown = show(screen, &mut lines, &mark) => shown?,
                over = over(cluster, &name, &silent) => over?,
            }
            let rest = tokio::time::timeout(TAIL, show(screen, &mut lines, &mark)).await;
            rest.unwrap_or(Ok(())).map(|()| true)
        }
        None => over(cluster, &name, &Progress::new(screen)).await.map(|()| false),
    }
}

/// The lines of the log of a server's pod, from its start.
async fn open(cluster: &Cluster) -> kube::Result<Option<Lines<impl AsyncBufReadExt + use<>>>> {
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let list = pods.list(&ListParams::default().labels(SERVER)).await?;
    let runs = |pod: &&Pod| pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Running");
    let Some(pod) = list.items.iter().find(runs) else { return Ok(None) };
    let params = LogParams { follow: true, container: Some(CONTAINER.to_owned()), ..LogParams::default() };
    Ok(Some(pods.log_stream(&pod.name_any(), &params).await?.lines()))
}

/// Prints the lines that are about `mark`, until the log ends.
async fn show(
    screen: &Screen,
    lines: &mut Lines<impl AsyncBufReadExt + Unpin>,
    mark: &str,
) -> anyhow::Result<()> {
    while let Some(line) = lines.try_next().await? {
        if is_about(&line, mark) {
            screen.line(line)?;
        }
    }
    Ok(())
}

/// Whether a line of a log, as text or JSON, has the backup as its field.
fn is_about(line: &str, mark: &str) -> bool {
    let ends = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '-' | '.'));
    ["backup=", "backup=\"", "\"backup\":\""]
        .iter()
        .filter_map(|field| line.split_once(&format!("{field}{mark}")))
        .any(|(_, rest)| ends(rest))
}

async fn over(cluster: &Cluster, name: &str, progress: &Progress) -> anyhow::Result<()> {
    let mut pace = interval(PACE);
    loop {
        pace.tick().await;
        let backup = cluster.get::<Backup>(name).await?.object;
        progress.show(&backup.counts());
        if backup.outcome().is_some() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_about;

    #[test]
    fn only_lines_of_the_backup_are_shown() {
        for (line, expected) in [
            (r#"time="x" level=info msg="Backing up item" backup=velero/web logSource="a""#, true),
            (r#"time="x" level=info msg="m" backup=velero/web"#, true),
            (r#"{"level":"info","backup":"velero/web","msg":"m"}"#, true),
            (r#"time="x" msg="m" backup=velero/web-2 logSource="a""#, false),
            (r#"time="x" msg="m" restore=velero/web"#, false),
        ] {
            assert_eq!(is_about(line, "velero/web"), expected, "{line}");
        }
    }
}
