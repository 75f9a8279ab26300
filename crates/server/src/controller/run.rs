//! What running a backup and running a restore have in common: attempts, progress, hand-over to the next server, and the last word.
//!
//! Whatever is written while a run goes on carries the version of the object that this server knows. A change by somebody else is
//! followed only as long as the attempt on the object is still this server's.

use std::convert::Infallible;
use std::time::Duration;

use async_trait::async_trait;
use bowline_api::Kind;
use bowline_engine::finding::chain;
use bowline_engine::progress::Progress;
use bowline_reconcile::{Failure, Guard};
use jiff::Timestamp;
use kube::{Resource, ResourceExt};

use super::attempts;
use crate::context::Context;
use crate::failure::{ApiError, failure};
use crate::location::LocationError;
use crate::operation::RoundError;

/// How often progress is written down while it changes.
const PROGRESS: Duration = Duration::from_secs(1);
/// The pause before the second attempt; each later one is four times as long.
const FIRST_PAUSE: Duration = Duration::from_secs(15);
/// How long the hand-over may take. The next server does without it.
const HAND_OVER: Duration = Duration::from_secs(5);
/// How long a run may take to end and clean up once its server is to stop. With the hand-over less than the server's own grace.
const PATIENCE: Duration = Duration::from_secs(15);

/// A kind whose objects are run.
pub(super) trait Subject: Kind {
    /// What one is called.
    const NOUN: &'static str;

    /// Notes how many items there are and how many of them are done.
    fn set_progress(&mut self, progress: Option<(i32, i32)>);

    /// Ends it as failed.
    fn fail(&mut self, reason: String, now: Timestamp);

    /// Why it failed.
    fn failure_reason(&mut self) -> &mut String;

    /// What is said about its end; nothing while there is none.
    fn verdict(&self) -> Option<Verdict>;
}

/// What an Event says about the end of a run.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Good,
    /// The reason and the note.
    Bad(String, String),
}

/// A run that has come to its end, good or bad.
pub(super) struct Finished<K> {
    pub(super) object: K,
    /// Size of the archive that was stored; 0 when there is none.
    pub(super) archive_bytes: u64,
    /// It is a bad end by a cause that may pass by itself. It stands only when there have been too many of them.
    pub(super) is_temporary: bool,
}

impl<K> Finished<K> {
    /// One that stored no archive.
    pub(super) fn bare(object: K) -> Self {
        Self { object, archive_bytes: 0, is_temporary: false }
    }
}

/// Why an attempt came to no end.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The server is to stop, or leads no more.
    Stopped,
    /// Another attempt may succeed.
    Temporary(String),
    /// No other attempt would.
    Permanent(String),
}

impl From<LocationError> for Trouble {
    fn from(error: LocationError) -> Self {
        let text = bowline_engine::finding::chain(&error);
        if error.is_temporary() { Self::Temporary(text) } else { Self::Permanent(text) }
    }
}

impl From<bowline_store::Error> for Trouble {
    fn from(error: bowline_store::Error) -> Self {
        LocationError::Store(error).into()
    }
}

/// Runs the objects of a kind.
#[async_trait]
pub(super) trait Runner: Send + Sync {
    type Object: Subject;

    fn context(&self) -> &Context;

    /// Makes one attempt.
    async fn attempt(
        &self,
        object: &Self::Object,
        progress: &Progress,
    ) -> Result<Finished<Self::Object>, Trouble>;

    /// Looks a last time at an object that has come to its end, before that is written down.
    async fn conclude(&self, _object: &mut Self::Object) {}

    /// Counts the begin of a run, not those of its further attempts.
    fn count_start(&self, object: &Self::Object);

    /// Counts the end of a run.
    fn count(&self, finished: &Finished<Self::Object>);
}

/// Begins an attempt, unless somebody else was faster, and sees the object through to its end. When the server is told to stop
/// meanwhile, it stays in progress for the next one.
pub(super) async fn run<R: Runner>(runner: &R, before: &R::Object, after: R::Object) -> Result<(), Failure> {
    let context = runner.context();
    let mut object = begin(context, before, after).await.map_err(failure)?;
    announce(runner, &object).await;
    loop {
        let mut latest = object.clone();
        let progress = Progress::default();
        let outcome = tokio::select! {
            outcome = runner.attempt(&object, &progress) => outcome,
            never = watch(context, &mut latest, &progress) => match never {},
            () = overdue(context) => Err(Trouble::Stopped),
        };
        object.meta_mut().resource_version = latest.resource_version();
        let failed = match outcome {
            Ok(finished) if finished.is_temporary => finished,
            Ok(finished) => return finish(runner, &object, finished).await,
            Err(Trouble::Temporary(reason)) => Finished::bare(failed(&latest, reason, context.now())),
            Err(Trouble::Permanent(reason)) => return fail(runner, &latest, reason).await,
            Err(Trouble::Stopped) => {
                hand_over(context, &latest).await;
                return Ok(());
            }
        };
        match again(context, &latest, failed).await? {
            Again::Go(next) => object = *next,
            Again::GiveUp(finished) => return finish(runner, &object, *finished).await,
            Again::Stopped => return Ok(()),
        }
    }
}

/// Returns when the server is to stop and has waited long enough, such as for a store that does not answer.
async fn overdue(context: &Context) {
    context.stop.cancelled().await;
    context.ports.clock.sleep(PATIENCE).await;
}

async fn begin<K: Subject>(context: &Context, before: &K, mut after: K) -> Result<K, ApiError> {
    let meta = after.meta_mut();
    attempts::begin(meta, context.config.identity(), context.now());
    if attempts::is_repeated(meta) {
        context.metrics.own.resumed.with_label_values(&[K::NOUN]).inc();
        tracing::info!(kind = K::NOUN, name = after.name_any(), "run is begun again");
        after.set_progress(None);
    }
    context.patch(before, &after, Guard::Unchanged).await
}

