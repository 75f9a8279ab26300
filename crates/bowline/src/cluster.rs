//! Velero's objects in the cluster, read and written for one namespace, with errors that help.
//!
//! Objects are kept as the JSON that the API server sent beside their decoded form, so that `-o yaml` shows
//! also what this version does not know.

pub(crate) mod connect;
mod explain;
pub(crate) mod resource;

use std::time::Duration;

use bowline_api::Kind;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

pub(crate) use explain::{Attempt, is_not_found};

use crate::cli::flag::is_name;
use crate::failure::Failure;

/// Objects in one page of a list.
const PAGE_SIZE: u32 = 500;
/// Most names in a hint on what there is instead.
const MAX_NAMES: usize = 5;
/// No single answer of the API server takes longer, unless the server is ill.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// Name under which the API server records who changed a field.
const FIELD_MANAGER: &str = "velero-cli";

/// The cluster as seen from the command line.
#[derive(Clone)]
pub(crate) struct Cluster {
    pub(crate) client: kube::Client,
    /// Namespace of the server.
    pub(crate) namespace: String,
    /// Address of the API server, for messages.
    pub(crate) endpoint: String,
    /// Name of the program, for hints.
    pub(crate) program: &'static str,
}

/// An object with the JSON that it was decoded from, which stays text until somebody wants to see it: a table of a thousand
/// backups needs no trees.
#[derive(Clone, Debug)]
pub(crate) struct Fetched<K> {
    pub(crate) object: K,
    text: Box<RawValue>,
}

/// One page of a list.
#[derive(Deserialize)]
struct Page {
    items: Vec<Box<RawValue>>,
    #[serde(default)]
    metadata: PageMetadata,
}

#[derive(Default, Deserialize)]
struct PageMetadata {
    #[serde(default, rename = "continue")]
    token: String,
}

/// One page of a list of names.
#[derive(Deserialize)]
struct Names {
    items: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    metadata: NameOnly,
}

#[derive(Deserialize)]
struct NameOnly {
    name: String,
}

impl<K: Kind> Fetched<K> {
    fn decode(text: Box<RawValue>) -> Result<Self, kube::Error> {
        let object = serde_json::from_str(text.get()).map_err(kube::Error::SerdeError)?;
        Ok(Self { object, text })
    }

    /// An object that does not come from the API server.
    pub(crate) fn of(object: K) -> anyhow::Result<Self> {
        let text = to_raw_value(&object)?;
        Ok(Self { object, text })
    }

    /// The whole object, also what this version does not know, with its keys sorted.
    pub(crate) fn tree(&self) -> anyhow::Result<Value> {
        Ok(serde_json::from_str(self.text.get())?)
    }

    /// Name of the object.
    pub(crate) fn name(&self) -> &str {
        self.object.meta().name.as_deref().unwrap_or_default()
    }
}

impl Cluster {
    /// Reads one object, which must exist.
    pub(crate) async fn get<K: Kind>(&self, name: &str) -> anyhow::Result<Fetched<K>> {
        // Nothing has such a name, and in a request's path it would name something else.
        if !is_name(name) {
            return Err(self.not_found::<K>(name).await);
        }
        let request = self
            .requests::<K>()
            .get(name, &kube::api::GetParams::default())
            .map_err(kube::Error::BuildRequest);
        let result = self.send::<K>(request).await;
        match result {
            Ok(object) => Ok(object),
            Err(error) if is_not_found(&error) => Err(self.missing::<K>(name, error).await),
            Err(error) => Err(self.attempt::<K>("get").explain(error)),
        }
    }

    /// Reads one object, if it exists.
    pub(crate) async fn find<K: Kind>(&self, name: &str) -> anyhow::Result<Option<Fetched<K>>> {
        if !is_name(name) {
            return Ok(None);
        }
        let request = self
            .requests::<K>()
            .get(name, &kube::api::GetParams::default())
            .map_err(kube::Error::BuildRequest);
        match self.send::<K>(request).await {
            Ok(object) => Ok(Some(object)),
            Err(error) if is_not_found(&error) => Ok(None),
            Err(error) => Err(self.attempt::<K>("get").explain(error)),
        }
    }

    /// Reads all objects that a label selector in its string form matches; empty means all.
    pub(crate) async fn list<K: Kind>(&self, selector: &str) -> anyhow::Result<Vec<Fetched<K>>> {
        let attempt = self.attempt::<K>("list");
        let mut params = ListParams::default().labels(selector).limit(PAGE_SIZE);
        let mut found = Vec::new();
        loop {
            let request = self.requests::<K>().list(&params).map_err(kube::Error::BuildRequest);
            let page: Page = self.send_as(request).await.map_err(|error| attempt.explain(error))?;
            for item in page.items {
                found.push(Fetched::decode(item).map_err(|error| attempt.explain(error))?);
            }
            if page.metadata.token.is_empty() {
                return Ok(found);
            }
            params.continue_token = Some(page.metadata.token);
        }
    }

    /// Creates an object in the server's namespace.
    pub(crate) async fn create<K: Kind>(&self, object: &K) -> anyhow::Result<Fetched<K>> {
        let attempt = self.attempt::<K>("create");
        let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let body = self.in_namespace(object)?;
        let request = self.requests::<K>().create(&params, body).map_err(kube::Error::BuildRequest);
        self.send::<K>(request).await.map_err(|error| attempt.explain(error))
    }

