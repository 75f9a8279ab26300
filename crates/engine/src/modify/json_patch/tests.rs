//! Results of the same patches with Go's json-patch 5.9.11.

use serde_json::{Value, json};

use super::{Action, Operation, Pointer, apply};
use crate::modify::PatchError;

fn operation(wire: &Value) -> Operation {
    let pointer = |field: &str| Pointer::parse(wire[field].as_str().unwrap()).unwrap();
    let value = || wire["value"].clone();
    let action = match wire["op"].as_str().unwrap() {
        "add" => Action::Add(value()),
        "remove" => Action::Remove,
        "replace" => Action::Replace(value()),
        "test" => Action::Test(value()),
        "move" => Action::Move(pointer("from")),
        "copy" => Action::Copy(pointer("from")),
        other => panic!("{other}"),
    };
    Operation { action, path: pointer("path") }
}

fn patch(document: &Value, patch: &Value) -> Result<Option<Value>, PatchError> {
    let operations: Vec<_> = patch.as_array().unwrap().iter().map(operation).collect();
    apply(&operations, document)
}

#[test]
fn operations_change_the_document() {
    let cases = [
        (json!({}), json!([{"op": "add", "path": "/a", "value": 1}]), json!({"a": 1})),
        (json!({"a": 1}), json!([{"op": "add", "path": "/a", "value": 2}]), json!({"a": 2})),
        (json!({"a": [1, 3]}), json!([{"op": "add", "path": "/a/1", "value": 2}]), json!({"a": [1, 2, 3]})),
        (json!({"a": [1]}), json!([{"op": "add", "path": "/a/1", "value": 2}]), json!({"a": [1, 2]})),
        (json!({"a": [1]}), json!([{"op": "add", "path": "/a/-", "value": 2}]), json!({"a": [1, 2]})),
        (json!({"a": [1, 2]}), json!([{"op": "add", "path": "/a/-1", "value": 3}]), json!({"a": [1, 2, 3]})),
        (json!({"a": [1, 2]}), json!([{"op": "add", "path": "/a/-3", "value": 0}]), json!({"a": [0, 1, 2]})),
        (json!({"a": [1, 2]}), json!([{"op": "remove", "path": "/a/-1"}]), json!({"a": [1]})),
        (json!({"a": [1, 2]}), json!([{"op": "replace", "path": "/a/-2", "value": 9}]), json!({"a": [9, 2]})),
        (json!({"a": null}), json!([{"op": "replace", "path": "/a", "value": 1}]), json!({"a": 1})),
        (
            json!({"a/b": 1, "c~d": 2}),
            json!([{"op": "remove", "path": "/a~1b"}, {"op": "remove", "path": "/c~0d"}]),
            json!({}),
        ),
        (json!({"~1": 1}), json!([{"op": "remove", "path": "/~01"}]), json!({})),
        (
            json!({"a": {"b": 1}}),
            json!([{"op": "move", "from": "/a/b", "path": "/c"}]),
            json!({"a": {}, "c": 1}),
        ),
        (
            json!({"a": [1, 2, 3]}),
            json!([{"op": "move", "from": "/a/0", "path": "/a/2"}]),
            json!({"a": [2, 3, 1]}),
        ),
        (
            json!({"a": {"b": 1}}),
            json!([{"op": "copy", "from": "/a", "path": "/a/c"}]),
            json!({"a": {"b": 1, "c": {"b": 1}}}),
        ),
        (
            json!({"a": 1}),
            json!([{"op": "test", "path": "/b", "value": null}, {"op": "remove", "path": "/a"}]),
            json!({}),
        ),
        (
            json!({"a": [{"b": 1}]}),
            json!([{"op": "test", "path": "/a/0", "value": {"b": 1}}]),
            json!({"a": [{"b": 1}]}),
        ),
    ];
    for (document, operations, expected) in cases {
        assert_eq!(patch(&document, &operations), Ok(Some(expected)), "{operations} on {document}");
    }
}

#[test]
fn impossible_operations_are_errors() {
    let document = json!({"a": [1, 2], "b": "text", "c": {}});
    let cases = [
        (json!({"op": "add", "path": "/x/y", "value": 1}), "nothing is there that could have it"),
        (json!({"op": "add", "path": "/b/y", "value": 1}), "nothing is there that could have it"),
        (json!({"op": "add", "path": "/a/3", "value": 1}), "not an index of the list"),
        (json!({"op": "add", "path": "/a/-4", "value": 1}), "not an index of the list"),
        (json!({"op": "add", "path": "/a/x", "value": 1}), "not an index of the list"),
        (json!({"op": "remove", "path": "/x"}), "there is no such field or element"),
        (json!({"op": "remove", "path": "/a/2"}), "not an index of the list"),
        (json!({"op": "remove", "path": "/a/-3"}), "not an index of the list"),
        (json!({"op": "remove", "path": "/a/-"}), "not an index of the list"),
        (json!({"op": "replace", "path": "/x", "value": 1}), "there is no such field or element"),
        (json!({"op": "replace", "path": "/a/2", "value": 1}), "there is no such field or element"),
        (json!({"op": "test", "path": "/x/y", "value": 1}), "nothing is there that could have it"),
        (json!({"op": "test", "path": "/a/5", "value": null}), "not an index of the list"),
    ];
    for (operation, expected) in cases {
        let error = patch(&document, &json!([operation])).unwrap_err().to_string();
        let head = format!(
            "patch 1: cannot {} {:?}: ",
            operation["op"].as_str().unwrap(),
            operation["path"].as_str().unwrap()
        );
        assert_eq!(error, format!("{head}{expected}"));
    }
    let error = patch(&document, &json!([{"op": "move", "from": "/x", "path": "/y"}])).unwrap_err();
    assert_eq!(error.to_string(), "patch 1: cannot move \"/x\": there is no such field or element");
}

#[test]
fn a_failed_test_leaves_everything() {
    let document = json!({"a": 1});
    for (path, value) in [("/a", json!(2)), ("/a", json!("1")), ("/a", Value::Null), ("/b", json!(1))] {
        let operations =
            json!([{"op": "add", "path": "/c", "value": 1}, {"op": "test", "path": path, "value": value}]);
        assert_eq!(patch(&document, &operations), Ok(None), "{operations}");
    }
}

#[test]
fn growth_is_bounded() {
    let deepen = json!({"op": "copy", "from": "/a", "path": "/a/a"});
    let error = patch(&json!({"a": {}}), &Value::Array(vec![deepen; 200])).unwrap_err();
    assert!(error.to_string().ends_with("the object would be nested too deeply"), "{error}");
    let double =
        json!([{"op": "copy", "from": "/a", "path": "/b/-"}, {"op": "copy", "from": "/b", "path": "/a/-"}]);
    let operations = Value::Array((0..100).flat_map(|_| double.as_array().unwrap().clone()).collect());
    let error = patch(&json!({"a": ["x".repeat(1 << 20)], "b": []}), &operations).unwrap_err();
    assert!(error.to_string().contains("the object would become too large"), "{error}");
}

/// `testdata/modify/json-patch.json`: random patches with what Go's library makes of them; `null` is an error.
#[test]
fn random_patches_end_as_in_go() {
    let data: Value = serde_json::from_str(include_str!("../../../testdata/modify/json-patch.json")).unwrap();
    for case in data["cases"].as_array().unwrap() {
        let result = match patch(&data["object"], &case["patch"]) {
            Ok(Some(patched)) => patched,
            Ok(None) => json!("test failed"),
            Err(_) => Value::Null,
        };
        assert_eq!(result, case["result"], "{}", case["patch"]);
    }
}
