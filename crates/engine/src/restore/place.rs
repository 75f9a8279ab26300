//! Putting a prepared object into the cluster: create it, or compare it with the one that is there.

use std::sync::Arc;

use bowline_api::restore::PolicyType;
use serde_json::Value;
use serde_json::value::RawValue;

use super::client::Creation;
use super::compare::{Comparison, label_patch};
use super::managed_fields::{self, Ownership};
use super::plan::Step;
use super::prepare;
use super::run::Run;
use super::skip::Skip;
use crate::catalog::GroupResource;
use crate::finding::Level;
use crate::object::{Object, ObjectError};
use crate::port::{ClusterError, Condition, ObjectRef, WriteOptions};

/// How often a status is written again because the object has changed meanwhile, as in Velero.
const STATUS_CONFLICTS: u32 = 4;

/// An object ready to be created.
pub(super) struct Prepared {
    pub(super) object: Object,
    /// Where it goes.
    pub(super) target: ObjectRef,
    pub(super) resource: GroupResource,
    /// The status to restore, when it shall be.
    pub(super) status: Option<Box<RawValue>>,
    /// The owners of its fields in the backup.
    pub(super) owners: Option<Box<RawValue>>,
}

/// What is known about an object of that name in the cluster.
#[derive(Clone)]
pub(super) enum Existing {
    /// A list has shown that there is none.
    Absent,
    /// Nothing is known; most likely there is none.
    Unknown,
    /// This one.
    Found(Box<Object>),
}

impl Prepared {
    /// As results name it: `services/shop/web`.
    pub(super) fn id(&self) -> String {
        match &self.target.namespace {
            Some(namespace) => format!("{}/{namespace}/{}", self.resource, self.target.name),
            None => format!("{}/{}", self.resource, self.target.name),
        }
    }

    fn kind_and_name(&self) -> String {
        format!("{}:{}", self.object.head().kind, self.target.name)
    }
}

/// What [`Run::place`] did, and the object that it created.
pub(super) type Placed = (Step, Option<Object>);

impl Run {
    /// Brings an object into the cluster, or finds out what that would mean (dry run).
    pub(super) async fn place(&self, prepared: &Prepared, existing: Existing) -> Placed {
        let same_version = |object: &Object| object.head().api_version == prepared.object.head().api_version;
        let known = match existing {
            Existing::Found(object) if same_version(&object) => Some(*object),
            // Listed at another version: two versions can't be compared.
            Existing::Found(_) => match self.client.get(&prepared.target).await {
                Ok(found) => found,
                Err(error) => return (self.fail(prepared, &error), None),
            },
            Existing::Unknown if self.is_dry => match self.client.get(&prepared.target).await {
                Ok(found) => found,
                Err(error) => return (self.fail(prepared, &error), None),
            },
            Existing::Absent | Existing::Unknown => None,
        };
        if let Some(object) = known {
            return self.meet(prepared, object).await;
        }
        if self.is_dry {
            return (Step::Create, None);
        }
        let creation = match self.create(prepared).await {
            Ok(creation) => creation,
            Err(error) => return (self.fail(prepared, &error), None),
        };
        match creation.answer {
            Ok(object) => (Step::Create, Some(object)),
            Err(error) if error.is_already_exists() || is_taken_port(prepared, &error) => {
                self.meet_stray(prepared, &error, creation.uncertain).await
            }
            Err(error) => (self.fail(prepared, &error), None),
        }
    }

    async fn create(&self, prepared: &Prepared) -> Result<Creation, ObjectError> {
        let ownership = Ownership::of(prepared.owners.as_deref(), &prepared.object.head().api_version);
        let (field_manager, seeded) = match ownership {
            Ownership::AtOnce { manager, seeded } => (manager, seeded),
            Ownership::Patched | Ownership::Unknown => (String::new(), false),
        };
        let body = prepare::body(&prepared.object, seeded)?;
        let options = WriteOptions { field_manager, dry_run: false };
        Ok(self.client.create(&prepared.target, body, &options).await)
    }

