//! What users see of a controller's work beside the status: Kubernetes Events on the object.

use bowline_api::Kind;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder, Reporter as Source};

/// Writes Events. They are a courtesy: failing to write one is logged and harms nothing.
#[derive(Clone)]
pub struct Reporter {
    recorder: Recorder,
}

impl Reporter {
    /// Writes Events in the name of `controller`, by the pod `instance` where that is known.
    pub fn new(client: kube::Client, controller: &str, instance: Option<String>) -> Self {
        Self { recorder: Recorder::new(client, Source { controller: controller.to_owned(), instance }) }
    }

    /// Says that something happened to the object as it should.
    pub async fn normal<K: Kind>(&self, object: &K, reason: &str, note: &str) {
        self.publish(object, EventType::Normal, reason, note).await;
    }

    /// Says that something went wrong with the object.
    pub async fn warning<K: Kind>(&self, object: &K, reason: &str, note: &str) {
        self.publish(object, EventType::Warning, reason, note).await;
    }

    async fn publish<K: Kind>(&self, object: &K, type_: EventType, reason: &str, note: &str) {
        /// The API's limit for a note.
        const MAX_NOTE: usize = 1024;
        let note = note.chars().take(MAX_NOTE / 4).collect();
        let event = Event {
            type_,
            reason: reason.to_owned(),
            note: Some(note),
            action: reason.to_owned(),
            secondary: None,
        };
        if let Err(error) = self.recorder.publish(&event, &reference(object)).await {
            tracing::debug!(error = %error, reason, "event could not be written");
        }
    }
}

fn reference<K: Kind>(object: &K) -> ObjectReference {
    let meta = object.meta();
    ObjectReference {
        api_version: Some(K::API_VERSION.to_owned()),
        kind: Some(K::KIND.to_owned()),
        name: meta.name.clone(),
        namespace: meta.namespace.clone(),
        uid: meta.uid.clone(),
        resource_version: meta.resource_version.clone(),
        ..ObjectReference::default()
    }
}
