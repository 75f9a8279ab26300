//! Sources that make trouble, and checkpoints.

mod wide;

use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;

use super::*;
use crate::blob::MemoryStore;
use crate::content::WriteOptions;
use crate::format::CreateOptions;
use crate::snapshot::{Directory, Snapshot, Source as SnapshotSource};
use crate::{OpenOptions, Repository};

/// A folder whose children behave as their names say.
#[derive(Debug)]
struct Trouble(Vec<(&'static str, SourceKind)>);

fn attributes(kind: SourceKind) -> Attributes {
    let modified = Timestamp::from_second(1_700_000_000).unwrap();
    Attributes { kind, size: 10, mode: FileMode(0o750), modified, uid: 1, gid: 2 }
}

impl Source for Trouble {
    fn name(&self) -> OsString {
        "trouble".into()
    }

    fn root(&self) -> io::Result<SourceRoot> {
        Ok(SourceRoot::Folder)
    }

    fn folder(&self, path: &Path) -> io::Result<Arc<dyn SourceFolder>> {
        match path.to_str().unwrap() {
            "" => Ok(Arc::new(Self(self.0.clone()))),
            "sub" => Ok(Arc::new(Self(vec![("good", SourceKind::File)]))),
            "closed" => Err(ErrorKind::PermissionDenied.into()),
            _ => Err(ErrorKind::NotFound.into()),
        }
    }

    fn attributes(&self, path: &Path) -> io::Result<Attributes> {
        if path == Path::new("closed") {
            Ok(attributes(SourceKind::Folder))
        } else {
            Err(ErrorKind::NotFound.into())
        }
    }
}

impl SourceFolder for Trouble {
    fn attributes(&self) -> io::Result<Attributes> {
        Ok(attributes(SourceKind::Folder))
    }

    fn xattrs(&self) -> crate::snapshot::Xattrs {
        Some(Box::new([("user.kind".to_owned(), "00".to_owned())].into()))
    }

    fn children(&self, take: &mut dyn FnMut(Child) -> io::Result<()>) -> io::Result<()> {
        let mut children = self.0.iter().map(|(name, kind)| Child { name: name.into(), kind: Some(*kind) });
        children.try_for_each(take)
    }

    fn child(&self, name: &OsStr) -> io::Result<Attributes> {
        Ok(attributes(match name.to_str().unwrap() {
            "socket" => SourceKind::Special,
            "link" => SourceKind::Link,
            _ => SourceKind::File,
        }))
    }

    fn open(&self, name: &OsStr) -> io::Result<Box<dyn SourceFile + '_>> {
        let length = match name.to_str().unwrap() {
            "vanished" => return Err(ErrorKind::NotFound.into()),
            "denied" => return Err(ErrorKind::PermissionDenied.into()),
            "grown" => 5000,
            "shrunk" => 3,
            _ => 10,
        };
        Ok(Box::new(Bytes(io::repeat(7).take(length))))
    }

    fn read_link(&self, _name: &OsStr) -> io::Result<Vec<u8>> {
        Ok(b"target".to_vec())
    }
}

struct Bytes<R>(R);

impl<R: Read> Read for Bytes<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<R: Read> SourceFile for Bytes<R> {
    fn attributes(&self) -> io::Result<Attributes> {
        Ok(attributes(SourceKind::File))
    }
}

async fn repository() -> Repository {
    let store = Arc::new(MemoryStore::default());
    Repository::create(store, "x", &CreateOptions::default(), OpenOptions::default()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_vanishes_changes_or_cannot_be_read_is_counted_and_named() {
    let repository = repository().await;
    let writer = repository.writer(WriteOptions::default()).unwrap();
    let (file, folder) = (SourceKind::File, SourceKind::Folder);
    let children = vec![
        ("closed", folder),
        ("denied", file),
        ("good", file),
        ("grown", file),
        ("link", SourceKind::Link),
        ("lost", folder),
        ("shrunk", file),
        ("socket", SourceKind::Special),
        ("sub", folder),
        ("vanished", file),
    ];
    let source = Arc::new(Trouble(children));
    let uploaded = upload_source(&writer, source, None, UploadOptions::default()).await.unwrap();
    assert_eq!((uploaded.changed, uploaded.special), (2, 1));
    assert_eq!((uploaded.stats.error_count, uploaded.stats.ignored_error_count), (2, 2));
    let mut named: Vec<_> = uploaded.failures.iter().map(|failure| failure.path.as_str()).collect();
    named.sort_unstable();
    assert_eq!(named, ["closed", "denied"]);
    writer.flush().await.unwrap();
    let root = Directory::read(repository.contents(), uploaded.root.object().unwrap()).await.unwrap();
    let found: Vec<_> = root.entries.iter().map(|entry| (entry.name.as_str(), entry.size)).collect();
    assert_eq!(found, [("closed", 0), ("sub", 0), ("good", 10), ("grown", 5000), ("link", 6), ("shrunk", 3)]);
    assert!(root.entries[1].xattrs.is_some() && root.entries[0].xattrs.is_none());
    let summary = root.summary.unwrap();
    assert_eq!((summary.files, summary.dirs, summary.num_failed, summary.num_ignored_errors), (4, 3, 2, 2));
}

/// A folder whose second file goes on when a checkpoint was saved.
#[derive(Debug)]
struct Waiting(Arc<Mutex<Receiver<()>>>);

impl Source for Waiting {
    fn name(&self) -> OsString {
        "waiting".into()
    }

    fn root(&self) -> io::Result<SourceRoot> {
        Ok(SourceRoot::Folder)
    }

    fn folder(&self, _path: &Path) -> io::Result<Arc<dyn SourceFolder>> {
        Ok(Arc::new(Self(self.0.clone())))
    }

    fn attributes(&self, _path: &Path) -> io::Result<Attributes> {
        Ok(attributes(SourceKind::Folder))
    }
}

impl SourceFolder for Waiting {
    fn attributes(&self) -> io::Result<Attributes> {
        Ok(attributes(SourceKind::Folder))
    }

    fn children(&self, take: &mut dyn FnMut(Child) -> io::Result<()>) -> io::Result<()> {
        // More than one batch, so that the first is done when the second waits.
        let name = |number| Child { name: format!("{number:04}").into(), kind: Some(SourceKind::File) };
        (0..600).map(name).try_for_each(take)
    }

    fn child(&self, _name: &OsStr) -> io::Result<Attributes> {
        Ok(attributes(SourceKind::File))
    }

    fn open(&self, name: &OsStr) -> io::Result<Box<dyn SourceFile + '_>> {
        if name == "0599" {
            self.0.lock().unwrap().recv().map_err(io::Error::other)?;
        }
        Ok(Box::new(Bytes(io::repeat(9).take(10))))
    }

    fn read_link(&self, _name: &OsStr) -> io::Result<Vec<u8>> {
        Err(ErrorKind::NotFound.into())
    }
}

/// Tells that a checkpoint was saved.
#[derive(Debug)]
struct Telling(Arc<SnapshotCheckpoints>, Sender<()>);

impl SaveCheckpoint for Telling {
    fn save(&self, so_far: Uploaded) -> Result<()> {
        let enough = so_far.root.summary.as_ref().is_some_and(|below| below.files >= 512);
        self.0.save(so_far)?;
        if enough {
            let _ = self.1.send(());
        }
        Ok(())
    }
}

async fn snapshots(repository: &Repository) -> Vec<Snapshot> {
    crate::snapshot::list(&repository.manifests().await.unwrap(), None).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkpoint_holds_what_is_stored_so_far_and_goes_with_the_whole_snapshot() {
    let repository = repository().await;
    let writer = Arc::new(repository.writer(WriteOptions::default()).unwrap());
    let snapshot = Snapshot {
        id: String::new(),
        source: SnapshotSource { host: "h".into(), user_name: "u".into(), path: "p".into() },
        description: "long".into(),
        start_time: Timestamp::UNIX_EPOCH,
        end_time: Timestamp::UNIX_EPOCH,
        stats: Stats::default(),
        incomplete: None,
        root_entry: None,
        tags: [].into(),
        pins: vec!["pin".into()],
    };
    let saving = Arc::new(SnapshotCheckpoints::new(writer.clone(), snapshot.clone()));
    let (sender, receiver) = channel();
    let checkpoints =
        Checkpoints { every: Duration::from_millis(20), save: Arc::new(Telling(saving.clone(), sender)) };
    let options = UploadOptions { checkpoints: Some(checkpoints), threads: 2, ..UploadOptions::default() };
    let source = Arc::new(Waiting(Arc::new(Mutex::new(receiver))));
    let uploaded = upload_source(&writer, source, None, options).await.unwrap();
    assert_eq!(uploaded.root.summary.as_ref().unwrap().files, 600);

    let [checkpoint] = &snapshots(&repository).await[..] else { panic!("one checkpoint at a time") };
    assert_eq!(checkpoint.incomplete.as_deref(), Some(CHECKPOINT));
    assert!(checkpoint.pins.is_empty() && !checkpoint.is_complete());
    let below = checkpoint.root().unwrap().summary.as_ref().unwrap();
    assert!(below.files >= 512 && below.incomplete.is_some(), "{below:?}");

    saving.discard();
    let root_entry = Some(uploaded.root);
    writer.put_snapshot(&Snapshot { root_entry, ..snapshot }).unwrap();
    writer.flush().await.unwrap();
    let [whole] = &snapshots(&repository).await[..] else { panic!("the checkpoint is gone") };
    assert!(whole.is_complete());
}
