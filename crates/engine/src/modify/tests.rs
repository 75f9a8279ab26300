use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::merge_patch::without_nulls;
use super::{GroupResource, LocalReference, ModifierError, Modifiers, Outcome, config_map};

fn parse(text: &str) -> Result<Modifiers, ModifierError> {
    Modifiers::parse(&BTreeMap::from([("rules.yaml".to_owned(), text.to_owned())]))
}

fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": "web-1", "namespace": "shop", "labels": { "app": "web" } },
        "spec": { "replicas": 3, "paused": null },
    })
}

/// What becomes of the deployment.
fn apply(text: &str) -> (Value, Outcome) {
    let mut item = deployment();
    let outcome = parse(text).unwrap().apply(&mut item, &GroupResource::new("apps", "deployments"));
    (item, outcome)
}

#[test]
fn conditions_choose_objects() {
    let cases = [
        ("groupResource: deployments.apps", true),
        ("groupResource: '*.apps'", true),
        ("groupResource: '*'", false),
        ("groupResource: '**'", true),
        ("groupResource: pods", false),
        ("{groupResource: '**', namespaces: [shop]}", true),
        ("{groupResource: '**', namespaces: ['sh*', other]}", true),
        ("{groupResource: '**', namespaces: [other]}", false),
        ("{groupResource: '**', resourceNameRegex: '^web-[0-9]$'}", true),
        ("{groupResource: '**', resourceNameRegex: 'eb'}", true),
        ("{groupResource: '**', resourceNameRegex: '(?i)WEB'}", true),
        ("{groupResource: '**', resourceNameRegex: '^eb'}", false),
        ("{groupResource: '**', labelSelector: {matchLabels: {app: web}}}", true),
        (
            "{groupResource: '**', labelSelector: {matchExpressions: [{key: app, operator: NotIn, values: [web]}]}}",
            false,
        ),
        ("{groupResource: '**', matches: [{path: /spec/replicas, value: '3'}]}", true),
        ("{groupResource: '**', matches: [{path: /spec/replicas, value: 3}]}", true),
        ("{groupResource: '**', matches: [{path: /spec/replicas, value: '\"3\"'}]}", false),
        (
            "{groupResource: '**', matches: [{path: /spec/replicas, value: 3}, {path: /metadata/name, value: x}]}",
            false,
        ),
        ("{groupResource: '**', matches: [{path: /spec/nothing, value: 'null'}]}", true),
        ("{groupResource: '**', matches: [{path: /nothing/at/all, value: 'null'}]}", false),
        ("{groupResource: '**', matches: [{path: /spec/nothing, value: x}]}", false),
    ];
    for (conditions, fits) in cases {
        let rule = format!(
            "{{conditions: {}, patches: [{{operation: add, path: /x, value: y}}]}}",
            block(conditions)
        );
        let (item, outcome) = apply(&format!("{{version: v1, resourceModifierRules: [{rule}]}}"));
        assert_eq!((outcome.changed, item.get("x").is_some()), (fits, fits), "{conditions}");
    }
}

fn block(conditions: &str) -> String {
    if conditions.starts_with('{') { conditions.to_owned() } else { format!("{{{conditions}}}") }
}

#[test]
fn cluster_scoped_objects_pass_the_namespaces() {
    let text = "{version: v1, resourceModifierRules: [{conditions: {groupResource: clusterroles.rbac.authorization.k8s.io, \
        namespaces: [shop]}, patches: [{operation: add, path: /x, value: y}]}]}";
    let mut role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "admin"}});
    let resource = GroupResource::new("rbac.authorization.k8s.io", "clusterroles");
    parse(text).unwrap().apply(&mut role, &resource);
    assert_eq!(role["x"], "y");
}

const THREE_KINDS: &str = r#"
version: v1
resourceModifierRules:
- conditions: {groupResource: deployments.apps, matches: [{path: /spec/replicas, value: "3"}]}
  patches:
  - {operation: test, path: /spec/replicas, value: "3"}
  - {operation: replace, path: /spec/replicas, value: "1"}
  - {operation: add, path: /metadata/labels/size, value: "\"1\""}
- conditions: {groupResource: deployments.apps, matches: [{path: /spec/replicas, value: "3"}]}
  mergePatches:
  - patchData: |
      {"metadata": {"labels": {"app": null}}}
  - patchData: |
      spec:
        paused: true
- conditions: {groupResource: deployments.apps}
  strategicPatches:
  - patchData: |
      metadata: {finalizers: [a]}
"#;

#[test]
fn rules_build_on_each_other_and_conditions_on_the_original() {
    let (item, outcome) = apply(THREE_KINDS);
    assert_eq!(outcome, Outcome { changed: true, errors: Vec::new() });
    assert_eq!(item["spec"], json!({ "replicas": 1, "paused": true }));
    assert_eq!(item["metadata"]["labels"], json!({ "size": "1" }));
    assert_eq!(item["metadata"]["finalizers"], json!(["a"]));
}

