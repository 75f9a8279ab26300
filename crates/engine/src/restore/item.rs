//! One object on its way through a restore: checks → rewrites and actions → cluster.

use std::sync::Arc;
use std::time::Duration;

use bowline_api::Time;
use bowline_api::artifact::{
    OperationPhase, OperationStatus, ResourceIdentifier, RestoreOperation, RestoreOperationSpec,
};
use bowline_api::label;
use bowline_api::resource::{GroupVersionKind, ObjectKey};

use serde_json::value::RawValue;

use super::check::{ADDITIONAL_CHECKS, CHECKS, Scope, first_reason};
use super::namespace::Found;
use super::place::{Existing, Prepared};
use super::plan::Step;
use super::prepare;
use super::run::Run;
use super::scene::Scene;
use super::skip::Skip;
use super::volume::{self, PvStep};
use crate::action::{Item, ItemId, RestoreAction, RestoreContext, RestoreEffects};
use crate::archive::spool::EntryId;
use crate::catalog::{GroupResource, Kind};
use crate::diff::FieldChange;
use crate::finding::{Level, chain};
use crate::object::{Object, ObjectError};
use crate::port::ObjectRef;

/// How often additional items are asked whether they are ready.
const READY_POLL: Duration = Duration::from_secs(1);

/// What preparing an object came to.
enum Outcome {
    Ready(Box<Prepared>),
    Skip(Skip),
    /// A finding has been made.
    Failed(String),
}

impl Run {
    /// Restores an entry, unless it has been dealt with already.
    pub(super) async fn restore(&self, entry: EntryId, existing: Existing) {
        if self.ledger.claim(entry) {
            let present = self.handle(entry, existing).await;
            self.ledger.end(entry, present);
        }
    }

    /// Restores an object that another one needs. Returns whether it is in the cluster afterwards.
    async fn restore_additional(&self, item: &ItemId, needed_by: EntryId, must_include: bool) -> bool {
        let Some(entry) = self.spool.find(item) else {
            let message = format!("{} {} is needed but is not in the backup", item.resource, item.name);
            let namespace =
                item.namespace.as_deref().map(|namespace| self.rules().target_namespace(namespace));
            self.add_finding(Level::Warning, &item.resource, namespace, &item.name, message);
            return false;
        };
        let scope = Scope { resource: &item.resource, namespace: item.namespace.as_deref() };
        let reason = first_reason(ADDITIONAL_CHECKS, &scope, self.rules())
            .or_else(|| (!self.policies_allow(entry, item)).then_some(Skip::FilterPolicy));
        if let Some(reason) = reason.filter(|_| !must_include) {
            tracing::info!(resource = %item.resource, name = item.name, "additional item is not restored: {reason}");
            return false;
        }
        if !self.ledger.claim(entry) {
            return self.ledger.wait(needed_by, entry).await;
        }
        self.ledger.begin_wait(needed_by, entry);
        let present = Box::pin(self.handle(entry, Existing::Unknown)).await;
        self.ledger.end(entry, present);
        self.ledger.end_wait(needed_by);
        present
    }

    fn policies_allow(&self, entry: EntryId, item: &ItemId) -> bool {
        let scene = self.scene();
        // What can't be read, or has no kind, gets its reason later.
        let (Some(kind), true) = (scene.catalog.get(&item.resource), self.rules().has_object_filter()) else {
            return true;
        };
        self.spool
            .load(entry)
            .map_or(true, |object| self.rules().policies_allow(kind, object.head(), &scene.catalog))
    }

