//! `backup-location create`.

use std::path::PathBuf;

use bowline_api::location::{
    BackupStorageLocationAccessMode, BackupStorageLocationSpec, ObjectStorageLocation,
};
use bowline_api::{BackupStorageLocation, Duration};
use clap::ValueEnum;
use k8s_openapi::ByteString;

use crate::cli::flag::{KeyValues, check_name, credential, given, merged};
use crate::cli::get::Dry;
use crate::cluster::Cluster;
use crate::failure::Failure;
use crate::session::Session;

/// Create a backup storage location
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Create {
    /// Name of the location
    #[arg(value_name = "NAME")]
    name: String,
    /// Kind of the object store: aws (any S3), filesystem, or the name of a plugin
    #[arg(long, value_name = "NAME", required = true)]
    provider: String,
    /// Bucket
    #[arg(long, value_name = "NAME", required = true)]
    bucket: String,
    /// Path in the bucket
    #[arg(long, value_name = "PATH", default_value = "", hide_default_value = true)]
    prefix: String,
    /// Settings of the provider: region=eu-central-1,s3Url=https://s3.example.com
    #[arg(long, value_name = "KEY=VALUE")]
    config: Vec<KeyValues>,
    /// Secret in the server's namespace and key in it with the credentials
    #[arg(long, value_name = "SECRET=KEY")]
    credential: Vec<KeyValues>,
    /// Let backups go here that name no location
    #[arg(long)]
    default: bool,
    /// What may be done here: `ReadWrite` or `ReadOnly`
    #[arg(long, value_name = "MODE", value_enum, default_value_t = AccessMode::ReadWrite)]
    access_mode: AccessMode,
    /// How often backups found here become objects of the cluster, such as 1m; 0 is never (default: the server's)
    #[arg(long, value_name = "DURATION")]
    backup_sync_period: Option<Duration>,
    /// How often the location is tried, such as 1m; 0 is once (default: the server's)
    #[arg(long, value_name = "DURATION")]
    validation_frequency: Option<Duration>,
    /// File with certificates (PEM) to trust besides those of the system
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,
    /// Labels of the location: a=b,c=d
    #[arg(long, value_name = "LABELS")]
    labels: Vec<KeyValues>,
    #[command(flatten)]
    dry: Dry,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum AccessMode {
    #[value(name = "ReadWrite")]
    ReadWrite,
    #[value(name = "ReadOnly")]
    ReadOnly,
}

const EXAMPLES: &str = "
# A bucket of Amazon S3, with the credentials in a Secret
{program} backup-location create default --provider aws --bucket my-backups --credential s3=cloud --default
# Any other S3
{program} backup-location create minio --provider aws --bucket velero \\
    --config region=minio,s3ForcePathStyle=true,s3Url=http://minio.minio:9000
# A folder of the server
{program} backup-location create here --provider filesystem --bucket backups --config path=/backups";

impl Create {
    pub(crate) async fn run(mut self, session: &Session) -> anyhow::Result<()> {
        check_name("backup storage location", &self.name)?;
        let labels = merged(std::mem::take(&mut self.labels));
        let mut location = BackupStorageLocation::new(&self.name, self.spec()?);
        location.metadata.labels = (!labels.is_empty()).then_some(labels);
        if self.dry.print(session, &location)? {
            return Ok(());
        }
        let cluster = session.cluster().await?;
        if location.spec.default {
            check_no_default(&cluster, &self.name).await?;
        }
        cluster.create(&location).await?;
        Ok(session
            .screen
            .line(format!("Backup storage location {:?} configured successfully.", self.name))?)
    }

    fn spec(&self) -> anyhow::Result<BackupStorageLocationSpec> {
        let periods = [
            ("--backup-sync-period", self.backup_sync_period),
            ("--validation-frequency", self.validation_frequency),
        ];
        for (flag, period) in periods {
            if period.is_some_and(Duration::is_negative) {
                return Err(Failure::new(format!("{flag} must not be negative")).into());
            }
        }
        let ca_cert = given(self.cacert.as_ref()).map(fs_err::read).transpose()?.map(ByteString);
        Ok(BackupStorageLocationSpec {
            provider: self.provider.clone(),
            config: merged(self.config.clone()),
            credential: credential(self.credential.clone())?,
            object_storage: ObjectStorageLocation {
                bucket: self.bucket.clone(),
                prefix: self.prefix.clone(),
                ca_cert,
                ca_cert_ref: None,
            },
            default: self.default,
            access_mode: Some(match self.access_mode {
                AccessMode::ReadWrite => BackupStorageLocationAccessMode::ReadWrite,
                AccessMode::ReadOnly => BackupStorageLocationAccessMode::ReadOnly,
            }),
            backup_sync_period: self.backup_sync_period,
            validation_frequency: self.validation_frequency,
        })
    }
}

/// There may be one default location only.
pub(super) async fn check_no_default(cluster: &Cluster, name: &str) -> anyhow::Result<()> {
    let locations = cluster.list::<BackupStorageLocation>("").await?;
    match locations.iter().find(|location| location.object.spec.default && location.name() != name) {
        None => Ok(()),
        Some(other) => {
            Err(Failure::new(format!("{:?} is the default backup storage location already", other.name()))
                .hint(format!(
                    "make it an ordinary one first: `{} backup-location set {} --default=false`",
                    cluster.program,
                    other.name()
                ))
                .into())
        }
    }
}
