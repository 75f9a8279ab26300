//! The kinds that the memory cluster serves from the start.

use bowline_engine::catalog::Kind;

/// `(group, version, kind, plural, namespaced, short name)`.
const BUILTIN: &[(&str, &str, &str, &str, bool, &str)] = &[
    ("", "v1", "Pod", "pods", true, "po"),
    ("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", true, "pvc"),
    ("", "v1", "PersistentVolume", "persistentvolumes", false, "pv"),
    ("", "v1", "Node", "nodes", false, "no"),
    ("", "v1", "ConfigMap", "configmaps", true, "cm"),
    ("", "v1", "ServiceAccount", "serviceaccounts", true, "sa"),
    ("", "v1", "Service", "services", true, "svc"),
    ("", "v1", "LimitRange", "limitranges", true, "limits"),
    ("", "v1", "Namespace", "namespaces", false, "ns"),
    ("", "v1", "Endpoints", "endpoints", true, "ep"),
    ("", "v1", "Event", "events", true, "ev"),
    ("", "v1", "Secret", "secrets", true, ""),
    ("", "v1", "ResourceQuota", "resourcequotas", true, "quota"),
    ("", "v1", "ReplicationController", "replicationcontrollers", true, "rc"),
    ("", "v1", "PodTemplate", "podtemplates", true, ""),
    ("apps", "v1", "Deployment", "deployments", true, "deploy"),
    ("apps", "v1", "StatefulSet", "statefulsets", true, "sts"),
    ("apps", "v1", "ControllerRevision", "controllerrevisions", true, ""),
    ("apps", "v1", "DaemonSet", "daemonsets", true, "ds"),
    ("apps", "v1", "ReplicaSet", "replicasets", true, "rs"),
    ("events.k8s.io", "v1", "Event", "events", true, "ev"),
    ("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", true, "hpa"),
    ("batch", "v1", "Job", "jobs", true, ""),
    ("batch", "v1", "CronJob", "cronjobs", true, "cj"),
    ("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", true, "netpol"),
    ("networking.k8s.io", "v1", "Ingress", "ingresses", true, "ing"),
    ("networking.k8s.io", "v1", "IngressClass", "ingressclasses", false, ""),
    ("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", true, "pdb"),
    ("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", false, ""),
    ("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", false, ""),
    ("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings", true, ""),
    ("rbac.authorization.k8s.io", "v1", "Role", "roles", true, ""),
    ("storage.k8s.io", "v1", "StorageClass", "storageclasses", false, "sc"),
    ("storage.k8s.io", "v1", "VolumeAttachment", "volumeattachments", false, ""),
    ("storage.k8s.io", "v1", "CSINode", "csinodes", false, ""),
    (
        "admissionregistration.k8s.io",
        "v1",
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations",
        false,
        "",
    ),
    (
        "admissionregistration.k8s.io",
        "v1",
        "MutatingWebhookConfiguration",
        "mutatingwebhookconfigurations",
        false,
        "",
    ),
    ("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", false, "crd"),
    ("apiregistration.k8s.io", "v1", "APIService", "apiservices", false, ""),
    ("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", false, "pc"),
    ("coordination.k8s.io", "v1", "Lease", "leases", true, ""),
    ("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", true, ""),
];

pub(super) fn builtin() -> Vec<Kind> {
    BUILTIN
        .iter()
        .map(|(group, version, kind, plural, namespaced, short)| Kind {
            short_names: Some(*short)
                .filter(|short| !short.is_empty())
                .map(String::from)
                .into_iter()
                .collect(),
            ..Kind::builtin(group, version, kind, plural, *namespaced)
        })
        .collect()
}
