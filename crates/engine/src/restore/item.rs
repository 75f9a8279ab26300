//! One object on its way through a restore: checks → making → cluster.

use bowline_api::resource::{GroupVersionKind, ObjectKey};

use super::check::CHECKS;
use super::craft::Crafted;
use super::namespace::Found;
use super::place::{Existing, Prepared};
use super::plan::Step;
use super::run::Run;
use super::skip::Skip;
use crate::action::ItemId;
use crate::archive::spool::EntryId;
use crate::catalog::GroupResource;
use crate::diff::FieldChange;
use crate::finding::{Level, chain};
use crate::object::Object;

impl Run {
    /// Restores an entry, unless it has been dealt with already.
    pub(super) async fn restore(&self, entry: EntryId, existing: Existing) {
        if self.ledger.claim(entry) {
            let present = self.handle(entry, existing).await;
            self.ledger.end(entry, present);
        }
    }

    /// Restores a claimed entry. Returns whether the object is in the cluster afterwards.
    pub(super) async fn handle(&self, entry: EntryId, existing: Existing) -> bool {
        let id = self.spool.id(entry);
        let namespace =
            id.namespace.as_deref().map(|namespace| self.rules().target_namespace(namespace).to_owned());
        let target = ObjectKey { namespace, name: id.name.clone() };
        let object = match self.load(entry, &id) {
            Ok(object) => object,
            Err(message) => {
                self.blame(&id, &target, message);
                return false;
            }
        };
        let kind =
            GroupVersionKind::from_api_version(&object.head().api_version, object.head().kind.as_str());
        if let Some(reason) = CHECKS.iter().find_map(|check| check(&id.resource, &object)) {
            return self.conclude(&kind, &target, &id.resource, Step::Skip(reason));
        }
        if let Err(message) = self.namespace_for(&id).await {
            self.blame(&id, &target, message.clone());
            return self.conclude(&kind, &target, &id.resource, Step::Fail(message));
        }
        match self.craft(entry, &id, &object, target.namespace.as_deref()).await {
            Crafted::Skip(reason) => self.conclude(&kind, &target, &id.resource, Step::Skip(reason)),
            Crafted::Failed(message) => {
                self.blame(&id, &target, message.clone());
                self.conclude(&kind, &target, &id.resource, Step::Fail(message))
            }
            Crafted::Ready(prepared) => self.bring(&prepared, existing).await,
        }
    }

    async fn bring(&self, prepared: &Prepared, existing: Existing) -> bool {
        let (step, created) = self.place(prepared, existing).await;
        if let Some(created) = created {
            let created = self.complete(prepared, created).await;
            self.after_create(prepared, &created).await;
        } else if step == Step::Update {
            self.after_update(prepared);
        }
        let head = prepared.object.head();
        let kind = GroupVersionKind::from_api_version(&head.api_version, head.kind.as_str());
        let key =
            ObjectKey { namespace: prepared.target.namespace.clone(), name: prepared.target.name.clone() };
        let changes = self.explain(prepared, &step).await;
        self.conclude_with(&kind, &key, &prepared.resource, step, changes)
    }

    fn blame(&self, id: &ItemId, target: &ObjectKey, message: String) {
        self.add_finding(Level::Error, &id.resource, target.namespace.as_deref(), &id.name, message);
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
}
