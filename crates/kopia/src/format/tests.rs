use std::sync::Arc;

use bytes::Bytes;

use super::*;
use crate::blob::{Fault, FaultyStore, MemoryStore};
use crate::testdata::{PASSWORD, flat, sharded};

async fn replaced(store: &dyn BlobStore, from: &str, to: &str) {
    let text = String::from_utf8(store.get(FORMAT_BLOB, None).await.unwrap().to_vec()).unwrap();
    assert!(text.contains(from));
    store.put(FORMAT_BLOB, Bytes::from(text.replacen(from, to, 1)), PutOptions::default()).await.unwrap();
}

#[tokio::test]
async fn every_version_written_by_kopia_opens() {
    for (name, version, hash) in
        [("v1", 1, "BLAKE2B-256-128"), ("v2", 2, "BLAKE3-256"), ("v3", 3, "BLAKE2B-256-128")]
    {
        let format = Format::open(&*sharded(name), PASSWORD).await.unwrap();
        assert_eq!((format.parameters().version, format.parameters().hash.as_str()), (version, hash));
        assert_eq!(format.unique_id(), (0..32).collect::<Vec<u8>>());
    }
    let format = Format::open(&*flat("velero-fsb").await, PASSWORD).await.unwrap();
    let parameters = format.parameters();
    assert_eq!(parameters.epoch_parameters, EpochParameters::enabled());
    assert_eq!((parameters.max_pack_size, parameters.index_version), (20 << 20, 2));
    let created = RepositoryParameters::created(&CreateOptions::default()).unwrap();
    let stripped = |parameters: &RepositoryParameters| {
        let json = RepositoryParameters {
            secret: Secret::default(),
            master_key: Secret::default(),
            ..parameters.clone()
        };
        String::from_utf8(json.to_json().unwrap().to_vec()).unwrap()
    };
    assert_eq!(stripped(parameters), stripped(&created));
}

#[tokio::test]
async fn a_wrong_password_and_damage_are_told_apart() {
    let store = MemoryStore::default();
    assert!(matches!(Format::open(&store, "x").await, Err(Error::NotARepository)));
    Format::create(&store, "right", &CreateOptions::default()).await.unwrap();
    assert!(matches!(Format::open(&store, "wrong").await, Err(Error::InvalidPassword)));
    let again = Format::create(&store, "right", &CreateOptions::default()).await;
    assert!(matches!(again, Err(Error::AlreadyExists)));

    let whole = store.get(FORMAT_BLOB, None).await.unwrap();
    for cut in [0, 10, whole.len() / 2, whole.len() - 4] {
        store.put(FORMAT_BLOB, whole.slice(..cut), PutOptions::default()).await.unwrap();
        assert!(matches!(Format::open(&store, "right").await, Err(Error::Damaged { .. })), "cut to {cut}");
    }
    let text = String::from_utf8(whole.to_vec()).unwrap();
    let start = text.find("encryptedBlockFormat").unwrap() + 40;
    let letter = if &text[start..=start] == "A" { "B" } else { "A" };
    let altered = format!("{}{letter}{}", &text[..start], &text[start + 1..]);
    store.put(FORMAT_BLOB, Bytes::from(altered), PutOptions::default()).await.unwrap();
    assert!(matches!(Format::open(&store, "right").await, Err(Error::Damaged { .. })));
    assert!(matches!(Format::open(&store, "wrong").await, Err(Error::InvalidPassword)));
}

#[tokio::test]
async fn unknown_seals_and_key_algorithms_are_refused() {
    for (from, to) in [("AES256_GCM", "DES"), ("scrypt-65536-8-1", "scrypt-1-1-1")] {
        let store = MemoryStore::default();
        Format::create(&store, "right", &CreateOptions::default()).await.unwrap();
        replaced(&store, from, to).await;
        assert!(matches!(Format::open(&store, "right").await, Err(Error::Unsupported(_))), "{to}");
    }
}