    /// Changes an object by a JSON merge patch.
    pub(crate) async fn merge<K: Kind>(&self, name: &str, patch: &Value) -> anyhow::Result<Fetched<K>> {
        let attempt = self.attempt::<K>("change");
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let request = self
            .requests::<K>()
            .patch(name, &params, &Patch::Merge(patch))
            .map_err(kube::Error::BuildRequest);
        self.send::<K>(request).await.map_err(|error| attempt.explain(error))
    }

    /// Deletes an object; one that is gone already is no error.
    pub(crate) async fn delete<K: Kind>(&self, name: &str) -> anyhow::Result<()> {
        let attempt = self.attempt::<K>("delete");
        let request =
            self.requests::<K>().delete(name, &DeleteParams::default()).map_err(kube::Error::BuildRequest);
        match self.send_raw(request).await {
            Err(error) if !is_not_found(&error) => Err(attempt.explain(error)),
            _ => Ok(()),
        }
    }

    /// An object as JSON, in the server's namespace.
    fn in_namespace<K: Kind>(&self, object: &K) -> anyhow::Result<Vec<u8>> {
        let mut object = object.clone();
        object.meta_mut().namespace = Some(self.namespace.clone());
        Ok(serde_json::to_vec(&object)?)
    }

    /// Sends any request and reads a JSON answer.
    pub(crate) async fn send_raw(
        &self,
        request: Result<http::Request<Vec<u8>>, kube::Error>,
    ) -> Result<Value, kube::Error> {
        self.send_as(request).await
    }

    async fn send_as<T: DeserializeOwned>(
        &self,
        request: Result<http::Request<Vec<u8>>, kube::Error>,
    ) -> Result<T, kube::Error> {
        match tokio::time::timeout(ANSWER_LIMIT, self.client.request::<T>(request?)).await {
            Ok(answer) => answer,
            Err(_) => Err(kube::Error::Service("no answer within 30 seconds".into())),
        }
    }

    async fn send<K: Kind>(
        &self,
        request: Result<http::Request<Vec<u8>>, kube::Error>,
    ) -> Result<Fetched<K>, kube::Error> {
        Fetched::decode(self.send_as(request).await?)
    }

    fn requests<K: Kind>(&self) -> kube::core::Request {
        kube::core::Request::new(K::url_path(&(), Some(&self.namespace)))
    }

    fn attempt<K: Kind>(&self, verb: &'static str) -> Attempt<'_> {
        Attempt { cluster: self, verb, resource: format!("{}.{}", K::PLURAL, bowline_api::GROUP) }
    }

    /// An object that is not there, or whose kind is not.
    async fn missing<K: Kind>(&self, name: &str, error: kube::Error) -> anyhow::Error {
        if explain::is_missing_kind(&error) {
            return self.attempt::<K>("get").explain(error);
        }
        self.not_found::<K>(name).await
    }

    /// The error about a name of nothing, with the nearest name of what there is.
    pub(crate) async fn not_found<K: Kind>(&self, name: &str) -> anyhow::Error {
        let failure = Failure::new(format!("{}.{} {name:?} not found", K::PLURAL, bowline_api::GROUP));
        let others = self.names::<K>().await.unwrap_or_default();
        if others.is_empty() {
            return failure.maybe_hint(self.namespace_hint().await).into();
        }
        let known = || {
            let more = if others.len() > MAX_NAMES { " and more" } else { "" };
            let are = if others.len() == 1 { "there is only" } else { "there are" };
            format!("{are} {}{more}", others[..others.len().min(MAX_NAMES)].join(", "))
        };
        let nearest = crate::nearest::did_you_mean(name, others.iter().map(String::as_str));
        failure.hint(nearest.unwrap_or_else(known)).into()
    }

    /// Why there may be nothing in the server's namespace at all.
    async fn namespace_hint(&self) -> Option<String> {
        let names = self.namespaces().await.ok()?;
        if names.contains(&self.namespace) {
            return None;
        }
        let nearest = crate::nearest::nearest(&self.namespace, names.iter().map(String::as_str));
        let advice = nearest.map_or_else(String::new, |name| format!("; did you mean --namespace {name}?"));
        Some(format!("the namespace {:?} does not exist{advice}", self.namespace))
    }

    /// Names of all namespaces of the cluster.
    pub(crate) async fn namespaces(&self) -> anyhow::Result<Vec<String>> {
        let attempt = Attempt { cluster: self, verb: "list", resource: "namespaces".to_owned() };
        list_names(&attempt, &kube::core::Request::new("/api/v1/namespaces")).await
    }

    /// Names of all objects of a kind in the server's namespace, without their content.
    pub(crate) async fn names<K: Kind>(&self) -> anyhow::Result<Vec<String>> {
        list_names(&self.attempt::<K>("list"), &self.requests::<K>()).await
    }

    /// Says which namespace is missing, when a list is empty because of that.
    pub(crate) async fn check_namespace(&self) -> anyhow::Result<()> {
        match self.namespace_hint().await {
            Some(hint) => Err(Failure::new(hint).into()),
            None => Ok(()),
        }
    }
}

async fn list_names(attempt: &Attempt<'_>, requests: &kube::core::Request) -> anyhow::Result<Vec<String>> {
    let request = requests.list_metadata(&ListParams::default()).map_err(kube::Error::BuildRequest);
    let list: Names = attempt.cluster.send_as(request).await.map_err(|error| attempt.explain(error))?;
    Ok(list.items.into_iter().map(|item| item.metadata.name).collect())
}
