//! Whatever lies in a store, parsers answer with errors and never with a panic.

use proptest::prelude::*;

use crate::format::Format;
use crate::index::{IndexFile, IndexSet};
use crate::object::{IndirectStream, ObjectId};
use crate::snapshot::Directory;
use crate::{ContentId, compression};

fn object() -> ObjectId {
    ObjectId::direct("k00".parse::<ContentId>().unwrap())
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_no_index(mut data in proptest::collection::vec(any::<u8>(), 0..400), version in 1u8..3) {
        if let Some(first) = data.first_mut() {
            *first = version;
        }
        if let Ok(file) = IndexFile::new("arbitrary", data, false) {
            let set = IndexSet::new(vec![("arbitrary".into(), file.into())], None);
            prop_assert!(set.scan().map_or(0, Iterator::count) <= 400);
            let _ = set.find(&"00".parse().unwrap());
        }
    }

    #[test]
    fn arbitrary_streams_are_not_decompressed_beyond_their_limit(
        header in prop::sample::select(vec![0x1000u32, 0x1101, 0x1200, 0x1300, 0x1400, 0x1500, 7]),
        body in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let data = [&header.to_be_bytes()[..], &body].concat();
        if let Ok(plain) = compression::decompress("arbitrary", &data, 1000) {
            prop_assert!(plain.len() <= 1000);
        }
    }

    #[test]
    fn arbitrary_documents_are_no_directories_or_lists(text in ".{0,200}") {
        prop_assert!(Directory::from_json(object(), text.as_bytes()).is_err());
        prop_assert!(IndirectStream::objects(object(), text.as_bytes()).is_err());
    }

    #[test]
    fn arbitrary_text_that_is_an_id_is_printed_as_it_was(text in "[IZ]{0,3}[g-z]?[0-9a-f]{0,70}") {
        if let Ok(id) = text.parse::<ObjectId>() {
            prop_assert_eq!(id.to_string(), text.clone());
        }
        if let Ok(id) = text.parse::<ContentId>() {
            prop_assert_eq!(id.to_string(), text);
        }
    }

    #[test]
    fn arbitrary_format_blobs_do_not_open(text in "\\PC{0,200}") {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            use crate::blob::{BlobStore, MemoryStore, PutOptions};
            let store = MemoryStore::default();
            store.put("kopia.repository", text.into(), PutOptions::default()).await.unwrap();
            assert!(Format::open(&store, "password").await.is_err());
        });
    }
}
