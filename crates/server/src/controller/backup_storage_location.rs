//! BackupStorageLocation: tries each location now and then, says whether it can be used, and keeps one default.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bowline_api::location::{BackupStorageLocationPhase as Phase, BackupStorageLocationSpec};
use bowline_api::{BackupStorageLocation, Time};
use bowline_engine::finding::chain;
use bowline_reconcile::{Failure, Guard, Next, Reconcile};
use jiff::Timestamp;
use kube::ResourceExt;

use super::remaining;
use crate::context::{Context, elapsed};
use crate::failure::failure;
use crate::location::default_of;

/// A location that is tried once is still looked at from time to time, because its Secret may have changed.
const ONCE: Duration = Duration::from_hours(24);
const MAX_MESSAGE: usize = 1024;

pub(super) struct Locations {
    context: Arc<Context>,
    /// The specs that this process has tried: a changed one is tried at once.
    tried: Mutex<HashMap<String, BackupStorageLocationSpec>>,
}

/// What to do about a location.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// Mark it as default, or not any more.
    SetDefault(bool),
    /// Try it.
    Validate,
    /// Nothing for this time.
    Wait(Duration),
}

struct Observed<'a> {
    location: &'a BackupStorageLocation,
    /// Name of the location that should be the default.
    default: Option<&'a str>,
    /// Whether its spec is the one that was tried.
    tried: bool,
    server_period: Duration,
    now: Timestamp,
}

fn decide(observed: &Observed<'_>) -> Step {
    let location = observed.location;
    let is_default = observed.default == Some(location.name_any().as_str());
    if is_default != location.spec.default {
        return Step::SetDefault(is_default);
    }
    let last = location.status.last_validation_time.as_ref().filter(|_| observed.tried);
    let Some(Time(last)) = last else { return Step::Validate };
    let left = remaining(period(location, observed.server_period), elapsed(*last, observed.now));
    left.map_or(Step::Validate, Step::Wait)
}

/// Zero means once, negative the server's default.
fn period(location: &BackupStorageLocation, server: Duration) -> Duration {
    match location.spec.validation_frequency {
        Some(frequency) if frequency.is_zero() => ONCE,
        Some(frequency) => frequency.to_std().unwrap_or(server),
        None if server.is_zero() => ONCE,
        None => server,
    }
}

impl Locations {
    pub(super) fn new(context: &Arc<Context>) -> Self {
        Self { context: Arc::clone(context), tried: Mutex::default() }
    }

    /// The newest of those that are marked; without any the one that the server's flag names.
    fn default_location(&self) -> Option<String> {
        let all = self.context.caches.locations.list();
        let fallback = || {
            all.iter().find(|location| location.name_any() == self.context.config.defaults.storage_location)
        };
        let marked = default_of(all.iter().map(|location| &**location)).map(ResourceExt::name_any);
        marked.or_else(|| fallback().map(|location| location.name_any()))
    }

    /// What becomes of one location may make another one the default, or not the default any more.
    async fn mark_others(&self, name: &str) -> Result<(), Failure> {
        let default = self.default_location();
        for other in self.context.caches.locations.list() {
            let is_default = default.as_ref() == Some(&other.name_any());
            if other.name_any() != name && other.spec.default != is_default {
                self.set_default(&other, is_default).await?;
            }
        }
        Ok(())
    }

    async fn set_default(&self, location: &BackupStorageLocation, default: bool) -> Result<(), Failure> {
        let mut after = location.clone();
        after.spec.default = default;
        self.context.patch(location, &after, Guard::Unchanged).await.map(drop).map_err(failure)
    }

    async fn validate(&self, location: &BackupStorageLocation) -> Result<(), Failure> {
        let name = location.name_any();
        let result = self.probe(location).await;
        let phase = if result.is_ok() { Phase::Available } else { Phase::Unavailable };
        let changed = location.status.phase.as_ref() != Some(&phase);
        let message = result.err().unwrap_or_default();
        let mut after = location.clone();
        after.status.phase = Some(phase);
        after.status.message.clone_from(&message);
        after.status.last_validation_time = Some(Time(self.context.now()));
        let status = self.context.metrics.location_status.with_label_values(&[&name]);
        status.set(f64::from(u8::from(message.is_empty())));
        let after = self.context.patch(location, &after, Guard::None).await.map_err(failure)?;
        self.remember(&name, after.spec.clone());
        if changed {
            self.report(&after, &message).await;
        }
        Ok(())
    }

