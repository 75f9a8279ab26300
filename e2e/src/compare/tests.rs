use serde_json::{Value, json};

use super::{RESTORED, Report, differences};
use crate::{ObjectKey, Snapshot};

/// What is left of the changes, as messages.
fn judge(before: &Value, after: &Value) -> Vec<String> {
    differences(before, after, RESTORED).iter().map(ToString::to_string).collect()
}

/// An object whose fields at some JSON pointers are then replaced; null removes the field.
fn with(object: &Value, fields: &[(&str, Value)]) -> Value {
    let mut object = object.clone();
    for (pointer, value) in fields {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        let parent = object.pointer_mut(parent).unwrap();
        match (parent, value) {
            (Value::Object(map), Value::Null) => drop(map.remove(&key.replace("~1", "/"))),
            (Value::Object(map), value) => drop(map.insert(key.replace("~1", "/"), value.clone())),
            (parent, value) => *parent.get_mut(key.parse::<usize>().unwrap()).unwrap() = value.clone(),
        }
    }
    object
}

/// Checks, for each case, how many changes stay unexplained when one object gets other fields.
fn check(before: &Value, cases: &[(usize, &[(&str, Value)])]) {
    for (unexplained, fields) in cases {
        let found = judge(before, &with(before, fields));
        assert_eq!(found.len(), *unexplained, "{fields:?} leaves {found:#?}");
    }
}

fn config_map() -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "web", "uid": "1", "resourceVersion": "10", "creationTimestamp": "t",
            "labels": {"app": "web"}, "ownerReferences": [{"kind": "Shop", "name": "s", "uid": "5"}]},
        "data": {"a": "1", "b": "2"}})
}

