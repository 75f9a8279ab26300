//! References to other objects, spelled and ordered as in Kubernetes' own types.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::wire::unset;

/// One key of a Secret in the server's namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("required" = ["key"], "x-kubernetes-map-type" = "atomic"))]
pub struct SecretKeySelector {
    /// Name of the Secret.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("x-default" = ""))]
    pub name: String,
    /// Key in the Secret's data.
    pub key: String,
    /// Whether the Secret or the key may be missing.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = false))]
    pub optional: Option<bool>,
}

/// An object of a named kind in the server's namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("required" = ["kind", "name"], "x-kubernetes-map-type" = "atomic"))]
pub struct LocalReference {
    /// API group of the kind; empty is the core group.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = false))]
    pub api_group: Option<String>,
    /// Kind of the object; only `configmap` has a meaning here.
    pub kind: String,
    /// Name of the object.
    pub name: String,
}

/// An object anywhere in the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct ObjectReference {
    /// Kind of the object.
    #[serde(skip_serializing_if = "unset")]
    pub kind: String,
    /// Namespace of the object.
    #[serde(skip_serializing_if = "unset")]
    pub namespace: String,
    /// Name of the object.
    #[serde(skip_serializing_if = "unset")]
    pub name: String,
    /// UID of the object, so that a later one of the same name is not mistaken for it.
    #[serde(skip_serializing_if = "unset")]
    pub uid: String,
    /// API version of the object.
    #[serde(skip_serializing_if = "unset")]
    pub api_version: String,
    /// Resource version of the object that was meant, if a certain one was.
    #[serde(skip_serializing_if = "unset")]
    pub resource_version: String,
    /// Part of the object that is meant, as a path such as `spec.containers{web}`.
    #[serde(skip_serializing_if = "unset")]
    pub field_path: String,
}
