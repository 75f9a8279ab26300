//! The work queue of a controller: names come in, each is reconciled by one task at a time, again when it asks for that or fails.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use prometheus::Counter;
use tokio::sync::mpsc;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::Backoff;

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_mins(2);

/// Brings one object nearer to what is wanted. It is never told why it was called, and may be called at any time.
#[async_trait]
pub trait Reconcile: Send + Sync + 'static {
    /// Name of the controller, such as `backup-sync`: what logs say and `--disable-controllers` takes.
    fn name(&self) -> &'static str;

    /// Looks at the object of this name, which may be gone, and does one step.
    async fn reconcile(&self, name: &str) -> Result<Next, Failure>;
}

/// When to look at the object again, if nothing changes before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Only when it changes.
    OnChange,
    /// After this time.
    After(Duration),
}

/// Why a step failed. It is repeated after a growing pause.
#[derive(Debug)]
pub struct Failure {
    error: Box<dyn std::error::Error + Send + Sync>,
    expected: bool,
}

impl Failure {
    /// A race that was lost to another writer: repeated without a word in the log.
    pub fn race(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { error: error.into(), expected: true }
    }
}

impl<E: Into<Box<dyn std::error::Error + Send + Sync>>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { error: error.into(), expected: false }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.error.to_string();
        let mut source = self.error.source();
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        f.write_str(&text)
    }
}

/// A queue and the tasks that work on it.
pub struct Worker {
    reconciler: Arc<dyn Reconcile>,
    concurrency: usize,
    queue: Queue,
    backoff: Backoff<String>,
    running: JoinSet<Outcome>,
    tasks: HashMap<Id, String>,
    failures: Option<Counter>,
}

/// A name and what became of it.
type Outcome = (String, Result<Next, Failure>);

/// Names that wait, each once, with the earliest time it was asked for.
#[derive(Default)]
struct Queue {
    due: HashMap<String, Instant>,
    busy: HashSet<String>,
}

impl Queue {
    fn add(&mut self, name: String, at: Instant) {
        self.due.entry(name).and_modify(|due| *due = at.min(*due)).or_insert(at);
    }

    /// The next name that may run now, or how long it takes until there may be one.
    fn take(&mut self, now: Instant) -> Result<String, Option<Instant>> {
        let idle = self.due.iter().filter(|(name, _)| !self.busy.contains(*name));
        let Some((name, at)) = idle.min_by_key(|(_, at)| **at) else { return Err(None) };
        if *at > now {
            return Err(Some(*at));
        }
        let name = name.clone();
        self.due.remove(&name);
        self.busy.insert(name.clone());
        Ok(name)
    }
}

