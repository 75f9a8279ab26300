//! A restore's spec, checked and resolved once: what every decision about an object reads.

use std::collections::BTreeMap;
use std::sync::Arc;

use bowline_api::artifact::{BackupVolumeInfo, VolumeMethod};
use bowline_api::label;
use bowline_api::restore::{PolicyType, Restore};

use super::filter::ResourceLists;
use super::skip::Skip;
use super::{RestoreError, RestoreRequest};
use crate::archive::spool::Spool;
use crate::catalog::{Catalog, GroupResource, Kind};
use crate::hook::restore::RestoreHookRules;
use crate::object::Head;
use crate::select::label::Selector;
use crate::select::namespace::{LiveNamespaces, NamespaceLists, Namespaces};
use crate::select::policy::Policies;

/// Kinds that no restore brings back: they belong to the cluster, or to Velero itself.
pub const NON_RESTORABLE: &[&str] = &[
    "nodes",
    "events",
    "events.events.k8s.io",
    "backups.velero.io",
    "restores.velero.io",
    "resticrepositories.velero.io",
    "csinodes.storage.k8s.io",
    "volumeattachments.storage.k8s.io",
    "backuprepositories.velero.io",
];

/// Kinds that the filters never leave out, because volume data hangs on them.
const MUST_HAVE: &[&str] = &["datauploads.velero.io", "volumesnapshotcontents.snapshot.storage.k8s.io"];

