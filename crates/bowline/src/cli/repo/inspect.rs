//! `repo inspect`: format, size and upkeep of a repository.

use std::collections::BTreeMap;

use futures::TryStreamExt;
use kopia::maintenance::{Parameters, Schedule};
use kopia::snapshot;
use serde::Serialize;

use super::open::{Address, Opened, Shape, size, time};
use crate::local::Access;
use crate::output::tabs;
use crate::output::time::Now;
use crate::session::Session;

/// Show what a repository is and holds
#[derive(clap::Args)]
#[command(after_help = "
# The repository of a backup location with the volumes of one namespace
{program} repo inspect ./backups
# One of several
{program} repo inspect s3://backups/kopia/shop --config region=eu-1
# One that Kopia made
{program} repo inspect /srv/kopia --password-file ./password -o json")]
pub(crate) struct Inspect {
    #[command(flatten)]
    address: Address,
    #[command(flatten)]
    shape: Shape,
}

/// What is known of a repository without reading its data.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Facts {
    unique_id: String,
    version: u32,
    hash: String,
    encryption: String,
    splitter: String,
    error_correction_percent: u32,
    index_version: u8,
    max_pack_size: u64,
    /// Entries of all indexes; deleted and repeated ones count.
    index_entries: u64,
    /// Number and bytes of the blobs, by the kind in their name.
    blobs: BTreeMap<String, Blobs>,
    snapshots: usize,
    incomplete_snapshots: usize,
    sources: BTreeMap<String, usize>,
    maintenance_owner: String,
    next_quick_maintenance: Option<jiff::Timestamp>,
    next_full_maintenance: Option<jiff::Timestamp>,
}

#[derive(Debug, Default, Serialize)]
struct Blobs {
    count: u64,
    bytes: u64,
}

impl Inspect {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let opened = self.address.open(session, Access::Read).await?;
        let facts = collect(&opened).await?;
        self.shape.print(session, &facts, || facts.describe(&Now::here()))
    }
}

async fn collect(opened: &Opened) -> anyhow::Result<Facts> {
    let repository = &opened.repository;
    let failed = |error: kopia::Error| opened.failed(&error);
    let manifests = repository.manifests().await.map_err(failed)?;
    let snapshots = snapshot::list(&manifests, None).map_err(failed)?;
    let schedule = Schedule::load(repository).await.map_err(failed)?;
    let owner = Parameters::of(&manifests).map_err(failed)?.unwrap_or_default().owner;
    let mut sources = BTreeMap::new();
    for snapshot in &snapshots {
        *sources.entry(snapshot.source.path.clone()).or_default() += 1;
    }
    let mut blobs: BTreeMap<String, Blobs> = BTreeMap::new();
    let mut listed = repository.store().list("");
    while let Some(blob) = listed.try_next().await? {
        let kind = blobs.entry(kind(&blob.id).to_owned()).or_default();
        kind.count += 1;
        kind.bytes += blob.length;
    }
    drop(listed);
    let parameters = repository.format().parameters();
    let known = |time: jiff::Timestamp| (time != jiff::Timestamp::UNIX_EPOCH).then_some(time);
    Ok(Facts {
        unique_id: hex::encode(repository.format().unique_id()),
        version: parameters.version,
        hash: parameters.hash.clone(),
        encryption: parameters.encryption.clone(),
        splitter: parameters.splitter.clone(),
        error_correction_percent: parameters.ecc_overhead_percent,
        index_version: parameters.index_version,
        max_pack_size: parameters.max_pack_size,
        index_entries: repository.contents().index().entries(),
        blobs,
        snapshots: snapshots.len(),
        incomplete_snapshots: snapshots.iter().filter(|snapshot| !snapshot.is_complete()).count(),
        sources,
        maintenance_owner: owner,
        next_quick_maintenance: known(schedule.next_quick),
        next_full_maintenance: known(schedule.next_full),
    })
}

/// What a blob is, from its name.
fn kind(id: &str) -> &'static str {
    match id.as_bytes() {
        [b'p', ..] => "data packs",
        [b'q', ..] => "metadata packs",
        [b'x' | b'n' | b'm' | b'l', ..] => "indexes",
        [b's', ..] => "sessions",
        [b'_', ..] => "logs",
        _ => "others",
    }
}

impl Facts {
    fn describe(&self, now: &Now) -> String {
        let next = |at: Option<jiff::Timestamp>| at.map_or_else(|| "n/a".to_owned(), |at| time(now, at));
        let mut lines = vec![
            format!("ID:\t{}", self.unique_id),
            format!("Format:\tversion {}", self.version),
            format!("Hash:\t{}", self.hash),
            format!("Encryption:\t{}", self.encryption),
            format!("Splitter:\t{}", self.splitter),
            format!("Error correction:\t{} %", self.error_correction_percent),
            format!("Pack size:\tup to {}", size(self.max_pack_size)),
            format!("Maintenance owner:\t{}", self.maintenance_owner),
            format!("Next quick maintenance:\t{}", next(self.next_quick_maintenance)),
            format!("Next full maintenance:\t{}", next(self.next_full_maintenance)),
            format!("Index entries:\t{}", self.index_entries),
            format!("Snapshots:\t{} ({} incomplete)", self.snapshots, self.incomplete_snapshots),
            "\nBlobs:".to_owned(),
        ];
        let of_kind =
            |(kind, blobs): (&String, &Blobs)| format!("  {kind}:\t{}\t{}", blobs.count, size(blobs.bytes));
        lines.extend(self.blobs.iter().map(of_kind));
        lines.push("\nSources:".to_owned());
        let of_source = |(path, count): (&String, &usize)| {
            format!("  {}:\t{count} snapshots", path.replace(['\t', '\n', '\x1b'], "?"))
        };
        lines.extend(self.sources.iter().map(of_source));
        let text = lines.join("\n") + "\n";
        tabs::expand(&text, tabs::DESCRIPTION)
    }
}
