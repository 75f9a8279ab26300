//! Faults at chosen calls, and a log of the calls that were made. The same for the cluster and for stores.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bowline_engine::port::ClusterError;

/// One call to the cluster or to a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Of the cluster `version`, `discover`, `list`, `watch`, `get`, `create`, `update`, `patch`, `status`, `delete`, `wait`; of a
    /// store `put`, `get`, `head`, `list`, `delete`, `url`.
    pub verb: &'static str,
    /// `plural.group`; empty for calls that are not about a kind, and for stores.
    pub resource: String,
    /// Namespace; empty for none or all.
    pub namespace: String,
    /// Name, or a store's key; empty for lists of the cluster.
    pub name: String,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [self.verb, &self.resource, &self.namespace, &self.name];
        f.write_str(&parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" "))
    }
}

/// What goes wrong with a call.
#[derive(Debug)]
pub enum Fault<E> {
    /// It fails.
    Fail(E),
    /// It takes this much longer, by tokio's clock.
    Delay(Duration),
}

impl<E> From<E> for Fault<E> {
    fn from(error: E) -> Self {
        Self::Fail(error)
    }
}

type Rule<E> = Box<dyn FnMut(&Call) -> Option<Fault<E>> + Send>;

/// The rules by which calls fail or are slow. Without rules every call is carried out at once.
pub struct Faults<E = ClusterError> {
    before: Mutex<Vec<Rule<E>>>,
    after: Mutex<Vec<Rule<E>>>,
    calls: Mutex<Vec<Call>>,
}

impl<E> Default for Faults<E> {
    fn default() -> Self {
        Self { before: Mutex::default(), after: Mutex::default(), calls: Mutex::default() }
    }
}

impl<E> fmt::Debug for Faults<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults").field("calls", &lock(&self.calls).len()).finish_non_exhaustive()
    }
}

impl<E> Faults<E> {
    /// Fails or delays a call before it is carried out, where `rule` gives an error or a delay.
    pub fn before<F: Into<Fault<E>>>(&self, mut rule: impl FnMut(&Call) -> Option<F> + Send + 'static) {
        lock(&self.before).push(Box::new(move |call| rule(call).map(Into::into)));
    }

    /// Carries a call out and then fails or delays its answer: the answer that got lost.
    pub fn after<F: Into<Fault<E>>>(&self, mut rule: impl FnMut(&Call) -> Option<F> + Send + 'static) {
        lock(&self.after).push(Box::new(move |call| rule(call).map(Into::into)));
    }

    /// Removes all rules.
    pub fn clear(&self) {
        lock(&self.before).clear();
        lock(&self.after).clear();
    }

    /// All calls so far.
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.calls).clone()
    }

    /// Forgets the calls so far.
    pub fn forget_calls(&self) {
        lock(&self.calls).clear();
    }

    pub(crate) async fn enter(&self, call: &Call) -> Result<(), E> {
        lock(&self.calls).push(call.clone());
        strike(find(&self.before, call)).await
    }

    pub(crate) async fn leave(&self, call: &Call) -> Result<(), E> {
        strike(find(&self.after, call)).await
    }
}

async fn strike<E>(fault: Option<Fault<E>>) -> Result<(), E> {
    match fault {
        Some(Fault::Fail(error)) => Err(error),
        Some(Fault::Delay(delay)) => {
            tokio::time::sleep(delay).await;
            Ok(())
        }
        None => Ok(()),
    }
}

fn find<E>(rules: &Mutex<Vec<Rule<E>>>, call: &Call) -> Option<Fault<E>> {
    lock(rules).iter_mut().find_map(|rule| rule(call))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
