//! What the cluster serves, and which actions see which objects of it. Made anew when CRDs have been restored.

use std::sync::Arc;

use super::filter::ResourceLists;
use crate::action::{ActionError, ActionSelector, RestoreAction};
use crate::catalog::{Catalog, GroupResource};
use crate::object::Head;
use crate::select::label::Selector;

/// The served kinds, and the actions resolved against them.
pub(super) struct Scene {
    pub(super) catalog: Catalog,
    actions: Vec<Applicable>,
}

struct Applicable {
    action: Arc<dyn RestoreAction>,
    resources: ResourceLists,
    namespaces: (Vec<String>, Vec<String>),
    labels: Selector,
}

impl Scene {
    /// Asks each action what it is for.
    pub(super) async fn resolve(
        catalog: Catalog,
        actions: &[Arc<dyn RestoreAction>],
    ) -> Result<Self, ActionError> {
        let mut resolved = Vec::with_capacity(actions.len());
        for action in actions {
            resolved.push(Applicable::resolve(Arc::clone(action), action.selector().await?, &catalog)?);
        }
        Ok(Self { catalog, actions: resolved })
    }

    /// The actions for a kind in a namespace of the backup, in order.
    pub(super) fn actions<'a>(
        &'a self,
        resource: &'a GroupResource,
        namespace: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a Arc<dyn RestoreAction>, &'a Selector)> {
        self.actions
            .iter()
            .filter(move |it| it.resources.include(resource) && it.is_for_namespace(namespace))
            .map(|it| (&it.action, &it.labels))
    }

    /// Whether any action is for an object, so that it must be decoded.
    pub(super) fn has_actions(&self, resource: &GroupResource, head: &Head) -> bool {
        self.actions(resource, head.namespace.as_deref()).any(|(_, labels)| labels.matches(&head.labels))
    }
}

impl Applicable {
    fn resolve(
        action: Arc<dyn RestoreAction>,
        selector: ActionSelector,
        catalog: &Catalog,
    ) -> Result<Self, ActionError> {
        let included = selector.included_resources.iter().map(String::as_str);
        let resources =
            ResourceLists::resolve(included, selector.excluded_resources.iter().map(String::as_str), catalog);
        let labels = Selector::parse(&selector.label_selector)
            .map_err(|error| ActionError::Failed(format!("{}: {error}", action.name())))?;
        Ok(Self {
            action,
            resources,
            namespaces: (selector.included_namespaces, selector.excluded_namespaces),
            labels,
        })
    }

    /// Filters of namespaces are for namespaced objects only, as in Velero.
    fn is_for_namespace(&self, namespace: Option<&str>) -> bool {
        let (included, excluded) = &self.namespaces;
        let hit = |list: &[String], namespace| list.iter().any(|have| have == "*" || have == namespace);
        namespace.is_none_or(|namespace| {
            !hit(excluded, namespace) && (included.is_empty() || hit(included, namespace))
        })
    }
}