async fn announce<R: Runner>(runner: &R, object: &R::Object) {
    let (noun, reporter) = (R::Object::NOUN, &runner.context().reporter);
    if attempts::is_repeated(object.meta()) {
        return reporter.normal(object, "Resumed", &format!("the {noun} is begun again")).await;
    }
    runner.count_start(object);
    reporter.normal(object, "Started", &format!("the {noun} has started")).await;
}

/// Writes progress down, at most once a second, for as long as it is polled.
async fn watch<K: Subject>(context: &Context, latest: &mut K, progress: &Progress) -> Infallible {
    loop {
        context.ports.clock.sleep(PROGRESS).await;
        let (total, done) = progress.snapshot();
        let mut after = latest.clone();
        after.set_progress(Some((total as i32, done as i32)));
        match write(context, latest, &after).await {
            Ok(written) => *latest = written,
            Err(error) => tracing::debug!(error = %error, "progress could not be written"),
        }
    }
}

/// Writes what changed. When somebody else has changed the object, this goes on top of it, provided that the attempt is still ours.
async fn write<K: Subject>(context: &Context, before: &K, after: &K) -> Result<K, ApiError> {
    let mut before = before.clone();
    loop {
        match context.patch(&before, after, Guard::Unchanged).await {
            Err(error) if error.is_conflict() => {
                let live = context.live::<K>(&before.name_any()).await?;
                let Some(live) = live.filter(|live| attempts::is_same(live.meta(), before.meta())) else {
                    return Err(error);
                };
                before.meta_mut().resource_version = live.resource_version();
            }
            result => return result,
        }
    }
}

/// What comes after a failed attempt.
enum Again<K> {
    Go(Box<K>),
    GiveUp(Box<Finished<K>>),
    Stopped,
}

async fn again<K: Subject>(
    context: &Context,
    latest: &K,
    mut finished: Finished<K>,
) -> Result<Again<K>, Failure> {
    let reason = std::mem::take(finished.object.failure_reason());
    let mut after = latest.clone();
    attempts::end(after.meta_mut(), &reason);
    if attempts::used_up(after.meta()) {
        attempts::end(finished.object.meta_mut(), &reason);
        *finished.object.failure_reason() = attempts::exhausted(K::NOUN, after.meta());
        return Ok(Again::GiveUp(Box::new(finished)));
    }
    let failed = attempts::count(after.meta());
    let pause = FIRST_PAUSE * 4_u32.pow(failed.saturating_sub(1).min(3));
    tracing::warn!(
        kind = K::NOUN,
        name = latest.name_any(),
        error = reason.as_str(),
        ?pause,
        "attempt failed, there will be another one"
    );
    let noted = context.persistently(|| write(context, latest, &after)).await.map_err(failure)?;
    tokio::select! {
        () = context.stop.cancelled() => return Ok(Again::Stopped),
        () = context.ports.clock.sleep(pause) => {}
    }
    let next = begin(context, &noted, noted.clone()).await.map_err(failure)?;
    Ok(Again::Go(Box::new(next)))
}

async fn hand_over<K: Subject>(context: &Context, latest: &K) {
    tracing::info!(kind = K::NOUN, name = latest.name_any(), "the server stops, the next one will do it");
    let mut after = latest.clone();
    attempts::hand_over(after.meta_mut());
    let written = tokio::time::timeout(HAND_OVER, write(context, latest, &after)).await;
    if !matches!(written, Ok(Ok(_))) {
        tracing::debug!(kind = K::NOUN, name = latest.name_any(), "the hand-over could not be noted");
    }
}

/// Ends a run as failed.
pub(super) async fn fail<R: Runner>(runner: &R, before: &R::Object, reason: String) -> Result<(), Failure> {
    let after = failed(before, reason, runner.context().now());
    finish(runner, before, Finished::bare(after)).await
}

fn failed<K: Subject>(object: &K, reason: String, now: Timestamp) -> K {
    let mut after = object.clone();
    after.fail(reason, now);
    after
}

/// Ends one that was begun too often.
pub(super) async fn give_up<R: Runner>(runner: &R, object: &R::Object) -> Result<(), Failure> {
    fail(runner, object, attempts::exhausted(R::Object::NOUN, object.meta())).await
}

/// Writes down what a round of questions about operations has found. `None`: nobody could be asked, the next round may.
pub(super) async fn record_round<K: Kind + Clone + PartialEq>(
    context: &Context,
    before: &K,
    polled: Result<K, RoundError>,
) -> Result<Option<K>, Failure> {
    let after = match polled {
        Ok(after) => after,
        Err(error) => {
            tracing::warn!(error = chain(&error), "operations can't be asked about, will be tried again");
            return Ok(None);
        }
    };
    if after != *before {
        context.patch(before, &after, Guard::Unchanged).await.map_err(failure)?;
    }
    Ok(Some(after))
}

/// Writes the end of a run down, whatever it takes, and says it.
pub(super) async fn finish<R: Runner>(
    runner: &R,
    before: &R::Object,
    mut finished: Finished<R::Object>,
) -> Result<(), Failure> {
    let context = runner.context();
    runner.conclude(&mut finished.object).await;
    let written = context.persistently(|| write(context, before, &finished.object)).await.map_err(failure)?;
    runner.count(&finished);
    match written.verdict() {
        None => {}
        Some(Verdict::Good) => {
            let note = format!("the {} is complete", R::Object::NOUN);
            context.reporter.normal(&written, "Completed", &note).await;
        }
        Some(Verdict::Bad(reason, note)) => context.reporter.warning(&written, &reason, &note).await,
    }
    Ok(())
}
