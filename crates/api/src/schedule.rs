//! `Schedule`: backups at regular times.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::backup::BackupSpec;
use crate::object::kind;
use crate::text::text_enum;
use crate::wire::unset;

kind! {
    /// A rule that creates backups at regular times.
    Schedule(ScheduleSpec, ScheduleStatus) is "v1" "schedules"
}

/// What is backed up, and when.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("required" = ["schedule", "template"]))]
pub struct ScheduleSpec {
    /// The spec of the backups that are created.
    pub template: BackupSpec,
    /// When a backup is created: a cron expression of five fields, `@daily` and the like, or `@every 6h`.
    pub schedule: String,
    /// Whether the schedule owns its backups, so that they go when it is deleted.
    #[serde(skip_serializing_if = "unset")]
    pub use_owner_references_in_backup: Option<bool>,
    /// Whether no backups are created for now.
    #[serde(skip_serializing_if = "unset")]
    pub paused: bool,
    /// Whether the run that would be due at once, on creation or when no longer paused, is left out.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = false))]
    pub skip_immediately: Option<bool>,
}

/// What a schedule has done.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ScheduleStatus {
    /// Whether the schedule is at work.
    #[serde(skip_serializing_if = "unset")]
    pub phase: Option<SchedulePhase>,
    /// When a backup was last created.
    #[serde(skip_serializing_if = "unset")]
    pub last_backup: Option<Time>,
    /// When a backup was last left out.
    #[serde(skip_serializing_if = "unset")]
    pub last_skipped: Option<Time>,
    /// What is wrong with the spec.
    #[serde(skip_serializing_if = "unset")]
    pub validation_errors: Vec<String>,
}

text_enum! {
    /// Whether a schedule is at work.
    pub enum SchedulePhase {
        /// Not looked at yet.
        New,
        /// Valid; creates backups unless it is paused.
        Enabled,
        /// The spec is wrong; no backups are created.
        FailedValidation,
    }
}