    /// A create found the name taken: look at what is there.
    async fn meet_stray(&self, prepared: &Prepared, refusal: &ClusterError, uncertain: bool) -> Placed {
        match self.client.get(&prepared.target).await {
            Ok(Some(object)) if uncertain && self.is_ours(&object) => (Step::Create, Some(object)),
            Ok(Some(object)) => self.meet(prepared, object).await,
            // Not there: somebody else has the node port, or the object was deleted a moment ago.
            Ok(None) => (self.fail(prepared, refusal), None),
            Err(error) => (self.fail(prepared, &error), None),
        }
    }

    /// An object of that name exists.
    async fn meet(&self, prepared: &Prepared, existing: Object) -> Placed {
        if existing.head().deleting {
            return self.meet_dying(prepared).await;
        }
        let step = match Comparison::of(&existing, &prepared.object) {
            Ok(comparison) => self.settle(prepared, &existing, &comparison).await,
            Err(error) => self.fail(prepared, &error),
        };
        (step, None)
    }

    /// A volume or claim that is being deleted is waited for; other objects would be gone a moment after they were compared.
    async fn meet_dying(&self, prepared: &Prepared) -> Placed {
        let is_volume =
            ["persistentvolumes", "persistentvolumeclaims"].iter().any(|name| prepared.resource.is("", name));
        if self.is_dry && is_volume {
            return (Step::Create, None);
        }
        let timeout = self.request.terminating_timeout;
        let gone: Condition = Arc::new(|object| object.is_none());
        if is_volume && self.client.cluster.wait(&prepared.target, gone, timeout).await.is_ok() {
            return match self.create(prepared).await.map(|creation| creation.answer) {
                Ok(Ok(object)) => (Step::Create, Some(object)),
                Ok(Err(error)) => (self.fail(prepared, &error), None),
                Err(error) => (self.fail(prepared, &error), None),
            };
        }
        (self.skip_dying(prepared, "is being deleted; restore it again when it is gone"), None)
    }

    fn skip_dying(&self, prepared: &Prepared, what: &str) -> Step {
        let message = format!("could not restore, {} {what}", prepared.kind_and_name());
        self.find(Level::Warning, prepared, message);
        Step::Skip(Skip::Dying)
    }

    async fn settle(&self, prepared: &Prepared, existing: &Object, comparison: &Comparison) -> Step {
        if comparison.is_equal() {
            return self.refresh_labels(prepared, existing).await.unwrap_or(Step::Skip(Skip::Unchanged));
        }
        let patch = if prepared.resource.is("", "serviceaccounts") {
            match comparison.service_account_patch() {
                Some(patch) => patch,
                None => return Step::Skip(Skip::Unchanged),
            }
        } else if self.rules().updates() {
            match comparison.patch(existing, &prepared.object) {
                Ok(patch) => patch,
                Err(error) => return self.fail(prepared, &error),
            }
        } else {
            self.find(Level::Warning, prepared, self.difference(prepared));
            return Step::Skip(Skip::Differs);
        };
        match self.update(prepared, &patch).await {
            Ok(step) => step,
            Err(error) => {
                self.find(Level::Warning, prepared, error.to_string());
                self.refresh_labels(prepared, existing).await;
                Step::Fail(error.to_string())
            }
        }
    }

    /// In Velero's words, which depend on whether the policy is written down.
    fn difference(&self, prepared: &Prepared) -> String {
        let (kind, name) = (&prepared.object.head().kind, &prepared.target.name);
        let object = if self.rules().restore.spec.existing_resource_policy == Some(PolicyType::None) {
            format!("{kind} {name:?}")
        } else {
            prepared.kind_and_name()
        };
        format!(
            "could not restore, {object} already exists. Warning: the in-cluster version is different than the backed-up version"
        )
    }

