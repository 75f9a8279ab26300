//! Item blocks: pods with hooks and what belongs to them, stored together between the hooks of all their pods (behaviour §6.6, §6.9).

use std::collections::BTreeSet;
use std::sync::{MutexGuard, PoisonError};

use futures::future::BoxFuture;

use super::BackupError;
use super::collect::Role;
use super::each::each;
use super::held::{Held, UNORDERED};
use super::run::Run;
use super::store::Mode;
use crate::action::ItemId;
use crate::catalog::GroupResource;
use crate::finding::{Level, chain};
use crate::hook::backup::{self as hook, Phase};
use crate::object::Object;

/// Names of the objects of a block, in the order in which they are stored.
type Block = Vec<ItemId>;

impl Run<'_> {
    /// Stores the pods that were held back, as many blocks at once as there are workers. False when there were none.
    pub(super) async fn store_blocks(&self) -> Result<bool, BackupError> {
        let held = std::mem::take(&mut *self.hooks.held.lock().unwrap_or_else(PoisonError::into_inner));
        if held.is_empty() {
            return Ok(false);
        }
        let workers = self.request.workers.max(1);
        let store = |block| -> BoxFuture<'_, _> { Box::pin(self.store_block(block)) };
        each(workers, self.blocks(held).await?, &store).await?;
        let behind = std::mem::take(&mut *self.hooks.behind.lock().unwrap_or_else(PoisonError::into_inner));
        for id in behind {
            self.relate(id, Mode::RELATED).await?;
        }
        Ok(true)
    }

    /// Puts blocks together: each pod with everything that belongs to it, directly or through others, unless an earlier block has it.
    /// The pods that `orderedResources` names are one block, the first, in their order.
    async fn blocks(&self, mut held: Vec<Held>) -> Result<Vec<Block>, BackupError> {
        held.sort();
        let (mut taken, mut blocks) = (BTreeSet::new(), Vec::<Block>::new());
        let mut ordered = false;
        for pod in held {
            if !ordered || pod.rank == UNORDERED {
                blocks.push(Block::new());
            }
            ordered = pod.rank != UNORDERED;
            if let Some(block) = blocks.last_mut() {
                self.gather(pod.id, &mut taken, block).await?;
            }
        }
        blocks.retain(|block| !block.is_empty());
        Ok(blocks)
    }

    /// Adds an object to a block, and everything that belongs to it.
    async fn gather(
        &self,
        id: ItemId,
        taken: &mut BTreeSet<ItemId>,
        block: &mut Block,
    ) -> Result<(), BackupError> {
        let mut open = vec![id];
        while let Some(id) = open.pop() {
            if !taken.insert(id.clone()) {
                continue;
            }
            let Some((plan, object)) = self.read_member(&id).await? else { continue };
            // The last one is looked at first.
            let related = self.related_items(&plan, &object, false).await;
            open.extend(related.into_iter().rev());
            block.push(id);
        }
        Ok(())
    }

    async fn store_block(&self, block: Block) -> Result<(), BackupError> {
        let mut members = Vec::new();
        for id in block {
            // Read again: the hooks of blocks before this one may have taken their time.
            if let Some(member) = self.read_member(&id).await? {
                members.push(member);
            }
        }
        if let Some((plan, object)) = members.first() {
            let (namespace, name) = (object.head().namespace.as_deref(), object.head().name.as_str());
            tracing::info!(
                resource = plan.name,
                namespace,
                name,
                "Backing Up Item Block ({} items in block)",
                members.len()
            );
        }
        let mut ready = Vec::new();
        for (plan, object) in members {
            if plan.role != Role::Pod || self.run_hooks(&object, Phase::Pre).await {
                ready.push((plan, object));
            } else {
                // Nothing else may bring it along.
                self.written.claim(self.key(&plan, object.head()));
            }
        }
        for (plan, object) in &ready {
            self.consider(plan, object.clone(), Mode::Block).await?;
        }
        for (_, pod) in ready.iter().filter(|(plan, _)| plan.role == Role::Pod) {
            self.run_hooks(pod, Phase::Post).await;
        }
        Ok(())
    }

    /// Runs the hooks of a pod; false when the pod must not be stored.
    async fn run_hooks(&self, pod: &Object, phase: Phase) -> bool {
        let pods = GroupResource::new("", "pods");
        let hooks = self.hooks.rules.of_pod(pod.head(), phase);
        let report = |failed: &hook::HookFailed| {
            self.report(Level::Error, &pods, pod.head(), chain(failed));
        };
        if phase == Phase::Pre {
            self.frozen().push(pod.clone());
        }
        let ran = hook::run(&hooks, pod, &*self.ports.exec, &self.hooks.counter, report).await;
        if phase == Phase::Post || ran.is_err() {
            self.frozen().retain(|frozen| frozen.head().key() != pod.head().key());
        }
        if ran.is_err() && phase == Phase::Pre {
            let message = "the pod is missing in this backup, because a hook with onError Fail failed";
            self.report(Level::Error, &pods, pod.head(), message);
        }
        ran.is_ok()
    }

    /// Runs the later hooks of pods that are between their hooks, because the backup ends early: no application may stay frozen.
    pub(super) async fn thaw(&self) {
        let pods = std::mem::take(&mut *self.frozen());
        for pod in &pods {
            let pod_name = pod.head().key();
            tracing::warn!(
                pod = pod_name,
                "the backup ends between the hooks of this pod, the later ones are run"
            );
            self.run_hooks(pod, Phase::Post).await;
        }
    }

    fn frozen(&self) -> MutexGuard<'_, Vec<Object>> {
        self.hooks.frozen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
