//! Every reason not to restore an object that can be told from the backup alone, each as one small function.
//!
//! The first that objects wins. What only the cluster or an action knows comes later, in `place` and `prepare`.

use crate::catalog::GroupResource;
use crate::object::Object;
use serde::Deserialize;

use super::rules::Rules;
use super::skip::Skip;

/// A kind in a namespace of the backup.
pub(super) struct Scope<'a> {
    pub(super) resource: &'a GroupResource,
    /// `None` for cluster-scoped kinds.
    pub(super) namespace: Option<&'a str>,
}

/// One check on a kind in a namespace.
type ScopeCheck = fn(&Scope<'_>, &Rules) -> Option<Skip>;
/// One check on an object.
type Check = fn(&GroupResource, &Object) -> Option<Skip>;

/// Checks for objects that are restored in their own right.
pub(super) const SCOPE_CHECKS: &[ScopeCheck] =
    &[resource_is_excluded, namespace_is_excluded, cluster_scope_is_excluded, cluster_scope_is_unneeded];

/// Checks for objects that another object needs; those may be cluster-scoped.
pub(super) const ADDITIONAL_CHECKS: &[ScopeCheck] =
    &[resource_is_excluded, namespace_is_excluded, cluster_scope_is_excluded];

/// Checks that read the object.
pub(super) const CHECKS: &[Check] = &[pod_has_ended, job_is_complete, pod_is_mirror];

/// The first reason of a list, if any.
pub(super) fn first_reason(checks: &[ScopeCheck], scope: &Scope<'_>, rules: &Rules) -> Option<Skip> {
    checks.iter().find_map(|check| check(scope, rules))
}

fn resource_is_excluded(scope: &Scope<'_>, rules: &Rules) -> Option<Skip> {
    let included =
        rules.resources.include(scope.resource) || rules.is_must_have(scope.resource, scope.namespace);
    (!included).then_some(Skip::ResourceExcluded)
}

fn namespace_is_excluded(scope: &Scope<'_>, rules: &Rules) -> Option<Skip> {
    let included =
        rules.namespaces.contains(scope.namespace?) || rules.is_must_have(scope.resource, scope.namespace);
    (!included).then_some(Skip::NamespaceExcluded)
}

fn cluster_scope_is_excluded(scope: &Scope<'_>, rules: &Rules) -> Option<Skip> {
    let excluded = scope.namespace.is_none() && rules.restore.spec.include_cluster_resources == Some(false);
    excluded.then_some(Skip::ClusterScoped)
}

fn cluster_scope_is_unneeded(scope: &Scope<'_>, rules: &Rules) -> Option<Skip> {
    let unneeded = scope.namespace.is_none()
        && rules.restore.spec.include_cluster_resources != Some(true)
        && !rules.namespaces.is_everything();
    unneeded.then_some(Skip::ClusterScopedUnneeded)
}

fn pod_has_ended(resource: &GroupResource, object: &Object) -> Option<Skip> {
    let ended = resource.is("", "pods") && matches!(status(object)?.phase.as_str(), "Succeeded" | "Failed");
    ended.then_some(Skip::Completed)
}

fn job_is_complete(resource: &GroupResource, object: &Object) -> Option<Skip> {
    let complete =
        resource.is("batch", "jobs") && status(object)?.completion_time.is_some_and(|time| !time.is_empty());
    complete.then_some(Skip::Completed)
}

fn pod_is_mirror(resource: &GroupResource, object: &Object) -> Option<Skip> {
    let annotation = object.head().annotation("kubernetes.io/config.mirror");
    (resource.is("", "pods") && annotation.is_some_and(|value| !value.is_empty())).then_some(Skip::MirrorPod)
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    phase: String,
    completion_time: Option<String>,
}

fn status(object: &Object) -> Option<Status> {
    #[derive(Deserialize)]
    struct View {
        status: Option<Status>,
    }
    object.view::<View>().ok()?.status
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn what_has_ended_or_is_a_mirror_is_skipped() {
        for (resource, object, expected) in [
            ("pods", r#"{"metadata":{"name":"a"},"status":{"phase":"Succeeded"}}"#, Some(Skip::Completed)),
            ("pods", r#"{"metadata":{"name":"a"},"status":{"phase":"Failed"}}"#, Some(Skip::Completed)),
            ("pods", r#"{"metadata":{"name":"a"},"status":{"phase":"Running"}}"#, None),
            ("pods", r#"{"metadata":{"name":"a"}}"#, None),
            (
                "jobs.batch",
                r#"{"metadata":{"name":"a"},"status":{"completionTime":"2026-01-01T00:00:00Z"}}"#,
                Some(Skip::Completed),
            ),
            ("jobs.batch", r#"{"metadata":{"name":"a"},"status":{"active":1}}"#, None),
            ("configmaps", r#"{"metadata":{"name":"a"},"status":{"phase":"Failed"}}"#, None),
            (
                "pods",
                r#"{"metadata":{"name":"a","annotations":{"kubernetes.io/config.mirror":"x"}}}"#,
                Some(Skip::MirrorPod),
            ),
        ] {
            let object = Object::parse(Bytes::from_static(object.as_bytes())).unwrap();
            let resource = GroupResource::from(resource);
            assert_eq!(CHECKS.iter().find_map(|check| check(&resource, &object)), expected, "{object:?}");
        }
    }
}
