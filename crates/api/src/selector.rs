//! The schema of a label selector. The type itself is Kubernetes' own; only the text that describes it is ours.

pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use schemars::{Schema, SchemaGenerator, json_schema};

/// Schema of one selector.
pub(crate) fn one(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "description": "Labels that an object must have, and conditions on its labels; all of them must hold.",
        "x-kubernetes-map-type": "atomic",
        "properties": {
            "matchLabels": {
                "type": "object",
                "description": "Labels that an object must have, each with exactly this value.",
                "additionalProperties": { "type": "string" },
            },
            "matchExpressions": {
                "type": "array",
                "description": "Conditions on labels, all of which must hold.",
                "items": {
                    "type": "object",
                    "description": "One condition on one label.",
                    "required": ["key", "operator"],
                    "properties": {
                        "key": { "type": "string", "description": "The label." },
                        "operator": {
                            "type": "string",
                            "description": "How the label relates to the values: In, NotIn, Exists or DoesNotExist.",
                        },
                        "values": {
                            "type": "array",
                            "description": "Values for In and NotIn; empty for Exists and DoesNotExist.",
                            "items": { "type": "string" },
                        },
                    },
                },
            },
        },
    })
}

/// Schema of a selector that may be `null`.
pub(crate) fn optional(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = one(generator);
    schema.insert("nullable".into(), true.into());
    schema
}

/// Schema of a list of selectors that may be `null`.
pub(crate) fn list(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "nullable": true, "items": one(generator) })
}
