//! Repositories of every version and with error correction, as we write them; what becomes of the format under a session.

use std::io::Write;
use std::sync::Arc;

use jiff::SignedDuration;

use crate::blob::{BlobStore, BlobStoreExt, MemoryStore, PutOptions};
use crate::clock::FrozenClock;
use crate::content::WriteOptions;
use crate::format::{CreateOptions, FORMAT_BLOB, Format, recover};
use crate::maintenance::{self, MaintenanceOptions, Mode};
use crate::object::{Document, ObjectReader, write_bytes};
use crate::testdata::{PASSWORD, splitmix64};
use crate::verify::{VerifyOptions, verify};
use crate::{Error, OpenOptions, Prefix, Repository};

fn kinds() -> Vec<CreateOptions> {
    let kind = |version, hash: &str, encryption: &str, splitter: &str, ecc_overhead_percent| CreateOptions {
        version,
        hash: hash.into(),
        encryption: encryption.into(),
        splitter: splitter.into(),
        ecc_overhead_percent,
        ..CreateOptions::default()
    };
    let (aes, chacha) = ("AES256-GCM-HMAC-SHA256", "CHACHA20-POLY1305-HMAC-SHA256");
    vec![
        kind(1, "BLAKE2B-256-128", aes, "DYNAMIC-4M-BUZHASH", 0),
        kind(1, "HMAC-SHA224", chacha, "FIXED-128K", 0),
        kind(2, "BLAKE3-256", chacha, "DYNAMIC-128K-RABINKARP", 0),
        kind(3, "BLAKE2S-128", aes, "FIXED-128K", 2),
        kind(3, "HMAC-SHA3-256", aes, "DYNAMIC-128K-BUZHASH", 10),
    ]
}

async fn written(store: &MemoryStore, options: &CreateOptions) -> Repository {
    let store = Arc::new(store.clone());
    let repository = Repository::create(store, PASSWORD, options, OpenOptions::default()).await.unwrap();
    let writer = repository.writer(WriteOptions::default()).unwrap();
    let contents = writer.contents().clone();
    let write = move || {
        for size in [0, 1, 100, 5000, 300_000] {
            let data = splitmix64(size as u64, size);
            contents.write(None, &data, false).unwrap();
            contents.write(Some(Prefix::INDIRECT), &vec![b'a'; size], true).unwrap();
        }
    };
    tokio::task::spawn_blocking(write).await.unwrap();
    writer.put_manifest([("type".to_owned(), "test".to_owned())].into(), &"<&>").unwrap();
    writer.flush().await.unwrap();
    repository
}

async fn open(store: &MemoryStore) -> Repository {
    Repository::open(Arc::new(store.clone()), PASSWORD, OpenOptions::default()).await.unwrap()
}

pub(super) async fn sound(repository: &Repository) -> u64 {
    let options = VerifyOptions { read_percent: 100.0, ..VerifyOptions::default() };
    let report = verify(repository, &options).await.unwrap();
    assert!(report.is_sound(), "{:?}", report.problems);
    report.read
}

#[tokio::test]
async fn repositories_of_every_kind_are_written_and_read() {
    for options in kinds() {
        let store = MemoryStore::default();
        written(&store, &options).await;
        let repository = open(&store).await;
        assert_eq!(sound(&repository).await, 11, "{options:?}");
        assert_eq!(repository.manifests().await.unwrap().iter().count(), 1);
        for letter in ["p", "q"] {
            let pack = store.list_sorted(letter).await.unwrap().remove(0).id;
            assert!(repository.contents().pack_entries(&pack).await.unwrap().len() >= 5, "{options:?}");
        }
        let (legacy, epochs) =
            (store.list_sorted("n").await.unwrap().len(), store.list_sorted("xn").await.unwrap().len());
        assert_eq!((legacy, epochs), if options.version == 1 { (1, 0) } else { (0, 1) });
        let maintained = maintenance::run(
            &repository,
            &MaintenanceOptions { mode: Mode::Full, force: true, ..MaintenanceOptions::default() },
        )
        .await;
        assert_eq!(maintained.is_ok(), options.version > 1);
    }
}

