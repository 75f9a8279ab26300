//! Pods with hooks: stored in blocks of pods that share claims, between the hooks of all of them (behaviour §6.6, §6.9).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use futures::future::BoxFuture;

use super::BackupError;
use super::collect::KindPlan;
use super::each::each;
use super::run::Run;
use super::store::Mode;
use super::{Candidate, decide};
use crate::finding::{Level, chain};
use crate::hook::backup::{self as hook, Phase};
use crate::object::Object;
use crate::port::ObjectRef;
use crate::volume::pod::PodView;

/// The rank of pods that `orderedResources` does not name.
pub(super) const UNORDERED: usize = usize::MAX;

/// A pod that waits until all pods are known. Only names are kept; the pod is read again when its turn comes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Held {
    /// Place in `orderedResources`; [`UNORDERED`] for pods that are not there.
    rank: usize,
    namespace: String,
    name: String,
    claims: Vec<String>,
}

impl Run<'_> {
    /// Holds a pod with hooks back.
    pub(super) fn hold(&self, plan: &KindPlan, pod: &Object, rank: usize) {
        let head = pod.head();
        let claims = PodView::of(pod).unwrap_or_default().claims().map(ToOwned::to_owned).collect();
        let (namespace, name) = (head.namespace.clone().unwrap_or_default(), head.name.clone());
        let held = Held { rank, namespace, name, claims };
        tracing::debug!(
            resource = plan.name,
            namespace = held.namespace,
            name = held.name,
            "held for its hooks"
        );
        self.hooks.held.lock().unwrap_or_else(PoisonError::into_inner).push(held);
    }

    /// Stores the pods that were held back, as many blocks at once as there are workers.
    pub(super) async fn store_blocks(&self, plan: &KindPlan) -> Result<(), BackupError> {
        let held = std::mem::take(&mut *self.hooks.held.lock().unwrap_or_else(PoisonError::into_inner));
        let workers = self.request.workers.max(1);
        let store = |block| -> BoxFuture<'_, _> { Box::pin(self.store_block(plan, block)) };
        each(workers, blocks(held), &store).await
    }

    async fn store_block(&self, plan: &KindPlan, block: Vec<Held>) -> Result<(), BackupError> {
        let mut pods = Vec::new();
        for held in block {
            if let Some(pod) = self.fetch_held(plan, &held).await?
                && self.run_hooks(plan, &pod, Phase::Pre).await
            {
                pods.push(pod);
            }
        }
        for pod in &pods {
            self.consider(plan, pod.clone(), Mode::Block).await?;
        }
        for pod in &pods {
            self.run_hooks(plan, pod, Phase::Post).await;
        }
        Ok(())
    }

    /// Reads a held pod; `None` when it is gone, or something keeps it out of the backup: then its hooks must not run.
    async fn fetch_held(&self, plan: &KindPlan, held: &Held) -> Result<Option<Object>, BackupError> {
        let reference = ObjectRef {
            kind: plan.kind.clone(),
            namespace: Some(held.namespace.clone()),
            name: held.name.clone(),
        };
        let pod = match self.fetch(&reference).await {
            Ok(pod) => pod,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return self.fetch_failed(&reference, error).await.map(|()| None),
        };
        let candidate =
            Candidate { kind: &plan.kind, allowed: plan.allowed, head: pod.head(), must_include: false };
        if let Some(skip) = decide(&candidate, self.selection, self.catalog) {
            tracing::info!(resource = plan.name, namespace = held.namespace, name = held.name, "{skip}");
            return Ok(None);
        }
        let taken = self.written.has(self.key(plan, pod.head()));
        Ok((!taken).then_some(pod))
    }

    /// Runs the hooks of a pod; false when the pod must not be stored.
    async fn run_hooks(&self, plan: &KindPlan, pod: &Object, phase: Phase) -> bool {
        let hooks = self.hooks.rules.of_pod(pod.head(), phase);
        let report = |failed: &hook::HookFailed| {
            self.report(Level::Error, &plan.resource, pod.head(), chain(failed));
        };
        let ran = hook::run(&hooks, pod, &*self.ports.exec, &self.hooks.counter, report).await;
        if ran.is_err() && phase == Phase::Pre {
            let message = "the pod is missing in this backup, because a hook with onError Fail failed";
            self.report(Level::Error, &plan.resource, pod.head(), message);
        }
        ran.is_ok()
    }
}

/// Joins pods that share a claim, directly or through others, and those that `orderedResources` names, which come first and in their
/// order (behaviour §6.6).
fn blocks(mut held: Vec<Held>) -> Vec<Vec<Held>> {
    held.sort();
    // An ordered pod comes along in its list once more; its hooks must not run twice.
    let mut seen = BTreeSet::new();
    held.retain(|pod| seen.insert((pod.namespace.clone(), pod.name.clone())));
    let mut blocks: Vec<Vec<Held>> = Vec::new();
    let mut by_claim: BTreeMap<(String, String), usize> = BTreeMap::new();
    for pod in held {
        let claims = pod.claims.iter().map(|claim| (pod.namespace.clone(), claim.clone()));
        // No claim has no name.
        let ordered = (pod.rank != UNORDERED).then(Default::default);
        let keys: Vec<_> = claims.chain(ordered).collect();
        let mut joined: Vec<usize> = keys.iter().filter_map(|key| by_claim.get(key).copied()).collect();
        joined.sort_unstable();
        joined.dedup();
        let target = joined.first().copied().unwrap_or(blocks.len());
        if target == blocks.len() {
            blocks.push(Vec::new());
        }
        for other in joined.into_iter().skip(1) {
            let moved = std::mem::take(&mut blocks[other]);
            blocks[target].extend(moved);
            by_claim.values_mut().filter(|block| **block == other).for_each(|block| *block = target);
        }
        by_claim.extend(keys.into_iter().map(|key| (key, target)));
        blocks[target].push(pod);
    }
    blocks.retain(|block| !block.is_empty());
    for block in &mut blocks {
        block.sort();
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_that_share_claims_are_one_block() {
        let pod = |name: &str, claims: &[&str]| Held {
            rank: UNORDERED,
            namespace: "n".into(),
            name: name.into(),
            claims: claims.iter().map(ToString::to_string).collect(),
        };
        let held =
            vec![pod("a", &["x"]), pod("b", &["y"]), pod("c", &[]), pod("d", &["y", "x"]), pod("e", &["z"])];
        let names: Vec<Vec<String>> =
            blocks(held).into_iter().map(|block| block.into_iter().map(|pod| pod.name).collect()).collect();
        assert_eq!(names, [vec!["a", "b", "d"], vec!["c"], vec!["e"]]);
    }

    #[test]
    fn ordered_pods_are_the_first_block_in_their_order() {
        let pod = |name: &str, rank: usize, claims: &[&str]| Held {
            rank,
            namespace: "n".into(),
            name: name.into(),
            claims: claims.iter().map(ToString::to_string).collect(),
        };
        let held = vec![
            pod("a", UNORDERED, &["x"]),
            pod("z", 0, &[]),
            pod("b", UNORDERED, &[]),
            pod("m", 1, &["x"]),
        ];
        let names: Vec<Vec<String>> =
            blocks(held).into_iter().map(|block| block.into_iter().map(|pod| pod.name).collect()).collect();
        assert_eq!(names, [vec!["z", "m", "a"], vec!["b"]]);
    }
}
