//! `velero.io/pod`: a pod's claims and priority class go with it.

use async_trait::async_trait;

use crate::action::{ActionError, ActionSelector, BackupAction, BackupContext, BackupEffects, Item, ItemId};
use crate::catalog::GroupResource;
use crate::volume::pod::PodView;

pub(super) struct Pod;

#[async_trait]
impl BackupAction for Pod {
    fn name(&self) -> &'static str {
        "velero.io/pod"
    }

    async fn selector(&self) -> Result<ActionSelector, ActionError> {
        Ok(ActionSelector::resources(&["pods"]))
    }

    async fn execute(&self, item: &mut Item, _: &BackupContext<'_>) -> Result<BackupEffects, ActionError> {
        let view = PodView::of(item.original())?;
        let class =
            view.spec.priority_class_name.as_ref().filter(|name| !name.is_empty()).map(|name| ItemId {
                resource: GroupResource::new("scheduling.k8s.io", "priorityclasses"),
                namespace: None,
                name: name.clone(),
            });
        let claims = view.claims().map(|name| ItemId {
            resource: GroupResource::new("", "persistentvolumeclaims"),
            namespace: item.head().namespace.clone(),
            name: name.to_owned(),
        });
        Ok(BackupEffects {
            additional_items: class.into_iter().chain(claims).collect(),
            ..Default::default()
        })
    }
}
