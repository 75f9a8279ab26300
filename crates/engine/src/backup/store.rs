//! The way of one object into the archive: decide → claim → actions → what it needs → write.

use bowline_api::Time;
use bowline_api::artifact::{
    BackupOperation, BackupOperationSpec, OperationPhase, OperationStatus, ResourceIdentifier,
};
use bowline_api::label;
use bowline_api::resource::ObjectKey;

use super::collect::{KindPlan, Role};
use super::run::Run;
use super::{BackupError, Candidate, Origin, Purpose, Skip, decide};
use crate::action::{ActionError, BackupContext, BackupEffects, Item, ItemId};
use crate::archive::writer::Entry;
use crate::finding::{Level, chain};
use crate::object::{Head, Object};

/// How an object came along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// From a list, with its place in `orderedResources`; what it needs can wait until all lists are read.
    Listed(usize),
    /// In a block; what it needs is stored now, between the hooks.
    Block,
    /// A stored object needs it.
    Related {
        /// Whether the filters are overridden.
        must: bool,
        /// Whether this happens inside a block.
        now: bool,
        /// Whether it belongs into one block with the other, so that what belongs to it comes along too.
        block: bool,
    },
}

impl Mode {
    /// Needed by a stored object, with no hurry.
    pub(super) const RELATED: Self = Self::Related { must: false, now: false, block: false };

    fn is_now(self) -> bool {
        matches!(self, Self::Block | Self::Related { now: true, .. })
    }

    fn origin(self) -> Origin {
        match self {
            Self::Listed(_) => Origin::Listed,
            Self::Related { must: true, .. } => Origin::MustInclude,
            Self::Block | Self::Related { .. } => Origin::Related,
        }
    }
}