/// What the decisions of one restore need to know.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) restore: Arc<Restore>,
    pub(super) namespaces: Namespaces,
    pub(super) resources: ResourceLists,
    selectors: Vec<Selector>,
    status: Option<ResourceLists>,
    pub(super) labels: [(&'static str, String); 2],
    pub(super) volumes: BTreeMap<String, BackupVolumeInfo>,
    /// How claims were saved whose volumes are not in `volumes`.
    pub(super) claims: BTreeMap<(String, String), VolumeMethod>,
    pub(super) hooks: RestoreHookRules,
    policies: Option<Arc<Policies>>,
    backup_namespace: Option<String>,
}

impl Rules {
    /// Checks a request against the kinds of the cluster and the namespaces of the archive.
    pub(super) fn resolve(
        request: &RestoreRequest,
        spool: &Spool,
        catalog: &Catalog,
    ) -> Result<Self, RestoreError> {
        let spec = &request.restore.spec;
        let mut problems = Vec::new();
        let namespaces = NamespaceLists::parse(&spec.included_namespaces, &spec.excluded_namespaces)
            .map_err(|errors| problems.extend(errors))
            .unwrap_or_default()
            .expand(&LiveNamespaces { names: spool.namespaces(), ..LiveNamespaces::default() });
        if spec.label_selector.is_some() && !spec.or_label_selectors.is_empty() {
            problems.push(
                "spec.labelSelector and spec.orLabelSelectors can't be used together; use one of them"
                    .to_owned(),
            );
        }
        let selectors = spec.label_selector.iter().chain(&spec.or_label_selectors);
        let selectors: Vec<Selector> = selectors
            .filter_map(|selector| {
                Selector::from_spec(selector).map_err(|error| problems.push(error.to_string())).ok()
            })
            .collect();
        let hooks = RestoreHookRules::resolve(&spec.hooks)
            .map_err(|errors| problems.extend(errors))
            .unwrap_or_default();
        if !problems.is_empty() {
            return Err(RestoreError::Invalid(problems));
        }
        let excluded =
            spec.excluded_resources.iter().map(String::as_str).chain(NON_RESTORABLE.iter().copied());
        let resources =
            ResourceLists::resolve(spec.included_resources.iter().map(String::as_str), excluded, catalog);
        let status = spec.restore_status.as_ref().map(|status| {
            let included = status.included_resources.iter().map(String::as_str);
            ResourceLists::resolve(included, status.excluded_resources.iter().map(String::as_str), catalog)
        });
        let name = request.restore.metadata.name.as_deref().unwrap_or_default();
        let labels = [
            (label::BACKUP_NAME, label::valid_value(&spec.backup_name)),
            (label::RESTORE_NAME, label::valid_value(name)),
        ];
        let infos = request.volume_infos.iter().filter(|info| !info.pv_name.is_empty());
        let volumes = infos.map(|info| (info.pv_name.clone(), info.clone())).collect();
        let claims =
            super::volume::saved_claims(&request.volume_infos, spool).map_err(RestoreError::Archive)?;
        let restore = Arc::clone(&request.restore);
        let policies = request.policies.clone().filter(|policies| policies.has_filters());
        let backup_namespace = request.backup.metadata.namespace.clone();
        Ok(Self {
            restore,
            namespaces,
            resources,
            selectors,
            status,
            labels,
            volumes,
            claims,
            hooks,
            policies,
            backup_namespace,
        })
    }

    /// The namespace that objects of a backed-up namespace go to.
    pub(super) fn target_namespace<'a>(&'a self, namespace: &'a str) -> &'a str {
        self.restore.spec.namespace_mapping.get(namespace).map_or(namespace, String::as_str)
    }

    /// Whether the filters leave objects of a kind in a namespace of the backup alone. Of namespaced kinds these are only the ones
    /// beside the Backup itself, as in Velero's next release: another server's data is none of this one's business.
    pub(super) fn is_must_have(&self, resource: &GroupResource, namespace: Option<&str>) -> bool {
        let own = self.backup_namespace.as_deref();
        MUST_HAVE.iter().any(|name| GroupResource::from(*name) == *resource)
            && namespace.is_none_or(|namespace| own.is_none_or(|own| own == namespace))
    }

    /// Whether the objects themselves decide; only then must they be read to know what is restored.
    pub(super) fn has_object_filter(&self) -> bool {
        self.policies.is_some() || self.selectors.iter().any(|selector| !selector.is_everything())
    }

    /// Why an object of the archive is left out, if it is.
    pub(super) fn object_is_excluded(&self, kind: &Kind, head: &Head, catalog: &Catalog) -> Option<Skip> {
        let must_have = self.is_must_have(&kind.group_resource(), head.namespace.as_deref());
        if !must_have && !self.selects(&head.labels) {
            return Some(Skip::NotSelected);
        }
        (!self.policies_allow(kind, head, catalog)).then_some(Skip::FilterPolicy)
    }

    /// Whether the filter policies let an object pass. Kinds on which volume data hangs always do.
    pub(super) fn policies_allow(&self, kind: &Kind, head: &Head, catalog: &Catalog) -> bool {
        self.is_must_have(&kind.group_resource(), head.namespace.as_deref())
            || self.policies.as_ref().is_none_or(|policies| policies.allow(kind, head, catalog))
    }

    /// Whether the label selectors, of which one must match, select an object.
    fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        self.selectors.is_empty() || self.selectors.iter().any(|selector| selector.matches(labels))
    }

    /// Whether the status is restored too: by the annotation on the object, or else by the spec.
    pub(super) fn restores_status(&self, resource: &GroupResource, annotation: Option<&str>) -> bool {
        let by_spec = || self.status.as_ref().is_some_and(|lists| lists.include(resource));
        let annotation = annotation.unwrap_or_default().trim();
        match (annotation.eq_ignore_ascii_case("true"), annotation.eq_ignore_ascii_case("false")) {
            (true, _) => true,
            (_, true) => false,
            _ => by_spec(),
        }
    }

    /// Whether objects that exist and differ are changed.
    pub(super) fn updates(&self) -> bool {
        self.restore.spec.existing_resource_policy == Some(PolicyType::Update)
    }

    /// The label value by which a restore knows its own objects.
    pub(super) fn restore_label(&self) -> &str {
        &self.labels[1].1
    }
}