    /// With policy `update` the labels say which restore looked at an object last. `Some` when they can't be renewed.
    async fn refresh_labels(&self, prepared: &Prepared, existing: &Object) -> Option<Step> {
        let patch = label_patch(existing, &prepared.object).filter(|_| self.rules().updates())?;
        let error = self.update(prepared, &patch).await.err()?;
        if error.is_not_found() {
            // Somebody deleted it since it was compared, such as a controller its EndpointSlice.
            return Some(
                self.skip_dying(prepared, "was deleted meanwhile; restore it again if it is missing"),
            );
        }
        self.find(Level::Error, prepared, error.to_string());
        Some(Step::Fail(error.to_string()))
    }

    async fn update(&self, prepared: &Prepared, patch: &Value) -> Result<Step, ClusterError> {
        if !self.is_dry {
            self.client.patch(&prepared.target, patch.to_string().into_bytes()).await?;
        }
        Ok(Step::Update)
    }

    /// Status and owners, which a create can't bring (behaviour §7.10 and §7.11).
    pub(super) async fn complete(&self, prepared: &Prepared, created: Object) -> Object {
        let created = match &prepared.status {
            Some(status) => self.restore_status(prepared, created, status).await,
            None => created,
        };
        let Some(owners) = &prepared.owners else { return created };
        match managed_fields::differ(&created, owners) {
            Ok(false) => return created,
            Ok(true) => {}
            Err(error) => {
                self.find(Level::Error, prepared, format!("error restoring {}: {error}", prepared.id()));
                return created;
            }
        }
        match self.client.patch(&prepared.target, managed_fields::patch(owners)).await {
            Ok(patched) => patched,
            Err(error) => {
                let level = if error.is_not_found() { Level::Warning } else { Level::Error };
                self.find(level, prepared, error.to_string());
                created
            }
        }
    }

    async fn restore_status(&self, prepared: &Prepared, created: Object, status: &RawValue) -> Object {
        match self.write_status(prepared, &created, status).await {
            Ok(updated) => updated,
            Err((level, message)) => {
                self.find(level, prepared, message);
                created
            }
        }
    }

    /// Writes the status, again when a controller has changed the object meanwhile.
    async fn write_status(
        &self,
        prepared: &Prepared,
        created: &Object,
        status: &RawValue,
    ) -> Result<Object, (Level, String)> {
        let (cluster, options) = (&self.client.cluster, WriteOptions::default());
        let mut latest = created.clone();
        let mut conflicts = 0;
        loop {
            let body = prepare::with_status(&latest, status).map_err(|error| {
                (Level::Error, format!("could not set status field {}: {error}", prepared.id()))
            })?;
            let answer =
                self.client.call(|| cluster.replace_status(&prepared.target, body.clone(), &options)).await;
            match answer {
                Err(ClusterError::Conflict { .. }) if conflicts < STATUS_CONFLICTS => conflicts += 1,
                answer => return answer.map_err(|error| (Level::Warning, error.to_string())),
            }
            let found = self.client.get(&prepared.target).await;
            latest = found.ok().flatten().unwrap_or(latest);
        }
    }

    fn is_ours(&self, object: &Object) -> bool {
        object.head().label(bowline_api::label::RESTORE_NAME) == Some(self.rules().restore_label())
    }

    /// Records that an object could not be restored.
    pub(super) fn fail(&self, prepared: &Prepared, error: &dyn std::error::Error) -> Step {
        let message = format!("error restoring {}: {}", prepared.id(), crate::finding::chain(error));
        self.find(Level::Error, prepared, message.clone());
        Step::Fail(message)
    }

    pub(super) fn find(&self, level: Level, prepared: &Prepared, message: String) {
        self.add_finding(
            level,
            &prepared.resource,
            prepared.target.namespace.as_deref(),
            &prepared.target.name,
            message,
        );
    }
}

/// The server checks ports before names, so a Service that exists is reported by its own port (surprises, row 3).
fn is_taken_port(prepared: &Prepared, error: &ClusterError) -> bool {
    prepared.resource.is("", "services") && error.to_string().contains("provided port is already allocated")
}
