//! Filter policies: objects of some kinds by label and name.

use crate::catalog::{Catalog, GroupResource, Kind};
use crate::object::Head;
use crate::select::label::Selector;
use crate::select::pattern::Pattern;

/// A name or a pattern for names.
#[derive(Clone, Debug)]
pub enum NameOrPattern {
    /// Exactly this.
    Name(String),
    /// What fits.
    Pattern(Pattern),
}

/// One `resourceFilter`: objects of some kinds that fit by label and name.
#[derive(Clone, Debug, Default)]
pub struct ResourceFilterRule {
    /// Kinds as the user wrote them; empty or `*` for every kind.
    pub kinds: Vec<String>,
    /// Selectors of which one must match; empty for everything.
    pub labels: Vec<Selector>,
    /// Names of which one must fit; empty for everything.
    pub names: Vec<NameOrPattern>,
    /// Names that must not fit.
    pub excluded_names: Vec<NameOrPattern>,
}

/// `clusterScopedFilterPolicy`: refines the kinds that it names and leaves the others alone.
#[derive(Clone, Debug, Default)]
pub struct ClusterFilter {
    /// Rules; that of the object's kind must hold.
    pub rules: Vec<ResourceFilterRule>,
}

/// One of `namespacedFilterPolicies`: in these namespaces nothing is included but what a rule allows.
#[derive(Clone, Debug, Default)]
pub struct NamespaceFilter {
    /// The namespaces.
    pub namespaces: Vec<NameOrPattern>,
    /// Rules; that of the object's kind must hold, else the one that takes the rest.
    pub rules: Vec<ResourceFilterRule>,
}

impl NameOrPattern {
    /// Reads a name or a pattern. The error is the reason.
    pub fn parse(text: &str) -> Result<Self, String> {
        if Pattern::is_pattern(text) {
            Pattern::parse(text).map(Self::Pattern)
        } else {
            Ok(Self::Name(text.to_owned()))
        }
    }

    /// Whether a name fits.
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Self::Name(own) => own == name,
            Self::Pattern(pattern) => pattern.matches(name),
        }
    }
}

impl ResourceFilterRule {
    /// Whether the rule is for every kind that no other rule names.
    pub fn takes_the_rest(&self) -> bool {
        self.named_kinds().next().is_none()
    }

    /// The kinds that it names.
    pub fn named_kinds(&self) -> impl Iterator<Item = &str> {
        self.kinds.iter().map(String::as_str).filter(|text| *text != "*")
    }

    fn is_about(&self, kind: &Kind, catalog: &Catalog) -> bool {
        let own = kind.group_resource();
        self.named_kinds().any(|text| {
            // An archive may hold kinds that the cluster does not serve.
            catalog.resolve(text).map_or_else(|| GroupResource::from(text), |kind| kind.group_resource())
                == own
        })
    }

    /// Whether an object fits by label and name.
    pub fn fits(&self, head: &Head) -> bool {
        let by_label =
            self.labels.is_empty() || self.labels.iter().any(|selector| selector.matches(&head.labels));
        by_label && self.fits_name(head)
    }

    /// Whether an object fits by name.
    pub fn fits_name(&self, head: &Head) -> bool {
        let any = |names: &[NameOrPattern]| names.iter().any(|name| name.matches(&head.name));
        (self.names.is_empty() || any(&self.names)) && !any(&self.excluded_names)
    }
}

/// The rule that names a kind.
pub(super) fn of_kind<'r>(
    rules: &'r [ResourceFilterRule],
    kind: &Kind,
    catalog: &Catalog,
) -> Option<&'r ResourceFilterRule> {
    rules.iter().find(|rule| rule.is_about(kind, catalog))
}

/// The rule for a kind: the one that names it, else the one that takes the rest.
fn rule_for<'r>(
    rules: &'r [ResourceFilterRule],
    kind: &Kind,
    catalog: &Catalog,
) -> Option<&'r ResourceFilterRule> {
    of_kind(rules, kind, catalog).or_else(|| rules.iter().find(|rule| rule.takes_the_rest()))
}

impl ClusterFilter {
    /// Whether a cluster-scoped object is included; `None` when no rule is for its kind.
    pub fn includes(&self, kind: &Kind, head: &Head, catalog: &Catalog) -> Option<bool> {
        rule_for(&self.rules, kind, catalog).map(|rule| rule.fits(head))
    }
}

impl NamespaceFilter {
    /// Whether the policy names a namespace itself.
    pub fn names(&self, namespace: &str) -> bool {
        self.namespaces.iter().any(|name| matches!(name, NameOrPattern::Name(own) if own == namespace))
    }

    /// Whether the policy is for a namespace.
    pub fn is_for(&self, namespace: &str) -> bool {
        self.namespaces.iter().any(|name| name.matches(namespace))
    }

    /// Whether an object in one of its namespaces is included.
    pub fn includes(&self, kind: &Kind, head: &Head, catalog: &Catalog) -> bool {
        rule_for(&self.rules, kind, catalog).is_some_and(|rule| rule.fits(head))
    }
}

#[cfg(test)]
mod tests;
