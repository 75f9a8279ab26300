//! A whole backup on local disk, fetched through the server or read from a folder or bucket.

use anyhow::Context;
use bowline_api::Backup;
use bowline_api::artifact::BackupVolumeInfo;
use bowline_api::request::DownloadTargetKind;
use bowline_engine::archive::spool::{Limits, Spool};
use bowline_server::Config;
use bowline_server::operation::Source;

use crate::cli::backup::check_over;
use crate::cli::place::FromPlace;
use crate::download::{self, Artifact, Pieces, Trust};
use crate::failure::Failure;
use crate::local::{self, Place};
use crate::session::Session;

/// Where a backup's files are fetched from.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct Fetch {
    #[command(flatten)]
    from: FromPlace,
    #[command(flatten)]
    trust: Trust,
}

impl Fetch {
    /// Reads a whole backup. The archive is checked while it is read: a damaged one is an error.
    pub(crate) async fn backup(&self, session: &Session, name: &str) -> anyhow::Result<Source> {
        match self.from.place(session) {
            Some(place) => from_place(name, place).await,
            None => from_server(session, name, &self.trust).await,
        }
    }
}

/// A backup of a folder or bucket.
pub(crate) async fn from_place(name: &str, place: Place) -> anyhow::Result<Source> {
    let store = local::open(place).await?;
    let backup = store.backup(name).await?;
    let volume_infos = store.volume_infos(name).await?;
    unpack(backup, volume_infos, store.contents(name).await?).await
}

/// A backup that a server hands out.
pub(crate) async fn from_server(session: &Session, name: &str, trust: &Trust) -> anyhow::Result<Source> {
    let cluster = session.cluster().await?;
    let backup = cluster.get::<Backup>(name).await?.object;
    check_over(session, "archive", name, &backup.phase())?;
    let source = download::Source::new(session, &cluster, trust, &backup.spec.storage_location).await?;
    let volume_infos = match source.json(DownloadTargetKind::BackupVolumeInfos, name).await {
        Artifact::Here(infos) => infos,
        // Backups of old versions have none.
        Artifact::Absent => Vec::new(),
        Artifact::Unreadable(why) => return Err(Failure::new(why).hint(download::HINT).into()),
    };
    let pieces = source.open(DownloadTargetKind::BackupContents, name).await?;
    let missing = || Failure::new(format!("the archive of the backup {name:?} is not in the object store"));
    unpack(backup, volume_infos, pieces.ok_or_else(missing)?).await
}

async fn unpack(
    backup: Backup,
    volume_infos: Vec<BackupVolumeInfo>,
    pieces: Pieces,
) -> anyhow::Result<Source> {
    let scratch = Config::default().scratch();
    let spool = Spool::read(pieces, Limits::default(), &scratch).await.with_context(|| {
        format!(
            "failed to read the archive of the backup {:?}",
            backup.metadata.name.as_deref().unwrap_or_default()
        )
    })?;
    Ok(Source { backup, volume_infos, spool })
}
