//! `backup-location set`. What is not named stays as it is.

use std::path::PathBuf;

use bowline_api::BackupStorageLocation;
use k8s_openapi::ByteString;
use serde_json::{Map, Value, json};

use crate::cli::flag::{KeyValues, credential};
use crate::failure::Failure;
use crate::session::Session;

/// Change a backup storage location
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Set {
    /// Name of the location
    #[arg(value_name = "NAME")]
    name: String,
    /// File with certificates (PEM) to trust besides those of the system; an empty name removes them
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,
    /// Secret in the server's namespace and key in it with the credentials
    #[arg(long, value_name = "SECRET=KEY")]
    credential: Vec<KeyValues>,
    /// Make it the default location instead of the one that is, or no longer (=false)
    #[arg(long)]
    default: Option<bool>,
}

const EXAMPLES: &str = "
{program} backup-location set minio --default
{program} backup-location set minio --credential my-secret=cloud --cacert ca.pem";

impl Set {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let patch = self.patch()?;
        let cluster = session.cluster().await?;
        let location = cluster.get::<BackupStorageLocation>(&self.name).await?.object;
        if self.default == Some(true) {
            let mut others = cluster.list::<BackupStorageLocation>("").await?;
            others.retain(|other| other.object.spec.default && other.name() != self.name);
            let changes_nothing = patch == json!({ "spec": { "default": true } });
            if others.is_empty() && location.spec.default && changes_nothing {
                return Ok(session.screen.line(format!(
                    "Backup storage location {:?} is already the default backup storage location.",
                    self.name
                ))?);
            }
            for other in others {
                let patch = json!({ "spec": { "default": false } });
                cluster.merge::<BackupStorageLocation>(other.name(), &patch).await?;
            }
        }
        cluster.merge::<BackupStorageLocation>(&self.name, &patch).await?;
        Ok(session
            .screen
            .line(format!("Backup storage location {:?} configured successfully.", self.name))?)
    }

    fn patch(&self) -> anyhow::Result<Value> {
        let mut spec = Map::new();
        if let Some(default) = self.default {
            spec.insert("default".to_owned(), default.into());
        }
        if let Some(credential) = credential(self.credential.clone())? {
            spec.insert("credential".to_owned(), serde_json::to_value(credential)?);
        }
        if let Some(path) = &self.cacert {
            let certificates = if path.as_os_str().is_empty() {
                Value::Null
            } else {
                serde_json::to_value(ByteString(fs_err::read(path)?))?
            };
            spec.insert("objectStorage".to_owned(), json!({ "caCert": certificates }));
        }
        if spec.is_empty() {
            return Err(Failure::new("nothing to change")
                .hint("give --default, --credential or --cacert")
                .into());
        }
        Ok(json!({ "spec": spec }))
    }
}
