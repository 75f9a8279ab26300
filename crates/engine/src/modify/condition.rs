//! Which objects a rule is for.

use std::collections::BTreeMap;

use bowline_api::selector::LabelSelector;
use regex::bytes::Regex;
use serde_json::Value;

use super::glob;
use super::json_patch::Pointer;
use crate::select::label::Selector;

/// Conditions of a rule; all of them must hold.
#[derive(Clone, Debug)]
pub(super) struct Conditions {
    /// Patterns of namespaces; empty means all. Cluster-scoped objects are never left out by it.
    namespaces: Vec<Regex>,
    resource: Regex,
    name: Option<Regex>,
    selector: Selector,
    matches: Vec<Match>,
}

/// A field that must have a certain value; `null` also stands for a missing one.
#[derive(Clone, Debug)]
pub(super) struct Match {
    pub(super) path: Pointer,
    pub(super) value: Value,
}

impl Conditions {
    /// Compiles the patterns. The error says which one is wrong and why.
    pub(super) fn new(
        namespaces: &[String],
        resource: &str,
        name: &str,
        selector: Option<LabelSelector>,
        matches: Vec<Match>,
    ) -> Result<Self, String> {
        let at = |field: &'static str| move |problem: String| format!("conditions.{field}: {problem}");
        let namespaces = namespaces.iter().map(|pattern| glob::compile(pattern, None));
        let selector = selector.map(|selector| Selector::from_spec(&selector)).transpose();
        Ok(Self {
            namespaces: namespaces.collect::<Result<_, _>>().map_err(at("namespaces"))?,
            resource: glob::compile(resource, Some('.')).map_err(at("groupResource"))?,
            name: (!name.is_empty())
                .then(|| glob::regex(name))
                .transpose()
                .map_err(at("resourceNameRegex"))?,
            selector: selector.map_err(|error| at("labelSelector")(error.to_string()))?.unwrap_or_default(),
            matches,
        })
    }

    /// Whether objects of a resource, `plural.group`, may fit.
    pub(super) fn fit_resource(&self, resource: &str) -> bool {
        self.resource.is_match(resource.as_bytes())
    }

    /// Whether an object of a resource fits.
    pub(super) fn fit(&self, item: &Value, resource: &str) -> bool {
        let metadata = &item["metadata"];
        let text = |field: &str| metadata[field].as_str().unwrap_or_default();
        let in_namespace = |namespace: &str| {
            namespace.is_empty()
                || self.namespaces.is_empty()
                || self.namespaces.iter().any(|pattern| pattern.is_match(namespace.as_bytes()))
        };
        in_namespace(text("namespace"))
            && self.fit_resource(resource)
            && self.name.as_ref().is_none_or(|name| name.is_match(text("name").as_bytes()))
            && (self.selector.is_everything() || self.selector.matches(&labels(metadata)))
            && self.matches.iter().all(|wanted| wanted.holds(item))
    }
}

impl Match {
    fn holds(&self, item: &Value) -> bool {
        match self.path.find(item) {
            Some(found) => *found == self.value,
            // A missing field is null, but only if the object that could have it is there.
            None => self.value.is_null() && self.path.find_parent(item).is_some_and(Value::is_object),
        }
    }
}

fn labels(metadata: &Value) -> BTreeMap<String, String> {
    let labels = metadata["labels"].as_object().into_iter().flatten();
    labels.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}
