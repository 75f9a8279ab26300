//! Item actions: the extension points of backup, restore and deletion.
//!
//! The built-in actions live in one file each below this module; Velero's Go plugins will implement the same traits over gRPC.
//! v1 plugins are v2 plugins without operations, by one adapter: it leaves `progress` and `cancel` as they are here.

pub mod backup;
pub mod chain;
pub mod item_block;
mod list;
pub mod restore;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use thiserror::Error;

use crate::catalog::GroupResource;
use crate::object::{Head, Object, ObjectError};
use crate::operation::OperationProgress;
use crate::port::{ClusterError, ObjectRef, Ports};

/// An object on its way through a chain of actions: text until an action needs the tree.
#[derive(Clone, Debug)]
pub struct Item {
    object: Object,
    tree: Option<Value>,
    touched: bool,
}

impl Item {
    /// Wraps an object.
    pub fn new(object: Object) -> Self {
        Self { object, tree: None, touched: false }
    }

    /// The object as it was before the actions; use [`Item::tree`] to see what they changed.
    pub fn original(&self) -> &Object {
        &self.object
    }

    /// Head of the object as it was before the actions.
    pub fn head(&self) -> &Head {
        self.object.head()
    }

    /// The object as a tree for reading.
    pub fn tree(&mut self) -> Result<&Value, ObjectError> {
        self.decoded().map(|tree| &*tree)
    }

    /// The object as a tree to change.
    pub fn tree_mut(&mut self) -> Result<&mut Value, ObjectError> {
        self.touched = true;
        self.decoded()
    }

    fn decoded(&mut self) -> Result<&mut Value, ObjectError> {
        if self.tree.is_none() {
            self.tree = Some(self.object.tree()?);
        }
        Ok(self.tree.as_mut().expect("filled above"))
    }

    /// Whether [`Item::tree_mut`] was called since this was asked last.
    pub fn take_touched(&mut self) -> bool {
        std::mem::take(&mut self.touched)
    }

    /// Whether the actions left it as it was.
    pub fn is_unchanged(&self) -> bool {
        self.tree.as_ref().is_none_or(|tree| self.object.tree().is_ok_and(|original| *tree == original))
    }

    /// Value of an annotation as the actions left it.
    pub fn annotation(&self, name: &str) -> Option<&str> {
        match &self.tree {
            Some(tree) => tree["metadata"]["annotations"][name].as_str(),
            None => self.object.head().annotation(name),
        }
    }

    /// The labels as the actions left them.
    pub fn labels(&self) -> Cow<'_, BTreeMap<String, String>> {
        let Some(tree) = &self.tree else { return Cow::Borrowed(&self.object.head().labels) };
        let labels = tree["metadata"]["labels"].as_object().into_iter().flatten();
        let text = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
        Cow::Owned(labels.filter_map(text).collect())
    }

    /// The object as the actions left it. Text that nobody decoded is handed on as it came.
    pub fn finish(self) -> Result<Object, ObjectError> {
        match self.tree {
            Some(tree) => Object::from_tree(&tree),
            None => Ok(self.object),
        }
    }
}

/// Names an object by resource, as actions and operations do; the version is the server's preferred one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ItemId {
    /// Kind of the object.
    pub resource: GroupResource,
    /// Namespace; `None` for cluster-scoped kinds.
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
}

/// Which objects an action wants to see. Empty include lists mean everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActionSelector {
    /// Namespaces to include.
    pub included_namespaces: Vec<String>,
    /// Namespaces to exclude.
    pub excluded_namespaces: Vec<String>,
    /// Resources to include: plural, `plural.group`, or anything that discovery resolves.
    pub included_resources: Vec<String>,
    /// Resources to exclude.
    pub excluded_resources: Vec<String>,
    /// Label selector in string form; empty selects everything.
    pub label_selector: String,
}

