//! Spreads the chunks of one large file over the threads of an upload: while one reads on, others store what was read.

use std::io::{self, Read};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock};

use super::UploadOptions;
use super::jobs::{Job, Shared};
use super::room::RoomTaken;
use crate::content::ContentWriter;
use crate::object::{ChunkSink, Inline, ObjectId, chunks};
use crate::{Error, Result};

/// Chunks that are hashed at once as fast as a single one.
const TOGETHER: usize = 4;

/// Chunks of one buffer, taken in groups by whoever has time.
pub(super) struct Batch {
    buffer: RwLock<Vec<u8>>,
    ends: Vec<usize>,
    group: usize,
    next: AtomicUsize,
    done: Mutex<Done>,
    finished: Condvar,
}

struct Done {
    objects: Vec<Option<(ObjectId, u64)>>,
    missing: usize,
    error: Option<Error>,
}

impl Batch {
    /// For so many threads besides the one that reads.
    fn new(buffer: Vec<u8>, ends: &[usize], helpers: usize) -> Self {
        let count = ends.len();
        Self {
            buffer: RwLock::new(buffer),
            ends: ends.to_vec(),
            group: count.div_ceil(helpers.max(1)).min(TOGETHER),
            next: AtomicUsize::new(0),
            done: Mutex::new(Done { objects: vec![None; count], missing: count, error: None }),
            finished: Condvar::new(),
        }
    }

    /// Stores groups of chunks until none is left.
    pub(super) fn help(&self, writer: &ContentWriter) {
        loop {
            let first = self.next.fetch_add(self.group, Ordering::Relaxed);
            if first >= self.ends.len() {
                return;
            }
            let last = (first + self.group).min(self.ends.len());
            let result = self.store(writer, first, last);
            let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
            match result {
                Ok(objects) => {
                    for (slot, object) in done.objects[first..last].iter_mut().zip(objects) {
                        *slot = Some(object);
                    }
                }
                Err(error) => {
                    done.error.get_or_insert(error);
                }
            }
            done.missing -= last - first;
            if done.missing == 0 {
                self.finished.notify_all();
            }
        }
    }

    fn store(&self, writer: &ContentWriter, first: usize, last: usize) -> Result<Vec<(ObjectId, u64)>> {
        let buffer = self.buffer.read().unwrap_or_else(PoisonError::into_inner);
        let parts: Vec<&[u8]> = chunks(&buffer, &self.ends).skip(first).take(last - first).collect();
        let ids = writer.write_many(None, &parts)?;
        Ok(ids.into_iter().zip(parts).map(|(id, part)| (ObjectId::direct(id), part.len() as u64)).collect())
    }

    /// Waits for the other threads, then hands out the objects and the buffer.
    fn finish(&self, out: &mut Vec<(ObjectId, u64)>) -> Result<Vec<u8>> {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        while done.missing > 0 {
            done = self.finished.wait(done).unwrap_or_else(PoisonError::into_inner);
        }
        if let Some(error) = done.error.take() {
            return Err(error);
        }
        out.extend(done.objects.iter().flatten());
        Ok(std::mem::take(&mut *self.buffer.write().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// The sink of file data. There are two buffers while there is room for them: this thread fills one while all that are idle
/// store the chunks of the other.
pub(super) struct Spread<'a, 'b> {
    shared: &'a Shared<'b>,
    stored: Option<Arc<Batch>>,
    /// The room for the second buffer, and that buffer itself while no chunks of it are stored.
    second: Option<RoomTaken<'a>>,
}

impl<'a, 'b> Spread<'a, 'b> {
    pub(super) fn new(shared: &'a Shared<'b>) -> Self {
        Self { shared, stored: None, second: None }
    }

    /// Helps to store the chunks of the other buffer, and waits for the rest of them.
    fn collect(&mut self, out: &mut Vec<(ObjectId, u64)>) -> Result<()> {
        let Some(batch) = self.stored.take() else { return Ok(()) };
        batch.help(self.shared.writer);
        let buffer = batch.finish(out)?;
        if let Some(second) = &mut self.second {
            *second.buffer = buffer;
        }
        Ok(())
    }
}

impl ChunkSink for Spread<'_, '_> {
    fn store(&mut self, buffer: Vec<u8>, ends: &[usize], out: &mut Vec<(ObjectId, u64)>) -> Result<Vec<u8>> {
        self.shared.check()?;
        self.collect(out)?;
        let helpers = self.shared.options.threads.saturating_sub(1);
        if self.second.is_none() && ends.len() > 1 && helpers > 0 {
            self.second = self.shared.room.take(buffer.capacity());
        }
        let Some(second) = self.second.as_mut().filter(|_| ends.len() > 1) else {
            let mut alone = Inline { writer: self.shared.writer, prefix: None, compress: false };
            return alone.store(buffer, ends, out);
        };
        let mut next = std::mem::take(&mut *second.buffer);
        next.clear();
        next.extend_from_slice(&buffer[ends.last().copied().unwrap_or(0)..]);
        let batch = Arc::new(Batch::new(buffer, ends, helpers));
        let groups = ends.len().div_ceil(batch.group);
        self.shared.push((0..helpers.min(groups)).map(|_| Job::Help(batch.clone())));
        self.stored = Some(batch);
        Ok(next)
    }

    fn finish(&mut self, out: &mut Vec<(ObjectId, u64)>) -> Result<()> {
        self.collect(out)
    }
}

impl Drop for Spread<'_, '_> {
    /// Reading failed: nobody wants what was not stored yet.
    fn drop(&mut self) {
        if let Some(batch) = &self.stored {
            batch.next.store(batch.ends.len(), Ordering::Relaxed);
        }
    }
}

/// A source whose bytes are reported, and which ends when the upload is cancelled.
pub(super) struct Watched<'a, R> {
    pub(super) inner: R,
    pub(super) options: &'a UploadOptions,
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.options.cancel.is_cancelled() {
            return Err(io::Error::other("cancelled"));
        }
        let count = self.inner.read(buffer)?;
        self.options.observer.on_bytes(count as u64);
        Ok(count)
    }
}
