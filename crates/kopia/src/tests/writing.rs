//! Contents, objects and manifests that we write are found again, under the names that Kopia gives them.

use std::io::Cursor;
use std::sync::Arc;

use super::{create, open};
use crate::blob::{BlobStoreExt, Fault, FaultyStore, MemoryStore};
use crate::content::{ContentWriter, WriteOptions};
use crate::object::{self, Inline, ObjectId, ObjectReader};
use crate::snapshot::{Policy, Source};
use crate::splitter::Splitter;
use crate::testdata::{sharded, splitmix64};
use crate::{Error, OpenOptions, Prefix, Repository};

async fn write_object(writer: &Arc<ContentWriter>, data: Vec<u8>) -> ObjectId {
    let writer = writer.clone();
    let write = move || {
        let mut sink = Inline { writer: &writer, prefix: None, compress: false };
        let mut source = Cursor::new(data);
        object::write_stream(&mut source, None, Splitter::default(), &mut sink, &writer, &mut Vec::new())
    };
    tokio::task::spawn_blocking(write).await.unwrap().unwrap().unwrap().0
}

#[tokio::test]
async fn objects_get_the_names_that_kopia_gives_them() {
    // The fixture has the hash secret of the published names.
    let repository = open(sharded("v3")).await;
    let writer = repository.writer(WriteOptions::default()).unwrap();
    for (data, name) in [
        (splitmix64(1, 20_000_000), "Ixb59d2d3bbe54a9d0ca2acf16639d8ad8"),
        (vec![0; 5 << 20], "Ix5b74ed2dee62b83cd7b8042593f271d5"),
        (b"hello".to_vec(), "0951cc974d65734e6ba033ea452f8464"),
        (Vec::new(), "27366ff238c0cfa5f69df1f7a3c5b9b4"),
    ] {
        let object = write_object(writer.contents(), data.clone()).await;
        assert_eq!(object.to_string(), name);
        writer.flush().await.unwrap();
        let again = open(repository.store().clone()).await;
        let reader = ObjectReader::open(again.contents(), object).await.unwrap();
        assert_eq!(reader.length(), data.len() as u64);
        assert_eq!(reader.read_all(1 << 30).await.unwrap(), data);
        if data.len() > 5_000_000 {
            assert_eq!(reader.read_at(4_897_370, 10).await.unwrap(), data[4_897_370..4_897_380]);
        }
    }
}

#[tokio::test]
async fn equal_contents_are_stored_once() {
    let store = Arc::new(MemoryStore::default());
    let repository = create(store.clone()).await;
    for _ in 0..2 {
        let writer = repository.writer(WriteOptions::default()).unwrap();
        let data = splitmix64(7, 3 << 20);
        let objects = [
            write_object(writer.contents(), data.clone()).await,
            write_object(writer.contents(), data).await,
        ];
        assert_eq!(objects[0], objects[1]);
        writer.flush().await.unwrap();
    }
    assert_eq!(store.list_sorted("p").await.unwrap().len(), 1);
    assert_eq!(store.list_sorted("xn").await.unwrap().len(), 1);
    assert_eq!(store.list_sorted("s").await.unwrap(), []);
}

#[tokio::test]
async fn a_deleted_content_is_written_again() {
    let repository = create(Arc::new(MemoryStore::default())).await;
    let writer = repository.writer(WriteOptions::default()).unwrap();
    let contents = writer.contents().clone();
    let id = contents.write_async(None, "data".into(), false).await.unwrap();
    contents.flush().await.unwrap();
    let first = repository.contents().entry(&id).unwrap();
    let deleting = contents.clone();
    tokio::task::spawn_blocking(move || deleting.delete(&id)).await.unwrap().unwrap();
    contents.flush().await.unwrap();
    let deleted = repository.contents().entry(&id).unwrap();
    assert!(deleted.deleted && deleted.timestamp > first.timestamp && deleted.pack == first.pack);
    assert_eq!(repository.contents().read(&id).await.unwrap(), "data");
    contents.write_async(None, "data".into(), false).await.unwrap();
    contents.flush().await.unwrap();
    let again = open(repository.store().clone()).await.contents().entry(&id).unwrap();
    assert!(!again.deleted && again.timestamp > deleted.timestamp && again.pack != first.pack);
}