    /// Restores a claimed entry. Returns whether the object is in the cluster afterwards.
    async fn handle(&self, entry: EntryId, existing: Existing) -> bool {
        let id = self.spool.id(entry);
        let namespace =
            id.namespace.as_deref().map(|namespace| self.rules().target_namespace(namespace).to_owned());
        let target = ObjectKey { namespace, name: id.name.clone() };
        let object = match self.load(entry, &id) {
            Ok(object) => object,
            Err(message) => {
                self.add_finding(Level::Error, &id.resource, target.namespace.as_deref(), &id.name, message);
                return false;
            }
        };
        let kind =
            GroupVersionKind::from_api_version(&object.head().api_version, object.head().kind.as_str());
        if let Some(reason) = CHECKS.iter().find_map(|check| check(&id.resource, &object)) {
            return self.conclude(&kind, &target, &id.resource, Step::Skip(reason));
        }
        if let Err(message) = self.namespace_for(&id).await {
            self.add_finding(
                Level::Error,
                &id.resource,
                target.namespace.as_deref(),
                &id.name,
                message.clone(),
            );
            return self.conclude(&kind, &target, &id.resource, Step::Fail(message));
        }
        match self.prepare(entry, &id, &object, target.namespace.as_deref()).await {
            Outcome::Skip(reason) => self.conclude(&kind, &target, &id.resource, Step::Skip(reason)),
            Outcome::Failed(message) => {
                self.add_finding(
                    Level::Error,
                    &id.resource,
                    target.namespace.as_deref(),
                    &id.name,
                    message.clone(),
                );
                self.conclude(&kind, &target, &id.resource, Step::Fail(message))
            }
            Outcome::Ready(prepared) => self.bring(&prepared, existing).await,
        }
    }

    async fn bring(&self, prepared: &Prepared, existing: Existing) -> bool {
        let (step, created) = self.place(prepared, existing).await;
        if let Some(created) = created {
            let created = self.complete(prepared, created).await;
            self.after_create(prepared, &created).await;
        }
        let head = prepared.object.head();
        let kind = GroupVersionKind::from_api_version(&head.api_version, head.kind.as_str());
        let key =
            ObjectKey { namespace: prepared.target.namespace.clone(), name: prepared.target.name.clone() };
        let changes = self.explain(prepared, &step).await;
        self.conclude_with(&kind, &key, &prepared.resource, step, changes)
    }

    /// Records what happened; returns whether the object is in the cluster.
    fn conclude(
        &self,
        kind: &GroupVersionKind,
        key: &ObjectKey,
        resource: &GroupResource,
        step: Step,
    ) -> bool {
        self.conclude_with(kind, key, resource, step, Vec::new())
    }

    fn conclude_with(
        &self,
        kind: &GroupVersionKind,
        key: &ObjectKey,
        resource: &GroupResource,
        step: Step,
        changes: Vec<FieldChange>,
    ) -> bool {
        let namespace = key.namespace.as_deref().unwrap_or_default();
        tracing::info!(%resource, namespace, name = key.name, "restore item: {step}");
        let present =
            matches!(step, Step::Create | Step::Update | Step::Skip(Skip::Unchanged | Skip::Differs));
        self.ledger.record(kind, key, step, changes);
        present
    }

    fn load(&self, entry: EntryId, id: &ItemId) -> Result<Object, String> {
        self.spool.load(self.version_of(entry, id)).map_err(|error| chain(&error))
    }

    async fn namespace_for(&self, id: &ItemId) -> Result<(), String> {
        let Some(namespace) = &id.namespace else { return Ok(()) };
        match self.ensure_namespace(namespace).await {
            Found::Failed(reason) => Err(reason),
            Found::Created | Found::Existing | Found::WouldCreate => Ok(()),
        }
    }

