//! The memory cluster as the engine's port.

use std::time::Duration;

use async_trait::async_trait;
use bowline_engine::catalog::{Catalog, Kind};
use bowline_engine::object::{Object, Page};
use bowline_engine::port::{
    Cluster, ClusterError, Condition, ListQuery, ObjectRef, PageRequest, Patch, ServerVersion, WriteOptions,
};
use bytes::Bytes;
use serde_json::{Value, json};

use super::MemoryCluster;
use super::change::decode;
use super::state::{Key, State};
use crate::fault::Call;

#[async_trait]
impl Cluster for MemoryCluster {
    async fn version(&self) -> Result<ServerVersion, ClusterError> {
        self.call(&bare("version"), |_| Ok(version())).await
    }

    async fn discover(&self) -> Result<Catalog, ClusterError> {
        self.call(&bare("discover"), |state| Ok(state.catalog())).await
    }

    async fn list(&self, kind: &Kind, query: &ListQuery, page: &PageRequest) -> Result<Page, ClusterError> {
        let call = Call {
            verb: "list",
            resource: kind.group_resource().to_string(),
            namespace: query.namespace.clone().unwrap_or_default(),
            name: String::new(),
        };
        self.call(&call, |state| page_of(state, kind, query, page)).await
    }

    async fn get(&self, object: &ObjectRef) -> Result<Object, ClusterError> {
        let read =
            |state: &mut State| encode(&at_version(state.existing(&state.locate(object)?)?, &object.kind));
        self.call(&on("get", object), read).await
    }

    async fn create(
        &self,
        object: &ObjectRef,
        body: Bytes,
        options: &WriteOptions,
    ) -> Result<Object, ClusterError> {
        let body = decode(&body)?;
        self.call(&on("create", object), |state| encode(&state.create(object, body, options)?)).await
    }

    async fn patch(
        &self,
        object: &ObjectRef,
        subresource: Option<&str>,
        patch: &Patch,
        options: &WriteOptions,
    ) -> Result<Object, ClusterError> {
        self.call(&on("patch", object), |state| encode(&state.patch(object, subresource, patch, options)?))
            .await
    }

    async fn replace_status(
        &self,
        object: &ObjectRef,
        body: Bytes,
        options: &WriteOptions,
    ) -> Result<Object, ClusterError> {
        let body = decode(&body)?;
        self.call(&on("status", object), |state| encode(&state.replace_status(object, &body, options)?)).await
    }

    async fn delete(&self, object: &ObjectRef) -> Result<(), ClusterError> {
        self.call(&on("delete", object), |state| state.delete(object)).await
    }

    async fn wait(
        &self,
        object: &ObjectRef,
        condition: Condition,
        _deadline: Duration,
    ) -> Result<(), ClusterError> {
        self.call(&on("wait", object), |state| {
            let found = match state.existing(&state.locate(object)?) {
                Ok(value) => Some(encode(value)?),
                Err(_) => None,
            };
            if condition(found.as_ref()) { Ok(()) } else { Err(ClusterError::Timeout) }
        })
        .await
    }
}

impl MemoryCluster {
    /// Carries a call out under the rules of the faults.
    pub(super) async fn call<T>(
        &self,
        call: &Call,
        act: impl FnOnce(&mut State) -> Result<T, ClusterError>,
    ) -> Result<T, ClusterError> {
        self.faults.enter(call).await?;
        let answer = act(&mut self.lock());
        self.faults.leave(call).await?;
        answer
    }
}

pub(super) fn version() -> ServerVersion {
    ServerVersion { git_version: "v1.34.2".into(), major: "1".into(), minor: "34".into() }
}

pub(super) fn bare(verb: &'static str) -> Call {
    Call { verb, resource: String::new(), namespace: String::new(), name: String::new() }
}

fn on(verb: &'static str, object: &ObjectRef) -> Call {
    Call {
        verb,
        resource: object.kind.group_resource().to_string(),
        namespace: object.namespace.clone().unwrap_or_default(),
        name: object.name.clone(),
    }
}

fn page_of(state: &State, kind: &Kind, query: &ListQuery, page: &PageRequest) -> Result<Page, ClusterError> {
    let body = list(state, kind, query, page, |object| untyped(object, kind))?;
    let body = Bytes::from(body.to_string());
    if body.len() > page.max_bytes {
        return Err(ClusterError::PageTooLarge { max_bytes: page.max_bytes });
    }
    Page::parse(&body, kind).map_err(|error| ClusterError::Decode { message: error.to_string() })
}

