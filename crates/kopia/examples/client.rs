//! A small client of repositories in a folder, to try the crate out. `KOPIA_PASSWORD` is the password.
//!
//! ```text
//! client create REPOSITORY [hash=…] [encryption=…] [splitter=…] [version=…] [ecc=PERCENT]
//! client snapshot REPOSITORY TREE            backs a tree up, on top of its latest snapshot
//! client list REPOSITORY                     snapshots: ID, time, path, root object
//! client restore REPOSITORY SNAPSHOT TARGET
//! client delete REPOSITORY SNAPSHOT
//! client verify REPOSITORY                   reads everything
//! client maintain REPOSITORY quick|full      takes maintenance over
//! client password REPOSITORY NEW
//! ```
#![expect(clippy::print_stdout, reason = "it is a command line")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use kopia::blob::FileSystemStore;
use kopia::format::{CreateOptions, Format};
use kopia::maintenance::{self, MaintenanceOptions, Mode, Parameters};
use kopia::restore::{RestoreOptions, restore_tree};
use kopia::snapshot::{self, Snapshot, Source};
use kopia::upload::{UploadOptions, upload_tree};
use kopia::verify::{VerifyOptions, verify};
use kopia::{OpenOptions, Repository, WriteOptions};

type Outcome = Result<(), Box<dyn Error>>;

#[tokio::main]
async fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["create", repository, ref settings @ ..] => create(repository, settings).await,
        ["snapshot", repository, tree] => back_up(&open(repository).await?, tree).await,
        ["list", repository] => list(&open(repository).await?).await,
        ["restore", repository, id, target] => restore(&open(repository).await?, id, target).await,
        ["delete", repository, id] => delete(&open(repository).await?, id).await,
        ["verify", repository] => check(&open(repository).await?).await,
        ["maintain", repository, mode] => maintain(&open(repository).await?, mode).await,
        ["password", repository, new] => {
            Ok(Format::change_password(&FileSystemStore::open(repository)?, &password()?, new).await?)
        }
        _ => Err("see the head of this program for its arguments".into()),
    }
}

#[expect(clippy::disallowed_methods, reason = "an example has no other settings")]
fn password() -> Result<String, std::env::VarError> {
    std::env::var("KOPIA_PASSWORD")
}

async fn create(folder: &str, settings: &[&str]) -> Outcome {
    let mut options = CreateOptions::default();
    for setting in settings {
        match setting.split_once('=').ok_or("a setting is name=value")? {
            ("hash", name) => options.hash = name.into(),
            ("encryption", name) => options.encryption = name.into(),
            ("splitter", name) => options.splitter = name.into(),
            ("version", number) => options.version = number.parse()?,
            ("ecc", percent) => options.ecc_overhead_percent = percent.parse()?,
            (other, _) => return Err(format!("unknown setting {other}").into()),
        }
    }
    let store = Arc::new(FileSystemStore::create(folder)?);
    let repository = Repository::create(store, &password()?, &options, OpenOptions::default()).await?;
    println!("{}", hex::encode(repository.format().unique_id()));
    Ok(())
}

async fn open(folder: &str) -> Result<Repository, Box<dyn Error>> {
    let store = Arc::new(FileSystemStore::open(folder)?);
    Ok(Repository::open(store, &password()?, OpenOptions::default()).await?)
}

async fn back_up(repository: &Repository, tree: &str) -> Outcome {
    let OpenOptions { hostname, username, .. } = repository.options();
    let source = Source { host: hostname.clone(), user_name: username.clone(), path: tree.to_owned() };
    let manifests = repository.manifests().await?;
    let parent = snapshot::parent(&manifests, &source, &[])?.and_then(|snapshot| snapshot.root_entry);
    let writer = repository.writer(WriteOptions::default())?;
    let uploaded = upload_tree(&writer, tree, parent, UploadOptions::default()).await?;
    let stats = uploaded.stats;
    let id = writer.put_snapshot(&uploaded.snapshot(source))?;
    writer.flush().await?;
    println!("{id} {stats:?}");
    Ok(())
}

async fn list(repository: &Repository) -> Outcome {
    for snapshot in snapshot::list(&repository.manifests().await?, None)? {
        let object = snapshot.root()?.object()?;
        println!("{} {} {} {object}", snapshot.id, snapshot.start_time, snapshot.source.path);
    }
    Ok(())
}

async fn restore(repository: &Repository, id: &str, target: &str) -> Outcome {
    let manifests = repository.manifests().await?;
    let snapshot = Snapshot::from_manifest(manifests.get(id)?)?;
    let options = RestoreOptions::default();
    let restored = restore_tree(repository, snapshot.root()?, Path::new(target), options).await?;
    println!("{restored:?}");
    Ok(())
}

async fn delete(repository: &Repository, id: &str) -> Outcome {
    let writer = repository.writer(WriteOptions::default())?;
    writer.delete_manifest(id);
    Ok(writer.flush().await?)
}

async fn check(repository: &Repository) -> Outcome {
    let report =
        verify(repository, &VerifyOptions { read_percent: 100.0, ..VerifyOptions::default() }).await?;
    println!("{} contents, {} read, {} snapshots", report.contents, report.read, report.snapshots);
    if report.is_sound() { Ok(()) } else { Err(report.problems.join("\n").into()) }
}

async fn maintain(repository: &Repository, mode: &str) -> Outcome {
    let OpenOptions { hostname, username, .. } = repository.options();
    let owner = format!("{username}@{hostname}");
    let manifests = repository.manifests().await?;
    let parameters = Parameters::of(&manifests)?.unwrap_or_default();
    if parameters.owner != owner {
        let writer = repository.writer(WriteOptions::default())?;
        writer.set_maintenance_parameters(&manifests, &Parameters { owner, ..parameters })?;
        writer.flush().await?;
    }
    let mode = if mode == "quick" { Mode::Quick } else { Mode::Full };
    let options = MaintenanceOptions { mode, ..MaintenanceOptions::default() };
    println!("{:#?}", maintenance::run(repository, &options).await?);
    Ok(())
}
