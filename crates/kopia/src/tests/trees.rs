//! File trees go in and come out again as they were.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fs_err as fs;

use super::{create, open};
use crate::Repository;
use crate::blob::{BlobStore, BlobStoreExt, MemoryStore, PutOptions};
use crate::content::WriteOptions;
use crate::error::chain;
use crate::restore::{self, RestoreOptions, Restored};
use crate::snapshot::{Directory, DirectoryEntry, EntryKind, FileMode, Snapshot, Source};
use crate::testdata::{flat, path, splitmix64};
use crate::upload::{self, UploadOptions, Uploaded};

fn plant(root: &Path) {
    for dir in ["empty", "sub/deep/deeper", "sub/<&>"] {
        fs::create_dir_all(root.join(dir)).unwrap();
    }
    for (name, size) in [
        ("zero", 0),
        ("small", 10),
        ("sub/medium", 100_000),
        ("sub/deep/big", 9_000_000),
        ("big", 12_000_000),
    ] {
        fs::write(root.join(name), splitmix64(size as u64, size)).unwrap();
    }
    fs::write(root.join("sub/again"), splitmix64(9_000_000, 9_000_000)).unwrap();
    fs::write(root.join(OsStr::from_bytes(b"caf\xe9")), "latin").unwrap();
    fs::write(root.join(OsStr::from_bytes(b"caf\xe8")), "other").unwrap();
    for number in 0..1500 {
        fs::write(root.join(format!("sub/deep/deeper/{number}")), format!("file {number}")).unwrap();
    }
    symlink("sub/../small", root.join("link")).unwrap();
    symlink("/nowhere", root.join("dangling")).unwrap();
    fs::set_permissions(root.join("small"), std::fs::Permissions::from_mode(0o4751)).unwrap();
    fs::set_permissions(root.join("sub/<&>"), std::fs::Permissions::from_mode(0o1700)).unwrap();
    let old = std::time::UNIX_EPOCH + std::time::Duration::new(1_600_000_000, 123_456_789);
    std::fs::File::open(root.join("small")).unwrap().set_modified(old).unwrap();
    std::fs::File::open(root.join("empty")).unwrap().set_modified(old).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, root.join("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0)
        .unwrap();
    // Not every file system has attributes.
    let _ = xattr::set(root.join("small"), "user.colour", b"blue");
}

/// Everything below a folder: path → kind, mode, owner, time, and content or target.
fn look(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let meta = fs::symlink_metadata(&path).unwrap();
            let content = if meta.is_dir() {
                folders.push(path.clone());
                String::new()
            } else if meta.is_symlink() {
                format!("{:?}", fs::read_link(&path).unwrap())
            } else if meta.is_file() {
                let attribute = xattr::get(&path, "user.colour").ok().flatten();
                format!("{:?} {attribute:?}", blake3::hash(&fs::read(&path).unwrap()))
            } else {
                continue;
            };
            let owner = (meta.mode(), meta.uid(), meta.gid(), meta.mtime(), meta.mtime_nsec());
            found.insert(path.strip_prefix(root).unwrap().to_owned(), format!("{owner:?} {content}"));
        }
    }
    found
}

async fn upload(repository: &Repository, root: &Path, parent: Option<DirectoryEntry>) -> (Uploaded, String) {
    let writer = repository.writer(WriteOptions { max_pending: 500, ..WriteOptions::default() }).unwrap();
    let uploaded = upload::upload_tree(&writer, root, parent, UploadOptions::default()).await.unwrap();
    let source = Source { host: "default".into(), user_name: "default".into(), path: "some/where".into() };
    let snapshot = Snapshot {
        description: "test".into(),
        tags: [("backup".to_owned(), "b1".to_owned())].into(),
        pins: vec!["pin".into()],
        ..uploaded.clone().snapshot(source)
    };
    let id = writer.put_snapshot(&snapshot).unwrap();
    writer.flush().await.unwrap();
    (uploaded, id)
}

