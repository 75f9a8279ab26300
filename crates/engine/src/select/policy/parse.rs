//! Reads the YAML of resource policies, strictly: unknown fields, wrong types and impossible values are errors with their place.

use std::collections::{BTreeMap, BTreeSet};

use bowline_api::selector::LabelSelector;
use serde::Deserialize;
use thiserror::Error;

use super::filter::{ClusterFilter, NameOrPattern, NamespaceFilter, ResourceFilterRule};
use super::volume::{Action, Capacity, Conditions, CsiCondition, NfsCondition, VOLUME_TYPES, VolumePolicy};
use super::{Policies, PolicyLists};
use crate::select::in_both;
use crate::select::label::Selector;
use crate::yaml;

/// Largest text accepted, in bytes: what a ConfigMap can hold.
const MAX_BYTES: usize = 1 << 20;

/// Why resource policies can't be used.
#[derive(Debug, Error)]
pub enum PolicyError {
    /// The ConfigMap has no key, or several.
    #[error("the ConfigMap must have exactly one key with the policies, it has {0}")]
    Keys(usize),
    /// The text is too long.
    #[error("the policies have {size} bytes, more than the {MAX_BYTES} allowed")]
    TooLarge {
        /// Length in bytes.
        size: usize,
    },
    /// The text is not the YAML that is expected; the message has line and column.
    #[error("failed to read the policies: {0}")]
    Yaml(String),
    /// The version is not `v1`.
    #[error("unsupported version {0:?} of resource policies, must be v1")]
    Version(String),
    /// A value has no meaning.
    #[error("{field}: {reason}")]
    Value {
        /// Path of the field, such as `volumePolicies[0].conditions.capacity`.
        field: String,
        /// What is wrong.
        reason: String,
    },
}

impl Policies {
    /// Reads the data of a ConfigMap: its only key, whatever its name.
    pub fn from_config_map(data: &BTreeMap<String, String>) -> Result<Self, PolicyError> {
        match data.values().collect::<Vec<_>>().as_slice() {
            [text] => Self::parse(text),
            texts => Err(PolicyError::Keys(texts.len())),
        }
    }

