//! Which resources are included, in both styles of the spec (behaviour §6.3).
//!
//! The old style has one pair of lists and `includeClusterResources`; the new style has a pair of lists for each scope. A kind may be
//! *collected* (listed for its own sake) or merely *allowed* (stored when a stored object needs it, as a claim needs its volume).

use std::collections::BTreeSet;

use super::pattern::Pattern;
use super::policy::PolicyLists;
use crate::catalog::{Catalog, GroupResource, Kind};

/// Kinds that are never collected: CSI snapshots are stored only where a backup made them.
const NEVER_COLLECTED: [(&str, &str); 2] =
    [("snapshot.storage.k8s.io", "volumesnapshots"), ("snapshot.storage.k8s.io", "volumesnapshotcontents")];

/// The lists of a spec as they are written.
#[derive(Clone, Copy, Debug, Default)]
pub struct ResourceLists<'a> {
    /// `includedResources`.
    pub included: &'a [String],
    /// `excludedResources`.
    pub excluded: &'a [String],
    /// `includeClusterResources`.
    pub cluster: Option<bool>,
    /// `includedClusterScopedResources`.
    pub included_cluster: &'a [String],
    /// `excludedClusterScopedResources`.
    pub excluded_cluster: &'a [String],
    /// `includedNamespaceScopedResources`.
    pub included_namespaced: &'a [String],
    /// `excludedNamespaceScopedResources`.
    pub excluded_namespaced: &'a [String],
}

/// The resolved lists.
#[derive(Clone, Debug)]
pub struct ResourceFilter {
    style: Style,
    all_namespaces: bool,
}

#[derive(Clone, Debug)]
enum Style {
    Old { lists: Lists, cluster: Option<bool> },
    New { namespaced: Lists, cluster: Lists },
}

#[derive(Clone, Debug, Default)]
struct Lists {
    included: Names,
    excluded: Names,
}

#[derive(Clone, Debug, Default)]
struct Names {
    star: bool,
    exact: BTreeSet<GroupResource>,
    patterns: Vec<Pattern>,
    /// Whether a name means nothing to the cluster. A list with such a name is not an empty list.
    unknown: bool,
}

/// One entry of a list.
#[derive(Clone, Debug)]
enum Name {
    Star,
    Exact(GroupResource),
    Pattern(Pattern),
}

/// What came out of resolving lists.
#[derive(Debug, Default)]
pub struct Problems {
    /// Reasons to refuse the spec.
    pub errors: Vec<String>,
    /// Things to warn of.
    pub warnings: Vec<String>,
}

impl ResourceLists<'_> {
    /// Whether lists of the old style are used.
    pub fn has_old(&self) -> bool {
        self.cluster.is_some() || !self.included.is_empty() || !self.excluded.is_empty()
    }

    /// Whether lists of the new style are used.
    pub fn has_new(&self) -> bool {
        [self.included_cluster, self.excluded_cluster, self.included_namespaced, self.excluded_namespaced]
            .iter()
            .any(|list| !list.is_empty())
    }
}

impl ResourceFilter {
    /// Resolves the lists against what the cluster serves, with those of the resource policies below them: what the spec names
    /// counts. `all_namespaces` is whether the spec includes every namespace.
    pub fn resolve(
        lists: &ResourceLists<'_>,
        below: &PolicyLists,
        all_namespaces: bool,
        catalog: &Catalog,
        problems: &mut Problems,
    ) -> Self {
        if lists.has_old() && lists.has_new() {
            problems.errors.push(MIXED.into());
        }
        let mut resolver = Resolver { catalog, problems };
        let style = if lists.has_old() {
            let field = "Invalid included/excluded resource lists";
            let excluded = without_never_collected(lists.excluded);
            resolver.check(field, &super::list_problems(lists.included, &excluded));
            Style::Old { lists: resolver.lists(lists.included, lists.excluded, None), cluster: lists.cluster }
        } else {
            let field = "Invalid namespace-scoped included/excluded resource lists";
            resolver.check(field, &scoped_problems(lists.included_namespaced, lists.excluded_namespaced));
            let field = "Invalid cluster-scoped included/excluded resource lists";
            resolver.check(field, &scoped_problems(lists.included_cluster, lists.excluded_cluster));
            let (included, excluded) = (lists.included_namespaced, lists.excluded_namespaced);
            let mut namespaced = resolver.lists(included, excluded, Some(true));
            resolver.merge(&mut namespaced, &below.included_namespaced, &below.excluded_namespaced, true);
            let mut cluster = resolver.lists(lists.included_cluster, lists.excluded_cluster, Some(false));
            resolver.merge(&mut cluster, &below.included_cluster, &below.excluded_cluster, false);
            Style::New { namespaced, cluster }
        };
        Self { style, all_namespaces }
    }

