//! A Kubernetes object as text: the JSON that the API server sent, beside a small decoded head.
//!
//! Most objects of a backup or a restore are never changed, so they are never decoded. [`Object::tree`] makes a tree for the
//! few that an action or a modifier must change.

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use crate::catalog::Kind;

mod list;

pub use list::Page;

/// The largest object accepted from an API server or an archive, in bytes. The API server itself refuses objects above
/// 3 MiB; custom builds raise that, hence the room.
pub const MAX_OBJECT_BYTES: usize = 32 << 20;

/// Why a text is not an object.
#[derive(Debug, Error)]
pub enum ObjectError {
    /// The text is not JSON, or its metadata has the wrong shape.
    #[error("failed to read the object's JSON")]
    Decode(#[source] serde_json::Error),
    /// The text is larger than [`MAX_OBJECT_BYTES`].
    #[error("the object has {size} bytes, more than the {MAX_OBJECT_BYTES} allowed")]
    TooLarge {
        /// Size of the text in bytes.
        size: usize,
    },
    /// `metadata.name` is missing or empty.
    #[error("the object has no metadata.name")]
    Unnamed,
}

/// One Kubernetes object: its JSON text and its head. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Object {
    raw: Bytes,
    head: Head,
}

/// The part of an object that decisions need, decoded once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// `group/version`, or `version` for the core group.
    pub api_version: String,
    /// Kind in its own spelling, such as `ConfigMap`.
    pub kind: String,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.namespace`; `None` for cluster-scoped objects.
    pub namespace: Option<String>,
    /// `metadata.uid`, empty when the text has none.
    pub uid: String,
    /// `metadata.resourceVersion`, empty when the text has none.
    pub resource_version: String,
    /// `metadata.labels`.
    pub labels: BTreeMap<String, String>,
    /// `metadata.annotations`.
    pub annotations: BTreeMap<String, String>,
    /// `metadata.ownerReferences`, without the API version.
    pub owners: Vec<Owner>,
    /// `metadata.finalizers`.
    pub finalizers: Vec<String>,
    /// Whether `metadata.deletionTimestamp` is set.
    pub deleting: bool,
}

/// One entry of `metadata.ownerReferences`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Owner {
    /// Kind of the owner.
    pub kind: String,
    /// Name of the owner.
    pub name: String,
    /// UID of the owner.
    pub uid: String,
    /// Whether the owner is the managing controller.
    pub controller: Option<bool>,
}

impl Object {
    /// Reads an object that names its own apiVersion and kind, as in a GET answer or an archive.
    pub fn parse(raw: Bytes) -> Result<Self, ObjectError> {
        let head = read_head(&raw)?;
        Ok(Self { raw, head })
    }

    /// Reads an item of a list of `kind`. The API server leaves apiVersion and kind out of the items of built-in kinds;
    /// they are put in front as text, so that the object is complete wherever it goes.
    pub fn parse_item(raw: Bytes, kind: &Kind) -> Result<Self, ObjectError> {
        let head = read_head(&raw)?;
        if !head.kind.is_empty() && !head.api_version.is_empty() {
            return Ok(Self { raw, head });
        }
        let mut object = Self { raw: with_type(&raw, kind, &head), head };
        object.head.kind.clone_from(&kind.kind);
        object.head.api_version = kind.api_version();
        Ok(object)
    }

    /// Encodes a tree that an action or modifier has changed.
    pub fn from_tree(tree: &Value) -> Result<Self, ObjectError> {
        let raw = serde_json::to_vec(tree).map_err(ObjectError::Decode)?;
        Self::parse(Bytes::from(raw))
    }

    /// The JSON text.
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// The decoded head.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Decodes the whole object. Costs about ten times the text's size in memory: only for what must be changed.
    pub fn tree(&self) -> Result<Value, ObjectError> {
        serde_json::from_slice(&self.raw).map_err(ObjectError::Decode)
    }

    /// Decodes the parts that `T` names, borrowing nothing; cheaper than [`Object::tree`].
    pub fn view<'a, T: Deserialize<'a>>(&'a self) -> Result<T, ObjectError> {
        serde_json::from_slice(&self.raw).map_err(ObjectError::Decode)
    }
}

impl Head {
    /// `namespace/name`, or `name` alone for cluster-scoped objects: the spelling of resource lists and logs.
    pub fn key(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{namespace}/{}", self.name),
            None => self.name.clone(),
        }
    }

    /// Value of a label.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(name).map(String::as_str)
    }

    /// Value of an annotation.
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.annotations.get(name).map(String::as_str)
    }
}

fn with_type(raw: &[u8], kind: &Kind, head: &Head) -> Bytes {
    let body = raw.trim_ascii_start().get(1..).unwrap_or_default();
    let mut out = BytesMut::with_capacity(raw.len() + kind.kind.len() + kind.group.len() + 48);
    out.put_slice(b"{");
    if head.kind.is_empty() {
        out.put_slice(b"\"kind\":\"");
        out.put_slice(kind.kind.as_bytes());
        out.put_slice(b"\",");
    }
    if head.api_version.is_empty() {
        out.put_slice(b"\"apiVersion\":\"");
        out.put_slice(kind.api_version().as_bytes());
        out.put_slice(b"\",");
    }
    out.put_slice(body);
    out.freeze()
}

fn read_head(raw: &[u8]) -> Result<Head, ObjectError> {
    if raw.len() > MAX_OBJECT_BYTES {
        return Err(ObjectError::TooLarge { size: raw.len() });
    }
    let wire: WireHead = serde_json::from_slice(raw).map_err(ObjectError::Decode)?;
    let metadata = wire.metadata;
    if metadata.name.is_empty() {
        return Err(ObjectError::Unnamed);
    }
    Ok(Head {
        api_version: wire.api_version,
        kind: wire.kind,
        name: metadata.name,
        namespace: metadata.namespace.filter(|namespace| !namespace.is_empty()),
        uid: metadata.uid,
        resource_version: metadata.resource_version,
        labels: metadata.labels.unwrap_or_default(),
        annotations: metadata.annotations.unwrap_or_default(),
        owners: metadata.owner_references.unwrap_or_default(),
        finalizers: metadata.finalizers.unwrap_or_default(),
        deleting: metadata.deletion_timestamp.is_some(),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireHead {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    metadata: WireMetadata,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WireMetadata {
    name: String,
    namespace: Option<String>,
    uid: String,
    resource_version: String,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
    owner_references: Option<Vec<Owner>>,
    finalizers: Option<Vec<String>>,
    deletion_timestamp: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_items_get_their_type_as_text() {
        let kind = Kind::builtin("apps", "v1", "Deployment", "deployments", true);
        let raw = Bytes::from_static(
            br#"{"metadata":{"name":"web","namespace":"shop"},"spec":{"x":9007199254740993}}"#,
        );
        let object = Object::parse_item(raw, &kind).unwrap();
        assert_eq!(
            object.raw().as_ref(),
            br#"{"kind":"Deployment","apiVersion":"apps/v1","metadata":{"name":"web","namespace":"shop"},"spec":{"x":9007199254740993}}"#
        );
        assert_eq!(object.head().key(), "shop/web");
        assert_eq!(Object::parse(object.raw().clone()).unwrap().head(), object.head());
    }

    #[test]
    fn objects_without_name_or_with_broken_text_are_refused() {
        assert!(matches!(Object::parse(Bytes::from_static(b"{}")), Err(ObjectError::Unnamed)));
        assert!(matches!(Object::parse(Bytes::from_static(b"{")), Err(ObjectError::Decode(_))));
    }

    #[test]
    fn null_maps_read_as_empty() {
        let raw = Bytes::from_static(
            br#"{"metadata":{"name":"a","labels":null,"annotations":null,"finalizers":null}}"#,
        );
        assert!(Object::parse(raw).unwrap().head().labels.is_empty());
    }
}
