//! `velero.io/pvc`: a bound claim belongs together with its volume, the running pods that use it, and the claims of its volume group.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Mutex;

use crate::action::backup::persistent_volume::bound_volume;
use crate::action::list::each_object;
use crate::action::{
    Action, ActionError, ActionSelector, BackupContext, BlockContext, ItemBlockAction, ItemId,
};
use crate::catalog::GroupResource;
use crate::object::Object;
use crate::port::ListQuery;
use crate::volume::pod::PodView;

/// Names of running pods by the claims that they use.
type PodsByClaim = HashMap<String, Vec<String>>;

/// Reads the pods of a namespace once, when its first claim comes along.
#[derive(Default)]
pub(super) struct Claim {
    pods: Mutex<HashMap<String, Arc<PodsByClaim>>>,
}

#[async_trait]
impl Action for Claim {
    fn name(&self) -> &'static str {
        "velero.io/pvc"
    }

    async fn selector(&self) -> Result<ActionSelector, ActionError> {
        Ok(ActionSelector::resources(&["persistentvolumeclaims"]))
    }
}

#[async_trait]
impl ItemBlockAction for Claim {
    async fn related_items(
        &self,
        item: &Object,
        context: &BlockContext<'_>,
    ) -> Result<Vec<ItemId>, ActionError> {
        // The backup action `velero.io/pv` brings the volume, and everything else is in the claim's namespace.
        if context.only_others {
            return Ok(Vec::new());
        }
        let Some(volume) = bound_volume(&item.tree()?) else { return Ok(Vec::new()) };
        let head = item.head();
        let namespace = head.namespace.as_deref().unwrap_or_default();
        let id = |plural: &str, name: &str| ItemId {
            resource: GroupResource::new("", plural),
            namespace: Some(namespace.to_owned()),
            name: name.to_owned(),
        };
        let mut related = vec![volume];
        let pods = self.pods(namespace, context.backup).await?;
        related.extend(pods.get(&head.name).into_iter().flatten().map(|name| id("pods", name)));
        let label = context.backup.backup.spec.volume_group_snapshot_label_key.as_str();
        if let Some(group) = head.label(label).filter(|group| !group.is_empty()) {
            let names = group_members(namespace, &format!("{label}={group}"), context.backup).await?;
            let others = names.iter().filter(|name| **name != head.name);
            related.extend(others.map(|name| id("persistentvolumeclaims", name)));
        }
        Ok(related)
    }
}

impl Claim {
    async fn pods(
        &self,
        namespace: &str,
        context: &BackupContext<'_>,
    ) -> Result<Arc<PodsByClaim>, ActionError> {
        let mut known = self.pods.lock().await;
        if let Some(pods) = known.get(namespace) {
            return Ok(Arc::clone(pods));
        }
        let mut pods = PodsByClaim::new();
        let add = |pod: &Object| {
            let view = PodView::of(pod)?;
            for claim in view.claims().filter(|_| view.is_running()) {
                pods.entry(claim.to_owned()).or_default().push(pod.head().name.clone());
            }
            Ok(())
        };
        if let Some(kind) = context.catalog.get(&GroupResource::new("", "pods")) {
            each_object(context.ports, kind, &in_namespace(namespace), add).await?;
        }
        let pods = Arc::new(pods);
        known.insert(namespace.to_owned(), Arc::clone(&pods));
        Ok(pods)
    }
}

/// Names of the claims of a volume group.
async fn group_members(
    namespace: &str,
    selector: &str,
    context: &BackupContext<'_>,
) -> Result<Vec<String>, ActionError> {
    let mut names = Vec::new();
    let query = ListQuery { label_selector: selector.to_owned(), ..in_namespace(namespace) };
    let add = |claim: &Object| {
        names.push(claim.head().name.clone());
        Ok(())
    };
    if let Some(kind) = context.catalog.get(&GroupResource::new("", "persistentvolumeclaims")) {
        each_object(context.ports, kind, &query, add).await?;
    }
    Ok(names)
}

fn in_namespace(namespace: &str) -> ListQuery {
    ListQuery { namespace: Some(namespace.to_owned()), ..ListQuery::default() }
}
