//! Filter policies: objects of some kinds by label and name.

use crate::catalog::{Catalog, Kind};
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
    /// Rules; one for the object's kind must hold.
    pub rules: Vec<ResourceFilterRule>,
}

/// One of `namespacedFilterPolicies`: in these namespaces nothing is included but what a rule allows.
#[derive(Clone, Debug, Default)]
pub struct NamespaceFilter {
    /// The namespaces.
    pub namespaces: Vec<NameOrPattern>,
    /// Rules; one must hold.
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
    /// Whether the rule is about a kind.
    pub fn is_about(&self, kind: &Kind, catalog: &Catalog) -> bool {
        let own = kind.group_resource();
        self.kinds.is_empty()
            || self.kinds.iter().any(|text| {
                text == "*" || catalog.resolve(text).is_some_and(|resolved| resolved.group_resource() == own)
            })
    }

    /// Whether an object fits by label and name.
    pub fn fits(&self, head: &Head) -> bool {
        let any = |names: &[NameOrPattern]| names.iter().any(|name| name.matches(&head.name));
        (self.labels.is_empty() || self.labels.iter().any(|selector| selector.matches(&head.labels)))
            && (self.names.is_empty() || any(&self.names))
            && !any(&self.excluded_names)
    }
}

impl ClusterFilter {
    /// Whether a cluster-scoped object is included.
    pub fn includes(&self, kind: &Kind, head: &Head, catalog: &Catalog) -> bool {
        let mut about = self.rules.iter().filter(|rule| rule.is_about(kind, catalog)).peekable();
        about.peek().is_none() || about.any(|rule| rule.fits(head))
    }
}

impl NamespaceFilter {
    /// Whether the policy is for a namespace.
    pub fn is_for(&self, namespace: &str) -> bool {
        self.namespaces.iter().any(|name| name.matches(namespace))
    }

    /// Whether an object in one of its namespaces is included.
    pub fn includes(&self, kind: &Kind, head: &Head, catalog: &Catalog) -> bool {
        self.rules.iter().any(|rule| rule.is_about(kind, catalog) && rule.fits(head))
    }
}
