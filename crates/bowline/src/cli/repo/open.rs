//! Which repository, its password, and the snapshots in it.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use anyhow::Context;
use bowline_api::Time;
use bowline_datamover::repository::{self, Found, Password};
use clap::ValueEnum;
use kopia::blob::{BlobStore, FileSystemStore, ReadOnlyStore};
use kopia::snapshot::{self, DirectoryEntry, Snapshot};
use kopia::{OpenOptions, Repository};
use serde::Serialize;

use crate::cli::flag::KeyValues;
use crate::cli::place::with_settings;
use crate::failure::{Failure, causes};
use crate::local::{self, Access, Place};
use crate::output::encode::{Encoding, encode, sorted};
use crate::output::tabs;
use crate::output::time::Now;
use crate::session::Session;

/// The format blob of a repository that Kopia itself keeps in a folder.
const FOLDER_MARK: &str = "kopia.repository.f";
/// The longest text of a password.
const MAX_PASSWORD: u64 = 64 << 10;
/// The snapshot that `latest` means is the newest whole one.
const LATEST: &str = "latest";

/// A repository and the way into it.
#[derive(clap::Args, Clone, Debug)]
pub(super) struct Address {
    /// Folder or s3://BUCKET/PREFIX of the repository, or of the backup location that it is in
    #[arg(value_name = "PLACE")]
    place: Place,
    /// Settings of the place, such as region=eu-1,s3Url=http://localhost:9000 (region: else AWS_REGION)
    #[arg(long, value_name = "KEY=VALUE")]
    config: Vec<KeyValues>,
    /// File with the password (default: the variable KOPIA_PASSWORD, else the password that Velero uses)
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

/// Form of the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    #[default]
    Table,
    Json,
    Yaml,
}

/// How to show results.
#[derive(clap::Args, Clone, Copy, Debug)]
pub(super) struct Shape {
    /// Form of the output: table, json or yaml
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: Output,
}

impl Shape {
    /// Prints a result as a table, or as it is.
    pub(super) fn print(
        self,
        session: &Session,
        result: &impl Serialize,
        table: impl FnOnce() -> String,
    ) -> anyhow::Result<()> {
        let text = match self.output {
            Output::Table => table(),
            Output::Json => encode(&sorted(result)?, Encoding::Json)?,
            Output::Yaml => encode(&sorted(result)?, Encoding::Yaml)?,
        };
        Ok(session.screen.print(text)?)
    }
}

/// An open repository, and the place for messages.
pub(super) struct Opened {
    pub(super) repository: Repository,
    place: Place,
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.place.fmt(f)
    }
}

impl Address {
    /// Opens the repository.
    pub(super) async fn open(self, session: &Session, access: Access) -> anyhow::Result<Opened> {
        let given = self.password(session)?;
        let place = with_settings(session, self.place, self.config);
        let store = store(session, &place, access).await?;
        let password = given.clone().unwrap_or_else(Password::velero);
        match password.open(store, OpenOptions::default()).await {
            Ok(repository) => Ok(Opened { repository, place }),
            Err(error) => Err(explain(&error, &place, given.is_some())),
        }
    }

    fn password(&self, session: &Session) -> anyhow::Result<Option<Password>> {
        let Some(path) = &self.password_file else {
            return Ok(session.environment.repository_password.clone());
        };
        let size = fs_err::metadata(path).context("failed to read the password")?.len();
        if size > MAX_PASSWORD {
            return Err(Failure::new(format!("{} is too large for a password", path.display())).into());
        }
        let text = fs_err::read_to_string(path).context("failed to read the password")?;
        Ok(Some(Password::of_file(&text)))
    }
}

/// The blobs at a place, wherever in it they are.
async fn store(session: &Session, place: &Place, access: Access) -> anyhow::Result<Arc<dyn BlobStore>> {
    if let Some(folder) = place.folder().filter(|folder| folder.join(FOLDER_MARK).exists()) {
        let store =
            Arc::new(FileSystemStore::open(folder).with_context(|| format!("failed to open {place}"))?);
        return Ok(if access == Access::Read { Arc::new(ReadOnlyStore(store)) } else { store });
    }
    let location = place.location(access)?;
    let objects = bowline_store::open(&location).await.map_err(|error| local::failed(place, &error))?;
    match repository::find(&objects).await.map_err(|error| local::failed(place, &error))? {
        Found::Repository(blobs) => Ok(Arc::new(blobs.retrying())),
        Found::InLocation { blobs, namespace } => {
            session.screen.note(format!("Using the repository of the namespace {namespace}."));
            Ok(Arc::new(blobs.retrying()))
        }
        Found::Several(namespaces) => {
            let text = format!("{place} holds the repositories of {} namespaces", namespaces.len());
            let choice = |failure: Failure, namespace: &String| {
                failure.hint(format!("{place}/{}", repository::prefix(namespace)))
            };
            let failure = Failure::new(text).hint("name one of them:");
            Err(namespaces.iter().fold(failure, choice).into())
        }
        Found::Nothing => Err(no_repository(place).into()),
    }
}

