//! The backup actions of a run with their selectors resolved, once.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{ActionError, ActionSelector, BackupAction};
use crate::catalog::{Catalog, GroupResource};
use crate::object::Head;
use crate::select::label::Selector;

/// An action and what it wants to see.
#[derive(Clone)]
pub struct ResolvedAction {
    action: Arc<dyn BackupAction>,
    included_namespaces: BTreeSet<String>,
    excluded_namespaces: BTreeSet<String>,
    included_resources: Option<BTreeSet<GroupResource>>,
    excluded_resources: BTreeSet<GroupResource>,
    labels: Selector,
}

impl ResolvedAction {
    /// Asks an action what it wants to see. Resources that the cluster does not serve select nothing.
    pub async fn resolve(action: &Arc<dyn BackupAction>, catalog: &Catalog) -> Result<Self, ActionError> {
        let selector = action.selector().await?;
        let labels = Selector::parse(&selector.label_selector)
            .map_err(|error| ActionError::Failed(format!("the action {}: {error}", action.name())))?;
        let ActionSelector { included_namespaces, excluded_namespaces, included_resources, .. } = selector;
        let resources = |names: &[String]| -> BTreeSet<GroupResource> {
            names.iter().filter_map(|name| catalog.resolve(name)).map(|kind| kind.group_resource()).collect()
        };
        let all = included_resources.is_empty() || included_resources.iter().any(|name| name == "*");
        Ok(Self {
            action: Arc::clone(action),
            included_namespaces: included_namespaces.into_iter().filter(|name| name != "*").collect(),
            excluded_namespaces: excluded_namespaces.into_iter().collect(),
            included_resources: (!all).then(|| resources(&included_resources)),
            excluded_resources: resources(&selector.excluded_resources),
            labels,
        })
    }

    /// The action.
    pub fn action(&self) -> &dyn BackupAction {
        &*self.action
    }

    /// Whether it wants to see objects of a resource at all.
    pub fn is_for(&self, resource: &GroupResource) -> bool {
        !self.excluded_resources.contains(resource)
            && self.included_resources.as_ref().is_none_or(|included| included.contains(resource))
    }

    /// Whether it wants to see an object of a resource that it is for. An action for certain namespaces does not see cluster-scoped
    /// objects.
    pub fn wants(&self, head: &Head) -> bool {
        let included = &self.included_namespaces;
        let in_namespace = match &head.namespace {
            Some(namespace) => {
                (included.is_empty() || included.contains(namespace))
                    && !self.excluded_namespaces.contains(namespace)
            }
            None => included.is_empty() && self.excluded_namespaces.is_empty(),
        };
        in_namespace && self.labels.matches(&head.labels)
    }
}
