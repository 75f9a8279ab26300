//! Hooks of a restore: commands in restored containers, and init containers put before them.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::backup::HookErrorMode;
use crate::duration::Duration;
use crate::selector::{self, LabelSelector};
use crate::wire::unset;

/// All hooks of a restore.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct RestoreHooks {
    /// Hooks, each with the pods that they are for.
    #[serde(skip_serializing_if = "unset")]
    pub resources: Vec<RestoreResourceHookSpec>,
}

/// Hooks and the restored pods that they are for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("required" = ["name"]))]
pub struct RestoreResourceHookSpec {
    /// A name for logs.
    pub name: String,
    /// Namespaces of the pods after mapping. Empty means all.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub included_namespaces: Vec<String>,
    /// Namespaces whose pods are left alone.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub excluded_namespaces: Vec<String>,
    /// Resources that the hooks are for; only pods can have any.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub included_resources: Vec<String>,
    /// Resources that the hooks are not for.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub excluded_resources: Vec<String>,
    /// Only pods that this selector matches.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(schema_with = "selector::optional")]
    pub label_selector: Option<LabelSelector>,
    /// The hooks.
    #[serde(skip_serializing_if = "unset")]
    pub post_hooks: Vec<RestoreResourceHook>,
}

/// One hook of a restore: either a command or init containers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct RestoreResourceHook {
    /// A command to run once the container runs.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = false))]
    pub exec: Option<ExecRestoreHook>,
    /// Init containers to put before those of the pod.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = false))]
    pub init: Option<InitRestoreHook>,
}

/// A command that runs in a container of a restored pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("required" = ["command"]))]
pub struct ExecRestoreHook {
    /// The container. Empty means the first one of the pod.
    #[serde(skip_serializing_if = "unset")]
    pub container: String,
    /// The command and its arguments; no shell is added.
    #[schemars(extend("minItems" = 1))]
    pub command: Vec<String>,
    /// What an error of the command means for the hooks that follow.
    #[serde(skip_serializing_if = "unset")]
    pub on_error: Option<HookErrorMode>,
    /// How long the command may take. Zero means 30 seconds.
    pub exec_timeout: Duration,
    /// How long to wait for the container. Zero means without end.
    pub wait_timeout: Duration,
    /// Whether the container must be ready, and not only running, before the command starts.
    #[serde(skip_serializing_if = "unset")]
    pub wait_for_ready: Option<bool>,
}

/// Init containers that are put into a restored pod.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct InitRestoreHook {
    /// The containers as in a pod. They are not interpreted here, so every field survives.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(schema_with = "containers")]
    pub init_containers: Vec<Value>,
    /// How long the init containers may take.
    pub timeout: Duration,
}

fn containers(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "items": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
        "x-kubernetes-preserve-unknown-fields": true,
    })
}
