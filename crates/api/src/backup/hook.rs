//! Hooks of a backup: commands in containers, before and after a pod is saved.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::Duration;
use crate::selector::{self, LabelSelector};
use crate::text::text_enum;
use crate::wire::unset;

/// All hooks of a backup.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct BackupHooks {
    /// Hooks, each with the pods that they are for.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub resources: Vec<BackupResourceHookSpec>,
}

/// Hooks and the pods that they are for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("required" = ["name"]))]
pub struct BackupResourceHookSpec {
    /// A name for logs.
    pub name: String,
    /// Namespaces of the pods. Empty means all.
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
    /// Hooks that run before the pod and its volumes are saved.
    #[serde(skip_serializing_if = "unset")]
    pub pre: Vec<BackupResourceHook>,
    /// Hooks that run after the pod and all that belongs to it is saved.
    #[serde(skip_serializing_if = "unset")]
    pub post: Vec<BackupResourceHook>,
}

/// One hook of a backup.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("required" = ["exec"]))]
pub struct BackupResourceHook {
    /// The command to run in the pod.
    #[schemars(extend("nullable" = false))]
    pub exec: Option<ExecHook>,
}

/// A command that runs in a container of a pod that is being saved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("required" = ["command"]))]
pub struct ExecHook {
    /// The container. Empty means the first one of the pod.
    #[serde(skip_serializing_if = "unset")]
    pub container: String,
    /// The command and its arguments; no shell is added.
    #[schemars(extend("minItems" = 1))]
    pub command: Vec<String>,
    /// What an error of the command means for the backup.
    #[serde(skip_serializing_if = "unset")]
    pub on_error: Option<HookErrorMode>,
    /// How long the command may take. Zero means 30 seconds.
    pub timeout: Duration,
}

text_enum! {
    /// What an error of a hook means.
    pub enum HookErrorMode {
        /// It is reported and the work goes on.
        Continue,
        /// The item, or the rest of the hooks of the pod, is given up.
        Fail,
    }
}