impl Worker {
    /// A worker on at most `concurrency` objects at once.
    pub fn new(reconciler: Arc<dyn Reconcile>, concurrency: usize) -> Self {
        Self {
            reconciler,
            concurrency: concurrency.max(1),
            queue: Queue::default(),
            backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE),
            running: JoinSet::new(),
            tasks: HashMap::new(),
            failures: None,
        }
    }

    /// Counts the steps that fail, lost races excepted.
    #[must_use]
    pub fn counting(self, failures: Counter) -> Self {
        Self { failures: Some(failures), ..self }
    }

    /// Works on the names that come in until `stop`, then waits for what runs.
    pub async fn run(mut self, mut names: mpsc::Receiver<String>, stop: CancellationToken) {
        // Work that ends because of the stop must not make room for more.
        while !stop.is_cancelled() {
            let wake = self.start_due();
            tokio::select! {
                () = stop.cancelled() => break,
                Some(done) = self.running.join_next_with_id() => self.finish(done),
                name = names.recv() => match name {
                    Some(name) => self.queue.add(name, Instant::now()),
                    None => break,
                },
                () = sleep_until(wake) => {}
            }
        }
        while let Some(done) = self.running.join_next_with_id().await {
            self.finish(done);
        }
    }

    fn start_due(&mut self) -> Option<Instant> {
        while self.running.len() < self.concurrency {
            match self.queue.take(Instant::now()) {
                Ok(name) => self.start(name),
                Err(wake) => return wake,
            }
        }
        None
    }

    fn start(&mut self, name: String) {
        let reconciler = Arc::clone(&self.reconciler);
        tracing::trace!(controller = reconciler.name(), name, "reconcile");
        let key = name.clone();
        let task = self.running.spawn(async move {
            let result = reconciler.reconcile(&name).await;
            (name, result)
        });
        self.tasks.insert(task.id(), key);
    }

    fn finish(&mut self, done: Result<(Id, Outcome), JoinError>) {
        let (id, name, result) = match done {
            Ok((id, (name, result))) => (id, name, result),
            Err(error) => {
                let name = self.tasks.get(&error.id()).cloned().unwrap_or_default();
                (error.id(), name, Err(Failure::from(error)))
            }
        };
        self.tasks.remove(&id);
        self.queue.busy.remove(&name);
        self.schedule(name, result);
    }

    fn schedule(&mut self, name: String, result: Result<Next, Failure>) {
        match result {
            Ok(next) => {
                self.backoff.succeed(&name);
                if let Next::After(pause) = next {
                    self.queue.add(name, Instant::now() + pause);
                }
            }
            Err(failure) => {
                let pause = self.backoff.fail(name.clone());
                if !failure.expected {
                    self.failures.iter().for_each(Counter::inc);
                    let controller = self.reconciler.name();
                    tracing::error!(controller, name, error = %failure, "reconcile failed, will be repeated");
                }
                self.queue.add(name, Instant::now() + pause);
            }
        }
    }
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Fails for `bad`, panics for `worse`, asks to be called again for `often`, and is slow.
    #[derive(Default)]
    struct Recorder(Mutex<Vec<String>>);

    #[async_trait]
    impl Reconcile for Recorder {
        fn name(&self) -> &'static str {
            "recorder"
        }

        async fn reconcile(&self, name: &str) -> Result<Next, Failure> {
            self.0.lock().unwrap().push(name.to_owned());
            tokio::time::sleep(Duration::from_millis(10)).await;
            match name {
                "bad" => Err("no".into()),
                "worse" => panic!("worse"),
                "often" => Ok(Next::After(Duration::from_millis(100))),
                _ => Ok(Next::OnChange),
            }
        }
    }

    async fn calls(names: &[&str], time: Duration) -> Vec<String> {
        let recorder = Arc::new(Recorder::default());
        let (tx, rx) = mpsc::channel(10);
        let stop = CancellationToken::new();
        let worker = tokio::spawn(Worker::new(Arc::clone(&recorder) as _, 2).run(rx, stop.clone()));
        for name in names {
            tx.send((*name).to_owned()).await.unwrap();
        }
        tokio::time::sleep(time).await;
        stop.cancel();
        worker.await.unwrap();
        recorder.0.lock().unwrap().clone()
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_that_comes_again_while_it_runs_is_run_once_more() {
        assert_eq!(calls(&["a", "a", "a", "a"], Duration::from_secs(1)).await, ["a", "a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_step_may_ask_to_be_repeated() {
        assert_eq!(calls(&["often"], Duration::from_millis(320)).await.len(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn failures_and_panics_are_repeated_after_a_pause_and_hold_up_nobody() {
        let calls = calls(&["bad", "worse", "a"], Duration::from_millis(300)).await;
        let count = |name: &str| calls.iter().filter(|call| *call == name).count();
        assert_eq!((count("bad"), count("worse"), count("a")), (2, 2, 1));
    }

    /// Works until it is told to stop, and is to be called again then.
    struct Lasting(CancellationToken, Mutex<usize>);

    #[async_trait]
    impl Reconcile for Lasting {
        fn name(&self) -> &'static str {
            "lasting"
        }

        async fn reconcile(&self, _: &str) -> Result<Next, Failure> {
            *self.1.lock().unwrap() += 1;
            self.0.cancelled().await;
            Ok(Next::After(Duration::ZERO))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_ends_because_of_the_stop_makes_no_room_for_more() {
        for _ in 0..50 {
            let stop = CancellationToken::new();
            let lasting = Arc::new(Lasting(stop.clone(), Mutex::default()));
            let (tx, rx) = mpsc::channel(10);
            let worker = tokio::spawn(Worker::new(Arc::clone(&lasting) as _, 1).run(rx, stop.clone()));
            for name in ["a", "b"] {
                tx.send(name.to_owned()).await.unwrap();
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
            stop.cancel();
            worker.await.unwrap();
            assert_eq!(*lasting.1.lock().unwrap(), 1);
        }
    }
}
