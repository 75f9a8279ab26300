//! A mounted snapshot beside what a restore of it brings.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use kopia::restore::RestoreOptions;

use super::mount;
use crate::cli::repo::restore::restore_entry;
use crate::cli::repo::tests::{kopia_folder, open, plant};

/// What can be seen of a file: mode, owner, group, time, and content or target.
type Seen = (u32, u32, u32, i64, Vec<u8>);

fn seen(top: &Path) -> BTreeMap<PathBuf, Seen> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![top.to_owned()]);
    while let Some(folder) = folders.pop() {
        for child in fs_err::read_dir(folder).unwrap() {
            let path = child.unwrap().path();
            let about = fs_err::symlink_metadata(&path).unwrap();
            let bytes = if about.is_dir() {
                folders.push(path.clone());
                Vec::new()
            } else if about.is_symlink() {
                fs_err::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
            } else {
                let bytes = fs_err::read(&path).unwrap();
                assert_eq!(bytes.len() as u64, about.len());
                bytes
            };
            let about = (about.mode(), about.uid(), about.gid(), about.mtime(), bytes);
            found.insert(path.strip_prefix(top).unwrap().to_owned(), about);
        }
    }
    found
}

/// Whether this process may mount: it can open the device, and has the right to.
fn may_mount() -> bool {
    const SYS_ADMIN: u64 = 1 << 21;
    let status = fs_err::read_to_string("/proc/self/status").unwrap_or_default();
    let rights = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap_or("0").trim();
    let has_right = u64::from_str_radix(rights, 16).is_ok_and(|rights| rights & SYS_ADMIN != 0);
    has_right && std::fs::File::options().read(true).write(true).open("/dev/fuse").is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mounted_snapshot_is_the_tree_that_a_restore_brings() {
    if !may_mount() {
        eprintln!("left out: mounting needs /dev/fuse and the right to mount");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    plant(folder.path());
    let opened = open(folder.path(), &[]).await.unwrap();
    let snapshots = opened.snapshots().await.unwrap();
    for snapshot in &snapshots {
        let restored = folder.path().join(format!("restored-{}", snapshot.id));
        let shown = folder.path().join(format!("shown-{}", snapshot.id));
        fs_err::create_dir(&shown).unwrap();
        let root = snapshot.root().unwrap().clone();
        restore_entry(&opened, &root, &restored, RestoreOptions::default()).await.unwrap();
        let mounted = mount(&opened, root, &shown, "test,name".into(), false).unwrap();
        tokio::task::spawn_blocking(move || {
            assert_eq!(seen(&shown), seen(&restored));
            assert_eq!(fs_err::metadata(&shown).unwrap().mode(), fs_err::metadata(&restored).unwrap().mode());
            let refused = std::fs::write(shown.join("new"), "x").unwrap_err();
            assert_eq!(refused.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
            assert_eq!(
                fs_err::metadata(shown.join("missing")).unwrap_err().kind(),
                std::io::ErrorKind::NotFound
            );
            mounted.umount_and_join().unwrap();
            assert_eq!(fs_err::read_dir(&shown).unwrap().count(), 0);
        })
        .await
        .unwrap();
    }
    assert!(snapshots.len() >= 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_mounted_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let place = kopia_folder(folder.path()).await;
    let password = folder.path().join("password");
    fs_err::write(&password, "secret").unwrap();
    let opened = open(&place, &["--password-file", password.to_str().unwrap()]).await.unwrap();
    for snapshot in opened.snapshots().await.unwrap() {
        let path =
            format!("{}/{}", snapshot.id, if snapshot.source.path == "/tree" { "sub/file" } else { "" });
        let (_, entry) = opened.entry(&path.parse().unwrap()).await.unwrap();
        let is_file = entry.kind == kopia::snapshot::EntryKind::File;
        let error = mount(&opened, entry, &folder.path().join("missing"), String::new(), false);
        let hint = crate::failure::explain(&error.err().unwrap()).hints.join(" ");
        let expected = if is_file { "repo cat" } else { "fuse" };
        assert!(hint.contains(expected), "{hint}");
    }
}