#[tokio::test]
async fn compressible_metadata_is_stored_compressed_and_read_back() {
    let repository = create(Arc::new(MemoryStore::default())).await;
    let writer = repository.writer(WriteOptions::default()).unwrap();
    let data = bytes::Bytes::from(vec![b'a'; 10_000]);
    let id = writer.contents().write_async(Some(Prefix::INDIRECT), data.clone(), true).await.unwrap();
    writer.flush().await.unwrap();
    let entry = repository.contents().entry(&id).unwrap();
    assert_eq!((entry.original_length, entry.compression.0), (10_000, 0x1101));
    assert!(entry.packed_length < 200 && entry.pack.starts_with('q'));
    assert_eq!(repository.contents().read(&id).await.unwrap(), data);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_failed_says_why() {
    let memory = Arc::new(MemoryStore::default());
    create(memory.clone()).await;
    let counting = Arc::new(FaultyStore::new(memory.clone(), None));
    open(counting.clone()).await;
    let fault = Some((counting.operations(), Fault::CrashBefore));
    let repository = open(Arc::new(FaultyStore::new(memory, fault))).await;
    let options = WriteOptions { pack_size: Some(1000), ..WriteOptions::default() };
    let writer = repository.writer(options).unwrap();
    let write = move |number| writer.contents().write(None, &splitmix64(number, 500), false);
    let error = tokio::task::spawn_blocking(move || (0..1000).find_map(|number| write(number).err()));
    let text = crate::error::chain(&error.await.unwrap().expect("the store is gone"));
    assert!(text.starts_with("the write session has failed: ") && text.contains("injected fault"), "{text}");
}

#[tokio::test]
async fn manifests_are_put_found_deleted_and_compacted() {
    let store = Arc::new(MemoryStore::default());
    let repository = create(store.clone()).await;
    let labels = |kind: &str, name: &str| {
        [("type", kind), ("name", name)].map(|(k, v)| (k.to_owned(), v.to_owned())).into()
    };
    let mut ids = Vec::new();
    for name in ["a", "b", "c"] {
        let writer = repository.writer(WriteOptions::default()).unwrap();
        ids.push(writer.put_manifest(labels("test", name), &serde_json::json!({ "name": name })).unwrap());
        writer.flush().await.unwrap();
    }
    let writer = repository.writer(WriteOptions::default()).unwrap();
    assert!(writer.put_manifest(labels("", "x"), &()).is_err());
    writer.delete_manifest(&ids[1]);
    writer.flush().await.unwrap();
    writer.compact_manifests().await.unwrap();
    let manifests = open(store.clone()).await.manifests().await.unwrap();
    assert_eq!(manifests.contents().len(), 1);
    assert_eq!(manifests.iter().count(), 2);
    assert_eq!(manifests.find(&[("type", "test"), ("name", "c")])[0].id, ids[2]);
    assert_eq!(manifests.get(&ids[0]).unwrap().data::<serde_json::Value>().unwrap()["name"], "a");
    assert!(manifests.get(&ids[1]).unwrap_err().is_not_found());
}

#[tokio::test]
async fn a_policy_replaces_the_one_before() {
    let repository = create(Arc::new(MemoryStore::default())).await;
    let source = Source { host: "default".into(), user_name: "default".into(), path: "a/b".into() };
    for keep in [1, 2] {
        let manifests = repository.manifests().await.unwrap();
        let writer = repository.writer(WriteOptions::default()).unwrap();
        let retention = [("keepLatest".to_owned(), keep.into())].into_iter().collect();
        writer.set_policy(&manifests, &source, &Policy { retention, ..Policy::default() }).unwrap();
        writer.flush().await.unwrap();
    }
    let manifests = repository.manifests().await.unwrap();
    assert_eq!(Policy::of(&manifests, &source).unwrap().unwrap().retention["keepLatest"], 2);
    assert_eq!(manifests.find(&[("type", "policy")]).len(), 1);
}

#[tokio::test]
async fn a_failed_upload_makes_nothing_visible() {
    let memory = MemoryStore::default();
    let format = create(Arc::new(memory.clone())).await.format().clone();
    let counting = Arc::new(FaultyStore::new(Arc::new(memory.fork()), None));
    let writes = async |store: Arc<FaultyStore>| -> Result<(), Error> {
        let repository = Repository::with_format(store, format.clone(), OpenOptions::default()).await?;
        let writer = repository.writer(WriteOptions::default())?;
        writer.put_manifest([("type".to_owned(), "test".to_owned())].into(), &1)?;
        writer.flush().await
    };
    writes(counting.clone()).await.unwrap();
    for at in 0..counting.operations() {
        for fault in [Fault::CrashBefore, Fault::CrashAfter] {
            let left = memory.fork();
            let result = writes(Arc::new(FaultyStore::new(Arc::new(left.clone()), Some((at, fault))))).await;
            let left = Repository::with_format(Arc::new(left), format.clone(), OpenOptions::default())
                .await
                .unwrap();
            let found = left.manifests().await.unwrap().iter().count();
            assert!(found <= 1 && (result.is_err() || found == 1), "operation {at}, {fault:?}");
        }
    }
}
