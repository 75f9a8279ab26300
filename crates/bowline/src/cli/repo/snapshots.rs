//! `repo snapshots`: what can be restored from a repository.

use kopia::snapshot::Snapshot;

use super::open::{Address, Shape, size, table, time};
use crate::local::Access;
use crate::output::time::Now;
use crate::session::Session;

const HEADER: &str = "ID\tSTARTED\tFILES\tSIZE\tERRORS\tSTATE\tBACKUP\tSOURCE";
/// The tag by which Velero names the backup.
const BACKUP_TAG: &str = "backup";

/// List the snapshots in a repository, oldest first
#[derive(clap::Args)]
#[command(after_help = "
# All snapshots of the volumes of a namespace, in the bucket that Velero backs up to
{program} repo snapshots s3://backups/kopia/shop --config region=eu-1
# Those of one source, for programs
{program} repo snapshots ./repository --source /data -o json")]
pub(crate) struct Snapshots {
    #[command(flatten)]
    address: Address,
    /// Only snapshots whose source path holds this text
    #[arg(long, value_name = "TEXT")]
    source: Option<String>,
    #[command(flatten)]
    shape: Shape,
}

impl Snapshots {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let opened = self.address.open(session, Access::Read).await?;
        let mut snapshots = opened.snapshots().await?;
        if let Some(source) = &self.source {
            snapshots.retain(|snapshot| snapshot.source.path.contains(source));
        }
        let now = Now::here();
        self.shape.print(session, &snapshots, || {
            table(HEADER, snapshots.iter().map(|snapshot| row(snapshot, &now)))
        })
    }
}

fn row(snapshot: &Snapshot, now: &Now) -> Vec<String> {
    let below = snapshot.root_entry.as_ref().and_then(|root| root.summary.as_ref());
    let root_size = snapshot.root_entry.as_ref().map_or(0, |root| root.size);
    let state = snapshot.incomplete.as_deref().filter(|why| !why.is_empty());
    vec![
        snapshot.id.clone(),
        time(now, snapshot.start_time),
        below.map_or(1, |below| below.files).to_string(),
        size(below.map_or(root_size, |below| below.size)),
        below.map_or(0, |below| below.num_failed).to_string(),
        state.map_or_else(|| "complete".to_owned(), |why| format!("incomplete ({why})")),
        snapshot.tags.get(BACKUP_TAG).cloned().unwrap_or_default(),
        snapshot.source.path.clone(),
    ]
}
