//! The first part of a plan: which objects of the archive are restored, kind by kind in the right order.

use std::sync::Arc;

use super::check::{SCOPE_CHECKS, Scope, first_reason};
use super::order::order;
use super::plan::LeftOut;
use super::rules::Rules;
use super::skip::Skip;
use crate::archive::ArchiveError;
use crate::archive::spool::{EntryId, Group, Spool};
use crate::catalog::{Catalog, GroupResource, Kind};

/// The objects of one kind. A wave begins when the one before it has ended.
#[derive(Debug)]
pub(super) struct Wave {
    pub(super) resource: GroupResource,
    pub(super) sections: Vec<Section>,
}

/// The objects of one kind in one namespace.
#[derive(Debug)]
pub(super) struct Section {
    /// Namespace in the backup.
    pub(super) namespace: Option<String>,
    pub(super) group: Group,
    /// Those that are restored, sorted by name.
    pub(super) entries: Vec<EntryId>,
}

/// All waves, and what is in none of them.
#[derive(Debug, Default)]
pub(super) struct Waves {
    pub(super) waves: Vec<Wave>,
    pub(super) left_out: Vec<LeftOut>,
}

impl Waves {
    /// Sorts the archive's objects of the kinds that `wanted` names into waves. Objects are read only when labels decide.
    pub(super) fn plan(
        spool: &Spool,
        rules: &Rules,
        catalog: &Catalog,
        priorities: &[String],
        wanted: impl Fn(&GroupResource) -> bool,
    ) -> Result<Self, ArchiveError> {
        let mut waves = Self::default();
        for resource in
            order(spool.resources(), priorities, catalog).into_iter().filter(|resource| wanted(resource))
        {
            let mut sections = Vec::new();
            for group in spool.groups(&resource) {
                sections.extend(waves.section(spool, rules, catalog, &resource, group)?);
            }
            if !sections.is_empty() {
                waves.waves.push(Wave { resource, sections });
            }
        }
        Ok(waves)
    }

    /// How many objects are in the waves.
    pub(super) fn len(&self) -> usize {
        self.waves.iter().flat_map(|wave| &wave.sections).map(|section| section.entries.len()).sum()
    }

    /// All objects in the waves.
    pub(super) fn entries(&self) -> Vec<EntryId> {
        self.waves
            .iter()
            .flat_map(|wave| &wave.sections)
            .flat_map(|section| section.entries.iter().copied())
            .collect()
    }

    fn section(
        &mut self,
        spool: &Spool,
        rules: &Rules,
        catalog: &Catalog,
        resource: &GroupResource,
        group: Group,
    ) -> Result<Option<Section>, ArchiveError> {
        let namespace = spool.namespace(&group).map(ToOwned::to_owned);
        let mut leave_out = |count, reason| {
            if count > 0 {
                self.left_out.push(LeftOut {
                    resource: resource.clone(),
                    namespace: namespace.clone(),
                    count,
                    reason,
                });
            }
        };
        let scope = Scope { resource, namespace: namespace.as_deref() };
        if let Some(reason) = first_reason(SCOPE_CHECKS, &scope, rules) {
            leave_out(group.len(), reason);
            return Ok(None);
        }
        // A kind that is not served here: an action may make another of its objects.
        let unknown = || {
            Arc::new(Kind::builtin(&resource.group, "", "", &resource.resource, scope.namespace.is_some()))
        };
        let kind = &catalog.get(resource).map_or_else(unknown, Arc::clone);
        let mut entries = Vec::with_capacity(group.len());
        let (mut unselected, mut unallowed) = (0, 0);
        let are_namespaces = resource.is("", "namespaces");
        for entry in group.entries() {
            if are_namespaces && !rules.namespaces.contains(spool.name(entry)) {
                leave_out(1, Skip::NamespaceExcluded);
                continue;
            }
            let reason = if rules.has_object_filter() {
                rules.object_is_excluded(kind, spool.load(entry)?.head(), catalog)
            } else {
                None
            };
            match reason {
                None => entries.push(entry),
                Some(Skip::FilterPolicy) => unallowed += 1,
                // Namespaces that are not selected are made anyway, where something in them is.
                Some(_) => unselected += usize::from(!are_namespaces),
            }
        }
        leave_out(unselected, Skip::NotSelected);
        leave_out(unallowed, Skip::FilterPolicy);
        Ok((!entries.is_empty()).then_some(Section { namespace, group, entries }))
    }
}