    /// Reads the YAML.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        if text.len() > MAX_BYTES {
            return Err(PolicyError::TooLarge { size: text.len() });
        }
        let wire: Wire = yaml::read(text).map_err(PolicyError::Yaml)?;
        if wire.version != "v1" {
            return Err(PolicyError::Version(wire.version));
        }
        let volumes = wire.volume_policies.into_iter().enumerate();
        let volumes = volumes.map(|(index, policy)| policy.check(&format!("volumePolicies[{index}]")));
        named_once(&wire.namespaced_filter_policies)?;
        let namespaces = wire.namespaced_filter_policies.into_iter().enumerate();
        let namespaces =
            namespaces.map(|(index, filter)| filter.check(&format!("namespacedFilterPolicies[{index}]")));
        let cluster = wire.cluster_scoped_filter_policy;
        Ok(Self {
            volumes: volumes.collect::<Result<_, _>>()?,
            lists: wire.include_exclude_policy.unwrap_or_default().check()?,
            cluster_filter: cluster.map(|filter| filter.check("clusterScopedFilterPolicy")).transpose()?,
            namespace_filters: namespaces.collect::<Result<_, _>>()?,
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wire {
    version: String,
    #[serde(default)]
    volume_policies: Vec<WireVolumePolicy>,
    include_exclude_policy: Option<WireLists>,
    cluster_scoped_filter_policy: Option<WireClusterFilter>,
    #[serde(default)]
    namespaced_filter_policies: Vec<WireNamespaceFilter>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WireVolumePolicy {
    #[serde(default)]
    conditions: WireConditions,
    action: WireAction,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct WireConditions {
    capacity: Option<String>,
    storage_class: Option<Vec<String>>,
    nfs: Option<WireNfs>,
    csi: Option<WireCsi>,
    volume_types: Option<Vec<String>>,
    pvc_labels: Option<BTreeMap<String, String>>,
    pvc_phase: Option<Vec<String>>,
    pvc_volume_mode: Option<String>,
    pvc_access_modes: Option<Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WireNfs {
    server: String,
    path: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct WireCsi {
    driver: String,
    volume_attributes: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireAction {
    r#type: String,
    #[serde(default)]
    parameters: BTreeMap<String, serde_json::Value>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[expect(clippy::struct_field_names, reason = "these are the names in the file")]
struct WireLists {
    included_cluster_scoped_resources: Vec<String>,
    excluded_cluster_scoped_resources: Vec<String>,
    included_namespace_scoped_resources: Vec<String>,
    excluded_namespace_scoped_resources: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WireClusterFilter {
    resource_filters: Vec<WireRule>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WireNamespaceFilter {
    namespaces: Vec<String>,
    #[serde(default)]
    resource_filters: Vec<WireRule>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WireRule {
    #[serde(default)]
    kinds: Vec<String>,
    label_selector: Option<LabelSelector>,
    #[serde(default)]
    or_label_selectors: Vec<LabelSelector>,
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    excluded_names: Vec<String>,
}

impl WireVolumePolicy {
    fn check(self, field: &str) -> Result<VolumePolicy, PolicyError> {
        let kind = self.action.r#type.as_str();
        let parameters = self.action.parameters;
        let action = match kind {
            "skip" => Action::Skip,
            "snapshot" => Action::Snapshot(parameters),
            "fs-backup" => Action::FsBackup(parameters),
            "custom" => Action::Custom(parameters),
            _ => {
                let reason = format!("{kind:?} is not an action: skip, snapshot, fs-backup or custom");
                return Err(value(format!("{field}.action.type"), reason));
            }
        };
        Ok(VolumePolicy { conditions: self.conditions.check(&format!("{field}.conditions"))?, action })
    }
}

impl WireConditions {
    fn check(self, field: &str) -> Result<Conditions, PolicyError> {
        let capacity = self.capacity.as_deref().map(Capacity::parse).transpose();
        let capacity = capacity.map_err(|reason| value(format!("{field}.capacity"), reason))?;
        // An empty list or map is no condition.
        let list = |list: Option<Vec<String>>| list.filter(|list| !list.is_empty());
        one_of(self.volume_types.as_ref(), VOLUME_TYPES, &format!("{field}.volumeTypes"))?;
        one_of(self.pvc_phase.as_ref(), &["Pending", "Bound", "Lost"], &format!("{field}.pvcPhase"))?;
        let nfs = self.nfs.map(|nfs| NfsCondition { server: nfs.server, path: nfs.path });
        let csi = self.csi.map(|csi| CsiCondition { driver: csi.driver, attributes: csi.volume_attributes });
        if csi.as_ref().is_some_and(|csi| csi.driver.is_empty() && !csi.attributes.is_empty()) {
            return Err(value(format!("{field}.csi"), "volumeAttributes need a driver".into()));
        }
        Ok(Conditions {
            capacity,
            storage_class: list(self.storage_class),
            nfs,
            csi,
            volume_types: list(self.volume_types),
            pvc_labels: self.pvc_labels.filter(|labels| !labels.is_empty()),
            pvc_phase: list(self.pvc_phase),
            pvc_volume_mode: self.pvc_volume_mode.filter(|mode| !mode.is_empty()),
            pvc_access_modes: list(self.pvc_access_modes).map(|modes| modes.into_iter().collect()),
        })
    }
}

impl WireLists {
    fn check(self) -> Result<PolicyLists, PolicyError> {
        let lists = PolicyLists {
            included_cluster: self.included_cluster_scoped_resources,
            excluded_cluster: self.excluded_cluster_scoped_resources,
            included_namespaced: self.included_namespace_scoped_resources,
            excluded_namespaced: self.excluded_namespace_scoped_resources,
        };
        let all = [
            &lists.included_cluster,
            &lists.excluded_cluster,
            &lists.included_namespaced,
            &lists.excluded_namespaced,
        ];
        if all.iter().any(|list| list.iter().any(|text| text == "*")) {
            return Err(value("includeExcludePolicy".into(), "'*' is not allowed here".into()));
        }
        let pairs = [
            (&lists.included_cluster, &lists.excluded_cluster),
            (&lists.included_namespaced, &lists.excluded_namespaced),
        ];
        if let Some(item) =
            pairs.iter().find_map(|(included, excluded)| excluded.iter().find(|it| included.contains(it)))
        {
            return Err(value("includeExcludePolicy".into(), in_both(item)));
        }
        Ok(lists)
    }
}

impl WireClusterFilter {
    fn check(self, field: &str) -> Result<ClusterFilter, PolicyError> {
        Ok(ClusterFilter { rules: rules(self.resource_filters, field)? })
    }
}

impl WireNamespaceFilter {
    fn check(self, field: &str) -> Result<NamespaceFilter, PolicyError> {
        if self.namespaces.is_empty() {
            return Err(value(format!("{field}.namespaces"), "must name at least one namespace".into()));
        }
        Ok(NamespaceFilter {
            namespaces: names(self.namespaces, &format!("{field}.namespaces"))?,
            rules: rules(self.resource_filters, field)?,
        })
    }
}

fn rules(wire: Vec<WireRule>, field: &str) -> Result<Vec<ResourceFilterRule>, PolicyError> {
    let field = format!("{field}.resourceFilters");
    let rules = wire.into_iter().enumerate();
    let rules: Vec<_> =
        rules.map(|(index, rule)| rule.check(&format!("{field}[{index}]"))).collect::<Result<_, _>>()?;
    if rules.is_empty() {
        return Err(value(field, "must have at least one entry".into()));
    }
    if rules.iter().filter(|rule| rule.takes_the_rest()).count() > 1 {
        return Err(value(field, "only one entry may be without kinds".into()));
    }
    let kinds: Vec<_> =
        rules.iter().flat_map(ResourceFilterRule::named_kinds).map(str::to_lowercase).collect();
    let mut seen = BTreeSet::new();
    match kinds.iter().find(|kind| !seen.insert(kind.as_str())) {
        Some(kind) => Err(value(field, format!("kind {kind:?} appears twice"))),
        None => Ok(rules),
    }
}

/// A namespace or pattern that several filters name would only ever count in the first of them.
fn named_once(filters: &[WireNamespaceFilter]) -> Result<(), PolicyError> {
    let mut seen = BTreeSet::new();
    match filters.iter().flat_map(|filter| &filter.namespaces).find(|name| !seen.insert(name.as_str())) {
        Some(name) => {
            Err(value("namespacedFilterPolicies".into(), format!("namespace {name:?} appears twice")))
        }
        None => Ok(()),
    }
}

impl WireRule {
    fn check(self, field: &str) -> Result<ResourceFilterRule, PolicyError> {
        if self.label_selector.is_some() && !self.or_label_selectors.is_empty() {
            return Err(value(field.into(), "labelSelector and orLabelSelectors can't be combined".into()));
        }
        let star = self.kinds.iter().any(|kind| kind == "*");
        if star && self.kinds.len() > 1 {
            return Err(value(format!("{field}.kinds"), "'*' stands alone".into()));
        }
        if (star || self.kinds.is_empty()) && !(self.names.is_empty() && self.excluded_names.is_empty()) {
            return Err(value(field.into(), "names and excludedNames need kinds".into()));
        }
        let selectors = self.label_selector.iter().chain(&self.or_label_selectors).map(Selector::from_spec);
        let labels =
            selectors.collect::<Result<_, _>>().map_err(|error| value(field.into(), error.to_string()))?;
        Ok(ResourceFilterRule {
            kinds: self.kinds,
            labels,
            names: names(self.names, &format!("{field}.names"))?,
            excluded_names: names(self.excluded_names, &format!("{field}.excludedNames"))?,
        })
    }
}

fn names(texts: Vec<String>, field: &str) -> Result<Vec<NameOrPattern>, PolicyError> {
    let parse = |text: String| NameOrPattern::parse(&text).map_err(|reason| value(field.into(), reason));
    texts.into_iter().map(parse).collect()
}

fn one_of(values: Option<&Vec<String>>, known: &[&str], field: &str) -> Result<(), PolicyError> {
    match values.into_iter().flatten().find(|text| !known.contains(&text.as_str())) {
        Some(text) => Err(value(field.into(), format!("{text:?} is not one of {}", known.join(", ")))),
        None => Ok(()),
    }
}

fn value(field: String, reason: String) -> PolicyError {
    PolicyError::Value { field, reason }
}

#[cfg(test)]
mod tests;
