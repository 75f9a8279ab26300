//! Finding, opening and restoring repositories: one that Velero wrote, and ones that we write.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Parser;
use kopia::blob::FileSystemStore;
use kopia::format::CreateOptions;
use kopia::restore::RestoreOptions;
use kopia::snapshot::Source;
use kopia::upload::{UploadOptions, upload_stream, upload_tree};
use kopia::{OpenOptions, Repository, WriteOptions};

use super::open::{Address, Opened, SnapshotPath, size};
use super::restore::restore_entry;
use crate::cli::global::GlobalFlags;
use crate::config::{ClientFile, Environment};
use crate::failure::explain;
use crate::local::Access;
use crate::session::Session;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    address: Address,
}

pub(super) async fn open(place: &Path, flags: &[&str]) -> anyhow::Result<Opened> {
    let session = Session::new(Environment::default(), GlobalFlags::default(), &ClientFile::default());
    let line = ["repo", place.to_str().unwrap()].into_iter().chain(flags.iter().copied());
    Line::parse_from(line).address.open(&session, Access::Read).await
}

async fn hints(place: &Path, flags: &[&str]) -> Vec<String> {
    explain(&open(place, flags).await.err().unwrap()).hints
}

/// The blobs of Velero's repository in a folder of a location.
pub(super) fn plant(folder: &Path) {
    fs_err::create_dir_all(folder).unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../kopia/testdata/velero-fsb");
    for blob in fs_err::read_dir(fixture).unwrap() {
        let blob = blob.unwrap();
        fs_err::copy(blob.path(), folder.join(blob.file_name())).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_repository_of_a_location_is_found_and_restored() {
    let folder = tempfile::tempdir().unwrap();
    let location = folder.path().join("backups");
    plant(&location.join("kopia/shop"));
    for place in [location.clone(), location.join("kopia/shop")] {
        let opened = open(&place, &[]).await.unwrap();
        let snapshots = opened.snapshots().await.unwrap();
        assert!(snapshots.len() >= 2);
        let target = folder.path().join("target");
        for snapshot in &snapshots {
            let path: SnapshotPath = snapshot.id[..8].parse().unwrap();
            let (found, entry) = opened.entry(&path).await.unwrap();
            assert_eq!(found.id, snapshot.id);
            let restored = restore_entry(&opened, &entry, &target, RestoreOptions::default()).await.unwrap();
            assert_eq!((restored.failed, restored.files), (0, entry.summary.unwrap().files));
        }
    }
}

#[tokio::test]
async fn what_cannot_be_opened_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let several = folder.path().join("several");
    for namespace in ["a", "b"] {
        plant(&several.join("kopia").join(namespace));
    }
    let choices = hints(&several, &[]).await;
    assert!(choices.iter().any(|hint| hint.ends_with("several/kopia/a")), "{choices:?}");
    assert!(choices.iter().any(|hint| hint.ends_with("several/kopia/b")), "{choices:?}");
    let wrong = folder.path().join("password");
    fs_err::write(&wrong, "wrong\n").unwrap();
    let one = several.join("kopia/a");
    let hint = hints(&one, &["--password-file", wrong.to_str().unwrap()]).await;
    assert!(hint[0].contains("--password-file"), "{hint:?}");
    fs_err::write(&wrong, "static-passw0rd\n").unwrap();
    assert!(open(&one, &["--password-file", wrong.to_str().unwrap()]).await.is_ok());
    assert!(hints(folder.path(), &[]).await[0].contains("kopia.repository"));
    let missing = open(&folder.path().join("missing"), &[]).await;
    assert!(missing.is_err());
}

/// A repository as Kopia keeps it in a folder, with a snapshot of a tree and one of a device.
pub(super) async fn kopia_folder(folder: &Path) -> PathBuf {
    let (repository, tree) = (folder.join("repository"), folder.join("tree"));
    fs_err::create_dir_all(tree.join("sub")).unwrap();
    fs_err::write(tree.join("sub/file"), "content").unwrap();
    let store = Arc::new(FileSystemStore::create(&repository).unwrap());
    let options = CreateOptions::default();
    let created = Repository::create(store, "secret", &options, OpenOptions::default()).await.unwrap();
    let writer = created.writer(WriteOptions::default()).unwrap();
    let tree = upload_tree(&writer, tree, None, UploadOptions::default()).await.unwrap();
    let device: Box<dyn std::io::Read + Send> = Box::new(&b"block"[..]);
    let device = upload_stream(&writer, "/dev/xvda", device, UploadOptions::default()).await.unwrap();
    for (uploaded, path) in [(tree, "/tree"), (device, "/device")] {
        let source = Source { host: "h".into(), user_name: "u".into(), path: path.into() };
        writer.put_snapshot(&uploaded.snapshot(source)).unwrap();
    }
    writer.flush().await.unwrap();
    repository
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_of_kopia_is_opened_and_paths_lead_into_snapshots() {
    let folder = tempfile::tempdir().unwrap();
    let place = kopia_folder(folder.path()).await;
    let hint = hints(&place, &[]).await;
    assert!(hint[0].contains("the password that Velero uses was tried"), "{hint:?}");
    let password = folder.path().join("password");
    fs_err::write(&password, "secret").unwrap();
    let opened = open(&place, &["--password-file", password.to_str().unwrap()]).await.unwrap();
    // Two sources: `latest` could be either.
    assert!(opened.entry(&"latest".parse().unwrap()).await.is_err());
    let target = folder.path().join("target");
    for snapshot in opened.snapshots().await.unwrap() {
        let tail = if snapshot.source.path == "/tree" { "/sub" } else { "" };
        let path: SnapshotPath = format!("{}{tail}", snapshot.id).parse().unwrap();
        let (_, entry) = opened.entry(&path).await.unwrap();
        restore_entry(&opened, &entry, &target, RestoreOptions::default()).await.unwrap();
    }
    assert_eq!(fs_err::read_to_string(target.join("file")).unwrap(), "content");
    assert_eq!(fs_err::read_to_string(target.join("xvda")).unwrap(), "block");
}

#[test]
fn snapshots_are_named_by_the_beginning_of_their_id() {
    for (text, path) in [("latest", ""), ("9bb4", ""), ("9bb4d3c1/a/b", "a/b"), ("latest/", "")] {
        assert_eq!(text.parse::<SnapshotPath>().unwrap().path, Path::new(path), "{text}");
    }
    for text in ["", "9bb", "newest", "/a", "../x"] {
        assert!(text.parse::<SnapshotPath>().is_err(), "{text}");
    }
}

#[test]
fn sizes_have_units() {
    for (bytes, text) in
        [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1 << 30, "1.0 GiB"), ((1 << 20) - 1, "1.0 MiB")]
    {
        assert_eq!(size(bytes), text);
    }
}
