//! Repositories written by Go Kopia (and by Velero through it) are read fully and equal their listings.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::open;
use crate::blob::{BlobStore, BlobStoreExt, PutOptions};
use crate::object::ObjectReader;
use crate::snapshot::{self, Directory, DirectoryEntry, EntryKind, Snapshot};
use crate::testdata::{PASSWORD, flat, path, sharded};
use crate::{Error, OpenOptions, Repository};

/// What the listing says of the plaintext, as far as it can be told from it.
fn describes(line: &str, plain: &[u8]) -> bool {
    let line = line.trim();
    match line.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(quoted) => unquote(quoted) == plain,
        None => line.contains(&format!("{} bytes", plain.len())),
    }
}

/// The bytes of a Go string literal.
fn unquote(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        let (code, after) = rest[at + 1..].split_at(1);
        let number = |digits: usize| u32::from_str_radix(&after[..digits], 16).unwrap();
        rest = after;
        match code {
            "x" => {
                out.push(number(2) as u8);
                rest = &after[2..];
            }
            "u" => {
                out.extend(char::from_u32(number(4)).unwrap().to_string().as_bytes());
                rest = &after[4..];
            }
            simple => {
                let known = [("a", 7), ("b", 8), ("f", 12), ("n", 10), ("r", 13), ("t", 9), ("v", 11)];
                let byte = known.iter().find(|(letter, _)| *letter == simple).map(|(_, byte)| *byte);
                out.push(byte.unwrap_or(simple.as_bytes()[0]));
            }
        }
    }
    out.extend_from_slice(rest.as_bytes());
    out
}

async fn contents_equal_the_listing(repository: &Repository, listing: &str) -> usize {
    let contents = repository.contents();
    let expected: Vec<&str> = listing.lines().collect();
    let mut found = 0;
    for entry in contents.index().scan().unwrap() {
        let entry = entry.unwrap();
        let line = format!(
            "CONTENT {} del={} pack={} off={} len={} orig={} comp={:#x} fmtver={} ts={}",
            entry.id,
            entry.deleted,
            entry.pack,
            entry.offset,
            entry.packed_length,
            entry.original_length,
            entry.compression.0,
            entry.format_version,
            entry.timestamp,
        );
        let at =
            expected.iter().position(|known| **known == line).unwrap_or_else(|| panic!("unexpected {line}"));
        let stored = contents.store().get(&entry.pack, Some(entry.range())).await.unwrap();
        let mut buffer = contents.buffer();
        contents.check(&entry, &stored, &mut buffer).unwrap();
        let plain = contents.decode_into(&entry, &stored, (&mut buffer, 5)).unwrap();
        assert!(describes(expected[at + 1], &plain), "{line}: {}", expected[at + 1]);
        assert_eq!(contents.read(&entry.id).await.unwrap(), *plain);
        found += 1;
    }
    assert_eq!(found, expected.iter().filter(|line| line.starts_with("CONTENT ")).count());
    found
}

async fn manifests_equal_the_listing(repository: &Repository, listing: &str) {
    let manifests = repository.manifests().await.unwrap();
    let expected: Vec<&str> = listing.lines().collect();
    for manifest in manifests.iter() {
        let labels = serde_json::to_string(&manifest.labels).unwrap();
        let line = format!("MANIFEST {} labels={labels} mod={}", manifest.id, manifest.modified);
        let at =
            expected.iter().position(|known| **known == line).unwrap_or_else(|| panic!("unexpected {line}"));
        let document: serde_json::Value = serde_json::from_str(expected[at + 1].trim()).unwrap();
        assert_eq!(manifest.data::<serde_json::Value>().unwrap(), document, "{line}");
    }
    let count = expected.iter().filter(|line| line.starts_with("MANIFEST ")).count();
    assert_eq!(manifests.iter().count(), count);
}

/// Reads everything below a directory and answers `path sha256` of each file.
async fn walk(repository: &Repository, root: &DirectoryEntry, prefix: &str, out: &mut Vec<String>) {
    let directory = Directory::read(repository.contents(), root.object().unwrap()).await.unwrap();
    for entry in &directory.entries {
        let path = format!("{prefix}{}", entry.name);
        if entry.kind == EntryKind::Directory {
            Box::pin(walk(repository, entry, &format!("{path}/"), out)).await;
            continue;
        }
        let reader = ObjectReader::open(repository.contents(), entry.object().unwrap()).await.unwrap();
        let data = reader.read_all(1 << 30).await.unwrap();
        assert_eq!((data.len() as u64, reader.length()), (entry.size, entry.size), "{path}");
        out.push(format!("{path} {}", hex::encode(Sha256::digest(&data))));
    }
}

