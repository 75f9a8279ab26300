//! Custom resource definitions: restored first, waited for, and then asked for what they serve.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::place::Prepared;
use super::run::Run;
use super::scene::Scene;
use super::{RestoreError, namespace::Found};
use crate::archive::spool::EntryId;
use crate::catalog::{Catalog, GroupResource, Kind};
use crate::finding::Level;
use crate::object::Object;
use crate::port::{ClusterError, Condition};

/// How often discovery is read until it shows what new CRDs serve.
const DISCOVERY_POLL: Duration = Duration::from_millis(500);

#[derive(Deserialize)]
struct View {
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize)]
struct Spec {
    group: String,
    names: Names,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    versions: Vec<Version>,
}

#[derive(Deserialize)]
struct Names {
    plural: String,
    kind: String,
}

#[derive(Deserialize)]
struct Version {
    name: String,
    #[serde(default)]
    served: bool,
}

#[derive(Default, Deserialize)]
struct Status {
    /// `null` in the answer to the creation.
    conditions: Option<Vec<ConditionView>>,
}

#[derive(Deserialize)]
struct ConditionView {
    #[serde(rename = "type")]
    name: String,
    status: String,
}

/// Whether a CRD is served.
fn is_established(object: Option<&Object>) -> bool {
    let view = object.and_then(|object| object.view::<View>().ok());
    view.is_some_and(|view| {
        view.status.conditions.iter().flatten().any(|it| it.name == "Established" && it.status == "True")
    })
}

/// The kinds that a CRD serves, the newest version first.
fn kinds(object: &Object) -> Vec<Kind> {
    let Ok(View { spec, .. }) = object.view::<View>() else { return Vec::new() };
    let served = spec.versions.iter().filter(|version| version.served);
    let mut kinds: Vec<Kind> = served
        .map(|version| {
            Kind::builtin(
                &spec.group,
                &version.name,
                &spec.names.kind,
                &spec.names.plural,
                spec.scope == "Namespaced",
            )
        })
        .collect();
    kinds.iter_mut().skip(1).for_each(|kind| kind.preferred = false);
    kinds
}

impl Run {
    /// What an update of an object changes for the rest of the run: a CRD may serve more than before.
    pub(super) fn after_update(&self, prepared: &Prepared) {
        if super::is_crd(&prepared.resource) {
            self.expect_kinds(kinds(&prepared.object));
        }
    }

    /// What is left to do when an object has been created.
    pub(super) async fn after_create(&self, prepared: &Prepared, created: &Object) {
        if super::is_crd(&prepared.resource) {
            self.establish(prepared, created).await;
        }
        if prepared.resource.is("", "pods") {
            self.announce_hooks(prepared, created);
        }
    }

    async fn establish(&self, prepared: &Prepared, created: &Object) {
        self.expect_kinds(kinds(created));
        if is_established(Some(created)) {
            return;
        }
        let established: Condition = Arc::new(is_established);
        let timeout = self.request.resource_timeout;
        let message = match self.client.cluster.wait(&prepared.target, established, timeout).await {
            Ok(()) => return,
            Err(ClusterError::Timeout) => {
                format!("the CRD {} is not available to use for custom resources", prepared.target.name)
            }
            Err(error) => {
                format!("error verifying the CRD {} is ready to use: {error}", prepared.target.name)
            }
        };
        self.find(Level::Error, prepared, message);
    }

    /// Reads discovery again after CRDs were restored, until it shows what they serve. In a dry run the catalog is extended by what
    /// they would serve.
    pub(super) async fn refresh_scene(&self) -> Result<(), RestoreError> {
        let expected = self.take_expected();
        if expected.is_empty() {
            return Ok(());
        }
        let mut left = self.request.resource_timeout;
        let catalog = loop {
            let catalog =
                self.client.call(|| self.client.cluster.discover()).await.map_err(RestoreError::Discover)?;
            if expected.iter().all(|kind| serves(&catalog, kind)) || left.is_zero() || self.is_stopped() {
                break catalog;
            }
            let pause = DISCOVERY_POLL.min(left);
            self.ports.clock.sleep(pause).await;
            left -= pause;
        };
        let scene = Scene::resolve(catalog, &self.request.actions).await.map_err(RestoreError::Action)?;
        self.set_scene(scene);
        Ok(())
    }

    /// Extends the catalog by what the CRDs of the backup would serve (dry run).
    pub(super) async fn imagine_kinds(&self, crds: &[EntryId]) -> Result<(), RestoreError> {
        let scene = self.scene();
        let mut all: Vec<Kind> = scene.catalog.all().iter().map(|kind| Kind::clone(kind)).collect();
        for entry in crds {
            let object = self.spool.load(*entry).map_err(RestoreError::Archive)?;
            all.extend(kinds(&object).into_iter().filter(|kind| !serves(&scene.catalog, kind)));
        }
        let catalog = Catalog::new(all, scene.catalog.broken().to_vec());
        self.set_scene(Scene::resolve(catalog, &self.request.actions).await.map_err(RestoreError::Action)?);
        Ok(())
    }

    /// A namespace object of the backup: the namespace is made under its mapped name, or left as it is.
    pub(super) async fn restore_namespace(&self, entry: EntryId) {
        if !self.ledger.claim(entry) {
            return;
        }
        let name = self.spool.name(entry).to_owned();
        let found = self.ensure_namespace(&name).await;
        if let Found::Failed(reason) = &found {
            let target = self.rules().target_namespace(&name).to_owned();
            self.add_finding(
                Level::Error,
                &GroupResource::new("", "namespaces"),
                None,
                &target,
                reason.clone(),
            );
        }
        self.ledger.end(entry, !matches!(found, Found::Failed(_)));
    }
}

fn serves(catalog: &Catalog, kind: &Kind) -> bool {
    catalog.get_version(&kind.group_resource(), &kind.version).is_some()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{is_established, kinds};
    use crate::object::Object;

    #[test]
    fn a_definition_that_was_just_created_names_its_kinds_and_is_not_established() {
        let created = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "as.b"},
            "spec": {"group": "b", "scope": "Namespaced", "names": {"kind": "A", "plural": "as"},
                "versions": [{"name": "v1", "served": true, "storage": true}]},
            "status": {"conditions": null, "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": ["v1"]},
        });
        let created = Object::from_tree(&created).unwrap();
        assert_eq!(kinds(&created).len(), 1);
        assert!(!is_established(Some(&created)));
    }
}
