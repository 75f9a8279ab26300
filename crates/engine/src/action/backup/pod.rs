//! `velero.io/pod`: a pod's claims and priority class go with it.

use async_trait::async_trait;

use crate::action::{
    Action, ActionError, ActionSelector, BackupAction, BackupContext, BackupEffects, BlockContext, Item,
    ItemBlockAction, ItemId,
};
use crate::catalog::GroupResource;
use crate::object::{Object, ObjectError};
use crate::volume::pod::PodView;

pub(in crate::action) struct Pod;

#[async_trait]
impl Action for Pod {
    fn name(&self) -> &'static str {
        "velero.io/pod"
    }

    async fn selector(&self) -> Result<ActionSelector, ActionError> {
        Ok(ActionSelector::resources(&["pods"]))
    }
}

#[async_trait]
impl BackupAction for Pod {
    async fn execute(&self, item: &mut Item, _: &BackupContext<'_>) -> Result<BackupEffects, ActionError> {
        Ok(BackupEffects { additional_items: related(item.original())?, ..Default::default() })
    }
}

#[async_trait]
impl ItemBlockAction for Pod {
    async fn related_items(
        &self,
        item: &Object,
        context: &BlockContext<'_>,
    ) -> Result<Vec<ItemId>, ActionError> {
        // The backup action brings the priority class.
        if context.only_others { Ok(Vec::new()) } else { Ok(related(item)?) }
    }
}

fn related(pod: &Object) -> Result<Vec<ItemId>, ObjectError> {
    let view = PodView::of(pod)?;
    let class = view.spec.priority_class_name.as_ref().filter(|name| !name.is_empty()).map(|name| ItemId {
        resource: GroupResource::new("scheduling.k8s.io", "priorityclasses"),
        namespace: None,
        name: name.clone(),
    });
    let claims = view.claims().map(|name| ItemId {
        resource: GroupResource::new("", "persistentvolumeclaims"),
        namespace: pod.head().namespace.clone(),
        name: name.to_owned(),
    });
    Ok(class.into_iter().chain(claims).collect())
}
