//! Archives good, damaged and hostile.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

fn tar_of(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, body) in entries {
        let mut header = tar::Header::new_ustar();
        header.set_size(body.len() as u64);
        header.set_mode(0o755);
        // Written by hand, because the tar crate refuses to write hostile paths.
        let name = &mut header.as_mut_bytes()[..100];
        name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_cksum();
        tar.append(&header, *body).unwrap();
    }
    tar.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

async fn read(archive: &[u8], limits: Limits) -> Result<Spool, ArchiveError> {
    let blocks: Vec<io::Result<Bytes>> =
        archive.chunks(1000).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
    Spool::read(futures::stream::iter(blocks), limits, &std::env::temp_dir()).await
}

const POD: &[u8] = br#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web","namespace":"shop"}}"#;

fn pod(name: &str) -> Vec<u8> {
    String::from_utf8_lossy(POD).replace("web", name).into_bytes()
}

fn item(resource: &str, namespace: &str, name: &str) -> ItemId {
    ItemId { resource: resource.into(), namespace: Some(namespace.into()), name: name.into() }
}

#[tokio::test]
async fn objects_are_found_by_name_and_the_last_entry_wins() {
    let newer = br#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web","namespace":"shop","labels":{"a":"b"}}}"#;
    let archive = tar_of(&[
        ("metadata/version", b"1.1.0\n"),
        ("resources/pods/namespaces/shop/web.json", POD),
        ("resources/pods/v1-preferredversion/namespaces/shop/web.json", POD),
        ("resources/pods/namespaces/shop/app.json", &pod("app")),
        ("resources/pods/namespaces/shop/web.json", newer),
        ("resources/pods/v0/namespaces/shop/web.json", POD),
    ]);
    let spool = read(&gzip(&archive), Limits::default()).await.unwrap();
    assert_eq!(spool.format_version(), "1.1.0");
    let groups: Vec<_> = spool.groups(&"pods".into()).collect();
    let names: Vec<_> = groups[0].entries().map(|entry| spool.name(entry).to_owned()).collect();
    assert_eq!(
        (groups.len(), spool.namespace(&groups[0]), names),
        (1, Some("shop"), vec!["app".to_owned(), "web".to_owned()])
    );
    let entry = spool.find(&item("pods", "shop", "web")).unwrap();
    assert_eq!(spool.load(entry).unwrap().head().label("a"), Some("b"));
    assert_eq!(spool.find_in(&groups[0], "app"), spool.find(&item("pods", "shop", "app")));
    assert_eq!(spool.versions(&"pods".into()), ["v1", "v0"]);
    assert!(spool.find_version(&item("pods", "shop", "web"), "v0").is_some());
    assert!(spool.find_version(&item("pods", "shop", "web"), "v1").is_none());
}

#[tokio::test]
async fn damage_is_seen_wherever_the_archive_is_cut() {
    let bodies: Vec<(String, Vec<u8>)> = (0..40)
        .map(|i| (format!("resources/pods/namespaces/shop/p{i}.json"), pod(&format!("p{i}"))))
        .collect();
    let entries: Vec<(&str, &[u8])> =
        bodies.iter().map(|(path, body)| (path.as_str(), body.as_slice())).collect();
    let tar = tar_of(&entries);
    let whole = gzip(&tar);
    assert!(read(&whole, Limits::default()).await.is_ok());
    for cut in [0, 1, 9, whole.len() / 2, whole.len() - 9, whole.len() - 1] {
        assert!(
            matches!(read(&whole[..cut], Limits::default()).await, Err(ArchiveError::Damaged(_))),
            "cut at {cut}"
        );
    }
    for cut in [512, 1024, tar.len() - 1024, tar.len() - 512] {
        assert!(
            matches!(read(&gzip(&tar[..cut]), Limits::default()).await, Err(ArchiveError::Damaged(_))),
            "tar cut at {cut}"
        );
    }
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x55;
    assert!(read(&flipped, Limits::default()).await.is_err());
}

#[tokio::test]
async fn several_gzip_members_are_one_archive() {
    let tar = tar_of(&[("resources/pods/namespaces/shop/web.json", POD)]);
    let (first, second) = tar.split_at(700);
    let spool = read(&[gzip(first), gzip(second)].concat(), Limits::default()).await.unwrap();
    assert!(spool.find(&item("pods", "shop", "web")).is_some());
}

#[tokio::test]
async fn hostile_paths_are_refused() {
    for path in [
        "../etc/passwd",
        "resources/pods/namespaces/../../../../x.json",
        "/resources/pods/cluster/a.json",
        "resources/pods/namespaces/shop/a/b.json",
        "resources/pods/namespaces/shop/a\nb.json",
        "resources/pods/namespaces/shop/noextension",
    ] {
        let archive = gzip(&tar_of(&[(path, POD)]));
        assert!(
            matches!(read(&archive, Limits::default()).await, Err(ArchiveError::Path { .. })),
            "{path:?}"
        );
    }
}

#[tokio::test]
async fn an_object_under_a_foreign_name_is_refused() {
    let spool = read(&gzip(&tar_of(&[("resources/pods/namespaces/other/web.json", POD)])), Limits::default())
        .await
        .unwrap();
    let entry = spool.find(&item("pods", "other", "web")).unwrap();
    assert!(matches!(spool.load(entry), Err(ArchiveError::Path { .. })));
}

#[tokio::test]
async fn bombs_end_at_the_limit() {
    let zeros = vec![0; 4 << 20];
    let archive = gzip(&tar_of(&[("other/zeros", &zeros)]));
    let limits = Limits { total_bytes: 1 << 20, ..Limits::default() };
    assert!(matches!(read(&archive, limits).await, Err(ArchiveError::TooLarge { limit: 1_048_576 })));
    let limits = Limits { entries: 1, ..Limits::default() };
    let two = gzip(&tar_of(&[("a", b""), ("b", b"")]));
    assert!(matches!(read(&two, limits).await, Err(ArchiveError::TooLarge { limit: 1 })));
}

#[tokio::test]
async fn a_store_that_fails_is_named_as_the_cause() {
    let blocks = vec![Ok(Bytes::from_static(&[0x1f, 0x8b])), Err(io::Error::other("reset"))];
    let result = Spool::read(futures::stream::iter(blocks), Limits::default(), &std::env::temp_dir()).await;
    assert!(matches!(result, Err(ArchiveError::Fetch(_))));
}

#[tokio::test]
async fn an_archive_without_resources_is_empty() {
    let spool = read(&gzip(&tar_of(&[("metadata/version", b"1.1.0\n")])), Limits::default()).await.unwrap();
    assert!(spool.is_empty());
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    #[test]
    fn no_damage_makes_the_reader_fail_badly(flips in proptest::collection::vec((0_usize..4096, 1_u8..), 0..8), packed in proptest::prelude::any::<bool>()) {
        let mut bytes = tar_of(&[("metadata/version", b"1.1.0\n"), ("resources/pods/namespaces/shop/web.json", POD)]);
        if packed {
            bytes = gzip(&bytes);
        }
        let length = bytes.len();
        for (at, flip) in flips {
            bytes[at % length] ^= flip;
        }
        let archive = if packed { bytes } else { gzip(&bytes) };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        if let Ok(spool) = runtime.block_on(read(&archive, Limits::default())) {
            for group in spool.groups(&"pods".into()) {
                group.entries().for_each(|entry| drop(spool.load(entry)));
            }
        }
    }
}
