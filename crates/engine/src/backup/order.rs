//! `orderedResources`: named objects of a kind are stored before the others of that kind, in their order.

use super::BackupError;
use super::collect::KindPlan;
use super::run::Run;
use crate::finding::{Finding, Level};
use crate::port::ObjectRef;

impl Run<'_> {
    /// Stores the named objects of a kind. They must be selected like the others.
    pub(super) async fn store_ordered(&self, plan: &KindPlan) -> Result<(), BackupError> {
        let orders = &self.request.backup.spec.ordered_resources;
        let is_for = |name: &str| {
            self.catalog.resolve(name).is_some_and(|kind| kind.group_resource() == plan.resource)
        };
        let names =
            orders.iter().filter(|(resource, _)| is_for(resource)).flat_map(|(_, names)| names.split(','));
        for (rank, text) in names.map(str::trim).filter(|text| !text.is_empty()).enumerate() {
            let (namespace, name) = match text.split_once('/') {
                Some((namespace, name)) => (Some(namespace.to_owned()), name.to_owned()),
                None => (None, text.to_owned()),
            };
            let reference = ObjectRef { kind: plan.kind.clone(), namespace, name };
            match self.fetch(&reference).await {
                Ok(object) if self.selection.wants(&plan.kind, object.head(), self.catalog) => {
                    self.take_listed(plan, object, rank).await?;
                }
                Err(error) if !error.is_not_found() => self.fetch_failed(&reference, error).await?,
                Ok(_) | Err(_) => {
                    let message = format!(
                        "Cannot find resource '{text}', which orderedResources of {} names.",
                        plan.name
                    );
                    self.findings.add(Finding::general(Level::Warning, message));
                }
            }
        }
        Ok(())
    }
}
