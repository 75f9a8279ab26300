//! `velero.io/service-account`: the cluster roles of a service account and their bindings go with it.

use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;
use serde::Deserialize;
use tokio::sync::OnceCell;

use crate::action::list::each_object;
use crate::action::{
    Action, ActionError, ActionSelector, BackupAction, BackupContext, BackupEffects, BlockContext, Item,
    ItemBlockAction, ItemId,
};
use crate::catalog::GroupResource;
use crate::object::{Head, Object};
use crate::port::{ClusterError, ListQuery};

const RBAC: &str = "rbac.authorization.k8s.io";

/// Reads the cluster role bindings once, when the first service account comes along.
#[derive(Default)]
pub(in crate::action) struct ServiceAccount {
    bindings: OnceCell<Bindings>,
}

/// `(namespace, service account)` to names of its bindings and cluster roles.
#[derive(Default)]
struct Bindings {
    by_account: HashMap<(String, String), BTreeSet<(&'static str, String)>>,
    refused: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Binding {
    subjects: Option<Vec<Subject>>,
    role_ref: Subject,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Subject {
    kind: String,
    name: String,
    namespace: String,
}

#[async_trait]
impl Action for ServiceAccount {
    fn name(&self) -> &'static str {
        "velero.io/service-account"
    }

    async fn selector(&self) -> Result<ActionSelector, ActionError> {
        Ok(ActionSelector::resources(&["serviceaccounts"]))
    }
}

#[async_trait]
impl BackupAction for ServiceAccount {
    async fn execute(
        &self,
        item: &mut Item,
        context: &BackupContext<'_>,
    ) -> Result<BackupEffects, ActionError> {
        let (additional_items, warnings) = self.related(item.head(), context).await?;
        Ok(BackupEffects { additional_items, warnings, ..Default::default() })
    }
}

#[async_trait]
impl ItemBlockAction for ServiceAccount {
    async fn related_items(
        &self,
        item: &Object,
        context: &BlockContext<'_>,
    ) -> Result<Vec<ItemId>, ActionError> {
        // The backup action of the same name brings them too, and tells what is missing.
        if context.only_others {
            return Ok(Vec::new());
        }
        self.related(item.head(), context.backup).await.map(|(items, _)| items)
    }
}

impl ServiceAccount {
    /// Bindings and cluster roles of an account, and why some may be missing.
    async fn related(
        &self,
        head: &Head,
        context: &BackupContext<'_>,
    ) -> Result<(Vec<ItemId>, Vec<String>), ActionError> {
        let bindings = self.bindings.get_or_try_init(|| Bindings::read(context)).await?;
        let account = (head.namespace.clone().unwrap_or_default(), head.name.clone());
        let related = bindings.by_account.get(&account).into_iter().flatten();
        let items = related.map(|(resource, name)| ItemId {
            resource: GroupResource::new(RBAC, *resource),
            namespace: None,
            name: name.clone(),
        });
        Ok((items.collect(), bindings.refused.iter().cloned().collect()))
    }
}

impl Bindings {
    async fn read(context: &BackupContext<'_>) -> Result<Self, ActionError> {
        let mut bindings = Self::default();
        let Some(kind) = context.catalog.get(&GroupResource::new(RBAC, "clusterrolebindings")) else {
            return Ok(bindings);
        };
        let add = |object: &Object| {
            bindings.add(&object.head().name, &object.view()?);
            Ok(())
        };
        match each_object(context.ports, kind, &ListQuery::default(), add).await {
            Err(ActionError::Cluster { source: ClusterError::Forbidden { message }, .. }) => {
                bindings.refused =
                    Some(format!("cluster roles of service accounts are not saved: {message}"));
            }
            read => read?,
        }
        Ok(bindings)
    }

    fn add(&mut self, name: &str, binding: &Binding) {
        let accounts = binding.subjects.iter().flatten().filter(|subject| subject.kind == "ServiceAccount");
        for account in accounts {
            let related =
                self.by_account.entry((account.namespace.clone(), account.name.clone())).or_default();
            related.insert(("clusterrolebindings", name.to_owned()));
            related.insert(("clusterroles", binding.role_ref.name.clone()));
        }
    }
}
