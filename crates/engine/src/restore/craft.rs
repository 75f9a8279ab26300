//! From an object of the backup to the one to create: rewrites, actions, modifiers, and the kind that it has in this cluster.

use std::sync::Arc;

use bowline_api::Time;
use bowline_api::artifact::{
    OperationPhase, OperationStatus, ResourceIdentifier, RestoreOperation, RestoreOperationSpec,
};
use bowline_api::label;
use bowline_api::resource::ObjectKey;

use super::place::Prepared;
use super::prepare;
use super::run::Run;
use super::scene::Scene;
use super::skip::Skip;
use super::volume::{self, PvStep};
use crate::action::{ActionError, Item, ItemId, RestoreContext};
use crate::archive::spool::EntryId;
use crate::catalog::Kind;
use crate::finding::{Level, chain};
use crate::object::{Object, ObjectError};
use crate::port::ObjectRef;

/// What making an object came to.
pub(super) enum Crafted {
    Ready(Box<Prepared>),
    Skip(Skip),
    /// The text is the one of the results.
    Failed(String),
}

impl Run {
    /// Everything between the object of the backup and the body of the create.
    pub(super) async fn craft(
        &self,
        entry: EntryId,
        id: &ItemId,
        object: &Object,
        namespace: Option<&str>,
    ) -> Crafted {
        match self.craft_from(entry, id, object, namespace).await {
            Ok(crafted) => crafted,
            Err(error) => {
                let place = namespace.map(|namespace| format!("{namespace}/")).unwrap_or_default();
                Crafted::Failed(format!(
                    "error preparing {}/{place}{}: {}",
                    id.resource,
                    id.name,
                    chain(&error)
                ))
            }
        }
    }

    async fn craft_from(
        &self,
        entry: EntryId,
        id: &ItemId,
        object: &Object,
        namespace: Option<&str>,
    ) -> Result<Crafted, ActionError> {
        let is_volume = id.resource.is("", "persistentvolumes");
        if is_volume && let Some(skip) = self.reprovision(id, object)? {
            return Ok(Crafted::Skip(skip));
        }
        let mut item = Item::new(prepare::before_actions(object, self.rules())?);
        if is_volume {
            volume::free(item.tree_mut()?, self.rules());
        }
        if let Some(skip) = self.act(entry, id, object, &mut item, namespace).await? {
            return Ok(Crafted::Skip(skip));
        }
        self.amend(id, &mut item)?;
        let crafted = prepare::after_actions(&item.finish()?, self.rules(), namespace)?;
        self.aim(id, object, crafted, namespace)
    }

    /// Why a volume is not restored as it was, if so.
    fn reprovision(&self, id: &ItemId, object: &Object) -> Result<Option<Skip>, ObjectError> {
        if let Some(message) = volume::lost_data(object, self.rules()) {
            self.add_finding(Level::Error, &id.resource, None, &id.name, message);
        }
        Ok(match volume::decide(object, self.rules())? {
            PvStep::Recreate => None,
            PvStep::Reprovision => {
                self.reprovisioned.add(&id.name);
                Some(Skip::Reprovisioned)
            }
        })
    }

    /// Runs the actions. `Some` when one of them takes the object out.
    async fn act(
        &self,
        entry: EntryId,
        id: &ItemId,
        object: &Object,
        item: &mut Item,
        namespace: Option<&str>,
    ) -> Result<Option<Skip>, ActionError> {
        let scene = self.scene();
        let foreseen = |wanted: &ObjectRef| self.is_dry && self.ledger.plans(wanted);
        let context = RestoreContext {
            restore: &self.request.restore,
            backup: &self.request.backup,
            from_backup: object,
            ports: &self.ports,
            catalog: &scene.catalog,
            foreseen: &foreseen,
        };
        for action in scene.actions(&id.resource, namespace) {
            if !action.selects_item(item) {
                continue;
            }
            let action = action.action();
            let effects = action.execute(item, &context).await?;
            if let Some(operation) = &effects.operation_id {
                self.begin_operation(action.name(), id, namespace, operation);
            }
            if let Some(reason) = effects.skip {
                return Ok(Some(Skip::ByAction { action: action.name().to_owned(), reason }));
            }
            let must_include = item.annotation(prepare::MUST_INCLUDE) == Some("true");
            self.need((entry, must_include), id, action, &effects, &context).await;
        }
        Ok(None)
    }

