//! The actions of a run with their selectors resolved, once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Action, ActionError, ActionSelector, BackupAction, Item, ItemBlockAction};
use crate::catalog::{Catalog, GroupResource};
use crate::object::Head;
use crate::select::label::Selector;
use crate::select::pattern::Pattern;
use crate::select::policy::filter::NameOrPattern;

/// An action and what it wants to see.
pub struct Resolved<A: ?Sized> {
    action: Arc<A>,
    scope: Scope,
}

/// A backup action, resolved.
pub type ResolvedAction = Resolved<dyn BackupAction>;

/// An item block action, resolved.
pub type ResolvedBlockAction = Resolved<dyn ItemBlockAction>;

impl<A: Action + ?Sized> Resolved<A> {
    /// Asks actions what they want to see. Resources that the cluster does not serve are taken as they are: a definition may bring them.
    pub async fn all(actions: &[Arc<A>], catalog: &Catalog) -> Result<Vec<Self>, ActionError> {
        let mut resolved = Vec::with_capacity(actions.len());
        for action in actions {
            let scope = Scope::new(action.name(), &action.selector().await?, catalog)?;
            resolved.push(Self { action: Arc::clone(action), scope });
        }
        Ok(resolved)
    }

    /// The action.
    pub fn action(&self) -> &A {
        &self.action
    }

    /// Whether it wants to see objects of a resource at all.
    pub fn is_for(&self, resource: &GroupResource) -> bool {
        self.scope.has_resource(resource)
    }

    /// Whether it wants to see an object of a resource that it is for. An action for certain namespaces does not see cluster-scoped
    /// objects.
    pub fn wants(&self, head: &Head) -> bool {
        self.is_for_namespace(head.namespace.as_deref()) && self.selects(&head.labels)
    }

    /// Whether it wants to see objects of a namespace, or of none.
    pub fn is_for_namespace(&self, namespace: Option<&str>) -> bool {
        self.scope.has_namespace(namespace)
    }

    /// Whether its label selector matches.
    pub fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        self.scope.labels.matches(labels)
    }

    /// Whether its label selector matches an object as the actions before it left it.
    pub fn selects_item(&self, item: &Item) -> bool {
        self.scope.labels.is_everything() || self.selects(&item.labels())
    }
}

/// A selector against what the cluster serves. Namespaces may be patterns.
#[derive(Debug, Default)]
struct Scope {
    included_namespaces: Vec<NameOrPattern>,
    excluded_namespaces: Vec<NameOrPattern>,
    included_resources: Option<Resources>,
    excluded_resources: Resources,
    labels: Selector,
}

#[derive(Debug, Default)]
struct Resources {
    exact: BTreeSet<GroupResource>,
    patterns: Vec<Pattern>,
}

impl Scope {
    fn new(action: &str, selector: &ActionSelector, catalog: &Catalog) -> Result<Self, ActionError> {
        let failed = |reason: String| ActionError::Failed(format!("the action {action}: {reason}"));
        let labels = Selector::parse(&selector.label_selector).map_err(|error| failed(error.to_string()))?;
        let star = |names: &[String]| names.iter().any(|name| name == "*");
        let names = |names: &[String]| -> Result<Vec<_>, _> {
            names.iter().map(|name| NameOrPattern::parse(name).map_err(failed)).collect()
        };
        let included = &selector.included_resources;
        let all = included.is_empty() || star(included);
        Ok(Self {
            included_namespaces: if star(&selector.included_namespaces) {
                Vec::new()
            } else {
                names(&selector.included_namespaces)?
            },
            excluded_namespaces: names(&selector.excluded_namespaces)?,
            included_resources: (!all).then(|| Resources::new(included, catalog)),
            excluded_resources: Resources::new(&selector.excluded_resources, catalog),
            labels,
        })
    }

    fn has_resource(&self, resource: &GroupResource) -> bool {
        !self.excluded_resources.has(resource)
            && self.included_resources.as_ref().is_none_or(|included| included.has(resource))
    }

