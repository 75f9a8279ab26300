//! Material for tests: generated data, and the repositories in `testdata/` that Kopia and Velero wrote.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::blob::{BlobStore, FileSystemStore, MemoryStore, PutOptions};

pub(crate) const PASSWORD: &str = "static-passw0rd";

/// Pseudo-random bytes, the same for the same seed.
pub(crate) fn splitmix64(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let mut out = Vec::with_capacity(length + 8);
    while out.len() < length {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        out.extend_from_slice(&(z ^ (z >> 31)).to_le_bytes());
    }
    out.truncate(length);
    out
}

pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name)
}

/// A repository that Kopia wrote into a folder: `v1`, `v2`, `v3`, `ecc`, `epoch`.
pub(crate) fn sharded(name: &str) -> Arc<dyn BlobStore> {
    let folder = tempfile::tempdir().expect("a temporary folder").keep();
    let archive = fs_err::File::open(path(&format!("kopia-repo-{name}.tar.gz"))).expect("the fixture");
    tar::Archive::new(flate2::read::GzDecoder::new(archive)).unpack(&folder).expect("a sound fixture");
    Arc::new(FileSystemStore::open(folder.join(name)).expect("the unpacked repository"))
}

/// A repository that Velero wrote into a bucket: `velero-fsb`, `velero-datamove`.
pub(crate) async fn flat(name: &str) -> Arc<MemoryStore> {
    let store = MemoryStore::default();
    for entry in fs_err::read_dir(path(name)).expect("the fixture") {
        let entry = entry.expect("a readable folder");
        let data = fs_err::read(entry.path()).expect("a readable blob");
        let id = entry.file_name().into_string().expect("an ASCII name");
        store.put(&id, data.into(), PutOptions::default()).await.expect("a good name");
    }
    Arc::new(store)
}
