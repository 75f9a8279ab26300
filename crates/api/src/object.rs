//! What the thirteen kinds have in common: a name, metadata, a spec and a status.
//!
//! The kinds are declared by a macro and not by `kube`'s derive, because Velero's objects differ from what that
//! assumes: no status subresource, a status that is always there, and a spec that may be missing.

use kube::core::NamespaceResourceScope;
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

/// The API group of all kinds.
pub const GROUP: &str = "velero.io";

/// A kind of the group `velero.io`. All of them are namespaced.
pub trait Kind:
    kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + Default
    + std::fmt::Debug
    + Serialize
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
    /// What is asked for.
    type Spec: Clone + Default + JsonSchema + Serialize + DeserializeOwned;
    /// What has become of it.
    type Status: Clone + Default + JsonSchema + Serialize + DeserializeOwned;

    /// The kind, such as `Backup`.
    const KIND: &'static str;
    /// The version inside the group, `v1` or `v2alpha1`.
    const VERSION: &'static str;
    /// Group and version, as in `apiVersion`.
    const API_VERSION: &'static str;
    /// The resource, such as `backups`.
    const PLURAL: &'static str;
    /// One sentence about the kind, for the CRD.
    const DESCRIPTION: &'static str;

    /// The spec.
    fn spec(&self) -> &Self::Spec;
    /// The spec, to change it.
    fn spec_mut(&mut self) -> &mut Self::Spec;
    /// The status.
    fn status(&self) -> &Self::Status;
    /// The status, to change it.
    fn status_mut(&mut self) -> &mut Self::Status;
}

/// Declares the object of one kind around its spec and status.
macro_rules! kind {
    (
        #[doc = $doc:literal]
        $name:ident($spec:ident, $status:ident) is $version:literal $plural:literal
    ) => {
        #[doc = $doc]
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $name {
            /// Name, labels and the rest of what every Kubernetes object has.
            pub metadata: k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta,
            /// What is asked for.
            pub spec: $spec,
            /// What has become of it; written by the server.
            pub status: $status,
        }

        impl $name {
            /// An object with this name and spec, not yet in any namespace.
            pub fn new(name: &str, spec: $spec) -> Self {
                let mut object = Self { spec, ..Self::default() };
                object.metadata.name = Some(name.to_owned());
                object
            }
        }

        impl $crate::object::Kind for $name {
            type Spec = $spec;
            type Status = $status;

            const KIND: &'static str = stringify!($name);
            const VERSION: &'static str = $version;
            const API_VERSION: &'static str = concat!("velero.io/", $version);
            const PLURAL: &'static str = $plural;
            const DESCRIPTION: &'static str = $doc;

            fn spec(&self) -> &$spec {
                &self.spec
            }

            fn spec_mut(&mut self) -> &mut $spec {
                &mut self.spec
            }

            fn status(&self) -> &$status {
                &self.status
            }

            fn status_mut(&mut self) -> &mut $status {
                &mut self.status
            }
        }

        impl kube::Resource for $name {
            type DynamicType = ();
            type Scope = kube::core::NamespaceResourceScope;

            fn kind((): &()) -> std::borrow::Cow<'_, str> {
                stringify!($name).into()
            }

            fn group((): &()) -> std::borrow::Cow<'_, str> {
                $crate::object::GROUP.into()
            }

            fn version((): &()) -> std::borrow::Cow<'_, str> {
                $version.into()
            }

            fn plural((): &()) -> std::borrow::Cow<'_, str> {
                $plural.into()
            }

            fn meta(&self) -> &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
                &self.metadata
            }

            fn meta_mut(&mut self) -> &mut k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
                &mut self.metadata
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use $crate::object::Kind;
                let parts = (&self.metadata, &self.spec, &self.status);
                $crate::wire::write(serializer, Self::API_VERSION, Self::KIND, parts)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                use $crate::object::Kind;
                let (metadata, spec, status) =
                    $crate::wire::read(deserializer, Self::API_VERSION, Self::KIND)?;
                Ok(Self { metadata, spec, status })
            }
        }
    };
}

pub(crate) use kind;