#[test]
fn foreign_versions_locks_and_features_are_refused() {
    let good = RepositoryParameters::created(&CreateOptions::default()).unwrap();
    let feature = |warn| RequiredFeature {
        feature: "index-v9".into(),
        if_not_understood: serde_json::from_value(serde_json::json!({ "warn": warn })).unwrap(),
    };
    let refused = [
        RepositoryParameters { version: 4, ..good.clone() },
        RepositoryParameters { version: 0, ..good.clone() },
        RepositoryParameters { max_pack_size: 1, ..good.clone() },
        RepositoryParameters { hash: "MD5".into(), ..good.clone() },
        RepositoryParameters { upgrade_lock: Some(UpgradeLock { owner_id: "me".into() }), ..good.clone() },
        RepositoryParameters { required_features: vec![feature(false)], ..good.clone() },
    ];
    for parameters in refused {
        assert!(parameters.check().is_err(), "{parameters:?}");
    }
    RepositoryParameters { required_features: vec![feature(true)], ..good }.check().unwrap();
}

#[tokio::test]
async fn a_password_change_survives_a_crash_at_any_point() {
    let retention = StorageRetention {
        mode: Some(crate::blob::RetentionMode::Governance),
        period: Some(GoDuration::from_secs(48 * 3600)),
    };
    let original = MemoryStore::default();
    let options = CreateOptions { retention: retention.clone(), ..CreateOptions::default() };
    Format::create(&original, "old", &options).await.unwrap();
    // The operations before these only read.
    for at in 2..5 {
        for fault in [Fault::CrashBefore, Fault::CrashAfter] {
            let store = original.fork();
            let faulty = FaultyStore::new(Arc::new(store.clone()), Some((at, fault)));
            assert!(Format::change_password(&faulty, "old", "new").await.is_err());
            let opened = [Format::open(&store, "old").await, Format::open(&store, "new").await];
            assert_eq!(opened.iter().filter(|result| result.is_ok()).count(), 1, "at {at} {fault:?}");
        }
    }
    Format::change_password(&original, "old", "new").await.unwrap();
    assert!(matches!(Format::open(&original, "old").await, Err(Error::InvalidPassword)));
    assert_eq!(Format::open(&original, "new").await.unwrap().retention(), &retention);
}

#[tokio::test]
async fn secrets_are_never_printed() {
    let format = Format::create(&MemoryStore::default(), "hunter2", &CreateOptions::default()).await.unwrap();
    let text = format!("{format:?}");
    let key = hex::encode(format.parameters().master_key.expose());
    assert!(text.contains("Secret(..)") && !text.contains("hunter2") && !text.contains(&key));
}

#[tokio::test]
async fn what_holds_data_is_locked_and_what_must_go_soon_is_not() {
    let now = "2026-11-21T12:00:00Z".parse().unwrap();
    for (hours, locked) in [(48, true), (24, true), (23, false)] {
        let period = Some(GoDuration::from_secs(hours * 3600));
        let retention = StorageRetention { mode: Some(crate::blob::RetentionMode::Compliance), period };
        let options = CreateOptions { retention, ..CreateOptions::default() };
        let format = Format::create(&MemoryStore::default(), "x", &options).await.unwrap();
        let until = |id: &str| format.put_options(id, now).retention.map(|lock| lock.until);
        let end = now.checked_add(jiff::SignedDuration::from_hours(hours)).unwrap();
        for id in ["n1", "xn0_a", "xe1", "xw1", "kopia.repository", "kopia.blobcfg", "p1", "q1"] {
            assert_eq!(until(id), locked.then_some(end), "{id} for {hours} hours");
        }
        for id in ["kopia.maintenance", "s1", "_log_1", "udmrepo.Repository"] {
            assert_eq!(until(id), None, "{id}");
        }
    }
}

#[tokio::test]
async fn a_repository_that_was_not_made_to_the_end_does_not_open() {
    let counting = FaultyStore::new(Arc::new(MemoryStore::default()), None);
    Format::create(&counting, "x", &CreateOptions::default()).await.unwrap();
    let last = counting.operations() - 1;
    for at in 0..=last {
        let store = MemoryStore::default();
        let faulty = FaultyStore::new(Arc::new(store.clone()), Some((at, Fault::CrashBefore)));
        assert!(Format::create(&faulty, "x", &CreateOptions::default()).await.is_err());
        assert!(matches!(Format::open(&store, "x").await, Err(Error::NotARepository)), "at {at}");
        // What is left of it is not written over either.
        let again = Format::create(&store, "x", &CreateOptions::default()).await;
        assert_eq!(matches!(again, Err(Error::AlreadyExists)), at == last, "at {at}");
    }
}
