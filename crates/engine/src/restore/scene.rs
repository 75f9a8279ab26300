//! What the cluster serves, and which actions see which objects of it. Made anew when CRDs have been restored.

use std::sync::Arc;

use crate::action::chain::Resolved;
use crate::action::{ActionError, RestoreAction};
use crate::catalog::{Catalog, GroupResource};

/// The served kinds, and the actions resolved against them.
pub(super) struct Scene {
    pub(super) catalog: Catalog,
    actions: Vec<Resolved<dyn RestoreAction>>,
}

impl Scene {
    /// Asks each action what it is for.
    pub(super) async fn resolve(
        catalog: Catalog,
        actions: &[Arc<dyn RestoreAction>],
    ) -> Result<Self, ActionError> {
        Ok(Self { actions: Resolved::all(actions, &catalog).await?, catalog })
    }

    /// The actions for a kind in a namespace, in order. The namespace is the one that is restored into, as in Velero.
    pub(super) fn actions<'a>(
        &'a self,
        resource: &'a GroupResource,
        namespace: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Resolved<dyn RestoreAction>> {
        self.actions.iter().filter(move |it| it.is_for(resource) && it.is_for_namespace(namespace))
    }
}
