//! What the restore of one object needs besides it: other objects of the backup, which are restored first.

use std::time::Duration;

use super::check::{ADDITIONAL_CHECKS, Scope, first_reason};
use super::place::Existing;
use super::run::Run;
use super::skip::Skip;
use crate::action::{ItemId, RestoreAction, RestoreContext, RestoreEffects};
use crate::archive::spool::EntryId;
use crate::finding::{Level, chain};

/// How often additional items are asked whether they are ready.
const READY_POLL: Duration = Duration::from_secs(1);

impl Run {
    /// Restores what an action asked for, and waits until the action finds it ready.
    pub(super) async fn need(
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
}
