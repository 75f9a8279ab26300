//! What the cluster serves, and which actions see which objects of it. Made anew when CRDs have been restored.

use std::sync::Arc;

use super::filter::ResourceLists;
use crate::action::{ActionError, ActionSelector, Item, RestoreAction};
use crate::catalog::{Catalog, GroupResource};
use crate::select::label::Selector;

/// The served kinds, and the actions resolved against them.
pub(super) struct Scene {
    pub(super) catalog: Catalog,
    actions: Vec<Applicable>,
}

/// An action and what it wants to see.
pub(super) struct Applicable {
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

    /// The actions for a kind in a namespace, in order. The namespace is the one that is restored into, as in Velero.
    pub(super) fn actions<'a>(
        &'a self,
        resource: &'a GroupResource,
        namespace: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Applicable> {
        self.actions.iter().filter(move |it| it.resources.include(resource) && it.is_for_namespace(namespace))
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

    /// The action itself.
    pub(super) fn action(&self) -> &dyn RestoreAction {
        &*self.action
    }

    /// Whether its label selector matches an object as the actions before it left it.
    pub(super) fn selects(&self, item: &Item) -> bool {
        self.labels.is_everything() || self.labels.matches(&item.labels())
    }

    /// An action for certain namespaces does not see cluster-scoped objects.
    fn is_for_namespace(&self, namespace: Option<&str>) -> bool {
        let (included, excluded) = &self.namespaces;
        let includes_all = included.is_empty() || included.iter().any(|have| have == "*");
        match namespace {
            Some(namespace) => {
                let hit = |list: &[String]| list.iter().any(|have| have == namespace);
                !hit(excluded) && (includes_all || hit(included))
            }
            None => includes_all && excluded.is_empty(),
        }
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;
    use crate::action::{RestoreContext, RestoreEffects};

    struct For(ActionSelector);

    #[async_trait]
    impl RestoreAction for For {
        fn name(&self) -> &'static str {
            "test.io/for"
        }

        async fn selector(&self) -> Result<ActionSelector, ActionError> {
            Ok(self.0.clone())
        }

        async fn execute(&self, _: &mut Item, _: &RestoreContext<'_>) -> Result<RestoreEffects, ActionError> {
            Ok(RestoreEffects::default())
        }
    }

    #[tokio::test]
    async fn actions_for_certain_namespaces_do_not_see_cluster_scoped_objects() {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        for (included, excluded, namespace, sees) in [
            (&[][..], &[][..], None, true),
            (&["*"], &[], None, true),
            (&["shop"], &[], None, false),
            (&[], &["shop"], None, false),
            (&["shop"], &[], Some("shop"), true),
            (&["shop"], &[], Some("other"), false),
            (&["*"], &["shop"], Some("shop"), false),
        ] {
            let selector = ActionSelector {
                included_namespaces: names(included),
                excluded_namespaces: names(excluded),
                ..ActionSelector::default()
            };
            let action: Arc<dyn RestoreAction> = Arc::new(For(selector));
            let scene = Scene::resolve(Catalog::default(), &[action]).await.unwrap();
            let seen = scene.actions(&"pods".into(), namespace).count() == 1;
            assert_eq!(seen, sees, "{included:?} {excluded:?} {namespace:?}");
        }
    }
}
