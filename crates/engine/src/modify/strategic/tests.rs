use serde_json::{Value, json};

use super::{PatchError, apply};

fn pod(spec: &Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web" }, "spec": spec })
}

/// The spec of a pod after a patch of its spec.
fn patched(spec: &Value, patch: &Value) -> Value {
    apply(pod(spec), &json!({ "spec": patch })).unwrap()["spec"].take()
}

/// `testdata/modify/strategic-merge.json`: random patches with what Kubernetes' Go library makes of them, without the nulls
/// and directives that it leaves in new parts; `null` is an error.
#[test]
fn random_patches_end_as_in_go() {
    let cases: Vec<Value> =
        serde_json::from_str(include_str!("../../../testdata/modify/strategic-merge.json")).unwrap();
    for case in cases {
        let result = apply(case["object"].clone(), &case["patch"]).unwrap_or_default();
        assert_eq!(result, case["result"], "{}\non {}", case["patch"], case["object"]);
    }
}

#[test]
fn lists_are_merged_by_key_or_replaced() {
    let spec = json!({
        "containers": [{"name": "a", "image": "1", "command": ["x"]}, {"name": "b", "image": "1"}],
        "tolerations": [{"key": "k"}],
    });
    let patch = json!({
        "containers": [{"name": "b", "image": "2"}, {"name": "new", "image": "3", "env": null}],
        "tolerations": [{"key": "other"}],
    });
    let expected = json!({
        "containers": [
            {"name": "a", "image": "1", "command": ["x"]},
            {"name": "b", "image": "2"},
            {"name": "new", "image": "3"},
        ],
        "tolerations": [{"key": "other"}],
    });
    assert_eq!(patched(&spec, &patch), expected);
}

#[test]
fn directives_delete_replace_and_order() {
    let list = json!({ "containers": [{"name": "a"}, {"name": "b"}, {"name": "c"}] });
    let named = |names: &[&str]| json!({ "containers": names.iter().map(|name| json!({"name": name})).collect::<Vec<_>>() });
    let cases = [
        (json!({"containers": [{"$patch": "delete", "name": "b"}]}), named(&["a", "c"])),
        (json!({"containers": [{"$patch": "replace"}, {"name": "z"}]}), named(&["z"])),
        (json!({"$setElementOrder/containers": [{"name": "c"}, {"name": "a"}]}), named(&["b", "c", "a"])),
        (json!({"$patch": "replace", "containers": [{"name": "y"}]}), named(&["y"])),
        (json!({"$patch": "delete"}), json!({})),
        (json!({"containers": null}), json!({})),
    ];
    for (patch, expected) in cases {
        assert_eq!(patched(&list, &patch), expected, "{patch}");
    }
    let volumes = json!({ "volumes": [{"name": "v", "hostPath": {"path": "/x"}}] });
    let retained = json!({ "volumes": [{"name": "v", "$retainKeys": ["name", "emptyDir"], "emptyDir": {}}] });
    assert_eq!(patched(&volumes, &retained), json!({ "volumes": [{"name": "v", "emptyDir": {}}] }));
}

#[test]
fn finalizers_are_deleted_by_value() {
    let item =
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "finalizers": ["a", "b", "c"] } });
    let patch = json!({ "metadata": { "$deleteFromPrimitiveList/finalizers": ["b"] } });
    assert_eq!(apply(item, &patch).unwrap()["metadata"]["finalizers"], json!(["a", "c"]));
}

#[test]
fn mistakes_name_the_field() {
    let spec = json!({ "containers": [{"name": "a", "env": [{"name": "x"}]}] });
    let cases = [
        (
            json!({"containers": [{"image": "x"}]}),
            "spec.containers: an element has no \"name\", by which the list is merged",
        ),
        (
            json!({"containers": [{"name": "a", "env": [{"$patch": "merge"}]}]}),
            "spec.containers.\"a\".env: $patch: merge is not possible in lists",
        ),
        (json!({"$patch": "what"}), "spec: unknown $patch directive \"what\""),
        (json!({"$retainKeys": ["a"], "b": 1}), "spec: the patch sets fields that $retainKeys does not name"),
        (json!({"containers": [[]]}), "spec.containers: lists with lists or nulls cannot be merged"),
        (json!({"$setElementOrder/containers": {}}), "spec.containers: $setElementOrder must be a list"),
    ];
    for (patch, expected) in cases {
        let PatchError::Strategic(error) = apply(pod(&spec), &json!({ "spec": patch })).unwrap_err() else {
            panic!("{patch}")
        };
        assert_eq!(error.to_string(), expected, "{patch}");
    }
}

#[test]
fn a_mistake_at_the_top_has_no_field() {
    let PatchError::Strategic(error) = apply(pod(&json!({})), &json!({ "$patch": 1 })).unwrap_err() else {
        panic!()
    };
    assert_eq!(error.to_string(), "unknown $patch directive 1");
}

#[test]
fn custom_resources_are_refused() {
    let item = json!({ "apiVersion": "example.com/v1", "kind": "Widget", "metadata": {} });
    let error = apply(item, &json!({})).unwrap_err();
    assert!(matches!(error, PatchError::UnknownKind { kind, .. } if kind == "Widget"));
}
