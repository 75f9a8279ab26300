//! Where backups are kept: the two stores that a user can choose between.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

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
    pub fn create(self, bowline: &Bowline<'_>, server: &Server<'_>) -> Result<()> {
        let cluster = bowline.cluster();
        let place = self.place(cluster)?;
        let (bucket, provider, config) = match self {
            Self::Directory => {
                std::fs::create_dir_all(&place).with_context(|| format!("create {place}"))?;
                ("bowline", "filesystem", format!("path={place}"))
            }
            Self::S3 => (cluster.setting("BOWLINE_S3_BUCKET")?, "aws", s3_config(cluster)?),
        };
        let create = ["backup-location", "create", "default", "--default", "--bucket", bucket];
        let store = ["--provider", provider, "--config", &config];
        let credential: &[&str] = match self {
            Self::Directory => &[],
            Self::S3 => {
                let secret_key = cluster.setting("AWS_SECRET_ACCESS_KEY")?;
                create_credentials(bowline, "cloud-credentials", secret_key)?;
                &["--credential", "cloud-credentials=cloud"]
            }
        };
        bowline.ok(&[&create[..], &store, credential].concat())?;
        let location = judged(bowline, server, "default")?;
        ensure!(
            location["status"]["phase"] == "Available",
            "the backup location is not available: {}",
            location["status"]
        );
        Ok(())
    }
}

/// What a backup location says in `--config` to use the cluster's MinIO.
pub fn s3_config(cluster: &Cluster) -> Result<String> {
    let url = cluster.setting("BOWLINE_S3_URL")?;
    let region = cluster.setting("BOWLINE_S3_REGION")?;
    Ok(format!("region={region},s3ForcePathStyle=true,s3Url={url}"))
}

/// Makes a Secret of this name with the cluster's access key and `secret_key` under the key `cloud`.
pub fn create_credentials(bowline: &Bowline<'_>, name: &str, secret_key: &str) -> Result<()> {
    let key = bowline.cluster().setting("AWS_ACCESS_KEY_ID")?;
    let file = format!("cloud=[default]\naws_access_key_id={key}\naws_secret_access_key={secret_key}\n");
    let literal = format!("--from-literal={file}");
    let create = ["-n", bowline.namespace(), "create", "secret", "generic", name, &literal];
    bowline.cluster().kubectl(create)?.ok().map(drop)
}

/// The backup location as soon as the server has said whether it can be used.
pub fn judged(bowline: &Bowline<'_>, server: &Server<'_>, name: &str) -> Result<Value> {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        server.ensure_running()?;
        let location = bowline.object("backupstoragelocation", name)?;
        if location["status"]["phase"].is_string() {
            return Ok(location);
        }
        ensure!(
            Instant::now() < deadline,
            "the server has not looked at the backup location {name} for a minute:\n{}",
            server.log()?
        );
        std::thread::sleep(Duration::from_millis(200));
    }
}
