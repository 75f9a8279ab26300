//! Where backups are kept: the two stores that a user can choose between.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::{Bowline, Cluster, Server};

/// The store behind the backup location `default`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Location {
    /// A directory, through the server's built-in store.
    Directory,
    /// MinIO, through the S3 driver.
    S3,
}

impl Location {
    /// What a `STORE` setting asks for; a directory if there is none.
    pub fn parse(store: Option<&str>) -> Result<Self> {
        match store {
            None | Some("filesystem") => Ok(Self::Directory),
            Some("s3") => Ok(Self::S3),
            Some(other) => bail!("STORE={other} is unknown; it can be filesystem (the default) or s3"),
        }
    }

    /// The path or URL at which a reader finds the backup.
    pub fn place(self, cluster: &Cluster) -> Result<String> {
        match self {
            Self::Directory => Ok(cluster.dir().with_file_name("backups").display().to_string()),
            Self::S3 => Ok(format!(
                "{}/{}",
                cluster.setting("BOWLINE_S3_URL")?,
                cluster.setting("BOWLINE_S3_BUCKET")?
            )),
        }
    }

    /// Creates the backup location and waits until the server has found it available.
    pub fn create(self, cluster: &Cluster, bowline: &Bowline<'_>, server: &Server<'_>) -> Result<()> {
        let create = ["backup-location", "create", "default", "--default", "--bucket"];
        match self {
            Self::Directory => {
                let path = self.place(cluster)?;
                std::fs::create_dir_all(&path)?;
                let config = format!("path={path}");
                bowline
                    .ok(&[&create[..], &["bowline", "--provider", "filesystem", "--config", &config]]
                        .concat())?;
            }
            Self::S3 => {
                create_credentials(cluster)?;
                let url = cluster.setting("BOWLINE_S3_URL")?;
                let region = cluster.setting("BOWLINE_S3_REGION")?;
                let config = format!("region={region},s3ForcePathStyle=true,s3Url={url}");
                let bucket = cluster.setting("BOWLINE_S3_BUCKET")?;
                let rest = [
                    bucket,
                    "--provider",
                    "aws",
                    "--config",
                    &config,
                    "--credential",
                    "cloud-credentials=cloud",
                ];
                bowline.ok(&[&create[..], &rest].concat())?;
            }
        }
        wait_until_available(cluster, server)
    }
}

fn create_credentials(cluster: &Cluster) -> Result<()> {
    let key = cluster.setting("AWS_ACCESS_KEY_ID")?;
    let secret = cluster.setting("AWS_SECRET_ACCESS_KEY")?;
    let file = format!("cloud=[default]\naws_access_key_id={key}\naws_secret_access_key={secret}\n");
    let literal = format!("--from-literal={file}");
    cluster.kubectl(["-n", "velero", "create", "secret", "generic", "cloud-credentials", &literal])?.ok()?;
    Ok(())
}

fn wait_until_available(cluster: &Cluster, server: &Server<'_>) -> Result<()> {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        server.ensure_running()?;
        let location = cluster.get(&["-n", "velero", "backupstoragelocations.velero.io", "default"])?;
        let status = |field| location.pointer(field).and_then(|value| value.as_str()).unwrap_or_default();
        if status("/status/phase") == "Available" {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!(
                "the backup location is not available: {} {}",
                status("/status/phase"),
                status("/status/message")
            );
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}