/// Metadata and items of a list.
pub(super) fn list(
    state: &State,
    kind: &Kind,
    query: &ListQuery,
    page: &PageRequest,
    item: impl Fn(&Value) -> Value,
) -> Result<Value, ClusterError> {
    let resource = kind.group_resource();
    if state.catalog().get_version(&resource, &kind.version).is_none() {
        return Err(ClusterError::NotFound {
            message: "the server could not find the requested resource".into(),
        });
    }
    let resource = resource.to_string();
    let selected: Vec<&Value> = state
        .objects
        .iter()
        .filter(|(key, object)| key.0 == resource && is_selected(query, key, object))
        .map(|(_, object)| object)
        .collect();
    let start: usize =
        page.continue_token.as_deref().and_then(|token| token.parse().ok()).unwrap_or_default();
    let limit = if page.limit == 0 { usize::MAX } else { page.limit as usize };
    let items: Vec<Value> = selected.iter().skip(start).take(limit).map(|object| item(object)).collect();
    let end = start + items.len();
    let mut metadata = json!({"resourceVersion": state.revision().to_string()});
    if end < selected.len() {
        metadata["continue"] = end.to_string().into();
        metadata["remainingItemCount"] = (selected.len() - end).into();
    }
    Ok(json!({"metadata": metadata, "items": items}))
}

/// Whether a list or watch of its kind holds the object.
pub(super) fn is_selected(query: &ListQuery, key: &Key, object: &Value) -> bool {
    query.namespace.as_ref().is_none_or(|namespace| *namespace == key.1)
        && selects(&query.label_selector, object)
        && names(&query.field_selector, &key.2)
}

/// An object at the version in which it is asked for.
fn at_version(object: &Value, kind: &Kind) -> Value {
    let mut object = object.clone();
    object["apiVersion"] = kind.api_version().into();
    object
}

/// The items of a built-in kind's list carry no apiVersion and kind.
fn untyped(object: &Value, kind: &Kind) -> Value {
    let mut object = at_version(object, kind);
    if let Some(map) = object.as_object_mut().filter(|_| !kind.group.contains("example")) {
        map.remove("apiVersion");
        map.remove("kind");
    }
    object
}

/// Equality and set selectors through the engine's own parser.
fn selects(selector: &str, object: &Value) -> bool {
    if selector.is_empty() {
        return true;
    }
    let labels = object["metadata"]["labels"].as_object().into_iter().flatten();
    let labels =
        labels.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect();
    bowline_engine::select::label::Selector::parse(selector).is_ok_and(|selector| selector.matches(&labels))
}

fn names(selector: &str, name: &str) -> bool {
    selector.strip_prefix("metadata.name=").is_none_or(|wanted| wanted == name)
}

fn encode(value: &Value) -> Result<Object, ClusterError> {
    Object::from_tree(value).map_err(|error| ClusterError::Decode { message: error.to_string() })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::object::config_map;

    fn reference(name: &str) -> ObjectRef {
        let kind = Arc::new(Kind::builtin("", "v1", "ConfigMap", "configmaps", true));
        ObjectRef { kind, namespace: Some("shop".into()), name: name.into() }
    }

    fn body(name: &str) -> Bytes {
        Bytes::from(config_map("shop", name).to_string())
    }

    #[tokio::test]
    async fn lists_come_in_pages() {
        let cluster = MemoryCluster::with((0..5).map(|i| config_map("shop", &format!("c{i}"))));
        let kind = Kind::builtin("", "v1", "ConfigMap", "configmaps", true);
        let mut page = PageRequest { limit: 2, continue_token: None, max_bytes: 1 << 20 };
        let mut names = Vec::new();
        loop {
            let got = cluster.list(&kind, &ListQuery::default(), &page).await.unwrap();
            names.extend(got.items.iter().map(|item| item.head().name.clone()));
            page.continue_token = got.continue_token;
            if page.continue_token.is_none() {
                break;
            }
        }
        assert_eq!(names, ["c0", "c1", "c2", "c3", "c4"]);
    }

    #[tokio::test]
    async fn creating_twice_or_without_namespace_is_refused() {
        let cluster = MemoryCluster::default();
        let write = WriteOptions::default();
        assert!(cluster.create(&reference("a"), body("a"), &write).await.unwrap_err().is_not_found());
        cluster.put(crate::object::namespace("shop"));
        cluster.create(&reference("a"), body("a"), &write).await.unwrap();
        assert!(cluster.create(&reference("a"), body("a"), &write).await.unwrap_err().is_already_exists());
    }

    #[tokio::test]
    async fn a_lost_answer_leaves_the_object_behind() {
        let cluster = MemoryCluster::with([crate::object::namespace("shop")]);
        cluster.faults.after(|call| (call.verb == "create").then_some(ClusterError::Timeout));
        assert!(cluster.create(&reference("a"), body("a"), &WriteOptions::default()).await.is_err());
        assert!(cluster.object("configmaps", "shop", "a").is_some());
    }
}
