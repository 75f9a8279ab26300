//! The API server as the engine's [`Cluster`]: raw requests and raw answers, one attempt each, with a deadline and a size limit.

mod address;
mod discovery;
mod failure;
mod transport;

use std::time::Duration;

use async_trait::async_trait;
use bowline_engine::catalog::{Catalog, Kind};
use bowline_engine::finding::chain;
use bowline_engine::object::{MAX_OBJECT_BYTES, Object, ObjectError, Page};
use bowline_engine::port::{
    Cluster, ClusterError, Condition, ListQuery, ObjectRef, PageRequest, Patch, ServerVersion, WriteOptions,
};
use bytes::Bytes;
use http::Method;
use serde::Deserialize;

use self::address::Address;
use self::transport::{Call, Transport};
use super::Connection;

/// Longest wait for a single object or a write. The API server itself gives up after 60 s.
const OBJECT_DEADLINE: Duration = Duration::from_mins(1);
/// Longest wait for one page of a list.
const LIST_DEADLINE: Duration = Duration::from_mins(2);
const FIRST_POLL: Duration = Duration::from_millis(50);
const LONGEST_POLL: Duration = Duration::from_secs(1);

/// An API server behind kube's client.
#[derive(Clone)]
pub struct ApiServer {
    transport: Transport,
}

impl ApiServer {
    /// Talks over this connection.
    pub fn new(connection: &Connection) -> Self {
        Self { transport: Transport::new(connection) }
    }

    async fn object(&self, call: Call) -> Result<Object, ClusterError> {
        let body = self.transport.send(call.within(OBJECT_DEADLINE, MAX_OBJECT_BYTES)).await?;
        Object::parse(body).map_err(|error| undecodable(&error))
    }
}

#[async_trait]
impl Cluster for ApiServer {
    async fn version(&self) -> Result<ServerVersion, ClusterError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        #[derive(Default)]
        struct Answer {
            git_version: String,
            major: String,
            minor: String,
        }
        let body = self.transport.send(Call::get("/version".into())).await?;
        let answer: Answer = transport::decode(&body)?;
        Ok(ServerVersion { git_version: answer.git_version, major: answer.major, minor: answer.minor })
    }

    async fn discover(&self) -> Result<Catalog, ClusterError> {
        discovery::discover(&self.transport).await
    }

    async fn list(&self, kind: &Kind, query: &ListQuery, page: &PageRequest) -> Result<Page, ClusterError> {
        let limit = if page.limit > 0 { page.limit.to_string() } else { String::new() };
        let path = Address::of(kind, query.namespace.as_deref())
            .with("labelSelector", &query.label_selector)
            .with("fieldSelector", &query.field_selector)
            .with("limit", &limit)
            .with("continue", page.continue_token.as_deref().unwrap_or_default());
        let body = self.transport.send(Call::get(path.into()).within(LIST_DEADLINE, page.max_bytes)).await?;
        Page::parse(&body, kind).map_err(|error| undecodable(&error))
    }

    async fn get(&self, object: &ObjectRef) -> Result<Object, ClusterError> {
        self.object(Call::get(Address::of_object(object, None).into())).await
    }

    async fn create(
        &self,
        object: &ObjectRef,
        body: Bytes,
        options: &WriteOptions,
    ) -> Result<Object, ClusterError> {
        let path = Address::of(&object.kind, object.namespace.as_deref()).with_options(options);
        self.object(Call::write(Method::POST, path.into(), "application/json", body)).await
    }

    async fn patch(
        &self,
        object: &ObjectRef,
        subresource: Option<&str>,
        patch: &Patch,
        options: &WriteOptions,
    ) -> Result<Object, ClusterError> {
        let (media_type, body) = match patch {
            Patch::Merge(body) => ("application/merge-patch+json", body),
            Patch::Json(body) => ("application/json-patch+json", body),
            Patch::Strategic(body) => ("application/strategic-merge-patch+json", body),
            Patch::Apply(body) => ("application/apply-patch+yaml", body),
        };
        let mut path = Address::of_object(object, subresource).with_options(options);
        if matches!(patch, Patch::Apply(_)) {
            path = path.with("force", "true");
        }
        self.object(Call::write(Method::PATCH, path.into(), media_type, body.clone())).await
    }

    async fn replace_status(
        &self,
        object: &ObjectRef,
        body: Bytes,
        options: &WriteOptions,
    ) -> Result<Object, ClusterError> {
        let path = Address::of_object(object, Some("status")).with_options(options);
        self.object(Call::write(Method::PUT, path.into(), "application/json", body)).await
    }

    async fn delete(&self, object: &ObjectRef) -> Result<(), ClusterError> {
        let path = Address::of_object(object, None).with("propagationPolicy", "Background");
        let call = Call::write(Method::DELETE, path.into(), "application/json", Bytes::new());
        self.transport.send(call.within(OBJECT_DEADLINE, MAX_OBJECT_BYTES)).await.map(drop)
    }

    async fn wait(
        &self,
        object: &ObjectRef,
        condition: Condition,
        deadline: Duration,
    ) -> Result<(), ClusterError> {
        tokio::time::timeout(deadline, self.poll(object, &condition))
            .await
            .unwrap_or(Err(ClusterError::Timeout))
    }
}

impl ApiServer {
    /// Reads the object at growing intervals until the condition holds. What passes by itself is ridden out.
    async fn poll(&self, object: &ObjectRef, condition: &Condition) -> Result<(), ClusterError> {
        let mut pause = FIRST_POLL;
        loop {
            let holds = match self.get(object).await {
                Ok(found) => condition(Some(&found)),
                Err(error) if error.is_not_found() => condition(None),
                Err(error) if error.is_retryable() => false,
                Err(error) => return Err(error),
            };
            if holds {
                return Ok(());
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_POLL);
        }
    }
}

fn undecodable(error: &ObjectError) -> ClusterError {
    ClusterError::Decode { message: chain(error) }
}

#[cfg(test)]
mod tests;