    /// What comes after the actions: claims are unbound, and modifiers change what the user wants changed.
    fn amend(&self, id: &ItemId, item: &mut Item) -> Result<(), ObjectError> {
        if id.resource.is("", "persistentvolumeclaims") {
            volume::unbind(item.tree_mut()?, &self.reprovisioned);
        }
        let Some(modifiers) = self.request.modifiers.as_ref().filter(|it| it.concern(&id.resource)) else {
            return Ok(());
        };
        let outcome = modifiers.apply(item.tree_mut()?, &id.resource);
        // Velero 1.18 restores the object without the change of a rule that failed, and so do we.
        for error in &outcome.errors {
            let namespace = id.namespace.as_deref().map(|namespace| self.rules().target_namespace(namespace));
            let problem = format!("error modifying {}/{}: {}", id.resource, id.name, chain(error));
            self.add_finding(Level::Error, &id.resource, namespace, &id.name, problem);
        }
        Ok(())
    }

    /// Finds the kind in which the object is created: an action may have changed it. Whether its status is restored is decided by the
    /// object as actions and modifiers left it.
    fn aim(
        &self,
        id: &ItemId,
        stored: &Object,
        crafted: Object,
        namespace: Option<&str>,
    ) -> Result<Crafted, ActionError> {
        let head = crafted.head();
        let scene = self.scene();
        let Some(kind) = served(&scene, id, &head.api_version, &head.kind) else {
            return Ok(Crafted::Failed(format!(
                "error restoring {}/{}: the cluster does not serve {} {}",
                id.resource, id.name, head.api_version, head.kind
            )));
        };
        let namespace = namespace.filter(|_| kind.namespaced).map(ToOwned::to_owned);
        let resource = kind.group_resource();
        let wants_status = self.rules().restores_status(&id.resource, head.annotation(label::RESTORE_STATUS));
        let status = if wants_status { prepare::status(stored)? } else { None };
        let target = ObjectRef { name: head.name.clone(), namespace, kind };
        // Read here, because an action may have made another object of it.
        let owners = prepare::managed_fields(&crafted)?;
        Ok(Crafted::Ready(Box::new(Prepared { object: crafted, target, resource, status, owners })))
    }

    fn begin_operation(&self, action: &str, id: &ItemId, namespace: Option<&str>, operation: &str) {
        let metadata = &self.request.restore.metadata;
        let key = ObjectKey { namespace: namespace.map(ToOwned::to_owned), name: id.name.clone() };
        let now = Some(Time(self.ports.clock.now()));
        let operation = RestoreOperation {
            spec: RestoreOperationSpec {
                restore_name: metadata.name.clone().unwrap_or_default(),
                restore_uid: metadata.uid.clone().unwrap_or_default(),
                restore_item_action: action.to_owned(),
                resource_identifier: ResourceIdentifier::new(&id.resource, &key),
                operation_id: operation.to_owned(),
            },
            status: OperationStatus {
                phase: Some(OperationPhase::New),
                created: now,
                ..OperationStatus::default()
            },
        };
        self.add_operation(operation);
    }
}

fn served(scene: &Scene, id: &ItemId, api_version: &str, kind: &str) -> Option<Arc<Kind>> {
    let version = api_version.rsplit('/').next().unwrap_or_default();
    let by_resource = scene
        .catalog
        .get_version(&id.resource, version)
        .filter(|have| have.kind == kind && have.api_version() == api_version);
    by_resource.or_else(|| scene.catalog.of_object(api_version, kind)).map(Arc::clone)
}
