//! How our objects look as JSON: the rules that hold for every kind.
//!
//! Reading: every field may be missing or `null` and then has its zero value, as in Go. Writing: `kind`
//! first, metadata in Go's order, a `status` even when empty. The byte order matters to nobody but to those who
//! compare files; that is reason enough to keep Velero's.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta, OwnerReference};
use serde::de::{DeserializeOwned, Error as _};
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// True for the zero value of a type: what Go leaves out with `omitempty`.
pub(crate) fn unset<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Reads `null` as the zero value, for fields outside of our own kinds.
pub(crate) fn null_is_zero<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// The parts of an object of ours, before they are decoded.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Parts {
    #[serde(default)]
    api_version: Option<String>,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    metadata: Option<ObjectMeta>,
    #[serde(default)]
    spec: Value,
    #[serde(default)]
    status: Value,
}

/// Reads metadata, spec and status of an object, which must be of the given kind where it says so.
/// (Items of `-podvolumebackups.json.gz` don't.)
pub(crate) fn read<'de, D, S, T>(
    deserializer: D,
    api_version: &str,
    kind: &str,
) -> Result<(ObjectMeta, S, T), D::Error>
where
    D: Deserializer<'de>,
    S: DeserializeOwned + Default,
    T: DeserializeOwned + Default,
{
    let parts = Parts::deserialize(deserializer)?;
    for (field, found, expected) in
        [("kind", &parts.kind, kind), ("apiVersion", &parts.api_version, api_version)]
    {
        if let Some(found) = found.as_deref().filter(|found| !found.is_empty() && *found != expected) {
            return Err(D::Error::custom(format!("{field} is {found:?}, not {expected:?}")));
        }
    }
    let spec = section("spec", parts.spec).map_err(D::Error::custom)?;
    let status = section("status", parts.status).map_err(D::Error::custom)?;
    Ok((parts.metadata.unwrap_or_default(), spec, status))
}

fn section<T: DeserializeOwned + Default>(name: &str, mut value: Value) -> Result<T, String> {
    if value.is_null() {
        return Ok(T::default());
    }
    drop_nulls(&mut value);
    T::deserialize(value).map_err(|error| format!("{name}: {error}"))
}

/// Kubernetes keeps a `null` that a client sent for a nullable field; for all purposes it means "not there".
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// Writes an object of ours.
pub(crate) fn write<S: Serializer>(
    serializer: S,
    api_version: &str,
    kind: &str,
    (metadata, spec, status): (&ObjectMeta, &impl Serialize, &impl Serialize),
) -> Result<S::Ok, S::Error> {
    let mut object = serializer.serialize_struct("Object", 5)?;
    object.serialize_field("kind", kind)?;
    object.serialize_field("apiVersion", api_version)?;
    object.serialize_field("metadata", &GoMeta(metadata))?;
    object.serialize_field("spec", spec)?;
    object.serialize_field("status", status)?;
    object.end()
}

/// Writes the named optional fields, leaving out those that are not set.
macro_rules! optional_fields {
    ($out:ident, $( $name:literal => $value:expr ),+ $(,)?) => {
        $( if let Some(value) = &$value { $out.serialize_field($name, value)?; } )+
    };
}

/// [`ObjectMeta`] with its fields in the order of Go's struct; `creationTimestamp` is `null` when not set.
pub(crate) struct GoMeta<'a>(pub(crate) &'a ObjectMeta);

impl Serialize for GoMeta<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let meta = self.0;
        let mut out = serializer.serialize_struct("ObjectMeta", 15)?;
        optional_fields!(out,
            "name" => meta.name,
            "generateName" => meta.generate_name,
            "namespace" => meta.namespace,
            "selfLink" => meta.self_link,
            "uid" => meta.uid,
            "resourceVersion" => meta.resource_version,
            "generation" => meta.generation,
        );
        out.serialize_field("creationTimestamp", &meta.creation_timestamp)?;
        optional_fields!(out,
            "deletionTimestamp" => meta.deletion_timestamp,
            "deletionGracePeriodSeconds" => meta.deletion_grace_period_seconds,
            "labels" => meta.labels,
            "annotations" => meta.annotations,
        );
        let owners = meta.owner_references.as_ref().map(|all| all.iter().map(GoOwner).collect::<Vec<_>>());
        let managers = meta.managed_fields.as_ref().map(|all| all.iter().map(GoManager).collect::<Vec<_>>());
        optional_fields!(out,
            "ownerReferences" => owners,
            "finalizers" => meta.finalizers,
            "managedFields" => managers,
        );
        out.end()
    }
}

/// [`OwnerReference`] in Go's order.
struct GoOwner<'a>(&'a OwnerReference);

impl Serialize for GoOwner<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let owner = self.0;
        let mut out = serializer.serialize_struct("OwnerReference", 6)?;
        out.serialize_field("apiVersion", &owner.api_version)?;
        out.serialize_field("kind", &owner.kind)?;
        out.serialize_field("name", &owner.name)?;
        out.serialize_field("uid", &owner.uid)?;
        optional_fields!(out,
            "controller" => owner.controller,
            "blockOwnerDeletion" => owner.block_owner_deletion,
        );
        out.end()
    }
}

/// [`ManagedFieldsEntry`] in Go's order.
struct GoManager<'a>(&'a ManagedFieldsEntry);

impl Serialize for GoManager<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let entry = self.0;
        let mut out = serializer.serialize_struct("ManagedFieldsEntry", 7)?;
        optional_fields!(out,
            "manager" => entry.manager,
            "operation" => entry.operation,
            "apiVersion" => entry.api_version,
            "time" => entry.time,
            "fieldsType" => entry.fields_type,
            "fieldsV1" => entry.fields_v1,
            "subresource" => entry.subresource,
        );
        out.end()
    }
}