#[tokio::test]
async fn repositories_of_every_format_equal_their_listings() {
    for (name, contents) in [("v1", 16), ("v2", 17), ("v3", 19), ("ecc", 16), ("epoch", 55)] {
        let listing = fs_err::read_to_string(path(&format!("kopia-repo-{name}.expected.txt"))).unwrap();
        let repository = open(sharded(name)).await;
        let found = contents_equal_the_listing(&repository, &listing).await;
        if name == "epoch" {
            assert_eq!(found, contents);
        }
        manifests_equal_the_listing(&repository, &listing).await;
        for snapshot in snapshot::list(&repository.manifests().await.unwrap(), None).unwrap() {
            walk(&repository, snapshot.root().unwrap(), "", &mut Vec::new()).await;
        }
    }
}

#[tokio::test]
async fn directories_are_written_as_kopia_writes_them() {
    let repository = open(sharded("v3")).await;
    for entry in repository.contents().index().scan_prefix(crate::Prefix::DIRECTORY).unwrap() {
        let id = entry.unwrap().id;
        let stored = repository.contents().read(&id).await.unwrap();
        let object = crate::object::ObjectId::direct(id);
        let directory = Directory::read(repository.contents(), object).await.unwrap();
        let entries = directory.entries.clone();
        let written = Directory::new(entries, directory.summary.unwrap()).to_json().unwrap();
        assert_eq!(String::from_utf8(written), String::from_utf8(stored.to_vec()));
    }
}

#[tokio::test]
async fn buckets_written_by_velero_hold_what_was_backed_up() {
    for name in ["velero-fsb", "velero-datamove"] {
        let repository = open(flat(name).await).await;
        let manifest = fs_err::read_to_string(path(&format!("{name}.manifest.txt"))).unwrap();
        let manifests = repository.manifests().await.unwrap();
        let snapshots = snapshot::list(&manifests, None).unwrap();
        assert!(!snapshots.is_empty());
        let mut files = Vec::new();
        for snapshot in &snapshots {
            assert!(snapshot.is_complete());
            assert_eq!(
                (snapshot.description.as_str(), &snapshot.pins[..]),
                ("Kopia Uploader", &["velero-pin".to_owned()][..])
            );
            walk(&repository, snapshot.root().unwrap(), "", &mut files).await;
        }
        let mut checked = 0;
        for line in manifest.lines().filter(|line| line.starts_with("f ")) {
            let (meta, name) = line.split_once(" \"").unwrap();
            let sum = meta.rsplit(' ').next().unwrap();
            // Kopia does not keep names that are not UTF-8.
            if name.contains("\\udc") {
                continue;
            }
            let quoted = format!("\"{name}");
            let file =
                serde_json::Deserializer::from_str(&quoted).into_iter::<String>().next().unwrap().unwrap();
            assert!(files.contains(&format!("{file} {sum}")), "{file} of {name}");
            checked += 1;
        }
        assert!(checked > 5, "{name}: {checked} files");
    }
}

#[tokio::test]
async fn every_pack_ends_with_an_index_of_its_own() {
    let repository = open(sharded("v3")).await;
    for letter in ["p", "q"] {
        for blob in repository.store().list_sorted(letter).await.unwrap() {
            for entry in repository.contents().pack_entries(&blob.id).await.unwrap() {
                let known = repository.contents().entry(&entry.id).unwrap();
                assert!(*known.pack != *entry.pack || known == entry);
            }
        }
    }
}

#[tokio::test]
async fn damage_in_any_blob_is_found_and_named() {
    let pristine = flat("velero-fsb").await;
    let blobs: Vec<_> = pristine.list_sorted("").await.unwrap().into_iter().map(|blob| blob.id).collect();
    for id in blobs.iter().filter(|id| "xpq".contains(&id[..1])) {
        let whole = pristine.get(id, None).await.unwrap();
        for (case, bytes) in [("flipped", flipped(&whole)), ("cut", whole[..40].to_vec())] {
            let store = Arc::new(pristine.fork());
            store.put(id, bytes.into(), PutOptions::default()).await.unwrap();
            let result = read_everything(store).await;
            let text = result.as_ref().err().map(|error| crate::error::chain(error)).unwrap_or_default();
            let padding_only = id.starts_with(['p', 'q']) && case == "flipped";
            assert!(
                text.contains(id.as_str()) || text.contains("content ") || padding_only,
                "{case} {id}: {text}"
            );
        }
    }
}

fn flipped(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[40] ^= 1;
    bytes
}

async fn read_everything(store: Arc<dyn BlobStore>) -> Result<(), Error> {
    let repository = Repository::open(store, PASSWORD, OpenOptions::default()).await?;
    for entry in repository.contents().index().scan()? {
        repository.contents().read(&entry?.id).await?;
    }
    let manifests = repository.manifests().await?;
    snapshot::list(&manifests, None).map(|snapshots: Vec<Snapshot>| assert!(!snapshots.is_empty()))
}
