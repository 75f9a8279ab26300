//! All objects of one kind in one namespace, kept current by a watch, and the names of those that change.
//!
//! One watch serves all controllers of the process. Objects that can't be read are left out with a warning, so that one broken
//! object does not stop the rest. `managedFields` are dropped: nobody here reads them, and they are half of an object.

use std::sync::Arc;

use bowline_api::Kind;
use futures::StreamExt;
use kube::core::DeserializeGuard;
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::watcher::Event;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, ResourceExt};
use tokio::sync::{broadcast, watch};

const PAGE_SIZE: u32 = 500;
/// Changes that a slow reader may be behind before it is told to look at everything.
const CHANGES: usize = 1024;

/// The cached objects of a kind. Cloning shares them.
pub struct Cache<K: Kind> {
    store: Store<K>,
    namespace: Arc<str>,
    changes: broadcast::Sender<String>,
    /// Whether all objects have been read once. The store's own signal wakes only one of those who wait for it.
    ready: watch::Receiver<bool>,
}

/// The writing side of a cache.
struct Feed<K: Kind> {
    writer: Writer<K>,
    changes: broadcast::Sender<String>,
    ready: watch::Sender<bool>,
}

/// The names of objects that appear, change or disappear, from now on.
pub struct Changes {
    receiver: broadcast::Receiver<String>,
}

/// What [`Changes::next`] saw.
#[derive(Debug, PartialEq, Eq)]
pub enum Change {
    /// This object is not as it was.
    One(String),
    /// Too much has happened to name it.
    Any,
    /// The watch has ended.
    End,
}

impl<K: Kind> Clone for Cache<K> {
    fn clone(&self) -> Self {
        Self {
            store: self.store.clone(),
            namespace: Arc::clone(&self.namespace),
            changes: self.changes.clone(),
            ready: self.ready.clone(),
        }
    }
}

impl<K: Kind> Cache<K> {
    /// Starts the watch; it ends when the future is dropped. The cache is empty until [`Cache::ready`].
    pub fn start(client: &kube::Client, namespace: &str) -> (Self, impl Future<Output = ()> + Send + use<K>) {
        let (store, writer) = reflector::store();
        let (changes, _) = broadcast::channel(CHANGES);
        let (ready_tx, ready) = watch::channel(false);
        let feed = Feed { writer, changes: changes.clone(), ready: ready_tx };
        let cache = Self { store, namespace: namespace.into(), changes, ready };
        (cache, follow(Api::namespaced(client.clone(), namespace), feed))
    }

    /// Returns when all objects have been read once.
    pub async fn ready(&self) {
        // The only error is that the watch has ended, which ends its readers as well.
        let _ = self.ready.clone().wait_for(|ready| *ready).await;
    }

    /// One object as it was last seen.
    pub fn get(&self, name: &str) -> Option<Arc<K>> {
        self.store.get(&ObjectRef::new(name).within(&self.namespace))
    }

    /// All objects as they were last seen, in no order.
    pub fn list(&self) -> Vec<Arc<K>> {
        self.store.state()
    }

    /// The names of all objects.
    pub fn names(&self) -> Vec<String> {
        self.store.state().iter().map(|object| object.name_any()).collect()
    }

    /// The changes from now on.
    pub fn changes(&self) -> Changes {
        Changes { receiver: self.changes.subscribe() }
    }
}

impl Changes {
    /// Waits for the next change.
    pub async fn next(&mut self) -> Change {
        match self.receiver.recv().await {
            Ok(name) => Change::One(name),
            Err(broadcast::error::RecvError::Lagged(_)) => Change::Any,
            Err(broadcast::error::RecvError::Closed) => Change::End,
        }
    }
}

async fn follow<K: Kind>(api: Api<DeserializeGuard<K>>, mut feed: Feed<K>) {
    let config = watcher::Config::default().page_size(PAGE_SIZE);
    let mut events = std::pin::pin!(watcher(api, config).default_backoff());
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => feed.accept(event),
            Err(error) => tracing::warn!(kind = K::KIND, error = %error, "watch failed, will be repeated"),
        }
    }
}

impl<K: Kind> Feed<K> {
    fn accept(&mut self, event: Event<DeserializeGuard<K>>) {
        let Some(event) = readable_event(event) else { return };
        self.writer.apply_watcher_event(&event);
        match event {
            Event::Apply(object) | Event::Delete(object) => self.announce(&object),
            Event::InitDone => {
                // After a break of the watch anything may have changed, deletions included.
                self.writer.as_reader().state().iter().for_each(|object| self.announce(object));
                self.ready.send_replace(true);
            }
            Event::Init | Event::InitApply(_) => {}
        }
    }

    fn announce(&self, object: &K) {
        // Sending fails where nobody listens, which is fine.
        let _ = self.changes.send(object.name_any());
    }
}

fn readable_event<K: Kind>(event: Event<DeserializeGuard<K>>) -> Option<Event<K>> {
    Some(match event {
        Event::Init => Event::Init,
        Event::InitDone => Event::InitDone,
        Event::InitApply(object) => Event::InitApply(readable(object)?),
        Event::Apply(object) => Event::Apply(readable(object)?),
        Event::Delete(object) => Event::Delete(readable(object)?),
    })
}

fn readable<K: Kind>(guard: DeserializeGuard<K>) -> Option<K> {
    match guard.0 {
        Ok(mut object) => {
            object.meta_mut().managed_fields = None;
            Some(object)
        }
        Err(error) => {
            let name = error.metadata.name.as_deref().unwrap_or_default();
            tracing::warn!(kind = K::KIND, name, error = %error.error, "object can't be read and is ignored");
            None
        }
    }
}
