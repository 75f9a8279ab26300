//! The stack of jobs and the threads that work on it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::UploadOptions;
use super::spread::Batch;
use super::tree::Node;
use crate::content::ContentWriter;
use crate::snapshot::EntryError;
use crate::splitter::Splitter;
use crate::upload::files::FileBatch;
use crate::{Error, Result};

const MAX_FAILURES: usize = 100;

/// A piece of work.
pub(super) enum Job {
    /// List a directory.
    Directory(Arc<Node>),
    /// Store some files of a directory.
    Files(FileBatch),
    /// Store some chunks of a large file, for the thread that reads it.
    Help(Arc<Batch>),
}

/// What all threads of an upload share.
pub(super) struct Shared<'a> {
    pub(super) writer: &'a Arc<ContentWriter>,
    pub(super) options: &'a UploadOptions,
    pub(super) splitter: Splitter,
    pub(super) counters: Counters,
    pub(super) failures: Mutex<Vec<EntryError>>,
    stack: Mutex<Stack>,
    changed: Condvar,
}

#[derive(Default)]
struct Stack {
    jobs: Vec<Job>,
    /// Jobs pushed and not finished.
    unfinished: usize,
    closed: bool,
    error: Option<Error>,
}

/// Counted by all threads.
#[derive(Default)]
pub(super) struct Counters {
    pub(super) bytes: AtomicU64,
    pub(super) stored: AtomicU64,
    pub(super) cached: AtomicU64,
    pub(super) directories: AtomicU64,
    pub(super) ignored: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) changed: AtomicU64,
    pub(super) special: AtomicU64,
}

pub(super) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

impl<'a> Shared<'a> {
    pub(super) fn new(writer: &'a Arc<ContentWriter>, options: &'a UploadOptions) -> Result<Self> {
        Ok(Self {
            splitter: Splitter::from_name(&writer.contents().format().parameters().splitter)?,
            writer,
            options,
            counters: Counters::default(),
            failures: Mutex::default(),
            stack: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    /// Adds jobs; the last one is done first.
    pub(super) fn push(&self, jobs: impl IntoIterator<Item = Job>) {
        let mut stack = self.lock();
        let before = stack.jobs.len();
        stack.jobs.extend(jobs);
        stack.unfinished += stack.jobs.len() - before;
        drop(stack);
        self.changed.notify_all();
    }

    /// Works until all jobs are done, or (for helpers) the stack is closed.
    pub(super) fn work(&self, until_closed: bool) {
        while let Some(job) = self.next(until_closed) {
            let result = self.check().and_then(|()| self.run(job));
            let mut stack = self.lock();
            stack.unfinished -= 1;
            if let Err(error) = result {
                stack.error.get_or_insert(error);
            }
            let wake = stack.unfinished == 0 || stack.error.is_some();
            drop(stack);
            if wake {
                self.changed.notify_all();
            }
        }
    }

    fn next(&self, until_closed: bool) -> Option<Job> {
        let mut stack = self.lock();
        loop {
            if stack.error.is_some() || stack.closed || (!until_closed && stack.unfinished == 0) {
                return None;
            }
            if let Some(job) = stack.jobs.pop() {
                return Some(job);
            }
            stack = self.changed.wait(stack).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn run(&self, job: Job) -> Result<()> {
        match job {
            Job::Directory(node) => node.list(self),
            Job::Files(batch) => batch.store(self),
            Job::Help(batch) => {
                batch.help(self.writer);
                Ok(())
            }
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.options.cancel.is_cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }

    /// The first error of any thread.
    pub(super) fn take_error(&self) -> Result<()> {
        self.lock().error.take().map_or(Ok(()), Err)
    }

    pub(super) fn record_failure(&self, failure: EntryError) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() < MAX_FAILURES {
            failures.push(failure);
        }
    }

    fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Stack> {
        self.stack.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs `main` on this thread while others stand by to help with chunks.
pub(super) fn with_helpers<T>(
    writer: &Arc<ContentWriter>,
    options: &UploadOptions,
    main: impl FnOnce(&Shared<'_>) -> Result<T>,
) -> Result<T> {
    let shared = Shared::new(writer, options)?;
    std::thread::scope(|scope| {
        for _ in 1..options.threads {
            scope.spawn(|| shared.work(true));
        }
        let result = main(&shared);
        shared.close();
        result
    })
}
