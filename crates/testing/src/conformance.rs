//! What an API server does that servers rely on, as one script. The server's crash tests run it against the memory
//! cluster and `e2e` against a real API server, so that the memory cluster stays honest.

use std::collections::BTreeMap;

use futures::TryStreamExt;
use futures::stream::StreamExt;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{
    DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions, WatchEvent, WatchParams,
};
use kube::{Api, Client, Error, ResourceExt};
use serde_json::json;

/// Runs the script in a namespace that exists and holds nothing of the script's names. Panics where the server differs.
pub async fn judge(client: &Client, namespace: &str) {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    names_are_kept_apart(client, &maps).await;
    stale_writes_are_refused(&maps).await;
    patches_do_what_they_say(&maps).await;
    finalizers_hold_objects(&maps).await;
    lists_come_in_pages_and_watches_go_on_from_them(&maps).await;
}

fn map(name: &str) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta { name: Some(name.into()), ..ObjectMeta::default() },
        data: Some(BTreeMap::from([("key".to_owned(), "value".to_owned())])),
        ..ConfigMap::default()
    }
}

/// Code, reason and message; code 0 for what is no answer of the server.
fn refusal<T>(result: kube::Result<T>) -> (u16, String, String) {
    match result.err().expect("it is refused") {
        Error::Api(status) => (status.code, status.reason.clone(), status.message.clone()),
        error => (0, String::new(), error.to_string()),
    }
}

fn code<T>(result: kube::Result<T>) -> (u16, String) {
    let (code, reason, _) = refusal(result);
    (code, reason)
}

async fn names_are_kept_apart(client: &Client, maps: &Api<ConfigMap>) {
    let write = PostParams::default();
    let missing = refusal(maps.get("missing").await);
    assert_eq!(missing, (404, "NotFound".into(), "configmaps \"missing\" not found".into()));
    let created = maps.create(&write, &map("one")).await.expect("it can be created");
    assert!(created.uid().is_some() && created.creation_timestamp().is_some());
    let again = refusal(maps.create(&write, &map("one")).await);
    assert_eq!(again, (409, "AlreadyExists".into(), "configmaps \"one\" already exists".into()));
    let mut generated = map("");
    generated.metadata = ObjectMeta { generate_name: Some("made-".into()), ..ObjectMeta::default() };
    let names = [&generated, &generated].map(|map| maps.create(&write, map));
    let [first, second] = names;
    let (first, second) = (first.await.expect("a name is made"), second.await.expect("another name is made"));
    assert!(first.name_any().starts_with("made-") && first.name_any() != second.name_any());
    let nowhere: Api<ConfigMap> = Api::namespaced(client.clone(), "there-is-no-such-namespace");
    assert_eq!(code(nowhere.create(&write, &map("one")).await), (404, "NotFound".into()));
    let namespaces: Api<Namespace> = Api::all(client.clone());
    assert!(namespaces.get_opt("there-is-no-such-namespace").await.expect("an answer").is_none());
}

async fn stale_writes_are_refused(maps: &Api<ConfigMap>) {
    let write = PostParams::default();
    let old = maps.get("one").await.expect("it is there");
    let mut new = old.clone();
    new.data.get_or_insert_default().insert("key".into(), "newer".into());
    let replaced = maps.replace("one", &write, &new).await.expect("nobody was faster");
    assert_ne!(replaced.resource_version(), old.resource_version());
    assert_eq!((replaced.uid(), replaced.creation_timestamp()), (old.uid(), old.creation_timestamp()));
    assert_eq!(code(maps.replace("one", &write, &new).await), (409, "Conflict".into()));
    let guarded = json!({"metadata": {"resourceVersion": old.resource_version()}, "data": {"key": "stale"}});
    let stale = maps.patch("one", &PatchParams::default(), &Patch::Merge(&guarded)).await;
    assert_eq!(code(stale), (409, "Conflict".into()));
    let other = Preconditions { uid: Some("another".into()), resource_version: None };
    let parameters = DeleteParams { preconditions: Some(other), ..DeleteParams::default() };
    assert_eq!(code(maps.delete("one", &parameters).await), (409, "Conflict".into()));
    assert_eq!(maps.get("one").await.expect("it is there").data, new.data);
}

