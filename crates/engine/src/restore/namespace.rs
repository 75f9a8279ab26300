//! The namespaces that a restore needs, each made at most once, from the namespace object of the backup.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bowline_api::resource::{GroupVersionKind, ObjectKey};
use bytes::Bytes;
use serde_json::json;
use tokio::sync::OnceCell;

use super::plan::Step;
use super::run::Run;
use crate::action::ItemId;
use crate::catalog::{GroupResource, Kind};
use crate::port::{Condition, ObjectRef, WriteOptions};

/// What a restore found where it needs a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It is new; apart from what controllers put into every namespace, it is empty.
    Created,
    /// It was there before.
    Existing,
    /// It would have been created (dry run).
    WouldCreate,
    /// It can't be had; the text says why.
    Failed(String),
}

/// All namespaces asked for so far.
#[derive(Default)]
pub(super) struct Namespaces(Mutex<BTreeMap<String, Arc<OnceCell<Found>>>>);

impl Run {
    /// Makes sure that the namespace exists to which objects of a backed-up namespace go.
    pub(super) async fn ensure_namespace(&self, source: &str) -> Found {
        let target = self.rules().target_namespace(source).to_owned();
        let cell = {
            let mut cells = self.namespaces.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(cells.entry(target.clone()).or_default())
        };
        cell.get_or_init(|| async {
            let found = self.make_namespace(source, &target).await;
            if matches!(found, Found::Created | Found::WouldCreate) {
                let kind = GroupVersionKind::new("", "v1", "Namespace");
                self.ledger.record(&kind, &ObjectKey::cluster(target.as_str()), Step::Create, Vec::new());
            }
            found
        })
        .await
        .clone()
    }

    async fn make_namespace(&self, source: &str, target: &str) -> Found {
        let object = ObjectRef { kind: self.namespace_kind(), namespace: None, name: target.to_owned() };
        let existing = match self.client.get(&object).await {
            Ok(existing) => existing,
            Err(error) => return Found::Failed(format!("failed to read namespace {target}: {error}")),
        };
        match existing {
            Some(existing) if existing.head().deleting => {
                if self.is_dry {
                    return Found::WouldCreate;
                }
                let gone: Condition = Arc::new(|object| object.is_none());
                let timeout = self.request.terminating_timeout;
                if self.client.cluster.wait(&object, gone, timeout).await.is_err() {
                    return Found::Failed(format!(
                        "namespace {target} is being deleted and was not gone after {timeout:?}"
                    ));
                }
            }
            Some(_) => return Found::Existing,
            None if self.is_dry => return Found::WouldCreate,
            None => {}
        }
        let creation =
            self.client.create(&object, self.namespace_body(source, target), &WriteOptions::default()).await;
        match creation.answer {
            Ok(_) => Found::Created,
            Err(error) if error.is_already_exists() && creation.uncertain => Found::Created,
            Err(error) if error.is_already_exists() => Found::Existing,
            Err(error) => Found::Failed(format!("failed to create namespace {target}: {error}")),
        }
    }

    /// Labels and annotations are those of the backup; the server sets `kubernetes.io/metadata.name` itself.
    fn namespace_body(&self, source: &str, target: &str) -> Bytes {
        let id = ItemId {
            resource: GroupResource::new("", "namespaces"),
            namespace: None,
            name: source.to_owned(),
        };
        let stored = self.spool.find(&id).and_then(|entry| self.spool.load(entry).ok());
        let mut metadata = json!({"name": target});
        if let Some(stored) = stored {
            let head = stored.head();
            let mut labels = head.labels.clone();
            labels.remove("kubernetes.io/metadata.name");
            for (field, map) in [("labels", &labels), ("annotations", &head.annotations)] {
                if !map.is_empty() {
                    metadata[field] = json!(map);
                }
            }
        }
        let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata});
        Bytes::from(body.to_string())
    }

    fn namespace_kind(&self) -> Arc<Kind> {
        let builtin = || Arc::new(Kind::builtin("", "v1", "Namespace", "namespaces", false));
        self.scene().catalog.get(&GroupResource::new("", "namespaces")).map_or_else(builtin, Arc::clone)
    }
}