impl ActionSelector {
    /// Selects every object of some resources.
    pub fn resources(names: &[&str]) -> Self {
        Self { included_resources: names.iter().map(ToString::to_string).collect(), ..Self::default() }
    }
}

/// What every action says of itself, whatever it runs on.
#[async_trait]
pub trait Action: Send + Sync {
    /// Full name, such as `velero.io/pod`.
    fn name(&self) -> &str;

    /// Which objects to call it for. Asked once a run.
    async fn selector(&self) -> Result<ActionSelector, ActionError>;
}

/// Why an action failed for an object.
#[derive(Debug, Error)]
pub enum ActionError {
    /// The object could not be read or written as JSON.
    #[error("failed to read the object")]
    Object(#[from] ObjectError),
    /// The cluster refused something the action needs.
    #[error("failed to {attempt}")]
    Cluster {
        /// What was attempted, such as `list clusterrolebindings`.
        attempt: String,
        /// What the cluster said.
        #[source]
        source: crate::port::ClusterError,
    },
    /// The action itself gave up.
    #[error("{0}")]
    Failed(String),
}

impl ActionError {
    /// Whether the same may succeed later without anybody changing anything.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Cluster { source, .. } if source.is_retryable())
    }
}

/// What an action on a backup may look at.
pub struct BackupContext<'a> {
    /// The backup's name.
    pub name: &'a str,
    /// The backup as an object, as plugins receive it.
    pub backup: &'a bowline_api::backup::Backup,
    /// The ports of the run.
    pub ports: &'a Ports,
    /// The served kinds.
    pub catalog: &'a crate::catalog::Catalog,
}

/// What a backup action asks for besides the changes that it made to the item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackupEffects {
    /// Objects to store too. They pass the filters unless the item is annotated otherwise (behaviour §6.7).
    pub additional_items: Vec<ItemId>,
    /// An asynchronous operation that goes on after the backup.
    pub operation_id: Option<String>,
    /// Objects to read again when the operation has ended.
    pub post_operation_items: Vec<ItemId>,
    /// What the user should know although the action succeeded; the same words are reported once a run.
    pub warnings: Vec<String>,
}

/// An action that runs on each object that is stored.
#[async_trait]
pub trait BackupAction: Action {
    /// Looks at one object, may change it, and may ask for more. Called at most once an object and run; calls for different objects
    /// run concurrently.
    async fn execute(
        &self,
        item: &mut Item,
        context: &BackupContext<'_>,
    ) -> Result<BackupEffects, ActionError>;

    /// How far an operation is that [`BackupAction::execute`] has started, on this server or on one before it.
    async fn progress(
        &self,
        _operation_id: &str,
        _backup: &bowline_api::Backup,
        _ports: &Ports,
    ) -> Result<OperationProgress, ActionError> {
        Err(ActionError::Failed(format!("the item action {} has no operations", self.name())))
    }

    /// Tells an operation to end, because its time is up. May be called for one that has ended.
    async fn cancel(
        &self,
        _operation_id: &str,
        _backup: &bowline_api::Backup,
        _ports: &Ports,
    ) -> Result<(), ActionError> {
        Ok(())
    }
}

/// What an item block action may look at.
pub struct BlockContext<'a> {
    /// The run.
    pub backup: &'a BackupContext<'a>,
    /// Whether every namespaced object that the filters allow is in the backup anyway, because it selects nothing by label, and only
    /// what else to store is asked for. An action need not look for such objects then. Never set when blocks are put together.
    pub only_others: bool,
}

/// An action that says what belongs into one item block with an object: stored together, between the hooks of all pods of the block.
#[async_trait]
pub trait ItemBlockAction: Action {
    /// Objects that belong to this one. They are stored too, provided that the filters allow them, and are asked about in turn; the
    /// backup's label selectors don't keep them out (behaviour §6.6). May be called more than once for an object.
    async fn related_items(
        &self,
        item: &Object,
        context: &BlockContext<'_>,
    ) -> Result<Vec<ItemId>, ActionError>;
}

