//! What fuzz targets call: every parser of stored bytes, which must answer anything with a value or an error.

use std::sync::{Arc, LazyLock};

use jiff::Timestamp;

use crate::content_id::ContentId;
use crate::ecc::ErrorCorrection;
use crate::format::{CreateOptions, RepositoryParameters};
use crate::index::{IndexFile, IndexSet};
use crate::object::{IndirectStream, ObjectId};
use crate::records::Allowance;
use crate::seal::Sealer;
use crate::snapshot::{Directory, DirectoryEntry, EntryKind, Listing, Snapshot, Summary};
use crate::splitter::Splitter;
use crate::{Result, compression, ecc, manifest, pack};

/// Nothing that is decompressed may become longer.
const LIMIT: usize = 1 << 20;

static SEALER: LazyLock<Option<Sealer>> = LazyLock::new(|| {
    let parameters = RepositoryParameters::created(&CreateOptions::default()).ok()?;
    Sealer::new(&parameters).ok()
});

/// An index, searched and read through.
pub fn index(data: &[u8]) {
    let Ok(file) = IndexFile::new("fuzzed", data.to_vec(), false) else { return };
    let set = IndexSet::new(vec![("fuzzed".into(), Arc::new(file))], None);
    let Ok(entries) = set.scan() else { return };
    for entry in entries.flatten() {
        assert!(set.find(&entry.id).is_ok_and(|found| found == Some(entry)), "an entry is not found again");
    }
}

/// The end of a pack.
pub fn pack(data: &[u8]) {
    if let Some(sealer) = &*SEALER {
        let _ = pack::read_local_index(sealer, "fuzzed", data);
    }
}

/// The documents of format blob, directories, lists of pieces, manifests and snapshots.
pub fn documents(data: &[u8]) {
    let id = ObjectId::direct(ContentId::from_key(&[b'k', 0]).unwrap_or_else(|| unreachable!("a valid key")));
    if let Ok(directory) = Directory::from_json(id, data)
        && let Ok(json) = directory.to_json()
    {
        assert!(Directory::from_json(id, &json).is_ok_and(|again| again.entries == directory.entries));
        let is_folder = |entry: &DirectoryEntry| entry.kind == EntryKind::Directory;
        // The same as a stream, in memory and in a temporary file. (A list of the fields is a directory to serde alone.)
        let memories: &[usize] =
            if data.trim_ascii_start().starts_with(b"{") { &[usize::MAX, 1 << 12] } else { &[] };
        for memory in memories {
            let listing = Listing::from_json(id, data, &Allowance::new(*memory)).and_then(|mut listing| {
                listing.entries.sort()?;
                listing.entries.iter().collect::<Result<Vec<_>>>()
            });
            let sorted =
                Directory::new(directory.entries.clone(), Summary::empty(Timestamp::UNIX_EPOCH)).entries;
            // Of entries with the same name, any may come first.
            let is_place = |(a, b): (&DirectoryEntry, &DirectoryEntry)| {
                (is_folder(a), &a.name) == (is_folder(b), &b.name)
            };
            let is_same = listing.is_ok_and(|found| {
                found.len() == sorted.len()
                    && found.iter().zip(&sorted).all(is_place)
                    && sorted.iter().all(|entry| found.contains(entry))
            });
            assert!(is_same, "a stream of entries is not the directory");
        }
    }
    let _ = IndirectStream::objects(id, data);
    let _ = manifest::decode("fuzzed", data, LIMIT);
    let _ = serde_json::from_slice::<Snapshot>(data);
    let _ = RepositoryParameters::from_json(data);
    if let Some(sealer) = &*SEALER {
        let _ = sealer.open_blob("n00000000000000000000000000000000", data.to_vec().into());
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let (object, content) = (text.parse::<ObjectId>(), text.parse::<ContentId>());
        assert!(content.map_or(true, |content| content.to_string() == text));
        let _ = object.map(|object| object.to_string());
    }
}

/// A compressed stream with its header.
pub fn compressed(data: &[u8]) {
    assert!(compression::decompress("fuzzed", data, LIMIT).map_or(0, |plain| plain.len()) <= LIMIT);
}

/// Bytes with error correction; the first byte is the overhead.
pub fn error_correction(data: &[u8]) {
    let Some((overhead, rest)) = data.split_first() else { return };
    let Ok(code) = ErrorCorrection::new(ecc::ALGORITHM, u32::from(overhead % 12)) else { return };
    let _ = code.recover(rest);
    let mut stored = Vec::new();
    if code.protect(rest, &mut stored).is_ok() {
        assert!(
            code.recover(&stored).is_some_and(|plain| plain == rest),
            "what was protected is not recovered"
        );
    }
}

/// Cuts of any data; the first byte is the splitter.
pub fn split(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    let name = ["DYNAMIC-128K-BUZHASH", "DYNAMIC-128K-RABINKARP", "FIXED-128K"][usize::from(kind % 3)];
    let (Ok(splitter), long) = (Splitter::from_name(name), rest.repeat(1 + (300 << 10) / rest.len().max(1)))
    else {
        return;
    };
    let mut left = &long[..];
    while let Some(length) = splitter.next_cut(left) {
        assert!(length > 0 && length <= splitter.max_chunk() && length <= left.len());
        left = &left[length..];
    }
    assert!(left.len() < splitter.max_chunk());
}