async fn restore_to(repository: &Repository, root: &DirectoryEntry, target: &Path) -> Restored {
    restore::restore_tree(repository, root, target, RestoreOptions::default()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tree_comes_back_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (folder.path().join("source"), folder.path().join("target"));
    plant(&source);
    let store = Arc::new(MemoryStore::default());
    let (uploaded, id) = upload(&create(store.clone()).await, &source, None).await;
    assert_eq!((uploaded.stats.error_count, uploaded.special, uploaded.changed), (0, 1, 0));
    assert_eq!((uploaded.stats.dir_count, uploaded.stats.file_count), (6, 1510));

    let repository = open(store.clone()).await;
    let manifests = repository.manifests().await.unwrap();
    let snapshot = Snapshot::from_manifest(manifests.get(&id).unwrap()).unwrap();
    assert_eq!(snapshot.tags["backup"], "b1");
    let root = snapshot.root().unwrap();
    let below = root.summary.as_ref().unwrap();
    assert_eq!((below.files, below.symlinks, below.dirs), (1508, 2, 6));
    let restored = restore_to(&repository, root, &target).await;
    assert_eq!((restored.failed, restored.files, restored.symlinks, restored.directories), (0, 1508, 2, 6));
    let mut expected = look(&source);
    expected.retain(|path, _| path != Path::new("pipe"));
    assert_eq!(look(&target), expected);
    let again =
        crate::snapshot::entry_at(repository.contents(), root, Path::new("/sub/again")).await.unwrap();
    assert_eq!((again.size, again.kind), (9_000_000, EntryKind::File));
    assert!(crate::snapshot::entry_at(repository.contents(), root, Path::new("sub/missing")).await.is_err());
    // Once more, over what is there.
    assert_eq!(restore_to(&repository, root, &target).await.failed, 0);
    assert_eq!(look(&target), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unchanged_tree_is_not_read_again_and_a_changed_file_is() {
    let folder = tempfile::tempdir().unwrap();
    plant(folder.path());
    let store = Arc::new(MemoryStore::default());
    let repository = create(store.clone()).await;
    let (first, _) = upload(&repository, folder.path(), None).await;
    let packs = store.list_sorted("p").await.unwrap().len();
    let (second, _) = upload(&repository, folder.path(), Some(first.root.clone())).await;
    assert_eq!((second.stats.cached_files, second.stats.file_count), (1508, 2));
    assert_eq!(second.root.object, first.root.object);
    assert_eq!(store.list_sorted("p").await.unwrap().len(), packs);
    fs::OpenOptions::new()
        .append(true)
        .open(folder.path().join("sub/medium"))
        .unwrap()
        .write_all(b"more")
        .unwrap();
    let (third, _) = upload(&repository, folder.path(), Some(second.root.clone())).await;
    assert_eq!((third.stats.cached_files, third.stats.file_count), (1507, 3));
    assert_ne!(third.root.object, first.root.object);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_velero_is_restored_as_velero_restores_it() {
    let repository = open(flat("velero-fsb").await).await;
    let manifests = repository.manifests().await.unwrap();
    let expected = fs::read_to_string(path("velero-fsb.manifest.txt")).unwrap();
    let mut checked = 0;
    for snapshot in crate::snapshot::list(&manifests, None).unwrap() {
        let folder = tempfile::tempdir().unwrap();
        let restored = restore_to(&repository, snapshot.root().unwrap(), folder.path()).await;
        assert_eq!(restored.failed, 0, "{:?}", restored.failures);
        for line in expected.lines().filter(|line| line.starts_with("f ") && !line.contains("\\udc")) {
            let fields: Vec<&str> = line.split(' ').collect();
            let quoted = &line[line.find('"').unwrap()..];
            let name =
                serde_json::Deserializer::from_str(quoted).into_iter::<String>().next().unwrap().unwrap();
            let Ok(meta) = fs::symlink_metadata(folder.path().join(&name)) else { continue };
            let mtime = i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec());
            assert_eq!(
                (meta.size().to_string(), mtime.to_string()),
                (fields[3].into(), fields[4].into()),
                "{name}"
            );
            assert_eq!(format!("{:04o}", meta.mode() & 0o7777), fields[1], "{name}");
            checked += 1;
        }
    }
    assert!(checked > 10, "{checked}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_files_are_named_and_the_others_restored() {
    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (folder.path().join("source"), folder.path().join("target"));
    plant(&source);
    let store = Arc::new(MemoryStore::default());
    let repository = create(store.clone()).await;
    let (uploaded, _) = upload(&repository, &source, None).await;
    damage(&store).await;
    let restored = restore_to(&repository, &uploaded.root, &target).await;
    assert!(restored.failed >= 1 && restored.files >= 1400, "{restored:?}");
    assert!(restored.failures[0].error.contains("does not decrypt"), "{:?}", restored.failures);
    assert!(!target.join(&restored.failures[0].path).exists());
    let found = look(&target);
    let expected = look(&source);
    for (path, seen) in found.iter().filter(|(path, _)| target.join(path).is_file()) {
        assert_eq!(Some(seen), expected.get(path));
    }
}

/// Flips a bit in the first content of the only pack of data.
async fn damage(store: &MemoryStore) {
    let pack = store.list_sorted("p").await.unwrap().remove(0).id;
    let mut bytes = store.get(&pack, None).await.unwrap().to_vec();
    bytes[40] ^= 1;
    store.put(&pack, bytes.into(), PutOptions::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn equal_files_that_are_damaged_are_named_each() {
    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (folder.path().join("source"), folder.path().join("target"));
    fs::create_dir(&source).unwrap();
    for name in ["a", "b", "c"] {
        fs::write(source.join(name), splitmix64(7, 5000)).unwrap();
    }
    let store = Arc::new(MemoryStore::default());
    let repository = create(store.clone()).await;
    let (uploaded, _) = upload(&repository, &source, None).await;
    damage(&store).await;
    let restored = restore_to(&repository, &uploaded.root, &target).await;
    let named: Vec<_> = restored.failures.iter().map(|failure| failure.path.as_str()).collect();
    assert_eq!((restored.failed, restored.files, named), (3, 0, vec!["a", "b", "c"]));
    assert_eq!(fs::read_dir(&target).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_stream_ends_its_restore_with_the_reason() {
    let store = Arc::new(MemoryStore::default());
    let repository = create(store.clone()).await;
    let writer = repository.writer(WriteOptions::default()).unwrap();
    let source = Box::new(std::io::Cursor::new(splitmix64(3, 9_000_000)));
    let uploaded =
        upload::upload_stream(&writer, "/dev/xvda", source, UploadOptions::default()).await.unwrap();
    writer.flush().await.unwrap();
    damage(&store).await;
    let entry = restore::only_entry(&repository, &uploaded.root).await.unwrap();
    let target = Arc::new(tempfile::tempfile().unwrap());
    let options = RestoreOptions::default();
    let restored = restore::restore_object(&repository, entry.object().unwrap(), target, &options).await;
    assert!(restored.unwrap_err().to_string().contains("does not decrypt"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_cannot_lead_out_of_the_target() {
    let folder = tempfile::tempdir().unwrap();
    let repository = create(Arc::new(MemoryStore::default())).await;
    let writer = repository.writer(WriteOptions::default()).unwrap();
    let content = writer.contents().write_async(None, "evil".into(), false).await.unwrap();
    let entry = |name: &str| DirectoryEntry {
        object: Some(crate::object::ObjectId::direct(content)),
        ..DirectoryEntry::new(name.as_ref(), EntryKind::File)
    };
    let names = ["../evil", "/evil", "..", ".", "", "a/b", "a\0b"];
    let mut entries: Vec<_> = names.map(entry).into();
    entries.push(DirectoryEntry { mode: FileMode(0o644), ..entry("good") });
    let summary = crate::snapshot::Summary::of(&entries, jiff::Timestamp::UNIX_EPOCH);
    let json = Directory::new(entries, summary).to_json().unwrap();
    let listing =
        writer.contents().write_async(Some(crate::Prefix::DIRECTORY), json.into(), false).await.unwrap();
    writer.flush().await.unwrap();
    let root = DirectoryEntry {
        object: Some(crate::object::ObjectId::direct(listing)),
        ..DirectoryEntry::new("root".as_ref(), EntryKind::Directory)
    };
    let root = DirectoryEntry { mode: FileMode(0o755), ..root };
    let target = folder.path().join("target");
    let restored = restore_to(&repository, &root, &target).await;
    assert_eq!((restored.failed, restored.files), (names.len() as u64, 1));
    // A link that stands where a folder should be is not followed.
    let outside = folder.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::remove_file(target.join("good")).unwrap();
    symlink(&outside, target.join("good")).unwrap();
    restore_to(&repository, &root, &target).await;
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    assert_eq!(fs::read(target.join("good")).unwrap(), b"evil");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_is_stored_like_a_block_device_and_read_back() {
    let repository = create(Arc::new(MemoryStore::default())).await;
    let writer = repository.writer(WriteOptions::default()).unwrap();
    let data = splitmix64(3, 14_000_000);
    let source = Box::new(std::io::Cursor::new(data.clone()));
    let uploaded =
        upload::upload_stream(&writer, "/dev/xvda", source, UploadOptions::default()).await.unwrap();
    writer.flush().await.unwrap();
    assert_eq!(uploaded.root.modified.to_string(), "1754-08-30T22:43:41.128654848Z");
    let entry = restore::only_entry(&repository, &uploaded.root).await.unwrap();
    assert_eq!((entry.name.as_str(), entry.size), ("/dev/xvda", data.len() as u64));
    let file = tempfile::NamedTempFile::new().unwrap();
    let target = Arc::new(file.reopen().unwrap());
    let options = RestoreOptions::default();
    restore::restore_object(&repository, entry.object().unwrap(), target, &options).await.unwrap();
    assert!(fs::read(file.path()).unwrap() == data);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_upload_ends_at_once() {
    let folder = tempfile::tempdir().unwrap();
    plant(folder.path());
    let repository = create(Arc::new(MemoryStore::default())).await;
    let writer = repository.writer(WriteOptions::default()).unwrap();
    let options = UploadOptions::default();
    options.cancel.cancel();
    let error = upload::upload_tree(&writer, folder.path(), None, options).await.unwrap_err();
    assert_eq!(chain(&error), "cancelled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocks_of_zeros_become_holes_when_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let data = [vec![0; 6 << 20], splitmix64(1, 100_000), vec![0; 6 << 20]].concat();
    let source = folder.path().join("source");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("file"), &data).unwrap();
    let repository = create(Arc::new(MemoryStore::default())).await;
    let (uploaded, _) = upload(&repository, &source, None).await;
    for sparse in [false, true] {
        let target = folder.path().join(format!("target-{sparse}"));
        let options = RestoreOptions { sparse, ..RestoreOptions::default() };
        restore::restore_tree(&repository, &uploaded.root, &target, options).await.unwrap();
        let file = target.join("file");
        assert!(fs::read(&file).unwrap() == data);
        assert_eq!(fs::metadata(&file).unwrap().blocks() * 512 < 1 << 20, sparse);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attributes_set_later_are_found_though_the_file_is_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a", "b"] {
        fs::write(folder.path().join(name), name).unwrap();
    }
    let repository = create(Arc::new(MemoryStore::default())).await;
    let (first, _) = upload(&repository, folder.path(), None).await;
    if xattr::set(folder.path().join("b"), "user.colour", b"blue").is_err() {
        eprintln!("left out: this file system has no attributes");
        return;
    }
    let (second, _) = upload(&repository, folder.path(), Some(first.root.clone())).await;
    assert_eq!((second.stats.cached_files, second.stats.file_count), (2, 0));
    let entries =
        Directory::read(repository.contents(), second.root.object().unwrap()).await.unwrap().entries;
    let attributes: Vec<_> = entries.iter().map(|entry| entry.xattrs.clone()).collect();
    let blue = [("user.colour".to_owned(), hex::encode("blue"))];
    assert_eq!(attributes, [None, Some(Box::new(blue.into()))]);
}
