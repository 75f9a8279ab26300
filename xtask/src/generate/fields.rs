//! The reference of the custom resources: every field with its type, its default and what it means, from the schemas.

use std::fmt::Write;

use anyhow::Result;
use serde::Serialize;
use serde_json::Value;

/// Parts of every object that the schemas do not describe.
const COMMON: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// All kinds in Markdown. Writing to a string can't fail, so that results are dropped.
pub(super) fn markdown(definitions: &[impl Serialize]) -> Result<String> {
    let mut text = "# Custom resources\n\nAll kinds and fields of `velero.io`, generated from the types: do not edit. `*` marks fields that \
                    must be given.\n"
        .to_owned();
    for definition in definitions {
        let definition = serde_json::to_value(definition)?;
        let names = &definition["spec"]["names"];
        for version in definition["spec"]["versions"].as_array().into_iter().flatten() {
            kind(&mut text, names, version);
        }
    }
    Ok(text)
}

fn kind(text: &mut String, names: &Value, version: &Value) {
    let schema = &version["schema"]["openAPIV3Schema"];
    let short: Vec<&str> =
        names["shortNames"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let short = if short.is_empty() { String::new() } else { format!(", short {}", short.join(", ")) };
    let _ = writeln!(text, "\n## {}\n\n{}\n", string(&names["kind"]), one_line(&schema["description"]));
    let _ = writeln!(text, "`velero.io/{}`, `{}`{short}", string(&version["name"]), string(&names["plural"]));
    let _ = writeln!(text, "\n| field | type | meaning |\n|---|---|---|");
    fields(text, "", schema);
}

/// The fields of an object, each with those below it.
fn fields(text: &mut String, path: &str, schema: &Value) {
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        if path.is_empty() && COMMON.contains(&name.as_str()) {
            continue;
        }
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let mark = if required.iter().any(|required| required == name) { " \\*" } else { "" };
        let _ = writeln!(text, "| `{path}`{mark} | {} | {} |", type_of(field), meaning(field));
        match string(&field["type"]) {
            "array" => fields(text, &format!("{path}[]"), &field["items"]),
            _ => fields(text, &path, field),
        }
    }
}

fn type_of(field: &Value) -> String {
    let format = field["format"].as_str().map(|format| format!(" ({format})")).unwrap_or_default();
    match string(&field["type"]) {
        "array" => format!("list of {}", type_of(&field["items"])),
        "object" if field["additionalProperties"].is_object() => {
            format!("map of {}", type_of(&field["additionalProperties"]))
        }
        "" => "any".to_owned(),
        name => format!("{name}{format}"),
    }
}

fn meaning(field: &Value) -> String {
    let mut text = one_line(&field["description"]);
    let values: Vec<String> =
        field["enum"].as_array().into_iter().flatten().map(|value| format!("`{}`", string(value))).collect();
    if !values.is_empty() {
        let _ = write!(text, " One of {}.", values.join(", "));
    }
    if !field["default"].is_null() {
        let _ = write!(text, " Default `{}`.", field["default"]);
    }
    text
}

fn string(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn one_line(value: &Value) -> String {
    string(value).split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use bowline_api::crd::crds;

    #[test]
    fn fields_of_all_depths_are_described() {
        let text = super::markdown(&crds()).unwrap();
        for part in [
            "## Backup\n",
            "| `spec.hooks.resources[].pre[].exec.command` \\* | list of string |",
            "`velero.io/v2alpha1`",
        ] {
            assert!(text.contains(part), "{part}");
        }
        assert_eq!(text.matches("\n## ").count(), 13);
    }
}