    /// Everything between the object of the backup and the body of the create.
    async fn prepare(
        &self,
        entry: EntryId,
        id: &ItemId,
        object: &Object,
        namespace: Option<&str>,
    ) -> Outcome {
        let named = |what: &str, error: &dyn std::error::Error| {
            let place = namespace.map(|namespace| format!("{namespace}/")).unwrap_or_default();
            Outcome::Failed(format!("error {what} {}/{place}{}: {}", id.resource, id.name, chain(error)))
        };
        let is_volume = id.resource.is("", "persistentvolumes");
        if is_volume {
            if let Some(message) = volume::lost_data(object, self.rules()) {
                self.add_finding(Level::Error, &id.resource, None, &id.name, message);
            }
            match volume::decide(object, self.rules()) {
                Ok(PvStep::Recreate) => {}
                Ok(PvStep::Reprovision) => {
                    self.reprovisioned.add(&id.name);
                    return Outcome::Skip(Skip::Reprovisioned);
                }
                Err(error) => return named("reading", &error),
            }
        }
        let (cleaned, status) = match self.clean(object, &id.resource) {
            Ok(parts) => parts,
            Err(error) => return named("reading", &error),
        };
        let mut item = Item::new(cleaned);
        if is_volume {
            match item.tree_mut() {
                Ok(tree) => volume::free(tree, self.rules()),
                Err(error) => return named("reading", &error),
            }
        }
        if let Some(ended) = self.act(entry, id, object, &mut item, namespace).await {
            return ended;
        }
        if let Err(message) = self.amend(id, &mut item) {
            return Outcome::Failed(message);
        }
        let finished =
            item.finish().and_then(|object| prepare::after_actions(&object, self.rules(), namespace));
        match finished {
            Ok(object) => self.aim(id, object, namespace, status),
            Err(error) => named("preparing", &error),
        }
    }

    fn clean(
        &self,
        object: &Object,
        resource: &GroupResource,
    ) -> Result<(Object, Option<Box<RawValue>>), ObjectError> {
        let annotation = object.head().annotation(label::RESTORE_STATUS);
        let status =
            if self.rules().restores_status(resource, annotation) { prepare::status(object)? } else { None };
        Ok((prepare::before_actions(object, self.rules())?, status))
    }

    /// Runs the actions. `Some` when one of them ended the restore of this object.
    async fn act(
        &self,
        entry: EntryId,
        id: &ItemId,
        object: &Object,
        item: &mut Item,
        namespace: Option<&str>,
    ) -> Option<Outcome> {
        let scene = self.scene();
        if !scene.has_actions(&id.resource, object.head()) {
            return None;
        }
        let context = RestoreContext {
            restore: &self.request.restore,
            backup: &self.request.backup,
            from_backup: object,
            ports: &self.ports,
            catalog: &scene.catalog,
        };
        let place = namespace.map(|namespace| format!("{namespace}/")).unwrap_or_default();
        for (action, labels) in scene.actions(&id.resource, id.namespace.as_deref()) {
            if !labels.matches(&object.head().labels) {
                continue;
            }
            let effects = match action.execute(item, &context).await {
                Ok(effects) => effects,
                Err(error) => {
                    return Some(Outcome::Failed(format!(
                        "error preparing {}/{place}{}: {}",
                        id.resource,
                        id.name,
                        chain(&error)
                    )));
                }
            };
            if let Some(operation) = &effects.operation_id {
                self.begin_operation(action.name(), id, namespace, operation);
            }
            if let Some(reason) = effects.skip {
                return Some(Outcome::Skip(Skip::ByAction { action: action.name().to_owned(), reason }));
            }
            let must_include = item.annotation(prepare::MUST_INCLUDE) == Some("true");
            self.need((entry, must_include), id, &**action, &effects, &context).await;
        }
        None
    }

    /// Restores what an action asked for, and waits until the action finds it ready.
    async fn need(
        &self,
        (entry, must_include): (EntryId, bool),
        id: &ItemId,
        action: &dyn RestoreAction,
        effects: &RestoreEffects,
        context: &RestoreContext<'_>,
    ) {
        let mut present = Vec::new();
        for item in &effects.additional_items {
            if self.restore_additional(item, entry, must_include).await {
                present.push(item.clone());
            }
        }
        let Some(timeout) = effects.wait_for_additional_items.filter(|_| !self.is_dry) else { return };
        let mut left = timeout.unwrap_or(self.request.resource_timeout);
        let problem = loop {
            match action.additional_items_ready(&present, context).await {
                Ok(true) => return,
                Ok(false) if left.is_zero() => {
                    break format!("additional items for {} {} are not ready to use", id.resource, id.name);
                }
                Ok(false) => {
                    let pause = READY_POLL.min(left);
                    self.ports.clock.sleep(pause).await;
                    left -= pause;
                }
                Err(error) => {
                    break format!("error verifying additional items are ready to use: {}", chain(&error));
                }
            }
        };
        let namespace = id.namespace.as_deref().map(|namespace| self.rules().target_namespace(namespace));
        self.add_finding(Level::Error, &id.resource, namespace, &id.name, problem);
    }