    async fn probe(&self, location: &BackupStorageLocation) -> Result<(), String> {
        let store = self.context.store(location).await.map_err(|error| text(&error, hint_of(&error)))?;
        store.validate().await.map_err(|error| text(&error, error.hint().map(ToOwned::to_owned)))
    }

    async fn report(&self, location: &BackupStorageLocation, message: &str) {
        let name = location.name_any();
        if message.is_empty() {
            tracing::info!(location = name, "backup storage location is available");
            self.context.reporter.normal(location, "Available", "the location can be used").await;
        } else {
            tracing::error!(location = name, error = message, "backup storage location is unavailable");
            self.context.reporter.warning(location, "Unavailable", message).await;
        }
    }

    fn remember(&self, name: &str, spec: BackupStorageLocationSpec) {
        self.tried.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), spec);
    }

    fn is_tried(&self, location: &BackupStorageLocation) -> bool {
        let tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        tried.get(&location.name_any()) == Some(&location.spec)
    }

    fn forget(&self, name: &str) {
        self.tried.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        self.context.stores.forget(name);
        // A location that was never tried has no series.
        let _ = self.context.metrics.location_status.remove_label_values(&[name]);
        self.context.metrics.own.drop_location(name);
    }
}

#[async_trait]
impl Reconcile for Locations {
    fn name(&self) -> &'static str {
        "backup-storage-location"
    }

    async fn reconcile(&self, name: &str) -> Result<Next, Failure> {
        let Some(location) = self.context.caches.locations.get(name) else {
            self.forget(name);
            self.mark_others(name).await?;
            return Ok(Next::OnChange);
        };
        self.mark_others(name).await?;
        let default = self.default_location();
        let step = decide(&Observed {
            location: &location,
            default: default.as_deref(),
            tried: self.is_tried(&location),
            server_period: self.context.config.periods.store_validation,
            now: self.context.now(),
        });
        match step {
            Step::SetDefault(default) => {
                self.set_default(&location, default).await?;
                Ok(Next::OnChange)
            }
            Step::Validate => {
                self.validate(&location).await?;
                Ok(Next::After(period(&location, self.context.config.periods.store_validation)))
            }
            Step::Wait(left) => Ok(Next::After(left)),
        }
    }
}

fn hint_of(error: &crate::location::LocationError) -> Option<String> {
    match error {
        crate::location::LocationError::Store(error) => error.hint().map(ToOwned::to_owned),
        _ => None,
    }
}

/// What the status says: the error and what can be done about it, in bounds.
fn text(error: &(dyn std::error::Error + 'static), hint: Option<String>) -> String {
    let mut text = chain(error);
    if let Some(hint) = hint {
        text = format!("{text}; hint: {hint}");
    }
    text.chars().take(MAX_MESSAGE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_tried_when_new_changed_or_due() {
        let now: Timestamp = "2026-01-01T01:00:00Z".parse().unwrap();
        let mut location =
            BackupStorageLocation::new("a", bowline_api::location::BackupStorageLocationSpec::default());
        let step = |location: &BackupStorageLocation, tried, default| {
            let server_period = Duration::from_mins(1);
            decide(&Observed { location, default, tried, server_period, now })
        };
        assert_eq!(step(&location, false, None), Step::Validate);
        location.status.last_validation_time = Some(Time("2026-01-01T00:59:40Z".parse().unwrap()));
        assert_eq!(step(&location, true, None), Step::Wait(Duration::from_secs(40)));
        assert_eq!(step(&location, false, None), Step::Validate);
        location.status.last_validation_time = Some(Time("2026-01-01T00:59:00Z".parse().unwrap()));
        assert_eq!(step(&location, true, None), Step::Validate);
        location.spec.validation_frequency = Some("0s".parse().unwrap());
        assert!(matches!(step(&location, true, None), Step::Wait(_)));
    }

    #[test]
    fn the_default_mark_follows_the_election() {
        let mut location =
            BackupStorageLocation::new("a", bowline_api::location::BackupStorageLocationSpec::default());
        let step = |location: &BackupStorageLocation, default| {
            let now = Timestamp::UNIX_EPOCH;
            decide(&Observed { location, default, tried: true, server_period: Duration::from_mins(1), now })
        };
        assert_eq!(step(&location, Some("a")), Step::SetDefault(true));
        location.spec.default = true;
        assert_eq!(step(&location, Some("b")), Step::SetDefault(false));
        assert_eq!(step(&location, Some("a")), Step::Validate);
    }
}
