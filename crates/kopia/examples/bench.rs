//! Whole runs over real trees and repositories, with figures.
//!
//! ```text
//! bench chain                              hash, cipher and splitter on one core
//! bench upload REPOSITORY TREE [parent]    backs a tree up (creates the repository)
//! bench restore REPOSITORY TARGET          restores the latest snapshot
//! bench verify REPOSITORY [PERCENT]        reads contents
//! bench maintain REPOSITORY                full maintenance
//! ```
#![expect(clippy::print_stdout, reason = "a benchmark prints")]

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use kopia::blob::{BlobStore, FileSystemStore};
use kopia::crypto::{ContentCipher, EncryptionAlgorithm, HashAlgorithm, Hasher};
use kopia::format::CreateOptions;
use kopia::maintenance::{self, MaintenanceOptions, Mode};
use kopia::restore::{RestoreOptions, restore_tree};
use kopia::snapshot::{self, Snapshot, Source};
use kopia::splitter::Splitter;
use kopia::upload::{UploadOptions, upload_tree};
use kopia::verify::VerifyOptions;
use kopia::{OpenOptions, Repository, WriteOptions};

type Outcome<T> = Result<T, Box<dyn Error>>;

const PASSWORD: &str = "static-passw0rd";

#[tokio::main]
async fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["chain"] => chain(),
        ["upload", repository, tree] => upload(repository, tree, false).await,
        ["upload", repository, tree, "parent"] => upload(repository, tree, true).await,
        ["restore", repository, target] => restore(repository, target).await,
        ["verify", repository] => verify(repository, 100.0).await,
        ["verify", repository, percent] => verify(repository, percent.parse()?).await,
        ["maintain", repository] => maintain(repository).await,
        _ => Err("see the head of this program for its arguments".into()),
    }
}

fn chain() -> Outcome<()> {
    let data = pseudo_random(256 << 20);
    let hasher = Hasher::new(HashAlgorithm::Blake2b256Of128, &[1; 32])?;
    let cipher = ContentCipher::new(EncryptionAlgorithm::Aes256Gcm, &[2; 32]);
    let splitter = Splitter::default();
    let mut chunks = Vec::new();
    rate("split", data.len(), || {
        let mut rest = &data[..];
        while let Some(length) = splitter.next_cut(rest) {
            chunks.push(&rest[..length]);
            rest = &rest[length..];
        }
        chunks.push(rest);
    });
    rate("hash one by one", data.len(), || {
        for chunk in &chunks {
            assert_eq!(hasher.hash(chunk).as_slice().len(), 16);
        }
    });
    rate("hash four at once", data.len(), || {
        for four in chunks.chunks(4) {
            assert!(!hasher.hash_many(four).is_empty());
        }
    });
    let mut out = Vec::with_capacity(9 << 20);
    rate("encrypt", data.len(), || {
        for chunk in &chunks {
            out.clear();
            cipher.encrypt(&[3; 16], chunk, &mut out).unwrap_or_default();
        }
    });
    Ok(())
}

/// Rates by the processor time of this thread, so that other work on the machine does not count.
fn rate(what: &str, bytes: usize, mut work: impl FnMut()) {
    let start = thread_seconds();
    work();
    let seconds = thread_seconds() - start;
    println!("{what:20} {:8.0} MB/s", bytes as f64 / 1e6 / seconds);
}

fn thread_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|nanoseconds| nanoseconds.parse::<f64>().ok()).unwrap_or(0.0) / 1e9
}

fn pseudo_random(length: usize) -> Vec<u8> {
    let mut state = 1u64;
    let words = (0..length / 8).flat_map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.collect()
}

async fn open(path: &str) -> Outcome<Repository> {
    let store: Arc<dyn BlobStore> = Arc::new(FileSystemStore::create(path)?);
    match Repository::open(store.clone(), PASSWORD, OpenOptions::default()).await {
        Err(kopia::Error::NotARepository) => {
            Ok(Repository::create(store, PASSWORD, &CreateOptions::default(), OpenOptions::default()).await?)
        }
        other => Ok(other?),
    }
}