fn no_repository(place: &Place) -> Failure {
    Failure::new(format!("there is no repository in {place}")).hint(
        "name the folder or prefix that has the object kopia.repository, or the backup location above it",
    )
}

/// An error of the engine, with a hint where one helps.
fn explain(error: &kopia::Error, place: &Place, given: bool) -> anyhow::Error {
    let failure = Failure::new(format!("{place}: {}", causes(error)));
    match error {
        kopia::Error::InvalidPassword if given => failure.hint("check --password-file and KOPIA_PASSWORD"),
        kopia::Error::InvalidPassword => failure
            .hint("the password that Velero uses was tried: give the right one by --password-file or KOPIA_PASSWORD")
            .hint("in a cluster it is in the Secret velero-repo-credentials"),
        kopia::Error::NotARepository => no_repository(place),
        kopia::Error::NotMaintenanceOwner { .. } => {
            failure.hint("let the owner do it; or add --force, if you are sure that it does not run at the same time")
        }
        kopia::Error::ClockSkew { .. } => failure.hint("set the clock of this machine"),
        kopia::Error::UpgradeLocked { .. } => failure.hint("try again when the upgrade is over"),
        _ => failure,
    }
    .into()
}

impl Opened {
    /// An error of the engine in this repository.
    pub(super) fn failed(&self, error: &kopia::Error) -> anyhow::Error {
        explain(error, &self.place, true)
    }

    /// All snapshots, oldest first.
    pub(super) async fn snapshots(&self) -> anyhow::Result<Vec<Snapshot>> {
        let manifests = self.repository.manifests().await.map_err(|error| self.failed(&error))?;
        snapshot::list(&manifests, None).map_err(|error| self.failed(&error))
    }

    /// The snapshot and the entry in it that a path names.
    pub(super) async fn entry(&self, path: &SnapshotPath) -> anyhow::Result<(Snapshot, DirectoryEntry)> {
        let snapshots = self.snapshots().await?;
        let snapshot = path.choose(&snapshots, &self.place)?.clone();
        let root = snapshot.root().map_err(|error| self.failed(&error))?;
        let entry = snapshot::entry_at(self.repository.contents(), root, &path.path).await;
        let entry = entry.map_err(|error| self.failed(&error))?;
        Ok((snapshot, entry))
    }
}

/// `SNAPSHOT/PATH`: a snapshot, by the beginning of its ID or as `latest`, and a path in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SnapshotPath {
    id: String,
    pub(super) path: PathBuf,
}

impl FromStr for SnapshotPath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (id, path) = text.split_once('/').unwrap_or((text, ""));
        let is_id = id.len() >= 4 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_id && id != LATEST {
            return Err(format!("{id:?} is neither `latest` nor at least four digits of a snapshot's ID"));
        }
        Ok(Self { id: id.to_owned(), path: path.into() })
    }
}

impl SnapshotPath {
    fn choose<'a>(&self, snapshots: &'a [Snapshot], place: &Place) -> anyhow::Result<&'a Snapshot> {
        let found: Vec<_> = if self.id == LATEST {
            latest(snapshots)
        } else {
            snapshots.iter().filter(|snapshot| snapshot.id.starts_with(&self.id)).collect()
        };
        match found[..] {
            [snapshot] => Ok(snapshot),
            [] => Err(Failure::new(format!("there is no snapshot {} in {place}", self.id))
                .hint("`repo snapshots` lists them")
                .into()),
            _ => {
                let failure = Failure::new(format!("{} may mean {} snapshots", self.id, found.len()));
                let choice = |failure: Failure, snapshot: &&Snapshot| {
                    failure.hint(format!("{} of {}", snapshot.id, snapshot.source.path))
                };
                Err(found.iter().take(10).fold(failure.hint("name one of them:"), choice).into())
            }
        }
    }
}

/// The newest whole snapshot of each source.
fn latest(snapshots: &[Snapshot]) -> Vec<&Snapshot> {
    let mut newest: std::collections::BTreeMap<_, &Snapshot> = std::collections::BTreeMap::new();
    for snapshot in snapshots.iter().filter(|snapshot| snapshot.is_complete()) {
        newest.insert(&snapshot.source, snapshot);
    }
    newest.into_values().collect()
}

/// Rows whose cells are separated by tabs, as a table.
pub(super) fn table(header: &str, rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut text = header.to_owned() + "\n";
    for row in rows {
        // A tab or newline in a name would break the table.
        let cells: Vec<String> =
            row.iter().map(|cell| cell.replace(['\t', '\n', '\r', '\x1b'], "?")).collect();
        text.push_str(&cells.join("\t"));
        text.push('\n');
    }
    tabs::expand(&text, tabs::TABLE)
}

/// Bytes with a unit: `17 B`, `1.5 MiB`.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let (mut value, mut unit) = (bytes as f64 / 1024.0, 0);
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// A time as other tables show it.
pub(super) fn time(now: &Now, time: jiff::Timestamp) -> String {
    now.absolute(Some(&Time(time)))
}