#[test]
fn a_failing_rule_leaves_the_object_and_the_next_one_runs() {
    let text = r#"
version: V1
resourceModifierRules:
- conditions: {groupResource: "**"}
  patches: [{operation: Add, path: /spec/a, value: x}, {operation: remove, path: /spec/none}]
- conditions: {groupResource: "**"}
  patches: [{operation: add, path: /spec/b, value: x}, {operation: test, path: /spec/replicas, value: "4"}]
- conditions: {groupResource: "**"}
  mergePatches: [{patchData: "kind: null"}]
- conditions: {groupResource: "**"}
  patches: [{operation: remove, path: /spec/replicas}]
"#;
    let (item, outcome) = apply(text);
    assert_eq!(item["spec"], json!({ "paused": null }));
    let errors: Vec<_> =
        outcome.errors.iter().map(|error| format!("{}: {}", error.rule, error.problem)).collect();
    assert_eq!(
        errors,
        [
            "1: patch 2: cannot remove \"/spec/none\": there is no such field or element",
            "3: the patch leaves no object with a kind and metadata",
        ]
    );
}

#[test]
fn mistakes_are_found_when_reading() {
    let rule = |rule: &str| format!("version: v1\nresourceModifierRules:\n- {rule}\n");
    let on = |rest: &str| rule(&format!("{{conditions: {{groupResource: pods}}, {rest}}}"));
    let cases = [
        ("version: v2\nresourceModifierRules: []".to_owned(), "unsupported resource modifier version \"v2\""),
        ("version: v1".to_owned(), "rules cannot be empty"),
        ("version: v1\nrules: []".to_owned(), "unknown field `rules`"),
        (
            rule("{conditions: {}, patches: [{operation: remove, path: /a}]}"),
            "rule 1: conditions.groupResource cannot be empty",
        ),
        (on("mergePatches: []"), "rule 1: no patches"),
        (
            on("patches: [{operation: remove, path: /a}], mergePatches: [{patchData: '{}'}]"),
            "only one of patches, mergePatches",
        ),
        (
            on("patches: [{operation: remove, path: /a}, {operation: delete, path: /a}]"),
            "patch 2: unsupported operation \"delete\"",
        ),
        (on("patches: [{path: /a}]"), "operation cannot be empty"),
        (on("patches: [{operation: add, value: x}]"), "path cannot be empty"),
        (on("patches: [{operation: add, path: a/b}]"), "path \"a/b\" must start with '/'"),
        (on("patches: [{operation: copy, path: /a}]"), "from: path cannot be empty"),
        (on("patches: [{operation: add, path: /a, value: '{x'}]"), "value is not valid JSON"),
        (on("mergePatches: [{patchData: '[1]'}]"), "patchData must be an object"),
        (on("strategicPatches: [{patchData: 'a: b: c'}]"), "rule 1: patch 1: patchData: "),
        (
            rule("{conditions: {groupResource: pods, resourceNameRegex: '('}}"),
            "conditions.resourceNameRegex: ",
        ),
        (
            rule("{conditions: {groupResource: '[a'}}"),
            "conditions.groupResource: pattern \"[a\": a '[' is not closed",
        ),
        (
            rule("{conditions: {groupResource: a, labelSelector: {matchLabel: {}}}}"),
            "unknown field `matchLabel`",
        ),
    ];
    for (text, expected) in cases {
        let error = parse(&text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}\n{error}");
    }
    let error = parse("version: v1\nresourceModifierRules:\n- condition: {}").unwrap_err().to_string();
    assert!(error.contains("line 3, column 3"), "{error}");
    let data = BTreeMap::from([("a".to_owned(), String::new()), ("b".to_owned(), String::new())]);
    assert_eq!(Modifiers::parse(&data).unwrap_err(), ModifierError::DataKeys { found: 2 });
}

#[test]
fn free_yaml_reads_as_in_go() {
    let yaml =
        "{a: yes, b: off, c: 0x10, d: 1.5, e: ~, f: 'no', g: 12, h: 2001-01-01, i: 1_000, j: 010, k: y}";
    let text = format!(
        "version: v1\nresourceModifierRules:\n- conditions: {{groupResource: '**'}}\n  mergePatches: [{{patchData: \"x: {yaml}\"}}]"
    );
    let (item, _) = apply(&text);
    let expected = json!({
        "a": true, "b": false, "c": 16, "d": 1.5, "f": "no", "g": 12, "h": "2001-01-01", "i": 1000, "j": 8, "k": true,
    });
    assert_eq!(item["x"], expected);
}