    /// Whether objects of a kind are listed for their own sake.
    pub fn collects(&self, kind: &Kind) -> bool {
        let resource = kind.group_resource();
        if is_never_collected(&resource) {
            return false;
        }
        let is_namespace = resource.is("", "namespaces");
        match &self.style {
            Style::Old { lists, cluster } => {
                let scope = cluster.unwrap_or(is_namespace || self.all_namespaces);
                (kind.namespaced || scope) && lists.include(&resource)
            }
            Style::New { namespaced, .. } if kind.namespaced => namespaced.include(&resource),
            Style::New { namespaced, cluster } => {
                let everything = self.all_namespaces && namespaced.is_everything() && cluster.is_everything();
                !cluster.excluded.has(&resource)
                    && (everything || is_namespace || cluster.included.has(&resource))
            }
        }
    }

    /// Whether an object may be stored because a stored object needs it.
    pub fn allows(&self, kind: &Kind) -> bool {
        let resource = kind.group_resource();
        match &self.style {
            _ if kind.namespaced => self.collects(kind),
            Style::Old { cluster: Some(false), .. } => false,
            Style::Old { lists, cluster: Some(true) } => !lists.excluded.has(&resource),
            Style::Old { lists, cluster: None } => lists.include(&resource),
            Style::New { cluster, .. } => !cluster.excluded.has(&resource),
        }
    }
}

/// What is said to a user who includes a kind of [`NEVER_COLLECTED`].
const SNAPSHOTS_WITH_CLAIMS: &str =
    "are saved with the claims that a backup takes snapshots of, never for their own sake";

/// Velero's words, which name the flags.
const MIXED: &str = "include-resources, exclude-resources and include-cluster-resources are old filter parameters.\n\
     include-cluster-scoped-resources, exclude-cluster-scoped-resources, include-namespace-scoped-resources and \
     exclude-namespace-scoped-resources are new filter parameters.\nThey cannot be used together";

impl Lists {
    fn include(&self, resource: &GroupResource) -> bool {
        !self.excluded.has(resource) && (self.included.is_empty() || self.included.has(resource))
    }

    /// Whether the lists leave nothing out but what is never collected anyway.
    fn is_everything(&self) -> bool {
        let excluded = &self.excluded;
        !excluded.star
            && !excluded.unknown
            && excluded.patterns.is_empty()
            && excluded.exact.iter().all(is_never_collected)
            && (self.included.is_empty() || self.included.star)
    }

    /// Whether either list speaks of a name.
    fn names(&self, name: &Name) -> bool {
        [&self.included, &self.excluded].iter().any(|list| match name {
            Name::Star => list.star,
            Name::Exact(resource) => list.has(resource),
            Name::Pattern(pattern) => list.has(&GroupResource::from(pattern.to_string().as_str())),
        })
    }
}

impl Names {
    fn is_empty(&self) -> bool {
        !self.star && !self.unknown && self.exact.is_empty() && self.patterns.is_empty()
    }

    fn add(&mut self, name: Name) {
        match name {
            Name::Star => self.star = true,
            Name::Exact(resource) => {
                self.exact.insert(resource);
            }
            Name::Pattern(pattern) => self.patterns.push(pattern),
        }
    }

    fn has(&self, resource: &GroupResource) -> bool {
        self.star
            || self.exact.contains(resource)
            || (!self.patterns.is_empty() && {
                let text = resource.to_string();
                self.patterns.iter().any(|pattern| pattern.matches(&text))
            })
    }
}

struct Resolver<'a> {
    catalog: &'a Catalog,
    problems: &'a mut Problems,
}

