//! Texts of the bundle: the versions, and the description and log of a backup or restore.

use std::io::Read;
use std::time::Duration;

use bowline_api::request::DownloadTargetKind;
use bowline_api::{Backup, Restore};
use bowline_server::VERSION;

use super::Collection;
use crate::download::{Source, Trust};
use crate::failure::explain;
use crate::output::describe::{backup, restore};
use crate::wait::server_status;

/// How long the server may take to tell its version.
const LIMIT: Duration = Duration::from_secs(5);
/// Most bytes of a stored log.
const MAX_LOG: u64 = 256 << 20;

impl Collection<'_> {
    /// The versions of client and server.
    pub(super) async fn version(&mut self) -> anyhow::Result<()> {
        self.begin("the versions");
        let server = match server_status(self.cluster, LIMIT).await {
            Ok(Some(answer)) => answer.object.status.server_version,
            Ok(None) => "<no server answered>".to_owned(),
            Err(error) => explain(&error).text,
        };
        let text = format!("Client:\n\tVersion: {VERSION}\nServer:\n\tVersion: {server}\n");
        self.add("version.txt", Ok(text.into_bytes()))
    }

    /// Description and log of a backup.
    pub(super) async fn backup(&mut self, name: &str) -> anyhow::Result<()> {
        self.begin(&format!("backup {name}"));
        let (session, cluster) = (self.session.plain(), self.cluster);
        let backup = cluster.get::<Backup>(name).await?.object;
        let source = Source::new(&session, cluster, &Trust::default(), &backup.spec.storage_location).await?;
        let companions = backup::Companions::fetch(cluster, &source, &backup, true).await;
        let text = companions.map(|found| backup::text(&session, &backup, &found, true).into_bytes());
        self.add(&format!("backup_describe_{name}.txt"), text)?;
        let log = read(&source, DownloadTargetKind::BackupLog, name).await;
        self.add(&format!("backup_{name}.log"), log)
    }

    /// Description and log of a restore.
    pub(super) async fn restore(&mut self, name: &str) -> anyhow::Result<()> {
        self.begin(&format!("restore {name}"));
        let (session, cluster) = (self.session.plain(), self.cluster);
        let restore = cluster.get::<Restore>(name).await?.object;
        let backup = cluster.find::<Backup>(&restore.spec.backup_name).await?;
        let location = backup.map(|backup| backup.object.spec.storage_location).unwrap_or_default();
        let source = Source::new(&session, cluster, &Trust::default(), &location).await?;
        let companions = restore::Companions::fetch(&source, &restore, true).await;
        let text = restore::text(&session, &restore, &companions, true);
        self.add(&format!("restore_describe_{name}.txt"), Ok(text.into_bytes()))?;
        let log = read(&source, DownloadTargetKind::RestoreLog, name).await;
        self.add(&format!("restore_{name}.log"), log)
    }
}

async fn read(source: &Source<'_>, kind: DownloadTargetKind, name: &str) -> anyhow::Result<Vec<u8>> {
    let mut text = Vec::new();
    source.text(kind, name).await?.take(MAX_LOG).read_to_end(&mut text)?;
    Ok(text)
}