async fn upload(repository: &str, tree: &str, with_parent: bool) -> Outcome<()> {
    let repository = open(repository).await?;
    let source = Source { host: "default".into(), user_name: "default".into(), path: tree.into() };
    let opened = reset_peak();
    let start = Instant::now();
    let manifests = repository.manifests().await?;
    let parent = snapshot::parent(&manifests, &source, &[])?.filter(|_| with_parent);
    let writer = repository.writer(WriteOptions::default())?;
    let uploaded =
        upload_tree(&writer, tree, parent.and_then(|parent| parent.root_entry), UploadOptions::default())
            .await?;
    let snapshot = Snapshot {
        id: String::new(),
        source,
        description: String::new(),
        start_time: uploaded.started,
        end_time: uploaded.ended,
        stats: uploaded.stats,
        incomplete: None,
        root_entry: Some(uploaded.root),
        tags: [("snapshot-uploader".to_owned(), "kopia".to_owned())].into(),
        pins: vec!["velero-pin".into()],
    };
    let id = writer.put_snapshot(&snapshot)?;
    writer.flush().await?;
    let seconds = start.elapsed().as_secs_f64();
    let stats = uploaded.stats;
    let files = stats.file_count + stats.cached_files;
    println!("snapshot {id}: {files} files ({} reused), {} directories", stats.cached_files, stats.dir_count);
    println!(
        "{seconds:.2} s, {:.0} files/s, {:.0} MB/s",
        files as f64 / seconds,
        stats.total_size as f64 / 1e6 / seconds
    );
    println!("peak memory {} MiB ({opened} MiB while opening)", peak_memory());
    Ok(())
}

async fn restore(repository: &str, target: &str) -> Outcome<()> {
    let repository = open(repository).await?;
    reset_peak();
    let start = Instant::now();
    let snapshots = snapshot::list(&repository.manifests().await?, None)?;
    let latest = snapshots.last().ok_or("no snapshot")?;
    let restored = restore_tree(&repository, latest.root()?, target, RestoreOptions::default()).await?;
    let seconds = start.elapsed().as_secs_f64();
    println!("{restored:?}");
    println!(
        "{seconds:.2} s, {:.0} files/s, {:.0} MB/s, peak memory {} MiB",
        restored.files as f64 / seconds,
        restored.bytes as f64 / 1e6 / seconds,
        peak_memory()
    );
    Ok(())
}

async fn verify(repository: &str, read_percent: f64) -> Outcome<()> {
    let repository = open(repository).await?;
    reset_peak();
    let start = Instant::now();
    let report =
        kopia::verify::verify(&repository, &VerifyOptions { read_percent, ..VerifyOptions::default() })
            .await?;
    let (contents, read, problems) = (report.contents, report.read, report.problem_count);
    println!("{contents} contents, {read} read, {problems} problems {:?}", report.problems.first());
    println!("{:.2} s, peak memory {} MiB", start.elapsed().as_secs_f64(), peak_memory());
    Ok(())
}

async fn maintain(repository: &str) -> Outcome<()> {
    let repository = open(repository).await?;
    reset_peak();
    let start = Instant::now();
    let options = MaintenanceOptions { mode: Mode::Full, force: true, ..MaintenanceOptions::default() };
    println!("{:?}", maintenance::run(&repository, &options).await?);
    println!("{:.2} s, peak memory {} MiB", start.elapsed().as_secs_f64(), peak_memory());
    Ok(())
}

/// Forgets the peak so far: deriving the key from the password takes 64 MiB by design.
fn reset_peak() -> u64 {
    let peak = peak_memory();
    std::fs::write("/proc/self/clear_refs", "5").unwrap_or_default();
    peak
}

/// The most memory that the process had so far, in MiB.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024
}
