//! The fields in which an object of the cluster differs from the one to restore, for plans.

use super::compare::Comparison;
use super::place::Prepared;
use super::plan::Step;
use super::run::Run;
use super::skip::Skip;
use crate::diff::FieldChange;

impl Run {
    /// What a step would change, or leaves different. Nothing outside of dry runs that ask for it, and for an object that has gone since.
    pub(super) async fn explain(&self, prepared: &Prepared, step: &Step) -> Vec<FieldChange> {
        let differs = matches!(step, Step::Update | Step::Skip(Skip::Differs));
        if !(self.is_dry && self.request.explain && differs) {
            return Vec::new();
        }
        let Ok(Some(existing)) = self.client.get(&prepared.target).await else { return Vec::new() };
        Comparison::of(&existing, &prepared.object).map(|it| it.changes()).unwrap_or_default()
    }
}
