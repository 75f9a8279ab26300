//! `snapshot-location`: where native snapshots of volumes go.

use bowline_api::VolumeSnapshotLocation;
use bowline_api::location::VolumeSnapshotLocationSpec;
use serde_json::json;

use crate::cli::commands::commands;
use crate::cli::flag::{KeyValues, check_name, credential, merged};
use crate::cli::get::{self, Dry};
use crate::output::table::Listed;
use crate::output::time::Now;
use crate::session::Session;

commands! { Command:
    /// Create a snapshot location
    Create(Create),
    /// Get snapshot locations
    Get(Get),
    /// Change a snapshot location
    Set(Set),
}

/// Create a snapshot location
#[derive(clap::Args)]
#[command(after_help = "{program} snapshot-location create ebs --provider aws --config region=eu-central-1")]
pub(crate) struct Create {
    /// Name of the location
    #[arg(value_name = "NAME")]
    name: String,
    /// Kind of the volumes, such as aws
    #[arg(long, value_name = "NAME", required = true)]
    provider: String,
    /// Settings of the provider: a=b,c=d
    #[arg(long, value_name = "KEY=VALUE")]
    config: Vec<KeyValues>,
    /// Secret in the server's namespace and key in it with the credentials
    #[arg(long, value_name = "SECRET=KEY")]
    credential: Vec<KeyValues>,
    /// Labels of the location: a=b,c=d
    #[arg(long, value_name = "LABELS")]
    labels: Vec<KeyValues>,
    #[command(flatten)]
    dry: Dry,
}

/// Get snapshot locations
#[derive(clap::Args)]
#[command(after_help = "{program} snapshot-location get")]
pub(crate) struct Get {
    #[command(flatten)]
    query: get::Query,
}

/// Change a snapshot location
#[derive(clap::Args)]
#[command(after_help = "{program} snapshot-location set ebs --credential my-secret=cloud")]
pub(crate) struct Set {
    /// Name of the location
    #[arg(value_name = "NAME")]
    name: String,
    /// Secret in the server's namespace and key in it with the credentials
    #[arg(long, value_name = "SECRET=KEY", required = true)]
    credential: Vec<KeyValues>,
}

impl Create {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        check_name("snapshot location", &self.name)?;
        let spec = VolumeSnapshotLocationSpec {
            provider: self.provider,
            config: merged(self.config),
            credential: credential(self.credential)?,
        };
        let mut location = VolumeSnapshotLocation::new(&self.name, spec);
        let labels = merged(self.labels);
        location.metadata.labels = (!labels.is_empty()).then_some(labels);
        if self.dry.print(session, &location)? {
            return Ok(());
        }
        session.cluster().await?.create(&location).await?;
        Ok(session
            .screen
            .line(format!("Snapshot volume location {:?} configured successfully.", self.name))?)
    }
}

impl Get {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        self.query.run::<VolumeSnapshotLocation>(session).await
    }
}

impl Set {
    async fn run(self, session: &Session) -> anyhow::Result<()> {
        let cluster = session.cluster().await?;
        cluster.get::<VolumeSnapshotLocation>(&self.name).await?;
        let patch = json!({ "spec": { "credential": credential(self.credential)? } });
        cluster.merge::<VolumeSnapshotLocation>(&self.name, &patch).await?;
        Ok(session
            .screen
            .line(format!("Volume snapshot location {:?} configured successfully.", self.name))?)
    }
}

impl Listed for VolumeSnapshotLocation {
    const COLUMNS: &'static [&'static str] = &["NAME", "PROVIDER"];

    fn row(&self, _: &Now) -> Vec<String> {
        vec![self.metadata.name.clone().unwrap_or_default(), self.spec.provider.clone()]
    }
}
