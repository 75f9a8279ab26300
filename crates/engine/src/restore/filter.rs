//! Include and exclude lists of kinds: excludes win, an empty include list means everything.

use crate::catalog::{Catalog, GroupResource};

/// An include list and an exclude list of kinds.
#[derive(Clone, Debug, Default)]
pub(super) struct ResourceLists {
    included: Vec<Pattern>,
    excluded: Vec<Pattern>,
}

#[derive(Clone, Debug)]
enum Pattern {
    Everything,
    Kind(GroupResource),
}

impl ResourceLists {
    /// Names are resolved as far as the cluster knows them; others are taken as they are, because a CRD of the backup may bring
    /// their kind.
    pub(super) fn resolve<'a>(
        included: impl IntoIterator<Item = &'a str>,
        excluded: impl IntoIterator<Item = &'a str>,
        catalog: &Catalog,
    ) -> Self {
        let resolve = |name: &str| match name {
            "*" => Pattern::Everything,
            name => Pattern::Kind(
                catalog.resolve(name).map_or_else(|| GroupResource::from(name), |kind| kind.group_resource()),
            ),
        };
        Self {
            included: included.into_iter().map(resolve).collect(),
            excluded: excluded.into_iter().map(resolve).collect(),
        }
    }

    /// Whether a kind passes.
    pub(super) fn include(&self, resource: &GroupResource) -> bool {
        let hit = |patterns: &[Pattern]| {
            patterns.iter().any(|pattern| match pattern {
                Pattern::Everything => true,
                Pattern::Kind(kind) => kind == resource,
            })
        };
        !hit(&self.excluded) && (self.included.is_empty() || hit(&self.included))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Kind;

    #[test]
    fn excludes_win_and_an_empty_include_list_means_everything() {
        let catalog =
            Catalog::new(vec![Kind::builtin("apps", "v1", "Deployment", "deployments", true)], Vec::new());
        for (included, excluded, passes) in [
            (&[][..], &[][..], true),
            (&["deployment"], &[], true),
            (&["pods"], &[], false),
            (&["*"], &["deployments.apps"], false),
            (&[], &["*"], false),
        ] {
            let lists = ResourceLists::resolve(included.iter().copied(), excluded.iter().copied(), &catalog);
            assert_eq!(lists.include(&"deployments.apps".into()), passes, "{included:?} {excluded:?}");
        }
    }
}