impl Run<'_> {
    /// Stores an object unless something objects; true when it is in the archive afterwards.
    pub(super) async fn consider(
        &self,
        plan: &KindPlan,
        object: Object,
        mode: Mode,
    ) -> Result<bool, BackupError> {
        if let Some(skip) = self.objection(plan, object.head(), mode) {
            log_skip(plan, object.head(), skip);
            return Ok(false);
        }
        let key = self.key(plan, object.head());
        if !self.written.claim(key) {
            return Ok(true);
        }
        self.progress.found(1);
        self.ledger.found();
        let stored = self.store(plan, object, mode).await;
        self.progress.finished(1);
        if self.request.purpose == Purpose::Finalize && !matches!(stored, Ok(true)) {
            // The archive keeps it as it was.
            self.written.release(key);
        }
        stored
    }

    /// Why an object is not stored.
    pub(super) fn objection(&self, plan: &KindPlan, head: &Head, mode: Mode) -> Option<Skip> {
        let candidate = Candidate { kind: &plan.kind, allowed: plan.allowed, head, origin: mode.origin() };
        decide(&candidate, self.selection, self.catalog)
    }

    pub(super) fn key(&self, plan: &KindPlan, head: &Head) -> u128 {
        let version = if plan.preferred { "" } else { plan.kind.version.as_str() };
        self.written.key(&plan.name, version, head.namespace.as_deref(), &head.name)
    }

    async fn store(&self, plan: &KindPlan, object: Object, mode: Mode) -> Result<bool, BackupError> {
        let object = if plan.actions.iter().any(|index| self.actions[*index].wants(object.head())) {
            match self.act(plan, object, mode).await? {
                Some(object) => object,
                None => return Ok(false),
            }
        } else {
            object
        };
        self.note_volumes(plan, &object);
        let head = object.head();
        let entry = Entry {
            resource: &plan.name,
            version: &plan.kind.version,
            preferred: plan.preferred,
            namespace: head.namespace.as_deref(),
            name: &head.name,
            body: object.raw(),
        };
        self.writer.add(&entry).await.map_err(BackupError::Archive)?;
        tracing::debug!(resource = plan.name, namespace = head.namespace, name = head.name, "Backed up item");
        self.ledger.stored(&object, &plan.resource);
        Ok(true)
    }

    /// What item actions may look at.
    pub(super) fn action_context(&self) -> BackupContext<'_> {
        BackupContext {
            name: self.request.backup.metadata.name.as_deref().unwrap_or_default(),
            backup: &self.request.backup,
            ports: self.ports,
            catalog: self.catalog,
        }
    }

    /// What the actions make of an object; `None` when one of them asks to leave it out or fails.
    async fn act(&self, plan: &KindPlan, object: Object, mode: Mode) -> Result<Option<Object>, BackupError> {
        let head = object.head().clone();
        let mut item = Item::new(object);
        let context = self.action_context();
        let mut touched = Vec::new();
        for index in &plan.actions {
            let action = &self.actions[*index];
            if !action.wants(&head) {
                continue;
            }
            let name = action.action().name();
            let effects = match action.action().execute(&mut item, &context).await {
                Ok(effects) => effects,
                Err(error) => return Ok(self.act_failed(plan, &head, name, &error)),
            };
            if item.take_touched() {
                touched.push(name);
            }
            if item.annotation(label::SKIP_FROM_BACKUP).is_some() {
                log_skip(plan, &head, Skip::Action);
                return Ok(None);
            }
            if effects.operation_id.is_some() && self.request.purpose == Purpose::Finalize {
                let message = "it started an operation while the backup was finalized; nobody waits for it";
                return Ok(self.act_failed(plan, &head, name, &ActionError::Failed(message.into())));
            }
            self.apply(plan, &head, &mut item, (name, effects), mode).await?;
        }
        Ok(self.finish_item(plan, &head, item, &touched))
    }

    /// The object as the actions `touched` it left it.
    fn finish_item(&self, plan: &KindPlan, head: &Head, item: Item, touched: &[&str]) -> Option<Object> {
        // What was only read need not be compared.
        if touched.is_empty() || item.is_unchanged() {
            return Some(item.original().clone());
        }
        tracing::info!(
            resource = plan.name,
            namespace = head.namespace,
            name = head.name,
            "Item changed by {}",
            touched.join(", ")
        );
        match item.finish() {
            Ok(object) => Some(object),
            Err(error) => self.act_failed(plan, head, "item actions", &ActionError::Object(error)),
        }
    }

    fn act_failed(&self, plan: &KindPlan, head: &Head, action: &str, error: &ActionError) -> Option<Object> {
        let outcome = match self.request.purpose {
            Purpose::Finalize => "the object stays in this backup as it was",
            Purpose::Keep | Purpose::Compare => "the object is missing in this backup",
        };
        let message = format!("{outcome}, {action} failed: {}", chain(error));
        self.report(Level::Error, &plan.resource, head, message);
        None
    }

    /// Does what an action asked for.
    async fn apply(
        &self,
        plan: &KindPlan,
        head: &Head,
        item: &mut Item,
        (action, effects): (&str, BackupEffects),
        mode: Mode,
    ) -> Result<(), BackupError> {
        let marked = item.annotation(label::MUST_INCLUDE_ADDITIONAL_ITEMS) == Some("true");
        let must = marked || self.request.purpose == Purpose::Finalize;
        if marked && let Ok(tree) = item.tree_mut() {
            // Velero means to remove this marker too, but removes it from a copy.
            tree["metadata"]["annotations"]
                .as_object_mut()
                .map(|map| map.remove(label::MUST_INCLUDE_ADDITIONAL_ITEMS));
        }
        for warning in effects.warnings {
            if self.ledger.is_new_warning(&warning) {
                self.report(Level::Warning, &plan.resource, head, warning);
            }
        }
        if let Some(id) = effects.operation_id {
            tracing::info!(
                resource = plan.name,
                namespace = head.namespace,
                name = head.name,
                operation = id,
                "Operation started by {action}"
            );
            let operation = self.operation(plan, head, action, id, &effects.post_operation_items);
            self.ledger.lock().operations.push(operation);
        }
        for id in effects.additional_items {
            self.relate(id, Mode::Related { must, now: mode.is_now(), block: false }).await?;
        }
        Ok(())
    }

    fn operation(
        &self,
        plan: &KindPlan,
        head: &Head,
        action: &str,
        id: String,
        after: &[ItemId],
    ) -> BackupOperation {
        let metadata = &self.request.backup.metadata;
        let key = |namespace: &Option<String>, name: &str| ObjectKey {
            namespace: namespace.clone(),
            name: name.into(),
        };
        let now = self.ports.clock.now();
        BackupOperation {
            spec: BackupOperationSpec {
                backup_name: metadata.name.clone().unwrap_or_default(),
                backup_uid: metadata.uid.clone().unwrap_or_default(),
                backup_item_action: action.to_owned(),
                resource_identifier: ResourceIdentifier::new(
                    &plan.resource,
                    &key(&head.namespace, &head.name),
                ),
                operation_id: id,
                post_operation_items: after
                    .iter()
                    .map(|item| ResourceIdentifier::new(&item.resource, &key(&item.namespace, &item.name)))
                    .collect(),
            },
            status: OperationStatus {
                phase: Some(OperationPhase::New),
                created: Some(Time(now)),
                ..OperationStatus::default()
            },
        }
    }

    /// Remembers what a volume info needs.
    fn note_volumes(&self, plan: &KindPlan, object: &Object) {
        let volumes = || self.ledger.lock();
        let noted = match plan.role {
            _ if !plan.preferred => Ok(()),
            Role::Pod => volumes().volumes.pod_stored(object, &self.request.volume_rules()),
            Role::Claim => volumes().volumes.claim_stored(object),
            Role::Volume => volumes().volumes.volume_stored(object),
            Role::Namespace | Role::Other => Ok(()),
        };
        if let Err(error) = noted {
            let message = format!("the volume information about it is missing: {}", chain(&error));
            self.report(Level::Warning, &plan.resource, object.head(), message);
        }
    }
}

pub(super) fn log_skip(plan: &KindPlan, head: &Head, skip: Skip) {
    let (resource, namespace, name) = (plan.name.as_str(), head.namespace.as_deref(), head.name.as_str());
    if skip == Skip::FilterPolicy {
        // What is not selected is mostly most of a cluster.
        tracing::debug!(resource, namespace, name, "{skip}");
    } else {
        tracing::info!(resource, namespace, name, "{skip}");
    }
}
