//! The parts of the way of the data, each alone: `cargo bench -p bowline-kopia`. Criterion tells what became slower since the
//! last run. Whole backups and restores, beside floors, are measured by `make bench-kopia`.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use kopia::blob::MemoryStore;
use kopia::crypto::{ContentCipher, EncryptionAlgorithm, HashAlgorithm, Hasher};
use kopia::format::CreateOptions;
use kopia::snapshot::{Directory, DirectoryEntry, EntryKind, Summary};
use kopia::splitter::Splitter;
use kopia::{ContentId, OpenOptions, Repository, WriteOptions};

const CHUNK: usize = 4 << 20;

/// Eight pseudo-random bytes for each number.
fn data(length: usize) -> Vec<u8> {
    let mix = |number: u64| {
        let z = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z ^ (z >> 31)
    };
    (1..=length as u64 / 8).flat_map(|number| mix(number).to_le_bytes()).collect()
}

fn chain(criterion: &mut Criterion) {
    let data = data(4 * CHUNK);
    let chunks: Vec<&[u8]> = data.chunks(CHUNK).collect();
    let mut group = criterion.benchmark_group("chain");
    group.throughput(Throughput::Bytes(data.len() as u64));
    group.bench_function("splitter DYNAMIC-4M-BUZHASH", |bencher| {
        bencher.iter(|| {
            let mut rest = &data[..];
            while let Some(length) = Splitter::default().next_cut(rest) {
                rest = &rest[length..];
            }
            rest.len()
        });
    });
    let hasher = Hasher::new(HashAlgorithm::Blake2b256Of128, &[7; 32]).expect("a good key");
    for together in [1, 4] {
        group.bench_function(format!("BLAKE2b, {together} at once"), |bencher| {
            bencher.iter(|| chunks.chunks(together).flat_map(|chunks| hasher.hash_many(chunks)).count());
        });
    }
    for algorithm in [EncryptionAlgorithm::Aes256Gcm, EncryptionAlgorithm::ChaCha20Poly1305] {
        let cipher = ContentCipher::new(algorithm, &[7; 32]);
        let mut out = Vec::new();
        group.bench_function(algorithm.name(), |bencher| {
            bencher.iter(|| {
                for chunk in &chunks {
                    out.clear();
                    cipher.encrypt(&[1; 16], chunk, &mut out).expect("a short content");
                }
                out.len()
            });
        });
    }
}

/// Ten thousand small contents: written, and found in the index.
fn contents(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let create = async || {
        let store = Arc::new(MemoryStore::default());
        let options = CreateOptions::default();
        Repository::create(store, "secret", &options, OpenOptions::default()).await.expect("a repository")
    };
    let (repository, data) = (runtime.block_on(create()), data(1_000_000));
    let write = |repository: &Repository| -> Vec<ContentId> {
        let _inside = runtime.enter();
        let writer = repository.writer(WriteOptions::default()).expect("a session");
        let write = |chunk| writer.contents().write(None, chunk, false).expect("a written content");
        let ids = data.chunks(100).map(write).collect();
        runtime.block_on(writer.flush()).expect("a flush");
        ids
    };
    let ids = write(&repository);
    let index = repository.contents().index();
    let mut group = criterion.benchmark_group("contents");
    group.throughput(Throughput::Elements(ids.len() as u64));
    group.bench_function("look-up", |bencher| {
        bencher.iter(|| ids.iter().filter(|id| matches!(index.find(id), Ok(Some(_)))).count());
    });
    group.sample_size(10);
    group.bench_function("write 100 bytes each", |bencher| {
        let fresh = || runtime.block_on(create());
        bencher.iter_batched(fresh, |repository| write(&repository).len(), BatchSize::LargeInput);
    });
}

fn directories(criterion: &mut Criterion) {
    let entry = |number: u32| DirectoryEntry {
        size: number.into(),
        object: Some("00112233445566778899aabbccddeeff".parse().expect("an object")),
        ..DirectoryEntry::new(format!("file{number}").as_ref(), EntryKind::File)
    };
    let entries: Vec<_> = (0..10_000).map(entry).collect();
    let summary = Summary::of(&entries, jiff::Timestamp::UNIX_EPOCH);
    let directory = Directory::new(entries, summary);
    let json = serde_json::to_vec(&directory).expect("JSON");
    let mut group = criterion.benchmark_group("directories");
    group.throughput(Throughput::Elements(10_000));
    group.bench_function("write", |bencher| bencher.iter(|| serde_json::to_vec(black_box(&directory))));
    group.bench_function("read", |bencher| {
        bencher.iter(|| serde_json::from_slice::<Directory>(black_box(&json)));
    });
}

criterion_group!(parts, chain, contents, directories);
criterion_main!(parts);
