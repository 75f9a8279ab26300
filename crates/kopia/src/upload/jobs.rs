//! The stack of jobs and the threads that work on it.

use std::ffi::OsString;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::children::Children;
use super::room::{Room, RoomTaken};
use super::spread::Batch;
use super::tree::Node;
use super::{UploadOptions, Uploaded};
use crate::content::ContentWriter;
use crate::records::Allowance;
use crate::snapshot::{DirectoryEntry, EntryError, Stats};
use crate::splitter::Splitter;
use crate::upload::files::FileBatch;
use crate::{Error, Result};

const MAX_FAILURES: usize = 100;

/// A piece of work.
pub(super) enum Job {
    /// List the root.
    Root(Arc<Node>),
    /// What is in a directory: further jobs, made one by one when somebody has time, as there may be very many.
    Children(Children),
    /// All of these were made.
    Listed(Arc<Node>),
    /// List a directory.
    Directory {
        /// The folder that it is in.
        parent: Arc<Node>,
        /// Its name.
        name: OsString,
    },
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
    pub(super) room: Room,
    /// For listings, old and new.
    pub(super) listings: Arc<Allowance>,
    started: Timestamp,
    failures: Mutex<Vec<EntryError>>,
    stack: Mutex<Stack>,
    /// There is work, or none will come.
    changed: Condvar,
    /// The end of all work.
    ended: Condvar,
}

#[derive(Default)]
struct Stack {
    jobs: Vec<Job>,
    /// Jobs pushed and not finished.
    unfinished: usize,
    closed: bool,
    error: Option<Error>,
}

impl Stack {
    fn push(&mut self, job: Job) {
        self.unfinished += 1;
        self.jobs.push(job);
    }

    /// The next thing to do.
    fn take(&mut self) -> Result<Option<Job>> {
        let Some(Job::Children(children)) = self.jobs.last_mut() else { return Ok(self.jobs.pop()) };
        if let Some(job) = children.next()? {
            self.unfinished += 1;
            return Ok(Some(job));
        }
        let node = children.node().clone();
        self.jobs.pop();
        Ok(Some(Job::Listed(node)))
    }
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
    pub(super) fn new(
        writer: &'a Arc<ContentWriter>,
        options: &'a UploadOptions,
        listings: &Arc<Allowance>,
    ) -> Result<Self> {
        Ok(Self {
            splitter: Splitter::from_name(&writer.contents().format().parameters().splitter)?,
            started: writer.contents().clock().now(),
            room: Room::default(),
            listings: listings.clone(),
            writer,
            options,
            counters: Counters::default(),
            failures: Mutex::default(),
            stack: Mutex::default(),
            changed: Condvar::new(),
            ended: Condvar::new(),
        })
    }

    /// Adds jobs; the last one is done first.
    pub(super) fn push(&self, jobs: impl IntoIterator<Item = Job>) {
        let mut stack = self.lock();
        jobs.into_iter().for_each(|job| stack.push(job));
        drop(stack);
        self.changed.notify_all();
    }

    /// Works until all jobs are done, or (for helpers) the stack is closed.
    pub(super) fn work(&self, until_closed: bool) {
        while let Some(job) = self.next(until_closed) {
            let result = self.check().and_then(|()| self.run(job));
            self.done(result);
        }
    }

    fn done(&self, result: Result<()>) {
        let mut stack = self.lock();
        stack.unfinished -= 1;
        let wake = stack.unfinished == 0 || result.is_err();
        if let Err(error) = result {
            stack.error.get_or_insert(error);
        }
        drop(stack);
        if wake {
            self.changed.notify_all();
            self.ended.notify_all();
        }
    }

    fn next(&self, until_closed: bool) -> Option<Job> {
        let mut stack = self.lock();
        loop {
            if stack.error.is_some() || stack.closed || (!until_closed && stack.unfinished == 0) {
                return None;
            }
            match stack.take() {
                Ok(Some(job)) => return Some(job),
                Ok(None) => {}
                Err(error) => {
                    stack.error.get_or_insert(error);
                    self.changed.notify_all();
                    self.ended.notify_all();
                    continue;
                }
            }
            stack = self.changed.wait(stack).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn run(&self, job: Job) -> Result<()> {
        match job {
            Job::Root(node) => node.list(self),
            // They are taken one by one.
            Job::Children(_) => Err(Error::Worker),
            Job::Listed(node) => node.release(self),
            Job::Directory { parent, name } => parent.visit(self, &name),
            Job::Files(batch) => batch.store(self),
            Job::Help(batch) => {
                batch.help(self.writer);
                Ok(())
            }
        }
    }

    /// Waits until so many bytes of a file may be in memory, and helps others meanwhile.
    pub(super) fn room_for(&self, bytes: usize) -> RoomTaken<'_> {
        loop {
            if let Some(taken) = self.room.take(bytes) {
                return taken;
            }
            match self.next_help() {
                Some(job) => self.done(self.run(job)),
                None => self.room.wait(),
            }
        }
    }

    /// The chunks of a large file that another thread reads.
    fn next_help(&self) -> Option<Job> {
        let mut stack = self.lock();
        let help = stack.jobs.iter().rposition(|job| matches!(job, Job::Help(_)))?;
        Some(stack.jobs.remove(help))
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.options.cancel.is_cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }

    /// Waits that long; `false` when all work ended before.
    pub(super) fn is_working_after(&self, time: Duration) -> bool {
        let working = |stack: &mut Stack| stack.unfinished > 0 && stack.error.is_none();
        let waited = self.ended.wait_timeout_while(self.lock(), time, working);
        let (mut stack, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        timeout.timed_out() && working(&mut stack)
    }

    /// Ends the work with an error, unless one has ended it already.
    pub(super) fn fail(&self, error: Error) {
        self.lock().error.get_or_insert(error);
        self.changed.notify_all();
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

    /// What was done so far, with `root` as the root of the tree.
    pub(super) fn uploaded(&self, root: DirectoryEntry) -> Uploaded {
        let counters = &self.counters;
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Uploaded {
            root,
            stats: Stats {
                total_size: get(&counters.bytes),
                file_count: get(&counters.stored),
                cached_files: get(&counters.cached),
                non_cached_files: get(&counters.stored),
                dir_count: get(&counters.directories),
                ignored_error_count: get(&counters.ignored),
                error_count: get(&counters.failed),
                ..Stats::default()
            },
            started: self.started,
            ended: self.writer.contents().clock().now(),
            failures: self.failures.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            changed: get(&counters.changed),
            special: get(&counters.special),
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
    let shared = Shared::new(writer, options, &Allowance::new(options.listing_memory))?;
    std::thread::scope(|scope| {
        for _ in 1..options.threads {
            scope.spawn(|| shared.work(true));
        }
        let result = main(&shared);
        shared.close();
        result
    })
}