    /// What comes after the actions: claims are unbound, and modifiers change what the user wants changed.
    fn amend(&self, id: &ItemId, item: &mut Item) -> Result<(), String> {
        if id.resource.is("", "persistentvolumeclaims") {
            volume::unbind(item.tree_mut().map_err(|error| chain(&error))?, &self.reprovisioned);
        }
        let Some(modifiers) = self.request.modifiers.as_ref().filter(|it| it.concern(&id.resource)) else {
            return Ok(());
        };
        let outcome = modifiers.apply(item.tree_mut().map_err(|error| chain(&error))?, &id.resource);
        // Velero 1.18 restores the object without the change of a rule that failed, and so do we.
        for error in &outcome.errors {
            let namespace = id.namespace.as_deref().map(|namespace| self.rules().target_namespace(namespace));
            let problem = format!("error modifying {}/{}: {}", id.resource, id.name, chain(error));
            self.add_finding(Level::Error, &id.resource, namespace, &id.name, problem);
        }
        Ok(())
    }

    /// Finds the kind in which the object is created: an action may have changed it.
    fn aim(
        &self,
        id: &ItemId,
        object: Object,
        namespace: Option<&str>,
        status: Option<Box<RawValue>>,
    ) -> Outcome {
        let head = object.head();
        let scene = self.scene();
        let Some(kind) = served(&scene, id, &head.api_version, &head.kind) else {
            return Outcome::Failed(format!(
                "error restoring {}/{}: the cluster does not serve {} {}",
                id.resource, id.name, head.api_version, head.kind
            ));
        };
        let namespace = namespace.filter(|_| kind.namespaced).map(ToOwned::to_owned);
        let resource = kind.group_resource();
        let target = ObjectRef { name: head.name.clone(), namespace, kind };
        // Read here, because an action may have made another object of it.
        let owners = match prepare::managed_fields(&object) {
            Ok(owners) => owners,
            Err(error) => {
                return Outcome::Failed(format!("error reading {}/{}: {error}", id.resource, id.name));
            }
        };
        Outcome::Ready(Box::new(Prepared { object, target, resource, status, owners }))
    }

    fn begin_operation(&self, action: &str, id: &ItemId, namespace: Option<&str>, operation: &str) {
        let metadata = &self.request.restore.metadata;
        let key = ObjectKey { namespace: namespace.map(ToOwned::to_owned), name: id.name.clone() };
        let now = Some(Time(self.ports.clock.now()));
        let operation = RestoreOperation {
            spec: RestoreOperationSpec {
                restore_name: metadata.name.clone().unwrap_or_default(),
                restore_uid: metadata.uid.clone().unwrap_or_default(),
                restore_item_action: action.to_owned(),
                resource_identifier: ResourceIdentifier::new(&id.resource, &key),
                operation_id: operation.to_owned(),
            },
            status: OperationStatus {
                phase: Some(OperationPhase::InProgress),
                created: now,
                ..OperationStatus::default()
            },
        };
        self.add_operation(operation);
    }
}

fn served(scene: &Scene, id: &ItemId, api_version: &str, kind: &str) -> Option<Arc<Kind>> {
    let version = api_version.rsplit('/').next().unwrap_or_default();
    let by_resource = scene
        .catalog
        .get_version(&id.resource, version)
        .filter(|have| have.kind == kind && have.api_version() == api_version);
    by_resource.or_else(|| scene.catalog.of_object(api_version, kind)).map(Arc::clone)
}
