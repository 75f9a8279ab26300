//! `velero.io/service-account`: the cluster roles of a service account and their bindings go with it.

use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;
use serde::Deserialize;
use tokio::sync::OnceCell;

use crate::action::{ActionError, ActionSelector, BackupAction, BackupContext, BackupEffects, Item, ItemId};
use crate::catalog::GroupResource;
use crate::port::{ClusterError, ListQuery, PageRequest};
use crate::retry::Retry;

const RBAC: &str = "rbac.authorization.k8s.io";
const PAGE: u32 = 500;
const PAGE_BYTES: usize = 16 << 20;

/// Reads the cluster role bindings once, when the first service account comes along.
#[derive(Default)]
pub(super) struct ServiceAccount {
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
impl BackupAction for ServiceAccount {
    fn name(&self) -> &'static str {
        "velero.io/service-account"
    }

    async fn selector(&self) -> Result<ActionSelector, ActionError> {
        Ok(ActionSelector::resources(&["serviceaccounts"]))
    }

    async fn execute(
        &self,
        item: &mut Item,
        context: &BackupContext<'_>,
    ) -> Result<BackupEffects, ActionError> {
        let bindings = self.bindings.get_or_try_init(|| Bindings::read(context)).await?;
        let head = item.head();
        let account = (head.namespace.clone().unwrap_or_default(), head.name.clone());
        let related = bindings.by_account.get(&account).into_iter().flatten();
        let additional_items = related.map(|(resource, name)| ItemId {
            resource: GroupResource::new(RBAC, *resource),
            namespace: None,
            name: name.clone(),
        });
        Ok(BackupEffects {
            additional_items: additional_items.collect(),
            warnings: bindings.refused.iter().cloned().collect(),
            ..Default::default()
        })
    }
}

impl Bindings {
    async fn read(context: &BackupContext<'_>) -> Result<Self, ActionError> {
        let mut bindings = Self::default();
        let Some(kind) = context.catalog.get(&GroupResource::new(RBAC, "clusterrolebindings")) else {
            return Ok(bindings);
        };
        let ports = context.ports;
        let query = ListQuery::default();
        let mut page = PageRequest { limit: PAGE, continue_token: None, max_bytes: PAGE_BYTES };
        loop {
            let read = Retry::API.run(&*ports.clock, || ports.cluster.list(kind, &query, &page)).await;
            let read = match read {
                Ok(read) => read,
                Err(ClusterError::Forbidden { message }) => {
                    bindings.refused =
                        Some(format!("cluster roles of service accounts are not saved: {message}"));
                    return Ok(bindings);
                }
                Err(ClusterError::Expired) => {
                    page.continue_token = None;
                    bindings = Self::default();
                    continue;
                }
                Err(source) => {
                    return Err(ActionError::Cluster { attempt: "list clusterrolebindings".into(), source });
                }
            };
            for object in &read.items {
                bindings.add(&object.head().name, &object.view()?);
            }
            if read.continue_token.is_none() {
                return Ok(bindings);
            }
            page.continue_token = read.continue_token;
        }
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
