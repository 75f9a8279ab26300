//! What is only known when everything else is stored: namespaces in use, and the definitions of stored custom resources.

use futures::future::BoxFuture;

use super::BackupError;
use super::collect::KindPlan;
use super::each::each;
use super::held::UNORDERED;
use super::prepare::is_active;
use super::related::FETCHES;
use super::run::Run;
use super::store::Mode;
use crate::catalog::GroupResource;
use crate::port::{ClusterError, ListQuery, ObjectRef};

/// API groups of Kubernetes itself, which have no definitions. Groups without a dot are its own too.
const BUILTIN_GROUPS: &[&str] = &[
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "internal.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
    "storagemigration.k8s.io",
];

impl Run<'_> {
    /// Stores namespaces: those that the spec includes by name, those that hold something that was selected by label, and those that
    /// are selected by label themselves, whatever the lists of namespaces say (behaviour §6.5).
    pub(super) async fn store_namespaces(&self) -> Result<(), BackupError> {
        let Some(kind) = self.catalog.get(&GroupResource::new("", "namespaces")) else { return Ok(()) };
        if !self.selection.collects(kind) {
            return Ok(());
        }
        let plan = self.plan(kind);
        let by_name = !(self.selection.has_labels() && self.selection.namespaces().is_everything());
        for namespace in self.namespaces {
            if by_name || self.ledger.lock().namespaces.contains(&namespace.head().name) {
                self.consider(&plan, namespace.clone(), Mode::Listed(UNORDERED)).await?;
            }
        }
        for label_selector in self.selection.selectors() {
            self.store_labelled_namespaces(&plan, label_selector).await?;
        }
        Ok(())
    }

    async fn store_labelled_namespaces(
        &self,
        plan: &KindPlan,
        label_selector: String,
    ) -> Result<(), BackupError> {
        let query = ListQuery { label_selector, ..ListQuery::default() };
        let mut list = self.lists.open(self.ports, &plan.kind, query);
        loop {
            match list.next().await {
                Ok(Some((page, _))) => {
                    for namespace in page.items.into_iter().filter(is_active) {
                        self.consider(plan, namespace, Mode::Listed(UNORDERED)).await?;
                    }
                }
                // Who may not list namespaces has named those that he wants.
                Ok(None) | Err(ClusterError::Forbidden { .. }) => return Ok(()),
                Err(error) => return self.list_failed(plan, None, error).await,
            }
        }
    }

    /// Stores the definition of every custom resource that is in the archive, unless definitions are filtered explicitly
    /// (behaviour §6.8).
    pub(super) async fn store_definitions(&self) -> Result<(), BackupError> {
        let resource = GroupResource::new("apiextensions.k8s.io", "customresourcedefinitions");
        let Some(kind) = self.catalog.get(&resource) else { return Ok(()) };
        if self.selection.collects(kind) || !self.selection.allows(kind) {
            return Ok(());
        }
        let plan = &self.plan(kind);
        let stored = self.ledger.lock().resources.clone();
        let custom = stored.into_iter().filter(|resource| is_custom(&resource.group)).collect();
        let store = |resource| -> BoxFuture<'_, _> { Box::pin(self.store_definition(plan, resource)) };
        each(FETCHES, custom, &store).await
    }

    async fn store_definition(&self, plan: &KindPlan, resource: GroupResource) -> Result<(), BackupError> {
        let reference = ObjectRef { kind: plan.kind.clone(), namespace: None, name: resource.to_string() };
        match self.fetch(&reference).await {
            Ok(definition) => self.consider(plan, definition, Mode::RELATED).await.map(drop),
            // Served by an aggregated API server, which has no definitions.
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => self.fetch_failed(&reference, error).await,
        }
    }
}

fn is_custom(group: &str) -> bool {
    group.contains('.') && !BUILTIN_GROUPS.contains(&group)
}
