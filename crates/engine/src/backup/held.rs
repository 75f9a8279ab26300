//! The way of an object into the backup: held back when it is a pod with hooks, else stored, with what belongs into one item block
//! with it coming along (behaviour §6.6).

use std::sync::PoisonError;

use super::collect::{KindPlan, Role};
use super::run::Run;
use super::store::{Mode, log_skip};
use super::{BackupError, Purpose};
use crate::action::{BlockContext, ItemId};
use crate::finding::{Level, chain};
use crate::object::Object;
use crate::port::ObjectRef;

/// The rank of pods that `orderedResources` does not name.
pub(super) const UNORDERED: usize = usize::MAX;

/// A pod that waits until all pods are known. Only names are kept; the pod is read again when its turn comes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Held {
    /// Place in `orderedResources`; [`UNORDERED`] for pods that are not there.
    pub(super) rank: usize,
    /// The pod.
    pub(super) id: ItemId,
}

impl Run<'_> {
    /// Stores an object, or holds it back for its block.
    pub(super) async fn enter(&self, plan: &KindPlan, object: Object, mode: Mode) -> Result<(), BackupError> {
        let rank = match mode {
            Mode::Listed(rank) => Some(rank),
            Mode::Related { block: true, .. } => Some(UNORDERED),
            Mode::Block | Mode::Related { .. } => None,
        };
        if let Some(rank) = rank
            && self.request.purpose != Purpose::Finalize
        {
            let keeps = self.request.purpose == Purpose::Keep && plan.preferred;
            if keeps && plan.role == Role::Pod && self.hooks.rules.has_any(object.head()) {
                if let Some(skip) = self.objection(plan, object.head(), mode) {
                    log_skip(plan, object.head(), skip);
                } else {
                    self.hold(plan, &object, rank);
                }
                return Ok(());
            }
            if self.brings_held_pods(plan, &object, mode).await? {
                return Ok(());
            }
        }
        self.consider(plan, object, mode).await.map(drop)
    }

    fn hold(&self, plan: &KindPlan, pod: &Object, rank: usize) {
        let head = pod.head();
        let (namespace, name) = (head.namespace.clone(), head.name.clone());
        tracing::debug!(resource = plan.name, namespace, name, "Item waits for the hooks of its block");
        let held = Held { rank, id: ItemId { resource: plan.resource.clone(), namespace, name } };
        self.hooks.held.lock().unwrap_or_else(PoisonError::into_inner).push(held);
    }

    /// Brings along what belongs into one block with an object. True when pods with hooks belong to it: then it waits for their block,
    /// which holds it too.
    async fn brings_held_pods(
        &self,
        plan: &KindPlan,
        object: &Object,
        mode: Mode,
    ) -> Result<bool, BackupError> {
        let actions = plan.block_actions.iter().map(|index| &self.block_actions[*index]);
        if !actions.clone().any(|action| action.wants(object.head()))
            || self.objection(plan, object.head(), mode).is_some()
            || !self.hooks.searched.claim(self.key(plan, object.head()))
        {
            return Ok(false);
        }
        let mut waits = false;
        for id in self.related_items(plan, object, !self.selection.has_labels()).await {
            if id.resource.is("", "pods") {
                waits |= self.holds_related_pod(&id).await?;
            } else {
                self.relate(id, Mode::Related { must: false, now: false, block: true }).await?;
            }
        }
        if waits {
            let (namespace, name) = (object.head().namespace.clone(), object.head().name.clone());
            let id = ItemId { resource: plan.resource.clone(), namespace, name };
            self.hooks.behind.lock().unwrap_or_else(PoisonError::into_inner).push(id);
        }
        Ok(waits)
    }

    /// Stores a pod that belongs into one block with an object; true when it is held back for its hooks.
    async fn holds_related_pod(&self, id: &ItemId) -> Result<bool, BackupError> {
        let mode = Mode::Related { must: false, now: false, block: true };
        if self.request.purpose != Purpose::Keep {
            return self.relate(id.clone(), mode).await.map(|()| false);
        }
        let Some((plan, pod)) = self.read_member(id).await? else { return Ok(false) };
        if !self.hooks.rules.has_any(pod.head()) {
            return self.relate(id.clone(), mode).await.map(|()| false);
        }
        self.hold(&plan, &pod, UNORDERED);
        Ok(true)
    }

    /// Reads an object that belongs into a block; `None` when it is stored already, is gone, or something keeps it out of the backup:
    /// then its hooks must not run.
    pub(super) async fn read_member(&self, id: &ItemId) -> Result<Option<(KindPlan, Object)>, BackupError> {
        let key = self.written.key(&id.resource.to_string(), "", id.namespace.as_deref(), &id.name);
        let Some(plan) = self.catalog.get(&id.resource).map(|kind| self.plan(kind)) else { return Ok(None) };
        if self.written.has(key) {
            return Ok(None);
        }
        let (namespace, name) = (id.namespace.clone(), id.name.clone());
        let reference = ObjectRef { kind: plan.kind.clone(), namespace, name };
        let object = match self.fetch(&reference).await {
            Ok(object) => object,
            // Whatever names it tells that it is missing when it is stored.
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return self.fetch_failed(&reference, error).await.map(|()| None),
        };
        if let Some(skip) = self.objection(&plan, object.head(), Mode::Block) {
            log_skip(&plan, object.head(), skip);
            return Ok(None);
        }
        Ok(Some((plan, object)))
    }

    /// What the item block actions say that belongs to an object. An action that fails is an error in the results.
    pub(super) async fn related_items(
        &self,
        plan: &KindPlan,
        object: &Object,
        only_others: bool,
    ) -> Vec<ItemId> {
        let backup = self.action_context();
        let context = BlockContext { backup: &backup, only_others };
        let mut related = Vec::new();
        for action in plan.block_actions.iter().map(|index| &self.block_actions[*index]) {
            if !action.wants(object.head()) {
                continue;
            }
            match action.action().related_items(object, &context).await {
                Ok(items) => related.extend(items),
                Err(error) => {
                    let name = action.action().name();
                    let message =
                        format!("what belongs to it may be missing, {name} failed: {}", chain(&error));
                    self.report(Level::Error, &plan.resource, object.head(), message);
                }
            }
        }
        related
    }
}