#[test]
fn a_planted_difference_is_named_with_its_path() {
    let after =
        with(&config_map(), &[("/data/a", json!("3")), ("/data/b", Value::Null), ("/data/c.d", json!("4"))]);
    let expected = [r#".data.a: "1" became "3""#, r#".data.b: "2" is gone"#, r#".data["c.d"]: "4" is new"#];
    assert_eq!(judge(&config_map(), &after), expected);
}

#[test]
fn identity_is_new_but_not_the_name() {
    check(
        &config_map(),
        &[
            (0, &[("/metadata/uid", json!("2")), ("/metadata/resourceVersion", json!("99"))]),
            (0, &[("/metadata/creationTimestamp", json!("later"))]),
            (1, &[("/metadata/uid", Value::Null)]),
            (1, &[("/metadata/name", json!("other"))]),
            (1, &[("/metadata/finalizers", json!(["x"]))]),
            (1, &[("/metadata/deletionTimestamp", json!("t"))]),
        ],
    );
}

#[test]
fn only_the_restore_labels_may_appear() {
    check(
        &config_map(),
        &[
            (0, &[("/metadata/labels/velero.io~1backup-name", json!("b"))]),
            (1, &[("/metadata/labels/velero.io~1other", json!("b"))]),
            (1, &[("/metadata/labels/app", Value::Null)]),
            (1, &[("/metadata/labels", Value::Null)]),
        ],
    );
    let unlabelled = with(&config_map(), &[("/metadata/labels", Value::Null)]);
    check(
        &unlabelled,
        &[
            (0, &[("/metadata/labels", json!({"velero.io/restore-name": "r"}))]),
            (1, &[("/metadata/labels", json!({"velero.io/restore-name": "r", "x": "y"}))]),
            (1, &[("/metadata/labels", json!({"x": "y"}))]),
        ],
    );
}

#[test]
fn owners_may_be_forgotten_or_renewed_but_not_invented() {
    check(
        &config_map(),
        &[
            (0, &[("/metadata/ownerReferences", Value::Null)]),
            (0, &[("/metadata/ownerReferences/0", json!({"kind": "Shop", "name": "s", "uid": "6"}))]),
            (1, &[("/metadata/ownerReferences/0", json!({"kind": "Shop", "name": "t", "uid": "5"}))]),
        ],
    );
    let free = with(&config_map(), &[("/metadata/ownerReferences", Value::Null)]);
    check(
        &free,
        &[(1, &[("/metadata/ownerReferences", json!([{"kind": "Shop", "name": "s", "uid": "5"}]))])],
    );
}

#[test]
fn field_ownership_of_users_must_survive() {
    let entry = |manager: &str, time: &str| json!({"manager": manager, "operation": "Apply", "apiVersion": "v1", "time": time, "fieldsV1": {"f:data": {}}});
    let before = with(&config_map(), &[("/metadata/managedFields", json!([entry("kubectl", "t1")]))]);
    check(
        &before,
        &[
            (0, &[("/metadata/managedFields", json!([entry("kubectl", "t2")]))]),
            (1, &[("/metadata/managedFields", json!([entry("bowline", "t3"), entry("kubectl", "t2")]))]),
            (
                0,
                &[(
                    "/metadata/managedFields",
                    json!([entry("kube-controller-manager", "t3"), entry("kubectl", "t2")]),
                )],
            ),
            (2, &[("/metadata/managedFields", json!([entry("bowline", "t3")]))]),
            (1, &[("/metadata/managedFields", json!([entry("kubectl", "t1"), entry("stranger", "t1")]))]),
            (1, &[("/metadata/managedFields", Value::Null)]),
        ],
    );
}

#[test]
fn only_the_creator_may_own_the_marks_of_a_restore() {
    let owning = |labels: Value| {
        let fields = json!({"f:data": {}, "f:metadata": {"f:labels": labels}});
        let fields = if labels.is_null() { json!({"f:data": {}}) } else { fields };
        json!([{"manager": "kubectl-create", "operation": "Update", "fieldsV1": fields}])
    };
    let before = with(&config_map(), &[("/metadata/managedFields", owning(Value::Null))]);
    check(
        &before,
        &[
            (0, &[("/metadata/managedFields", owning(json!({".": {}, "f:velero.io/restore-name": {}})))]),
            (1, &[("/metadata/managedFields", owning(json!({".": {}, "f:velero.io/other": {}})))]),
        ],
    );
    let second = json!({"manager": "kubectl-edit", "operation": "Update", "fieldsV1": {"f:data": {}}});
    let [mut two, mut marked] =
        [owning(Value::Null), owning(json!({".": {}, "f:velero.io/restore-name": {}}))];
    for list in [&mut two, &mut marked] {
        list.as_array_mut().unwrap().push(second.clone());
    }
    let before = with(&config_map(), &[("/metadata/managedFields", two)]);
    check(&before, &[(1, &[("/metadata/managedFields", marked)])]);
}

#[test]
fn a_namespace_belongs_to_the_restore_that_made_it() {
    let entry = |manager: &str| json!({"manager": manager, "operation": "Update", "apiVersion": "v1", "fieldsV1": {}});
    let namespace =
        json!({"kind": "Namespace", "metadata": {"name": "a", "managedFields": [entry("kubectl")]}});
    let managers = |names: &[&str]| json!(names.iter().map(|name| entry(name)).collect::<Vec<_>>());
    check(
        &namespace,
        &[
            (0, &[("/metadata/managedFields", managers(&["bowline"]))]),
            (1, &[("/metadata/managedFields", managers(&[]))]),
            (3, &[("/metadata/managedFields", managers(&["bowline", "stranger"]))]),
        ],
    );
}

fn service() -> Value {
    let fields = json!({"f:spec": {"f:ports": {r#"k:{"port":80,"protocol":"TCP"}"#: {"f:nodePort": {}}}}});
    json!({"kind": "Service", "metadata": {"managedFields": [{"manager": "kubectl", "fieldsV1": fields}]},
        "spec": {"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "healthCheckNodePort": 30002,
            "ports": [{"port": 80, "protocol": "TCP", "nodePort": 30000}, {"port": 81, "protocol": "TCP", "nodePort": 30001}]}})
}

#[test]
fn a_service_gets_other_addresses_but_keeps_chosen_ports() {
    check(
        &service(),
        &[
            (0, &[("/spec/clusterIP", json!("10.0.0.2")), ("/spec/clusterIPs/0", json!("10.0.0.2"))]),
            (1, &[("/spec/clusterIP", json!("None"))]),
            (1, &[("/spec/clusterIP", Value::Null)]),
            (0, &[("/spec/ports/1/nodePort", json!(30009)), ("/spec/healthCheckNodePort", json!(30008))]),
            (1, &[("/spec/ports/0/nodePort", json!(30009))]),
            (1, &[("/spec/ports/1/nodePort", Value::Null)]),
            (1, &[("/spec/ports/1/port", json!(82))]),
        ],
    );
    let headless = with(&service(), &[("/spec/clusterIP", json!("None"))]);
    check(&headless, &[(1, &[("/spec/clusterIP", json!("10.0.0.2"))])]);
}

#[test]
fn a_job_selects_by_its_own_new_uid() {
    let job = json!({"kind": "Job", "metadata": {"uid": "1"},
        "spec": {"selector": {"matchLabels": {"batch.kubernetes.io/controller-uid": "1"}}}});
    let selector = "/spec/selector/matchLabels/batch.kubernetes.io~1controller-uid";
    check(
        &job,
        &[
            (0, &[("/metadata/uid", json!("2")), (selector, json!("2"))]),
            (1, &[("/metadata/uid", json!("2")), (selector, json!("3"))]),
        ],
    );
}

#[test]
fn tokens_are_issued_anew_only_in_token_secrets() {
    let secret = |kind: &str| json!({"kind": "Secret", "type": kind, "data": {"token": "a", "ca.crt": "c"}});
    check(
        &secret("kubernetes.io/service-account-token"),
        &[
            (0, &[("/data/token", json!("b"))]),
            (1, &[("/data/token", Value::Null)]),
            (1, &[("/data/ca.crt", json!("b"))]),
        ],
    );
    check(&secret("Opaque"), &[(1, &[("/data/token", json!("b"))])]);
}

#[test]
fn volumes_and_claims_are_bound_anew() {
    let claim = json!({"uid": "1", "resourceVersion": "2", "name": "data"});
    let volume =
        json!({"kind": "PersistentVolume", "metadata": {"annotations": {}}, "spec": {"claimRef": claim}});
    check(
        &volume,
        &[
            (0, &[("/spec/claimRef/uid", json!("9")), ("/spec/claimRef/resourceVersion", Value::Null)]),
            (0, &[("/metadata/annotations/pv.kubernetes.io~1bound-by-controller", json!("yes"))]),
            (1, &[("/spec/claimRef/name", json!("other"))]),
        ],
    );
    check(
        &config_map(),
        &[(1, &[("/metadata/annotations", json!({"pv.kubernetes.io/bind-completed": "yes"}))])],
    );
}

fn snapshot(objects: &[Value]) -> Snapshot {
    Snapshot { objects: objects.iter().map(|object| (ObjectKey::of(object), object.clone())).collect() }
}

#[test]
fn a_report_counts_by_kind_and_names_what_is_wrong() {
    let named = |name: &str| with(&config_map(), &[("/metadata/name", json!(name))]);
    let before = snapshot(&[named("same"), named("changed"), named("lost")]);
    let after = snapshot(&[named("same"), with(&named("changed"), &[("/data/a", json!("9"))]), named("new")]);
    let report = Report::compare(&before, &after, RESTORED);
    assert!(!report.is_equal());
    let findings: Vec<_> = report.findings.iter().map(ToString::to_string).collect();
    let expected = [
        r#"ConfigMap changed .data.a: "1" became "9""#,
        "ConfigMap lost is missing",
        "ConfigMap new was not there before",
    ];
    assert_eq!(findings, expected);
    let text = report.to_string();
    let cells: Vec<&str> = text.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(cells, ["ConfigMap", "3", "2", "1"]);
}

#[test]
fn endpoint_slices_of_a_service_are_compared_together() {
    let slice = |name: &str, manager: &str, addresses: &[&str]| {
        let endpoints: Vec<_> = addresses.iter().map(|address| json!({"addresses": [address]})).collect();
        let labels =
            json!({"endpointslice.kubernetes.io/managed-by": manager, "kubernetes.io/service-name": "web"});
        json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": name, "labels": labels}, "endpoints": endpoints})
    };
    let made = |name, addresses| slice(name, "endpointslice-controller.k8s.io", addresses);
    let findings = |before: &[Value], after: &[Value]| {
        Report::compare(&snapshot(before), &snapshot(after), RESTORED).findings.len()
    };
    let before = [made("a", &["1.1.1.1", "1.1.1.2"])];
    assert_eq!(findings(&before, &[made("b", &["1.1.1.2"]), made("c", &["1.1.1.1", "1.1.1.2"])]), 0);
    assert_eq!(findings(&before, &[made("b", &["1.1.1.2"])]), 2);
    assert_eq!(findings(&before, &[]), 1);
    // Those that somebody else made keep their names.
    assert_eq!(findings(&[slice("a", "shop.example", &[])], &[slice("b", "shop.example", &[])]), 2);
}

#[test]
fn a_huge_value_is_shortened_in_messages() {
    let after = with(&config_map(), &[("/data/a", json!("é".repeat(100_000)))]);
    let message = judge(&config_map(), &after).concat();
    assert!(message.len() < 500 && message.contains("(200002 bytes)"), "{message}");
}