async fn patches_do_what_they_say(maps: &Api<ConfigMap>) {
    let before = maps.get("one").await.expect("it is there");
    let merge = PatchParams::default();
    let same = json!({"data": {"key": "newer"}});
    let unchanged = maps.patch("one", &merge, &Patch::Merge(&same)).await.expect("a patch");
    assert_eq!(unchanged.resource_version(), before.resource_version(), "a patch that changes nothing");
    let change = json!({"data": {"key": null, "other": "x"}, "metadata": {"labels": {"l": "v"}}});
    let changed = maps.patch("one", &merge, &Patch::Merge(&change)).await.expect("a patch");
    assert_eq!(changed.data, Some(BTreeMap::from([("other".to_owned(), "x".to_owned())])));
    assert_eq!(changed.labels()["l"], "v");
    assert_eq!(code(maps.patch("none", &merge, &Patch::Merge(&change)).await), (404, "NotFound".into()));
    let applied =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "two"}, "data": {"a": "1"}});
    let apply = PatchParams::apply("conformance").force();
    let made = maps.patch("two", &apply, &Patch::Apply(&applied)).await.expect("apply creates");
    assert_eq!(made.data.expect("data")["a"], "1");
}

async fn finalizers_hold_objects(maps: &Api<ConfigMap>) {
    let mut held = map("held");
    held.metadata.finalizers = Some(vec!["example.com/hold".into()]);
    maps.create(&PostParams::default(), &held).await.expect("it can be created");
    let deleted = maps.delete("held", &DeleteParams::default()).await.expect("it can be deleted");
    assert!(deleted.left().is_some_and(|map| map.metadata.deletion_timestamp.is_some()));
    let waits = maps.get("held").await.expect("it is still there");
    assert!(waits.metadata.deletion_timestamp.is_some());
    let release = json!({"metadata": {"finalizers": null}});
    maps.patch("held", &PatchParams::default(), &Patch::Merge(&release)).await.expect("a patch");
    assert_eq!(code(maps.get("held").await), (404, "NotFound".into()));
}

async fn lists_come_in_pages_and_watches_go_on_from_them(maps: &Api<ConfigMap>) {
    let first = maps.list(&ListParams::default().limit(1)).await.expect("a page");
    let token = first.metadata.continue_.clone().filter(|token| !token.is_empty()).expect("there are more");
    let rest = maps.list(&ListParams::default().continue_token(&token)).await.expect("the rest");
    let names: Vec<_> = first.items.iter().chain(&rest.items).map(ResourceExt::name_any).collect();
    assert_eq!(names.iter().filter(|name| *name == "one").count(), 1, "{names:?}");
    let labelled = maps.list(&ListParams::default().labels("l=v")).await.expect("a list");
    assert_eq!(labelled.items.iter().map(ResourceExt::name_any).collect::<Vec<_>>(), ["one"]);
    let version = rest.metadata.resource_version.expect("a list has a version");

    maps.create(&PostParams::default(), &map("seen")).await.expect("it can be created");
    let change = json!({"data": {"key": "changed"}});
    maps.patch("seen", &PatchParams::default(), &Patch::Merge(&change)).await.expect("a patch");
    maps.delete("seen", &DeleteParams::default()).await.expect("it can be deleted");
    let parameters = WatchParams::default().timeout(2).fields("metadata.name=seen");
    let events = maps.watch(&parameters, &version).await.expect("a watch");
    let seen: Vec<_> = events
        .map_ok(|event| match event {
            WatchEvent::Added(_) => "added",
            WatchEvent::Modified(_) => "modified",
            WatchEvent::Deleted(_) => "deleted",
            WatchEvent::Bookmark(_) => "bookmark",
            WatchEvent::Error(_) => "error",
        })
        .boxed()
        .try_collect()
        .await
        .expect("the watch ends in good order");
    let changes: Vec<_> = seen.into_iter().filter(|event| *event != "bookmark").collect();
    assert_eq!(changes, ["added", "modified", "deleted"]);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{MemoryCluster, Process};

    #[tokio::test(start_paused = true)]
    async fn a_watch_from_before_a_compaction_is_told_so() {
        let cluster = Arc::new(MemoryCluster::with([crate::object::namespace("shop")]));
        let maps: Api<ConfigMap> = Api::namespaced(cluster.client(&Process::default()), "shop");
        maps.create(&PostParams::default(), &map("one")).await.unwrap();
        cluster.compact();
        let events = maps.watch(&WatchParams::default().timeout(1), "1").await.unwrap();
        let first = events.boxed().try_next().await;
        assert!(matches!(first, Ok(Some(WatchEvent::Error(status))) if status.code == 410));
    }
}
