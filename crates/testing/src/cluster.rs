//! An API server in memory: enough of the real one's behaviour for the engine's tests, and no more.
//!
//! What it does as the real one: names the missing and the existing in the same words, sets uid, resourceVersion and creation
//! time, drops status on create, makes `default` and `kube-root-ca.crt` in new namespaces, serves the kinds of a CRD once it is
//! created, refuses node ports that are taken, keeps what is being deleted while it has finalizers, pages lists.
//! What it does not: validation, defaulting, admission, field ownership beyond one entry.

mod catalog;
mod change;
mod port;
mod state;

use std::sync::Mutex;

use bowline_engine::catalog::{BrokenGroup, Kind};
use serde_json::Value;

use crate::fault::Faults;
use state::State;

/// The in-memory cluster.
pub struct MemoryCluster {
    /// Which calls fail, and which were made.
    pub faults: Faults,
    state: Mutex<State>,
}

impl Default for MemoryCluster {
    fn default() -> Self {
        Self { faults: Faults::default(), state: Mutex::new(State::new(catalog::builtin())) }
    }
}

impl MemoryCluster {
    /// A cluster that serves the usual built-in kinds and holds `objects`, stored word for word (uid, times and status
    /// included). Namespaces that objects are in are made when they are missing.
    pub fn with(objects: impl IntoIterator<Item = Value>) -> Self {
        let cluster = Self::default();
        for object in objects {
            cluster.put(object);
        }
        cluster
    }

    /// Stores an object word for word, in place of one of that name.
    pub fn put(&self, object: Value) {
        self.lock().put(object);
    }

    /// Serves a further kind.
    pub fn serve(&self, kind: Kind) {
        self.lock().serve(kind);
    }

    /// Names a group as broken in discovery.
    pub fn break_group(&self, broken: BrokenGroup) {
        self.lock().broken.push(broken);
    }

    /// An object as it is now: by plural resource (`configmaps`, `deployments.apps`), namespace (may be empty) and name.
    pub fn object(&self, resource: &str, namespace: &str, name: &str) -> Option<Value> {
        self.lock().find(resource, namespace, name).cloned()
    }

    /// Everything there is, as `resource namespace/name`, sorted.
    pub fn keys(&self) -> Vec<String> {
        self.lock().keys()
    }

    /// Removes an object at once, whatever its finalizers.
    pub fn remove(&self, resource: &str, namespace: &str, name: &str) {
        self.lock().remove(resource, namespace, name);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