#[test]
fn a_restore_uses_its_own_modifiers_or_the_default() {
    let reference =
        |kind: &str| LocalReference { kind: kind.to_owned(), name: "mine".to_owned(), api_group: None };
    let (own, other) = (reference("ConfigMap"), reference("Secret"));
    let cases = [
        (None, None, false, None),
        (None, Some("default"), false, Some("default")),
        (None, Some("default"), true, None),
        (None, Some(""), false, None),
        (Some(&own), Some("default"), false, Some("mine")),
        (Some(&own), None, true, Some("mine")),
        (Some(&other), Some("default"), false, Some("default")),
    ];
    for (own, default, skip, expected) in cases {
        assert_eq!(config_map(own, default, skip), expected, "{own:?} {default:?} {skip}");
    }
}

#[test]
fn only_concerned_resources_need_a_look() {
    let modifiers = parse(THREE_KINDS).unwrap();
    assert!(modifiers.concern(&GroupResource::new("apps", "deployments")));
    assert!(!modifiers.concern(&GroupResource::new("", "pods")));
}

/// Words that mean something to patches.
const WORDS: &[&str] = &[
    "a",
    "name",
    "spec",
    "containers",
    "finalizers",
    "metadata",
    "$patch",
    "$retainKeys",
    "delete",
    "replace",
    "b",
];

/// Arbitrary JSON with the words that patches react to.
fn json() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(WORDS);
    let key = prop_oneof![
        prop::sample::select(WORDS).prop_map(str::to_owned),
        prop::sample::select(WORDS).prop_map(|word| format!("$setElementOrder/{word}")),
        prop::sample::select(WORDS).prop_map(|word| format!("$deleteFromPrimitiveList/{word}")),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (-3..4).prop_map(|number| json!(number)),
        word.prop_map(|word| json!(word)),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::btree_map(key.clone(), inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// The merge patch that leads from one value to another; only for values without nulls.
fn difference(from: &Value, to: &Value) -> Value {
    let (Value::Object(from), Value::Object(to)) = (from, to) else { return to.clone() };
    let gone = from.keys().filter(|key| !to.contains_key(*key)).map(|key| (key.clone(), Value::Null));
    let kept = to.iter().filter(|(key, value)| from.get(*key) != Some(value));
    let kept =
        kept.map(|(key, value)| (key.clone(), difference(from.get(key).unwrap_or(&Value::Null), value)));
    Value::Object(gone.chain(kept).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_merge_patch_of_the_difference_leads_there(from in json(), to in json()) {
        let (from, to) = (without_nulls(&from), without_nulls(&to));
        prop_assert_eq!(super::merge_patch::apply(from.clone(), &difference(&from, &to)), to);
    }

    #[test]
    fn a_patch_that_repeats_the_object_changes_nothing(fields in json()) {
        let mut item = deployment();
        item["spec"] = without_nulls(&json!({ "template": { "spec": { "nodeSelector": fields.as_str().map(|text| json!({ "x": text })) } } }));
        item["spec"]["template"]["spec"]["containers"] = json!([{ "name": "a", "env": [{ "name": "x" }] }, { "name": "b" }]);
        prop_assert_eq!(super::strategic::apply(item.clone(), &item), Ok(item));
    }

    #[test]
    fn strategic_patches_never_panic(spec in json(), patch in json()) {
        let item = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": spec, "spec": spec });
        let _ = super::strategic::apply(item.clone(), &json!({ "metadata": patch, "spec": patch }));
        let _ = super::strategic::apply(item, &patch);
    }

    #[test]
    fn what_json_patch_adds_it_can_remove(item in json(), path in "(/(a|b|name|-|-?[0-2])){1,3}", value in json()) {
        let operation = |operation: &str| {
            format!("{{operation: {operation}, path: '{path}', value: '{}'}}", value.to_string().replace('\'', "''"))
        };
        let rule = |operation: String| {
            let text = format!("version: v1\nresourceModifierRules:\n- {{conditions: {{groupResource: x}}, patches: [{operation}]}}");
            parse(&text).unwrap().rules[0].patch.clone()
        };
        let item = json!({ "kind": "X", "metadata": {}, "a": item, "b": [item] });
        if let Ok(Some(added)) = rule(operation("add")).apply(&item) {
            let removed = rule(operation("remove")).apply(&added);
            let is_end = path.ends_with('-');
            prop_assert!(is_end || removed.is_ok(), "{removed:?}");
        }
        let _ = rule(operation("replace")).apply(&item);
        let _ = rule(operation("test")).apply(&item);
    }

    #[test]
    fn reading_never_panics(text in "\\PC{0,200}", conditions in "[a-z*?{}\\[\\]!,.\\\\/-]{0,30}") {
        let _ = parse(&text);
        let _ = super::glob::compile(&conditions, Some('.'));
        let _ = super::value::typed(&text);
        let _ = parse(&format!("version: v1\nresourceModifierRules:\n- conditions: {{{text}}}\n  patches: [{text}]"));
    }
}