#[tokio::test]
async fn documents_are_cut_as_the_repository_cuts_files() {
    let store = MemoryStore::default();
    let options = CreateOptions { splitter: "FIXED-128K".into(), ..CreateOptions::default() };
    let repository = written(&store, &options).await;
    let writer = repository.writer(WriteOptions::default()).unwrap();
    let contents = writer.contents().clone();
    let data = splitmix64(1, 300_000);
    let write = move || {
        let whole = write_bytes(&contents, Prefix::DIRECTORY, &data, false).unwrap();
        for step in [1000, 131_072, 200_000] {
            let mut document = Document::new(&contents, Prefix::DIRECTORY, false, 0).unwrap();
            data.chunks(step).for_each(|part| document.write_all(part).unwrap());
            assert_eq!(document.finish(Ok(())).unwrap(), whole);
        }
        whole
    };
    let object = tokio::task::spawn_blocking(write).await.unwrap();
    writer.flush().await.unwrap();
    assert!(object.to_string().starts_with("Ik"));
    let reader = ObjectReader::open(repository.contents(), object).await.unwrap();
    let lengths: Vec<_> = reader.pieces().iter().map(|piece| piece.length).collect();
    assert_eq!(lengths, [131_072, 131_072, 37_856]);
}

#[tokio::test]
async fn damage_is_mended_where_there_is_error_correction() {
    for options in kinds().into_iter().filter(|options| options.ecc_overhead_percent > 0) {
        let store = MemoryStore::default();
        written(&store, &options).await;
        for blob in store.list_sorted("").await.unwrap() {
            if !blob.id.starts_with(['x', 'p', 'q']) {
                continue;
            }
            let mut bytes = store.get(&blob.id, None).await.unwrap().to_vec();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x40;
            store.put(&blob.id, bytes.into(), PutOptions::default()).await.unwrap();
        }
        assert_eq!(sound(&open(&store).await).await, 11);
    }
}

#[tokio::test]
async fn a_lost_format_blob_comes_back_from_a_pack_or_a_backup() {
    let store = MemoryStore::default();
    written(&store, &kinds()[0]).await;
    let format = store.get(FORMAT_BLOB, None).await.unwrap();
    assert!(matches!(recover(&store).await, Err(Error::AlreadyExists)));
    store.delete(FORMAT_BLOB).await.unwrap();
    recover(&store).await.unwrap();
    assert_eq!(store.get(FORMAT_BLOB, None).await.unwrap(), format);
    assert_eq!(sound(&open(&store).await).await, 11);
    let other = MemoryStore::default();
    assert!(recover(&other).await.unwrap_err().is_not_found());
    other.put("kopia.repository.backup.me", format.clone(), PutOptions::default()).await.unwrap();
    recover(&other).await.unwrap();
    assert_eq!(other.get(FORMAT_BLOB, None).await.unwrap(), format);
}

#[tokio::test]
async fn a_long_session_sees_what_became_of_the_format() {
    let clock = Arc::new(FrozenClock::new("2026-11-21T12:00:00Z".parse().unwrap()));
    let store = MemoryStore::new(clock.clone());
    let options = OpenOptions { clock: clock.clone(), ..OpenOptions::default() };
    let repository =
        Repository::create(Arc::new(store.clone()), PASSWORD, &CreateOptions::default(), options)
            .await
            .unwrap();
    let writer = repository.writer(WriteOptions::default()).unwrap();
    Format::change_password(&store, PASSWORD, "new").await.unwrap();
    writer.contents().write_async(None, "a".into(), false).await.unwrap();
    writer.flush().await.unwrap();
    clock.advance(SignedDuration::from_mins(16));
    writer.contents().write_async(None, "b".into(), false).await.unwrap();
    assert!(matches!(writer.flush().await, Err(Error::InvalidPassword)));
    assert!(matches!(repository.contents().refresh().await, Err(Error::InvalidPassword)));
}

#[tokio::test]
async fn no_secret_is_printed() {
    let repository = written(&MemoryStore::default(), &kinds()[0]).await;
    let parameters = repository.format().parameters();
    let printed =
        format!("{repository:?} {:?} {:?}", repository.format(), repository.writer(WriteOptions::default()));
    for secret in
        [parameters.secret.expose(), parameters.master_key.expose(), &**repository.format().maintenance_key()]
    {
        assert!(!printed.contains(&hex::encode(secret)) && !printed.contains(&format!("{secret:?}")));
        assert!(!printed.contains(&format!("{}, {}, {}", secret[0], secret[1], secret[2])));
    }
}
