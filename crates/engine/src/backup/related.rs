//! What stored objects need besides themselves: named by actions, stored once, whatever its own filters said about listing it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use futures::future::BoxFuture;

use super::BackupError;
use super::each::each;
use super::run::Run;
use super::store::Mode;
use crate::action::ItemId;
use crate::finding::{Level, chain};
use crate::object::Object;
use crate::port::{ClusterError, ObjectRef};
use crate::retry::{Retry, is_away};

/// Objects that are fetched at once.
pub(super) const FETCHES: usize = 8;

/// Objects that can wait until all lists are read: most of them come along in a list.
#[derive(Debug, Default)]
pub(super) struct Related(Mutex<HashMap<u128, Waiting>>);

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Waiting {
    id: ItemId,
    must: bool,
    block: bool,
}

impl Related {
    fn add(&self, key: u128, id: ItemId, must: bool, block: bool) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = waiting.entry(key).or_insert(Waiting { id, must: false, block: false });
        entry.must |= must;
        entry.block |= block;
    }

    fn take(&self) -> Vec<Waiting> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.drain().map(|(_, entry)| entry).collect()
    }
}

impl Run<'_> {
    /// Stores an object that a stored one needs: now, or when all lists are read. Boxed, because it leads back to where it is called.
    pub(super) fn relate(&self, id: ItemId, mode: Mode) -> BoxFuture<'_, Result<(), BackupError>> {
        Box::pin(async move {
            let key = self.written.key(&id.resource.to_string(), "", id.namespace.as_deref(), &id.name);
            if self.written.has(key) {
                return Ok(());
            }
            match mode {
                Mode::Related { must, now: false, block } => self.related.add(key, id, must, block),
                mode => self.store_one(id, mode).await?,
            }
            Ok(())
        })
    }

    /// Stores what has waited, and what that needs in turn.
    pub(super) async fn store_related(&self) -> Result<(), BackupError> {
        loop {
            let mut waiting = self.related.take();
            if waiting.is_empty() {
                return Ok(());
            }
            waiting.sort();
            let store = |Waiting { id, must, block }| -> BoxFuture<'_, _> {
                Box::pin(self.store_one(id, Mode::Related { must, now: false, block }))
            };
            each(FETCHES, waiting, &store).await?;
        }
    }

    pub(super) async fn store_one(&self, id: ItemId, mode: Mode) -> Result<(), BackupError> {
        let Some(plan) = self.catalog.get(&id.resource).map(|kind| self.plan(kind)) else {
            let message = "a stored object needs it, but the cluster does not serve its kind";
            self.report_named(Level::Error, &id.resource, id.namespace.as_deref(), &id.name, message);
            return Ok(());
        };
        let key = self.written.key(&plan.name, "", id.namespace.as_deref(), &id.name);
        if self.written.has(key) {
            return Ok(());
        }
        let object = ObjectRef { kind: plan.kind.clone(), namespace: id.namespace, name: id.name };
        match self.fetch(&object).await {
            Ok(object) => self.enter(&plan, object, mode).await,
            Err(error) => self.related_missing(&object, error).await,
        }
    }

    /// Reports that an object that a stored one needs could not be read.
    async fn related_missing(&self, object: &ObjectRef, error: ClusterError) -> Result<(), BackupError> {
        if !error.is_not_found() {
            return self.fetch_failed(object, error).await;
        }
        let (resource, message) =
            (object.kind.group_resource(), "a stored object needs it, but it does not exist");
        self.report_named(Level::Warning, &resource, object.namespace.as_deref(), &object.name, message);
        Ok(())
    }

    /// Reads one object.
    pub(super) async fn fetch(&self, object: &ObjectRef) -> Result<Object, ClusterError> {
        Retry::API.run(&*self.ports.clock, || self.ports.cluster.get(object)).await
    }

    /// Reports that an object could not be read. Only a cluster that is gone altogether ends the backup.
    pub(super) async fn fetch_failed(
        &self,
        object: &ObjectRef,
        error: ClusterError,
    ) -> Result<(), BackupError> {
        if error.is_retryable() && is_away(&*self.ports.cluster).await {
            return Err(BackupError::List { resource: object.to_string(), source: error });
        }
        let message = format!("the object is missing in this backup, reading it failed: {}", chain(&error));
        let resource = object.kind.group_resource();
        self.report_named(Level::Error, &resource, object.namespace.as_deref(), &object.name, message);
        Ok(())
    }
}
