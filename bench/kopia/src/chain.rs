//! The speed of splitter, hash and cipher, each alone and as a whole, on one core.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use kopia::blob::FileSystemStore;
use kopia::crypto::{ContentCipher, EncryptionAlgorithm, HashAlgorithm, Hasher};
use kopia::format::CreateOptions;
use kopia::splitter::Splitter;
use kopia::upload::{self, UploadOptions};
use kopia::{OpenOptions, Repository, WriteOptions};

use crate::measure::own_cpu;
use crate::report::say;
use crate::synthetic::{Forgetful, random};

const DATA: usize = 64 << 20;
const CHUNK: usize = 4 << 20;
/// Bytes of the stream that goes the whole way.
const WHOLE: usize = 2 << 30;
/// CPU seconds of one measurement.
const LEAST: f64 = 2.0;

/// Measures by CPU time, so that other programs on the machine hardly matter.
pub(crate) fn run() -> Result<()> {
    let data: Vec<u8> = (0..DATA as u64 / 8).flat_map(|number| random(number).to_le_bytes()).collect();
    let chunks: Vec<&[u8]> = data.chunks(CHUNK).collect();
    rate("floor: copy of memory", || {
        black_box(data.clone());
        Ok(())
    })?;
    rate("splitter DYNAMIC-4M-BUZHASH", || {
        let mut rest = &data[..];
        while let Some(length) = Splitter::default().next_cut(rest) {
            rest = &rest[length..];
        }
        black_box(rest);
        Ok(())
    })?;
    let hasher = Hasher::new(HashAlgorithm::Blake2b256Of128, &[7; 32])?;
    rate("BLAKE2b keyed, one chunk at a time", || {
        for chunk in &chunks {
            black_box(hasher.hash(chunk));
        }
        Ok(())
    })?;
    for together in [2, 4] {
        rate(&format!("BLAKE2b keyed, {together} chunks together"), || {
            for chunks in chunks.chunks(together) {
                black_box(hasher.hash_many(chunks));
            }
            Ok(())
        })?;
    }
    let cipher = ContentCipher::new(EncryptionAlgorithm::Aes256Gcm, &[7; 32]);
    rate("AES-256-GCM", || {
        let mut out = Vec::new();
        for chunk in &chunks {
            out.clear();
            cipher.encrypt(&[1; 16], chunk, &mut out)?;
        }
        black_box(out);
        Ok(())
    })?;
    drop(chunks);
    let data = Arc::new(data);
    whole(&data, 1)?;
    whole(&data, 2)
}

fn rate(name: &str, mut work: impl FnMut() -> Result<()>) -> Result<()> {
    let (before, mut bytes) = (own_cpu()?, 0);
    loop {
        work()?;
        bytes += DATA;
        let took = own_cpu()? - before;
        if took >= LEAST {
            say(&format!("{name:<38} {:>7.0} MB/s", bytes as f64 / took / 1e6));
            return Ok(());
        }
    }
}

/// A backup of a long stream by so many threads, to a store that forgets it.
fn whole(data: &Arc<Vec<u8>>, threads: usize) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let folder = tempfile::tempdir()?;
    let store = Arc::new(Forgetful(FileSystemStore::create(folder.path())?));
    let create = CreateOptions::default();
    let repository = runtime.block_on(Repository::create(store, "x", &create, OpenOptions::default()))?;
    let (before, start) = (own_cpu()?, Instant::now());
    runtime.block_on(async {
        let writer = repository.writer(WriteOptions::default())?;
        let options = UploadOptions { threads, ..UploadOptions::default() };
        upload::upload_stream(
            &writer,
            "/dev/bench",
            Box::new(Altered { data: data.clone(), at: 0 }),
            options,
        )
        .await?;
        writer.flush().await?;
        anyhow::Ok(())
    })?;
    let speed = |seconds: f64| WHOLE as f64 / seconds / 1e6;
    let (by_cpu, by_wall) = (speed(own_cpu()? - before), speed(start.elapsed().as_secs_f64()));
    let name = format!("whole chain, random data, {threads} thread(s)");
    say(&format!("{name:<38} {by_cpu:>7.0} MB/s a core, {by_wall:.0} MB/s by the clock"));
    Ok(())
}

/// The data again and again, with every byte changed by a mask that is another one each time.
struct Altered {
    data: Arc<Vec<u8>>,
    at: usize,
}

impl std::io::Read for Altered {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let mask = (self.at / DATA) as u8;
        let from = &self.data[self.at % DATA..];
        let count = from.len().min(buffer.len()).min(WHOLE - self.at);
        for (to, from) in buffer[..count].iter_mut().zip(from) {
            *to = from ^ mask;
        }
        self.at += count;
        Ok(count)
    }
}
