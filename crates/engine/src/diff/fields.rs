//! Two trees, field by field.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;
use serde_json::{Map, Value};

/// What stands in for the content of Secrets.
const HIDDEN: &str = "(hidden)";

/// A field that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldChange {
    /// Where it is, as `spec.containers[name=web].image` or `metadata.annotations["example.io/note"]`.
    pub path: String,
    /// Its value on the first side; `None` where it is missing there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// Its value on the second side; `None` where it is missing there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// The fields in which two objects differ. Items of lists are matched by their `name` where all of them have one, else by position.
/// Of Secrets only the names of the fields are told.
pub fn field_changes(before: &Value, after: &Value) -> Vec<FieldChange> {
    let mut walk = Walk::default();
    walk.values(Some(before), Some(after));
    if [before, after].iter().any(|object| object["kind"] == "Secret") {
        walk.changes.iter_mut().for_each(hide);
    }
    walk.changes
}

fn hide(change: &mut FieldChange) {
    let content = ["data", "stringData", "metadata.annotations[\"kubectl.kubernetes.io/"];
    if content.iter().any(|prefix| change.path.starts_with(prefix)) {
        for value in [&mut change.before, &mut change.after].into_iter().flatten() {
            *value = HIDDEN.into();
        }
    }
}

#[derive(Default)]
struct Walk {
    path: String,
    changes: Vec<FieldChange>,
}

impl Walk {
    fn values(&mut self, before: Option<&Value>, after: Option<&Value>) {
        match (before, after) {
            (before, after) if before == after => {}
            (Some(Value::Object(before)), Some(Value::Object(after))) => self.maps(before, after),
            (Some(Value::Array(before)), Some(Value::Array(after))) => self.lists(before, after),
            _ => self.changes.push(FieldChange {
                path: self.path.clone(),
                before: before.cloned(),
                after: after.cloned(),
            }),
        }
    }

    fn maps(&mut self, before: &Map<String, Value>, after: &Map<String, Value>) {
        for name in union(before.keys(), after.keys()) {
            self.below(&field(name, self.path.is_empty()), before.get(name), after.get(name));
        }
    }

    fn lists(&mut self, before: &[Value], after: &[Value]) {
        if let (Some(left), Some(right)) = (by_name(before), by_name(after)) {
            let found = self.changes.len();
            for name in union(left.keys(), right.keys()) {
                self.below(&format!("[name={name}]"), left.get(name).copied(), right.get(name).copied());
            }
            if self.changes.len() == found {
                // The same items in another order, which is told by their names.
                self.values(Some(&names(before)), Some(&names(after)));
            }
            return;
        }
        for at in 0..before.len().max(after.len()) {
            self.below(&format!("[{at}]"), before.get(at), after.get(at));
        }
    }

    fn below(&mut self, part: &str, before: Option<&Value>, after: Option<&Value>) {
        let length = self.path.len();
        self.path.push_str(part);
        self.values(before, after);
        self.path.truncate(length);
    }
}

fn union<'a>(
    left: impl Iterator<Item = &'a String>,
    right: impl Iterator<Item = &'a String>,
) -> Vec<&'a String> {
    let mut names: Vec<_> = left.chain(right).collect();
    names.sort();
    names.dedup();
    names
}

/// The items by name; `None` when one has no name or two have the same.
fn by_name(list: &[Value]) -> Option<BTreeMap<String, &Value>> {
    let names = list.iter().map(|item| Some((item.get("name")?.as_str()?.to_owned(), item)));
    let named: BTreeMap<_, _> = names.collect::<Option<_>>()?;
    (named.len() == list.len()).then_some(named)
}

fn names(list: &[Value]) -> Value {
    list.iter().map(|item| item["name"].clone()).collect()
}

fn field(name: &str, first: bool) -> String {
    let plain = name.chars().all(|it| it.is_ascii_alphanumeric() || matches!(it, '_' | '-'));
    let mut part = String::new();
    // Writing to a String can't fail.
    let _ = match (plain, first) {
        (true, true) => write!(part, "{name}"),
        (true, false) => write!(part, ".{name}"),
        (false, _) => write!(part, "[{name:?}]"),
    };
    part
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(before: &Value, after: &Value) -> Vec<String> {
        let side = |value: &Option<Value>| value.as_ref().map_or_else(|| "-".to_owned(), Value::to_string);
        let line = |it: &FieldChange| format!("{}: {} -> {}", it.path, side(&it.before), side(&it.after));
        field_changes(before, after).iter().map(line).collect()
    }

    #[test]
    fn changed_fields_are_told_by_path() {
        let before = json!({"spec": {"replicas": 1, "gone": true, "containers": [{"name": "a", "image": "x:1"}, {"name": "b"}]},
            "metadata": {"annotations": {"example.io/note": "old"}}, "list": [1, 2], "order": [{"name": "a"}, {"name": "b"}]});
        let after = json!({"spec": {"replicas": 2, "containers": [{"name": "b"}, {"name": "a", "image": "x:2"}]},
            "metadata": {"annotations": {"example.io/note": "new"}}, "list": [1], "order": [{"name": "b"}, {"name": "a"}]});
        assert_eq!(
            told(&before, &after),
            [
                "list[1]: 2 -> -",
                "metadata.annotations[\"example.io/note\"]: \"old\" -> \"new\"",
                "order[0]: \"a\" -> \"b\"",
                "order[1]: \"b\" -> \"a\"",
                "spec.containers[name=a].image: \"x:1\" -> \"x:2\"",
                "spec.gone: true -> -",
                "spec.replicas: 1 -> 2",
            ]
        );
    }

    #[test]
    fn the_content_of_secrets_is_never_told() {
        let secret = |value: &str| json!({"kind": "Secret", "type": value, "data": {"password": value}});
        assert_eq!(
            told(&secret("a"), &secret("b")),
            ["data.password: \"(hidden)\" -> \"(hidden)\"", "type: \"a\" -> \"b\""]
        );
    }

    proptest::proptest! {
        #[test]
        fn equal_trees_have_no_changes_and_others_have_some(left in ".{0,12}", right in ".{0,12}") {
            let tree = |text: &str| json!({"a": [{"name": text}], "b": {text: [text]}});
            proptest::prop_assert_eq!(field_changes(&tree(&left), &tree(&right)).is_empty(), left == right);
        }
    }
}
