//! Which objects of a backup an action sees: its selector, resolved against what the cluster serves. For the actions that read an
//! archive, those of restores and deletions.

use std::sync::Arc;

use super::{ActionError, ActionSelector};
use crate::catalog::{Catalog, GroupResource};
use crate::restore::filter::ResourceLists;
use crate::select::label::Selector;

/// An action with its resolved selector.
pub(crate) struct Applicable<A: ?Sized> {
    pub(crate) action: Arc<A>,
    resources: ResourceLists,
    namespaces: (Vec<String>, Vec<String>),
    /// The labels that an object must have besides.
    pub(crate) labels: Selector,
}

impl<A: ?Sized> Applicable<A> {
    pub(crate) fn resolve(
        action: Arc<A>,
        name: &str,
        selector: ActionSelector,
        catalog: &Catalog,
    ) -> Result<Self, ActionError> {
        let included = selector.included_resources.iter().map(String::as_str);
        let resources =
            ResourceLists::resolve(included, selector.excluded_resources.iter().map(String::as_str), catalog);
        let labels = Selector::parse(&selector.label_selector)
            .map_err(|error| ActionError::Failed(format!("{name}: {error}")))?;
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

/// The actions for a kind in a namespace of the backup, in order.
pub(crate) fn to<'a, A: ?Sized>(
    actions: &'a [Applicable<A>],
    resource: &'a GroupResource,
    namespace: Option<&'a str>,
) -> impl Iterator<Item = &'a Applicable<A>> {
    actions.iter().filter(move |it| it.resources.include(resource) && it.is_for_namespace(namespace))
}
