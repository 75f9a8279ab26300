//! An API server in memory: enough of the real one's behaviour for the engine's tests, and no more.
//!
//! What it does as the real one: names the missing and the existing in the same words, sets uid, resourceVersion and creation
//! time, makes names, refuses writes to what has changed, keeps status apart, makes `default` and `kube-root-ca.crt` in new
//! namespaces, serves the kinds of a CRD once it is created or changed, refuses node ports that are taken, keeps what is being deleted while it
//! has finalizers, deletes what was owned, pages lists, tells changes to watches.
//! What it does not: validation, defaulting, admission, field ownership beyond one entry, strategic merges.
//!
//! The engine sees it as its port; with the feature `server` a real client of `kube` sees it as an API server.

mod catalog;
mod change;
#[cfg(feature = "server")]
mod http;
mod port;
mod state;

use std::sync::{Arc, Mutex};

use bowline_engine::catalog::{BrokenGroup, GroupResource, Kind};
use bowline_engine::port::{Clock, ClusterError, ObjectRef, WriteOptions};
use serde_json::Value;

use crate::clock::FrozenClock;
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
        Self::at(Arc::new(FrozenClock::default()))
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

    /// An empty cluster whose times are of this clock.
    pub fn at(clock: Arc<dyn Clock>) -> Self {
        let state = State::new(catalog::builtin(), move || clock.now());
        Self { faults: Faults::default(), state: Mutex::new(state) }
    }

    /// Stores an object word for word, in place of one of that name.
    pub fn put(&self, object: Value) {
        self.lock().put(object);
    }

    /// Creates an object as the API does, by plural resource; what the server fills in is filled in.
    pub fn create_object(&self, resource: &str, object: Value) -> Result<Value, ClusterError> {
        let mut state = self.lock();
        let kind = state.catalog().get(&GroupResource::from(resource)).cloned();
        let kind =
            kind.ok_or_else(|| ClusterError::NotFound { message: format!("{resource} is not served") })?;
        let text = |field: &str| object["metadata"][field].as_str().map(str::to_owned);
        let namespace = text("namespace").filter(|_| kind.namespaced);
        let reference = ObjectRef { kind, namespace, name: text("name").unwrap_or_default() };
        state.create(&reference, object, &WriteOptions::default())
    }

    /// Serves a further kind.
    pub fn serve(&self, kind: Kind) {
        self.lock().serve(kind);
    }

    /// From now on new definitions are served, but never established.
    pub fn leave_definitions_unready(&self) {
        self.lock().establishes = false;
    }

    /// Serves Velero's kinds, by their definitions, without those of these plurals.
    pub fn serve_velero(&self, without: &[&str]) {
        let definitions = bowline_api::crd::crds().into_iter();
        for definition in definitions.filter(|it| !without.contains(&it.spec.names.plural.as_str())) {
            let mut definition = serde_json::to_value(definition).expect("a definition is JSON");
            definition["kind"] = "CustomResourceDefinition".into();
            definition["apiVersion"] = "apiextensions.k8s.io/v1".into();
            self.put(definition);
        }
    }

    /// Names a group as broken in discovery.
    pub fn break_group(&self, broken: BrokenGroup) {
        self.lock().broken.push(broken);
    }

    /// An object as it is now: by plural resource (`configmaps`, `deployments.apps`), namespace (may be empty) and name.
    pub fn object(&self, resource: &str, namespace: &str, name: &str) -> Option<Value> {
        self.lock().find(resource, namespace, name).cloned()
    }

    /// All objects of a resource as they are now, by namespace and name.
    pub fn objects(&self, resource: &str) -> Vec<Value> {
        let state = self.lock();
        state.objects.iter().filter(|(key, _)| key.0 == resource).map(|(_, object)| object.clone()).collect()
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
