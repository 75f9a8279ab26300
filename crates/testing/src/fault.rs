//! Faults at chosen calls, and a log of the calls that were made.

use std::sync::Mutex;

use bowline_engine::port::ClusterError;

/// One call to the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// `version`, `discover`, `list`, `get`, `create`, `patch`, `status`, `delete`, `wait`.
    pub verb: &'static str,
    /// `plural.group`; empty for calls that are not about a kind.
    pub resource: String,
    /// Namespace; empty for none or all.
    pub namespace: String,
    /// Name; empty for lists.
    pub name: String,
}

type Rule = Box<dyn FnMut(&Call) -> Option<ClusterError> + Send>;

/// The rules by which calls fail. Without rules every call is carried out.
#[derive(Default)]
pub struct Faults {
    before: Mutex<Vec<Rule>>,
    after: Mutex<Vec<Rule>>,
    calls: Mutex<Vec<Call>>,
}

impl Faults {
    /// Fails a call before it is carried out, where `rule` gives an error.
    pub fn before(&self, rule: impl FnMut(&Call) -> Option<ClusterError> + Send + 'static) {
        lock(&self.before).push(Box::new(rule));
    }

    /// Carries a call out and then fails it: the answer that got lost.
    pub fn after(&self, rule: impl FnMut(&Call) -> Option<ClusterError> + Send + 'static) {
        lock(&self.after).push(Box::new(rule));
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

    pub(crate) fn enter(&self, call: &Call) -> Result<(), ClusterError> {
        lock(&self.calls).push(call.clone());
        check(&self.before, call)
    }

    pub(crate) fn leave(&self, call: &Call) -> Result<(), ClusterError> {
        check(&self.after, call)
    }
}

fn check(rules: &Mutex<Vec<Rule>>, call: &Call) -> Result<(), ClusterError> {
    match lock(rules).iter_mut().find_map(|rule| rule(call)) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
