//! Spreads the chunks of one large file over the threads of an upload.

use std::io::{self, Read};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock};

use super::UploadOptions;
use super::jobs::{Job, Shared};
use crate::content::ContentWriter;
use crate::object::{ChunkSink, Inline, ObjectId, chunks};
use crate::{Error, Result};

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
    fn new(buffer: Vec<u8>, ends: &[usize], threads: usize) -> Self {
        let count = ends.len();
        Self {
            buffer: RwLock::new(buffer),
            ends: ends.to_vec(),
            group: count.div_ceil(threads.max(1)),
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

/// The sink of file data: this thread and all that are idle store chunks.
pub(super) struct Spread<'a, 'b> {
    shared: &'a Shared<'b>,
}

impl<'a, 'b> Spread<'a, 'b> {
    pub(super) fn new(shared: &'a Shared<'b>) -> Self {
        Self { shared }
    }
}

impl ChunkSink for Spread<'_, '_> {
    fn store(&mut self, buffer: Vec<u8>, ends: &[usize], out: &mut Vec<(ObjectId, u64)>) -> Result<Vec<u8>> {
        self.shared.check()?;
        let threads = self.shared.options.threads;
        if ends.len() < 2 || threads < 2 {
            return Inline { writer: self.shared.writer, prefix: None, compress: false }
                .store(buffer, ends, out);
        }
        let batch = Arc::new(Batch::new(buffer, ends, threads));
        self.shared.push((1..threads.min(ends.len())).map(|_| Job::Help(batch.clone())));
        batch.help(self.shared.writer);
        batch.finish(out)
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
