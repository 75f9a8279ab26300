//! Folders with more entries than fit into the memory for listings.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use crate::blob::MemoryStore;
use crate::maintenance::{self, MaintenanceOptions, Mode};
use crate::records::Allowance;
use crate::restore::{self, RestoreOptions};
use crate::snapshot::{DirectoryEntry, FileMode, Source as SnapshotSource};
use crate::tests::create;
use crate::upload::{
    Attributes, Child, Source, SourceFile, SourceFolder, SourceKind, SourceRoot, UploadOptions, Uploaded,
    tree,
};
use crate::verify::{VerifyOptions, verify};
use crate::{Repository, WriteOptions};

const FILES: usize = 20_000;
const FOLDERS: usize = 3_000;
/// Their listings take ten times as much.
const TIGHT: usize = 192 << 10;
/// What a list may keep though all is used, for each folder that is open at once.
const SLACK: usize = 8 * (TIGHT / 64 + 4096);

/// A folder with this many entries, whose names are in no order; in each folder is one file.
#[derive(Debug, Clone)]
struct Wide(bool);

fn attributes(kind: SourceKind) -> Attributes {
    let modified = Timestamp::from_second(1_700_000_000).unwrap();
    Attributes { kind, size: 6, mode: FileMode(0o755), modified, uid: 0, gid: 0 }
}

impl Source for Wide {
    fn name(&self) -> OsString {
        "wide".into()
    }

    fn root(&self) -> io::Result<SourceRoot> {
        Ok(SourceRoot::Folder)
    }

    fn folder(&self, path: &Path) -> io::Result<Arc<dyn SourceFolder>> {
        Ok(Arc::new(Self(path.as_os_str().is_empty())))
    }

    fn attributes(&self, _path: &Path) -> io::Result<Attributes> {
        Ok(attributes(SourceKind::Folder))
    }
}

impl SourceFolder for Wide {
    fn attributes(&self) -> io::Result<Attributes> {
        Ok(attributes(SourceKind::Folder))
    }

    fn children(&self, take: &mut dyn FnMut(Child) -> io::Result<()>) -> io::Result<()> {
        let count = if self.0 { FILES + FOLDERS } else { 1 };
        (0..count).try_for_each(|number| {
            let number = number * 7919 % count;
            let kind = if number < FILES { SourceKind::File } else { SourceKind::Folder };
            take(Child { name: format!("{number}-with-a-name").into(), kind: Some(kind) })
        })
    }

    fn child(&self, _name: &OsStr) -> io::Result<Attributes> {
        Ok(attributes(SourceKind::File))
    }

    fn open(&self, name: &OsStr) -> io::Result<Box<dyn SourceFile + '_>> {
        let text = format!("{:6.6}", name.to_string_lossy());
        Ok(Box::new(Text(io::Cursor::new(text.into_bytes()))))
    }

    fn read_link(&self, _name: &OsStr) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }
}

struct Text(io::Cursor<Vec<u8>>);

impl io::Read for Text {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl SourceFile for Text {
    fn attributes(&self) -> io::Result<Attributes> {
        Ok(attributes(SourceKind::File))
    }
}

async fn upload(
    repository: &Repository,
    parent: Option<DirectoryEntry>,
    listings: &Arc<Allowance>,
) -> Uploaded {
    let writer = repository.writer(WriteOptions::default()).unwrap();
    let (contents, listings) = (writer.contents().clone(), listings.clone());
    let run = move || {
        tree::run(&contents, Arc::new(Wide(true)), parent.as_ref(), &UploadOptions::default(), &listings)
    };
    let uploaded = tokio::task::spawn_blocking(run).await.unwrap().unwrap();
    let source = SnapshotSource { host: "h".into(), user_name: "u".into(), path: "p".into() };
    writer.put_snapshot(&uploaded.clone().snapshot(source)).unwrap();
    writer.flush().await.unwrap();
    uploaded
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_of_any_size_keeps_to_the_memory_for_listings() {
    let repository = create(Arc::new(MemoryStore::default())).await;
    let (ample, tight) = (Allowance::new(usize::MAX), Allowance::new(TIGHT));
    let first = upload(&repository, None, &tight).await;
    assert_eq!(
        (first.stats.non_cached_files, first.stats.dir_count),
        ((FILES + FOLDERS) as u64, 1 + FOLDERS as u64)
    );
    let second = upload(&repository, Some(first.root.clone()), &tight).await;
    assert_eq!((second.stats.non_cached_files, second.stats.cached_files), (0, (FILES + FOLDERS) as u64));
    assert!(tight.peak() <= TIGHT + SLACK, "{}", tight.peak());
    // What there is memory for comes to the same objects, to the byte.
    let plain = upload(&repository, None, &ample).await;
    assert!(ample.peak() > 10 * TIGHT, "{}", ample.peak());
    assert!(plain.root.object == first.root.object && second.root.object == first.root.object);
    assert!(verify(&repository, &VerifyOptions::default()).await.unwrap().is_sound());

    let listings = Allowance::new(TIGHT);
    let target = tempfile::tempdir().unwrap();
    let options = RestoreOptions::default();
    let run = restore::walk::run(
        repository.contents().clone(),
        first.root.clone(),
        target.path().into(),
        options,
        listings.clone(),
    );
    let restored = run.await.unwrap();
    assert_eq!((restored.files, restored.failed), ((FILES + FOLDERS) as u64, 0));
    assert!(listings.peak() <= TIGHT + SLACK, "{}", listings.peak());
    let names: HashSet<_> =
        fs_err::read_dir(target.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), FILES + FOLDERS);
    assert_eq!(fs_err::read(target.path().join("77-with-a-name")).unwrap(), b"77-wit");

    let options = MaintenanceOptions { mode: Mode::Full, force: true, ..MaintenanceOptions::default() };
    assert_eq!(maintenance::run(&repository, &options).await.unwrap().gc.deleted, 0);
}
