//! Label selectors as text: `app=web,tier in (a, b),!debug`, as in `kubectl -l`.

use std::collections::BTreeMap;
use std::str::FromStr;

use bowline_api::selector::{LabelSelector, LabelSelectorRequirement};

/// A selector given on the command line.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Selector(pub(crate) LabelSelector);

impl FromStr for Selector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut selector = LabelSelector::default();
        // No requirement: everything is selected.
        if text.trim().is_empty() {
            return Ok(Self(selector));
        }
        for requirement in split_outside_parentheses(text)? {
            add(&mut selector, requirement.trim())?;
        }
        Ok(Self(selector))
    }
}

/// Selectors joined by the word `or`: an object that one of them matches is selected.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OrSelectors(pub(crate) Vec<LabelSelector>);

impl FromStr for OrSelectors {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.split(" or ")
            .map(|part| part.parse::<Selector>().map(|selector| selector.0))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

fn split_outside_parentheses(text: &str) -> Result<Vec<&str>, String> {
    let (mut parts, mut start, mut inside) = (Vec::new(), 0, false);
    for (at, character) in text.char_indices() {
        match character {
            '(' if inside => return Err(format!("nested parenthesis in {text:?}")),
            '(' => inside = true,
            ')' if !inside => return Err(format!("unmatched parenthesis in {text:?}")),
            ')' => inside = false,
            ',' if !inside => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    if inside {
        return Err(format!("missing parenthesis in {text:?}"));
    }
    parts.push(&text[start..]);
    Ok(parts)
}

fn add(selector: &mut LabelSelector, requirement: &str) -> Result<(), String> {
    if let Some((key, values)) = set_based(requirement, " notin ") {
        return add_expression(selector, key, "NotIn", Some(values));
    }
    if let Some((key, values)) = set_based(requirement, " in ") {
        return add_expression(selector, key, "In", Some(values));
    }
    if let Some((key, value)) = requirement.split_once("!=") {
        return add_expression(selector, key, "NotIn", Some(vec![value.trim().to_owned()]));
    }
    if let Some((key, value)) = requirement.split_once("==").or_else(|| requirement.split_once('=')) {
        let (key, value) = (checked(key)?, checked_value(value)?);
        selector.match_labels.get_or_insert_default().insert(key, value);
        return Ok(());
    }
    match requirement.strip_prefix('!') {
        Some(key) => add_expression(selector, key, "DoesNotExist", None),
        None => add_expression(selector, requirement, "Exists", None),
    }
}

/// `key in (a, b)` as key and values.
fn set_based<'a>(requirement: &'a str, operator: &str) -> Option<(&'a str, Vec<String>)> {
    let spaced = requirement.replace('(', " (");
    spaced.find(operator)?;
    let (key, _) = requirement.split_once(' ')?;
    let list = requirement.split_once('(')?.1.strip_suffix(')')?;
    Some((key, list.split(',').map(|value| value.trim().to_owned()).collect()))
}

fn add_expression(
    selector: &mut LabelSelector,
    key: &str,
    operator: &str,
    values: Option<Vec<String>>,
) -> Result<(), String> {
    let key = checked(key)?;
    for value in values.iter().flatten() {
        checked_value(value)?;
    }
    let requirement = LabelSelectorRequirement { key, operator: operator.to_owned(), values };
    selector.match_expressions.get_or_insert_default().push(requirement);
    Ok(())
}

/// A label's key, after a rough check: what the API server refuses anyway need not be found here.
fn checked(key: &str) -> Result<String, String> {
    let key = key.trim();
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    if key.is_empty() || !key.chars().all(allowed) {
        return Err(format!("{key:?} is not a label (examples: app=web, tier in (a, b), !debug)"));
    }
    Ok(key.to_owned())
}

fn checked_value(value: &str) -> Result<String, String> {
    let value = value.trim();
    if !value.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
        return Err(format!("{value:?} is not a value of a label"));
    }
    Ok(value.to_owned())
}

/// The text of a selector as Kubernetes prints it; `<none>` when it selects everything.
pub(crate) fn format(selector: Option<&LabelSelector>) -> String {
    let Some(selector) = selector else { return "<none>".to_owned() };
    let none = BTreeMap::new();
    let labels = selector.match_labels.as_ref().unwrap_or(&none);
    let mut parts: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    for expression in selector.match_expressions.iter().flatten() {
        let values = expression.values.as_deref().unwrap_or_default().join(",");
        parts.push(match expression.operator.as_str() {
            "In" => format!("{} in ({values})", expression.key),
            "NotIn" => format!("{} notin ({values})", expression.key),
            "DoesNotExist" => format!("!{}", expression.key),
            _ => expression.key.clone(),
        });
    }
    if parts.is_empty() { "<none>".to_owned() } else { parts.join(",") }
}

#[cfg(test)]
mod tests {
    use super::{LabelSelector, OrSelectors, Selector, format};

    #[test]
    fn selectors_are_read_and_printed_back() {
        for (given, printed) in [
            ("app=web", "app=web"),
            ("app==web, tier = front", "app=web,tier=front"),
            ("app!=web", "app notin (web)"),
            ("tier in (a, b),!debug", "tier in (a,b),!debug"),
            ("tier in(a)", "tier in (a)"),
            ("env notin (dev),team", "env notin (dev),team"),
            ("example.io/x=", "example.io/x="),
            ("", "<none>"),
            (" ", "<none>"),
        ] {
            let selector: Selector = given.parse().unwrap();
            assert_eq!(format(Some(&selector.0)), printed, "{given}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["a b", "a=b,", "=x", "a in (b", "a=b c", "a in ((b))", "a,,b", "a=$"] {
            assert!(text.parse::<Selector>().is_err(), "{text}");
        }
    }

    #[test]
    fn or_joins_selectors() {
        let parsed: OrSelectors = "a=b or c=d,e=f".parse().unwrap();
        let texts: Vec<String> = parsed.0.iter().map(|selector| format(Some(selector))).collect();
        assert_eq!(texts, ["a=b", "c=d,e=f"]);
        assert_eq!(format(None), "<none>");
        assert_eq!("".parse::<OrSelectors>().unwrap().0, [LabelSelector::default()]);
    }
}