/// What an action on a restore may look at.
pub struct RestoreContext<'a> {
    /// The restore as an object, as plugins receive it.
    pub restore: &'a bowline_api::restore::Restore,
    /// The backup it restores.
    pub backup: &'a bowline_api::backup::Backup,
    /// The object as it is in the backup, untouched.
    pub from_backup: &'a Object,
    /// The ports of the run.
    pub ports: &'a Ports,
    /// The served kinds.
    pub catalog: &'a crate::catalog::Catalog,
    /// Whether the run will have created an object by now, of which it only makes the plan; always `false` when it creates them.
    pub foreseen: &'a (dyn Fn(&ObjectRef) -> bool + Sync),
}

impl RestoreContext<'_> {
    /// Whether an object is in the cluster, or would be at this point of a run that is only planned.
    pub async fn exists(&self, object: &ObjectRef) -> Result<bool, ClusterError> {
        match self.ports.cluster.get(object).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok((self.foreseen)(object)),
            Err(error) => Err(error),
        }
    }

    /// The namespace that objects of a backed-up namespace go to.
    pub fn target_namespace<'n>(&'n self, namespace: &'n str) -> &'n str {
        self.restore.spec.namespace_mapping.get(namespace).map_or(namespace, String::as_str)
    }
}

/// What a restore action asks for besides the changes that it made to the item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestoreEffects {
    /// Why this object shall not be restored, in words for the user; `None` to go on.
    pub skip: Option<String>,
    /// Objects of the backup to restore first.
    pub additional_items: Vec<ItemId>,
    /// Wait until the additional items are ready ([`RestoreAction::additional_items_ready`]), at most this long
    /// (`None`: the server's resource timeout).
    pub wait_for_additional_items: Option<Option<Duration>>,
    /// An asynchronous operation that goes on after the restore.
    pub operation_id: Option<String>,
}

/// An action that runs on each object that is restored. The namespaces of its selector are those that are restored into, as in Velero.
#[async_trait]
pub trait RestoreAction: Action {
    /// Looks at one object, may change it, and may ask for more. MUST NOT write to the cluster when the run is a dry run; built-in
    /// actions never write at all.
    async fn execute(
        &self,
        item: &mut Item,
        context: &RestoreContext<'_>,
    ) -> Result<RestoreEffects, ActionError>;

    /// Whether the additional items that [`RestoreAction::execute`] asked for are ready.
    async fn additional_items_ready(
        &self,
        _items: &[ItemId],
        _context: &RestoreContext<'_>,
    ) -> Result<bool, ActionError> {
        Ok(true)
    }

    /// How far an operation is that [`RestoreAction::execute`] has started, on this server or on one before it.
    async fn progress(
        &self,
        _operation_id: &str,
        _restore: &bowline_api::Restore,
        _ports: &Ports,
    ) -> Result<OperationProgress, ActionError> {
        Err(ActionError::Failed(format!("the item action {} has no operations", self.name())))
    }

    /// Tells an operation to end, because its time is up. May be called for one that has ended.
    async fn cancel(
        &self,
        _operation_id: &str,
        _restore: &bowline_api::Restore,
        _ports: &Ports,
    ) -> Result<(), ActionError> {
        Ok(())
    }
}

/// What an action on the deletion of a backup may look at.
pub struct DeleteContext<'a> {
    /// The backup that is being deleted, as plugins receive it.
    pub backup: &'a bowline_api::Backup,
    /// The ports of the run.
    pub ports: &'a Ports,
}

/// An action that runs on each object of a backup that is being deleted, before its files go. The namespaces of its selector are those
/// of the backup.
#[async_trait]
pub trait DeleteAction: Action {
    /// Deletes what the object, as it is in the backup, stands for elsewhere. MUST succeed when that is gone already: a deletion that
    /// was cut short is done again.
    async fn execute(&self, item: &Object, context: &DeleteContext<'_>) -> Result<(), ActionError>;
}
