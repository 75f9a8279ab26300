//! `backup download`: the archive of a backup as a file.

use std::path::PathBuf;

use bowline_api::request::DownloadTargetKind;
use bowline_api::{Backup, Duration};

use super::logs::check_over;
use crate::cli::flag::given;
use crate::download::{self, Trust};
use crate::failure::Failure;
use crate::session::Session;

/// Download all Kubernetes objects of a backup
#[derive(clap::Args)]
#[command(after_help = "{program} backup download web -o web.tar.gz")]
pub(crate) struct Download {
    /// Name of the backup
    #[arg(value_name = "NAME")]
    name: String,
    /// File to write (default NAME-data.tar.gz in the current folder)
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
    /// How long the server may take to answer, such as 30s
    #[arg(long, value_name = "DURATION", default_value = "1m0s")]
    timeout: Duration,
    #[command(flatten)]
    trust: Trust,
}

impl Download {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let path = match given(self.output.as_ref()) {
            Some(path) => path.clone(),
            None => std::path::absolute(format!("{}-data.tar.gz", self.name))?,
        };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
            return Err(Failure::new(format!("there is no folder {}", folder.display()))
                .hint("make it, or name another file with --output FILE")
                .into());
        }
        if !self.force && path.exists() {
            return Err(Failure::new(format!("the file {} exists", path.display()))
                .hint("add --force to replace it, or name another one with --output FILE")
                .into());
        }
        let cluster = session.cluster().await?;
        let backup = cluster.get::<Backup>(&self.name).await?.object;
        check_over(session, "archive", &self.name, &backup.phase())?;
        let source = download::Source::new(session, &cluster, &self.trust, &backup.spec.storage_location)
            .await?
            .within(self.timeout);
        source.save(DownloadTargetKind::BackupContents, &self.name, &path).await?;
        Ok(session.screen.line(format!(
            "Backup {} has been successfully downloaded to {}",
            self.name,
            path.display()
        ))?)
    }
}