    fn has_namespace(&self, namespace: Option<&str>) -> bool {
        let (included, excluded) = (&self.included_namespaces, &self.excluded_namespaces);
        match namespace {
            Some(namespace) => {
                (included.is_empty() || included.iter().any(|name| name.matches(namespace)))
                    && !excluded.iter().any(|name| name.matches(namespace))
            }
            None => included.is_empty() && excluded.is_empty(),
        }
    }
}

impl Resources {
    /// Names that mean nothing to the cluster are taken as patterns for `plural.group`. A star means nothing here.
    fn new(names: &[String], catalog: &Catalog) -> Self {
        let mut resources = Self::default();
        for name in names.iter().filter(|name| *name != "*") {
            match catalog.resolve(name) {
                Some(kind) => {
                    resources.exact.insert(kind.group_resource());
                }
                None => resources.patterns.extend(Pattern::parse(name)),
            }
        }
        resources
    }

    fn has(&self, resource: &GroupResource) -> bool {
        self.exact.contains(resource)
            || self.patterns.iter().any(|pattern| pattern.matches(&resource.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalog::Kind;
    use crate::object::Object;

    fn catalog() -> Catalog {
        let mut pods = Kind::builtin("", "v1", "Pod", "pods", true);
        pods.short_names = vec!["po".into()];
        let widgets = Kind::builtin("example.com", "v1", "Widget", "widgets", true);
        Catalog::new(vec![pods, widgets, Kind::builtin("", "v1", "Node", "nodes", false)], Vec::new())
    }

    fn list(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn resources_are_chosen_by_any_name_and_pattern() {
        for (included, excluded, expected) in [
            (&[][..], &[][..], "pods widgets.example.com nodes"),
            (&["*"], &["po"], "widgets.example.com nodes"),
            (&["po", "nodes"], &["nodes"], "pods"),
            (&["*.example.com"], &[], "widgets.example.com"),
            (&["zebras"], &[], ""),
            (&[], &["*"], "pods widgets.example.com nodes"),
        ] {
            let selector = ActionSelector {
                included_resources: list(included),
                excluded_resources: list(excluded),
                ..ActionSelector::default()
            };
            let scope = Scope::new("a", &selector, &catalog()).unwrap();
            let catalog = catalog();
            let names = catalog.preferred().map(|kind| kind.group_resource());
            let names: Vec<_> =
                names.filter(|name| scope.has_resource(name)).map(|name| name.to_string()).collect();
            assert_eq!(names.join(" "), expected, "{included:?} {excluded:?}");
        }
    }

    #[test]
    fn namespaces_and_labels_choose_objects_and_leave_cluster_scoped_ones_out() {
        let object = |namespace: &str| {
            let mut metadata = json!({"name": "o", "labels": {"app": "web"}});
            if !namespace.is_empty() {
                metadata["namespace"] = namespace.into();
            }
            Object::from_tree(&json!({"metadata": metadata})).unwrap().head().clone()
        };
        let has = |scope: &Scope, head: &Head| {
            scope.has_namespace(head.namespace.as_deref()) && scope.labels.matches(&head.labels)
        };
        for (included, excluded, labels, expected) in [
            (&[][..], &[][..], "", "a ab -"),
            (&["*"], &[], "app=web", "a ab -"),
            (&["a*"], &["ab"], "", "a"),
            (&[], &["a"], "", "ab"),
            (&[], &[], "app=db", ""),
        ] {
            let selector = ActionSelector {
                included_namespaces: list(included),
                excluded_namespaces: list(excluded),
                label_selector: labels.into(),
                ..ActionSelector::default()
            };
            let scope = Scope::new("a", &selector, &catalog()).unwrap();
            let seen = [("a", "a"), ("ab", "ab"), ("", "-")].into_iter();
            let seen: Vec<_> =
                seen.filter(|(name, _)| has(&scope, &object(name))).map(|(_, shown)| shown).collect();
            assert_eq!(seen.join(" "), expected, "{included:?} {excluded:?} {labels}");
        }
    }

    #[test]
    fn a_selector_that_can_not_be_read_is_an_error_that_names_the_action() {
        let selector = ActionSelector { label_selector: "a in".into(), ..ActionSelector::default() };
        let error = Scope::new("example.com/a", &selector, &catalog()).unwrap_err().to_string();
        assert!(error.starts_with("the action example.com/a: label selector"), "{error}");
    }
}
