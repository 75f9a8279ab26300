//! The order of a run: CRDs, then wave after wave, each made of sections that are worked on side by side.

use std::sync::Arc;

use bowline_api::trace::TARGET;
use tokio::task::JoinSet;
use tracing::Instrument as _;

use super::crew::pass_on;
use super::existing::Rest;
use super::namespace::Found;
use super::place::Existing;
use super::plan::LeftOut;
use super::run::{Run, Tick};
use super::wave::{Section, Wave, Waves};
use super::{RestoreError, is_crd};
use crate::catalog::{GroupResource, Kind};

/// Sections of a wave that are worked on at once; the objects inside them share one pace.
const SECTIONS: usize = 8;
/// Bytes that an object in flight costs per byte of its text: text, body, answer, and a tree for those that are changed.
const BYTES_PER_BYTE: usize = 8;

impl Run {
    /// CRDs first, with what they serve; then everything else.
    pub(super) async fn waves(self: Arc<Self>) -> Result<Vec<LeftOut>, RestoreError> {
        let mut crds = self.plan(is_crd)?;
        let mut left_out = std::mem::take(&mut crds.left_out);
        self.tick(Tick::Found(crds.len() as u64));
        if self.is_dry {
            self.imagine_kinds(&crds.entries()).await?;
        }
        for wave in crds.waves {
            self.wave(wave).await;
        }
        self.refresh_scene().await?;
        let rest = self.plan(|resource| !is_crd(resource))?;
        self.tick(Tick::Found(rest.len() as u64));
        left_out.extend(rest.left_out);
        for wave in rest.waves {
            if self.is_stopped() {
                break;
            }
            self.wave(wave).await;
        }
        Ok(left_out)
    }

    fn plan(&self, wanted: impl Fn(&GroupResource) -> bool) -> Result<Waves, RestoreError> {
        let scene = self.scene();
        Waves::plan(&self.spool, self.rules(), &scene.catalog, &self.request.priorities, wanted)
            .map_err(RestoreError::Archive)
    }

    async fn wave(self: &Arc<Self>, wave: Wave) {
        let objects: usize = wave.sections.iter().map(|section| section.entries.len()).sum();
        let span = tracing::info_span!(
            target: TARGET,
            "wave",
            resource = %wave.resource,
            namespaces = wave.sections.len(),
            objects
        );
        self.sections(wave).instrument(span).await;
    }

    /// Works on the sections of a wave side by side.
    async fn sections(self: &Arc<Self>, wave: Wave) {
        let mut sections = JoinSet::new();
        let resource = Arc::new(wave.resource);
        for section in wave.sections {
            while sections.len() >= SECTIONS {
                if let Some(ended) = sections.join_next().await {
                    pass_on(ended);
                }
            }
            let (run, resource) = (Arc::clone(self), Arc::clone(&resource));
            sections.spawn(async move { run.section(&resource, section).await }.in_current_span());
        }
        while let Some(ended) = sections.join_next().await {
            pass_on(ended);
        }
    }

    async fn section(self: Arc<Self>, resource: &GroupResource, section: Section) {
        if resource.is("", "namespaces") {
            self.restore_namespaces(&section).await;
        } else {
            self.restore_section(resource, &section).await;
        }
    }

    async fn restore_section(self: &Arc<Self>, resource: &GroupResource, section: &Section) {
        let kind = self.kind_to_list(resource, section);
        let found = match &section.namespace {
            Some(namespace) => self.ensure_namespace(namespace).await,
            None => Found::Existing,
        };
        let rest = match (&kind, &found) {
            (None, _) | (_, Found::Failed(_)) => Rest::Unknown,
            (Some(kind), _) => self.meet_existing(kind, section, &found).await,
        };
        let mut crew = self.crew();
        for entry in section.entries.iter().copied() {
            if self.is_stopped() {
                break;
            }
            if self.ledger.is_claimed(entry) {
                self.finished_one();
                continue;
            }
            let share = self.budget.take(self.spool.size(entry) * BYTES_PER_BYTE).await;
            let existing = match rest {
                Rest::Absent => Existing::Absent,
                Rest::Unknown => Existing::Unknown,
            };
            let run = Arc::clone(self);
            crew.send(async move {
                run.restore(entry, existing).await;
                run.finished_one();
                drop(share);
            })
            .await;
        }
        crew.finish().await;
    }

    /// The kind at the version in which the section's objects are stored, so that they can be compared with a list; `None` when the
    /// cluster does not serve it.
    fn kind_to_list(&self, resource: &GroupResource, section: &Section) -> Option<Arc<Kind>> {
        let scene = self.scene();
        let first = *section.entries.first()?;
        let stored = self.spool.load(self.version_of(first, &self.spool.id(first))).ok();
        let stored = stored.and_then(|object| {
            let head = object.head();
            scene.catalog.of_object(&head.api_version, &head.kind).map(Arc::clone)
        });
        stored
            .filter(|kind| kind.group_resource() == *resource)
            .or_else(|| scene.catalog.get(resource).map(Arc::clone))
    }

    async fn restore_namespaces(self: &Arc<Self>, section: &Section) {
        let mut crew = self.crew();
        for entry in section.entries.iter().copied() {
            let run = Arc::clone(self);
            crew.send(async move {
                run.restore_namespace(entry).await;
                run.finished_one();
            })
            .await;
        }
        crew.finish().await;
    }
}
