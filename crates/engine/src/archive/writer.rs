//! Writes the archive as a pipeline: tar entries → blocks of about 1 MiB → compressed on all cores → the sink, in order.
//!
//! Each block is a member of its own in one gzip stream, which every gzip reader takes. What is in flight is bounded: a block being
//! filled, one block for each core being compressed, and what the sink holds.

mod gzip;
mod header;

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;

use super::path::{self, Copy};
use super::{FORMAT_VERSION, pipe};
use crate::port::Clock;

/// Bytes of tar in a block.
const BLOCK: usize = 1 << 20;

/// tar counts in blocks of 512 bytes; two zero ones end it.
const TAR_BLOCK: usize = 512;

/// An object on its way into the archive.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// `plural.group`.
    pub resource: &'a str,
    /// API version inside the group, without the group.
    pub version: &'a str,
    /// Whether that is the version the server prefers: such objects are written twice, see backup-format §4.1.
    pub preferred: bool,
    /// Namespace; `None` for cluster-scoped objects.
    pub namespace: Option<&'a str>,
    /// Name.
    pub name: &'a str,
    /// JSON text.
    pub body: &'a [u8],
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Size of the archive.
    pub bytes: u64,
    /// Size of the tar stream inside.
    pub tar_bytes: u64,
}

/// Writes one archive. Many tasks may add objects at once. Dropping it without [`Writer::finish`] abandons the archive, so that
/// the reader of the pipe fails.
pub struct Writer {
    clock: Arc<dyn Clock>,
    block: Mutex<Block>,
}

struct Block {
    tar: Vec<u8>,
    tar_bytes: u64,
    compressed: mpsc::Sender<JoinHandle<io::Result<Bytes>>>,
    forward: Option<JoinHandle<io::Result<(pipe::Sink, u64)>>>,
}

impl Writer {
    /// Begins an archive with its format version. Needs a tokio runtime.
    pub fn new(sink: pipe::Sink, clock: Arc<dyn Clock>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let (compressed, blocks) = mpsc::channel(cores);
        let mut block = Block {
            tar: Vec::with_capacity(BLOCK + BLOCK / 8),
            tar_bytes: 0,
            compressed,
            forward: Some(tokio::spawn(forward(sink, blocks))),
        };
        block.append(path::VERSION_FILE, format!("{FORMAT_VERSION}\n").as_bytes(), seconds(&*clock));
        Self { clock, block: Mutex::new(block) }
    }

    /// Adds an object. Waits while the store is slower.
    pub async fn add(&self, entry: &Entry<'_>) -> io::Result<()> {
        let mtime = seconds(&*self.clock);
        let version = || entry.version.to_owned();
        let copies: &[Copy] = if entry.preferred {
            &[Copy::Plain, Copy::Preferred(version())]
        } else {
            &[Copy::Version(version())]
        };
        let mut block = self.block.lock().await;
        for copy in copies {
            let path = path::of_parts(entry.resource, copy, entry.namespace, entry.name);
            block.append(&path, entry.body, mtime);
        }
        if block.tar.len() >= BLOCK { block.flush().await } else { Ok(()) }
    }

    /// Ends the archive: everything is compressed and handed on when this returns.
    pub async fn finish(self) -> io::Result<Written> {
        let mut block = self.block.into_inner();
        block.tar.extend_from_slice(&[0; 2 * TAR_BLOCK]);
        block.flush().await?;
        let Block { tar_bytes, compressed, forward, .. } = block;
        drop(compressed);
        let (sink, bytes) = outcome(forward).await?;
        sink.finish().await?;
        Ok(Written { bytes, tar_bytes })
    }
}

impl Block {
    fn append(&mut self, path: &str, body: &[u8], mtime: u64) {
        header::write(&mut self.tar, path, body.len(), mtime);
        self.tar.extend_from_slice(body);
        header::pad(&mut self.tar);
    }

    async fn flush(&mut self) -> io::Result<()> {
        let tar = std::mem::replace(&mut self.tar, Vec::with_capacity(BLOCK + BLOCK / 8));
        self.tar_bytes += tar.len() as u64;
        let job = tokio::task::spawn_blocking(move || gzip::member(&tar));
        if self.compressed.send(job).await.is_ok() {
            return Ok(());
        }
        outcome(self.forward.take()).await?;
        Err(io::Error::other("the archive's writer has ended"))
    }
}

/// Hands compressed blocks on in their order. Gives the sink back at the end, as only the writer knows whether the archive is whole.
async fn forward(
    sink: pipe::Sink,
    mut blocks: mpsc::Receiver<JoinHandle<io::Result<Bytes>>>,
) -> io::Result<(pipe::Sink, u64)> {
    let mut bytes = 0;
    while let Some(block) = blocks.recv().await {
        let block = block.await.map_err(io::Error::other)??;
        bytes += block.len() as u64;
        sink.send(block).await?;
    }
    Ok((sink, bytes))
}

async fn outcome<T>(task: Option<JoinHandle<io::Result<T>>>) -> io::Result<T> {
    match task {
        Some(task) => task.await.map_err(io::Error::other)?,
        None => Err(io::Error::other("the archive has failed before")),
    }
}

fn seconds(clock: &dyn Clock) -> u64 {
    u64::try_from(clock.now().as_second()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