impl Resolver<'_> {
    fn check(&mut self, field: &str, problems: &[String]) {
        self.problems.errors.extend(problems.iter().map(|problem| format!("{field}: {problem}")));
    }

    fn lists(&mut self, included: &[String], excluded: &[String], namespaced: Option<bool>) -> Lists {
        Lists {
            included: self.names(included, namespaced, true),
            excluded: self.names(excluded, namespaced, false),
        }
    }

    /// A mistake in a list of what to include is an error: the backup would miss what the user wants. One in a list of what to
    /// exclude is a warning: kinds that are not installed can't be excluded wrongly.
    fn names(&mut self, texts: &[String], namespaced: Option<bool>, included: bool) -> Names {
        let mut names = Names::default();
        // Velero's command line makes an entry of an empty flag, and its server passes it over.
        for text in texts.iter().filter(|text| !text.is_empty()) {
            match self.name(text, namespaced) {
                Ok(Name::Exact(resource)) if included && is_never_collected(&resource) => {
                    self.problems.warnings.push(format!("{resource} {SNAPSHOTS_WITH_CLAIMS}"));
                    names.add(Name::Exact(resource));
                }
                Ok(name) => names.add(name),
                Err(problem) if included => self.problems.errors.push(problem),
                Err(_) if is_never_collected(&GroupResource::from(text.as_str())) => {}
                Err(problem) => {
                    names.unknown = true;
                    self.problems.warnings.push(format!("nothing is excluded by it: {problem}"));
                }
            }
        }
        names
    }

    /// Puts the lists of policies below those of the spec: they count for what the spec does not speak of. What they name and the
    /// cluster does not have is a warning, as policies are written for many clusters.
    fn merge(&mut self, lists: &mut Lists, included: &[String], excluded: &[String], namespaced: bool) {
        let texts = excluded.iter().map(|text| (text, false)).chain(included.iter().map(|text| (text, true)));
        for (text, include) in texts {
            match self.name(text, Some(namespaced)) {
                Ok(name) if lists.names(&name) => {}
                Ok(name) if include => lists.included.add(name),
                Ok(name) => lists.excluded.add(name),
                Err(problem) => {
                    self.problems.warnings.push(format!("includeExcludePolicy: {problem}"));
                    lists.included.unknown |= include;
                }
            }
        }
    }

    fn name(&self, text: &str, namespaced: Option<bool>) -> Result<Name, String> {
        match text {
            "*" => Ok(Name::Star),
            text if Pattern::is_pattern(text) => Pattern::parse(text).map(Name::Pattern),
            text => self.resource(text, namespaced).map(Name::Exact),
        }
    }

    fn resource(&self, text: &str, namespaced: Option<bool>) -> Result<GroupResource, String> {
        let Some(kind) = self.catalog.resolve(text) else {
            let hint = match self.catalog.nearest(text) {
                Some(near) => format!(", did you mean {near}?"),
                None if self.catalog.broken().is_empty() => String::new(),
                None => ", and some API groups can't be read at the moment".into(),
            };
            return Err(format!("the cluster has no resource {text:?}{hint}"));
        };
        match namespaced {
            Some(wanted) if wanted != kind.namespaced => {
                let (scope, other) = if kind.namespaced {
                    ("namespaced", "NamespaceScopedResources")
                } else {
                    ("cluster-scoped", "ClusterScopedResources")
                };
                Err(format!("resource {text:?} is {scope}; it belongs into the lists of {other}"))
            }
            _ => Ok(kind.group_resource()),
        }
    }
}

fn is_never_collected(resource: &GroupResource) -> bool {
    NEVER_COLLECTED.iter().any(|(group, plural)| resource.is(group, plural))
}

/// The server excludes those in every backup, which is no contradiction to a user who includes them.
fn without_never_collected(excluded: &[String]) -> Vec<String> {
    let named = |text: &&String| !is_never_collected(&GroupResource::from(text.as_str()));
    excluded.iter().filter(named).cloned().collect()
}

/// The rules for the lists of one scope, in Velero's words.
fn scoped_problems(included: &[String], excluded: &[String]) -> Vec<String> {
    let mut problems = super::star_is_not_alone("includes", included);
    problems.extend(super::star_is_not_alone("excludes", excluded));
    if !included.is_empty() && excluded.iter().any(|text| text == "*") {
        problems.push("when exclude is '*', include cannot have value".to_owned());
    }
    problems.extend(super::overlaps(included, &without_never_collected(excluded)));
    problems
}

#[cfg(test)]
mod tests;
