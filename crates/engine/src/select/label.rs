//! Label selectors, with the syntax and the meaning of the API server.

mod parse;

use std::collections::BTreeMap;
use std::fmt;

use bowline_api::selector::LabelSelector;
use thiserror::Error;

/// Why a selector can't be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SelectorError {
    /// The text does not follow the grammar.
    #[error("label selector {text:?}: {problem}")]
    Syntax {
        /// The whole selector.
        text: String,
        /// What is wrong, and where.
        problem: String,
    },
    /// A key or a value is not one that a label could have.
    #[error("label selector: {0}")]
    Invalid(String),
}

/// A selector: conditions on labels, all of which must hold. Without conditions it selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector(Vec<Requirement>);

/// One condition on one label.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

/// How a label relates to the values of a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    Equals(String),
    NotEquals(String),
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
    Above(i64),
    Below(i64),
}

impl Selector {
    /// Reads the string form, as `kubectl -l` and the API take it: `a=b,c!=d,e in (f,g),h,!i,j>1`. Empty text selects everything.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        parse::selector(text)
    }

    /// From the form that objects carry.
    pub fn from_spec(spec: &LabelSelector) -> Result<Self, SelectorError> {
        let mut requirements = Vec::new();
        for (key, value) in spec.match_labels.iter().flatten() {
            requirements.push(Requirement::new(key, Test::Equals(value.clone()))?);
        }
        for expression in spec.match_expressions.iter().flatten() {
            let values = expression.values.clone().unwrap_or_default();
            let test = match (expression.operator.as_str(), values.is_empty()) {
                ("In", false) => Test::In(sorted(values)),
                ("NotIn", false) => Test::NotIn(sorted(values)),
                ("Exists", true) => Test::Exists,
                ("DoesNotExist", true) => Test::Absent,
                ("In" | "NotIn", true) => {
                    return Err(invalid(&expression.key, "operators In and NotIn need values"));
                }
                ("Exists" | "DoesNotExist", false) => {
                    return Err(invalid(&expression.key, "operators Exists and DoesNotExist take no values"));
                }
                (operator, _) => {
                    return Err(invalid(
                        &expression.key,
                        &format!("unknown operator {operator:?}, must be In, NotIn, Exists or DoesNotExist"),
                    ));
                }
            };
            requirements.push(Requirement::new(&expression.key, test)?);
        }
        Ok(Self::of(requirements))
    }

    /// Whether it selects everything.
    pub fn is_everything(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an object with these labels is selected.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|requirement| requirement.matches(labels))
    }

    fn of(mut requirements: Vec<Requirement>) -> Self {
        requirements.sort_by(|left, right| left.key.cmp(&right.key));
        Self(requirements)
    }
}

impl fmt::Display for Selector {
    /// The string form, sorted by key; empty for everything.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, requirement) in self.0.iter().enumerate() {
            write!(f, "{}{requirement}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl Requirement {
    fn new(key: &str, test: Test) -> Result<Self, SelectorError> {
        check_key(key)?;
        let values: &[String] = match &test {
            Test::Equals(value) | Test::NotEquals(value) => std::slice::from_ref(value),
            Test::In(values) | Test::NotIn(values) => values,
            Test::Exists | Test::Absent | Test::Above(_) | Test::Below(_) => &[],
        };
        values.iter().try_for_each(|value| check_value(key, value))?;
        Ok(Self { key: key.to_owned(), test })
    }

    fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let label = labels.get(&self.key);
        match &self.test {
            Test::Equals(value) => label == Some(value),
            Test::NotEquals(value) => label != Some(value),
            Test::In(values) => label.is_some_and(|label| values.contains(label)),
            Test::NotIn(values) => label.is_none_or(|label| !values.contains(label)),
            Test::Exists => label.is_some(),
            Test::Absent => label.is_none(),
            Test::Above(bound) => integer(label).is_some_and(|label| label > *bound),
            Test::Below(bound) => integer(label).is_some_and(|label| label < *bound),
        }
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        match &self.test {
            Test::Equals(value) => write!(f, "{key}={value}"),
            Test::NotEquals(value) => write!(f, "{key}!={value}"),
            Test::In(values) => write!(f, "{key} in ({})", values.join(",")),
            Test::NotIn(values) => write!(f, "{key} notin ({})", values.join(",")),
            Test::Exists => f.write_str(key),
            Test::Absent => write!(f, "!{key}"),
            Test::Above(bound) => write!(f, "{key}>{bound}"),
            Test::Below(bound) => write!(f, "{key}<{bound}"),
        }
    }
}

fn integer(label: Option<&String>) -> Option<i64> {
    label?.parse().ok()
}

fn sorted(mut values: Vec<String>) -> Vec<String> {
    values.sort();
    values.dedup();
    values
}

fn invalid(key: &str, problem: &str) -> SelectorError {
    SelectorError::Invalid(format!("key {key:?}: {problem}"))
}

/// A key is `name` or `prefix/name`; the prefix is a DNS subdomain.
fn check_key(key: &str) -> Result<(), SelectorError> {
    const MAX_PREFIX: usize = 253;
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let is_subdomain = |text: &str| {
        text.len() <= MAX_PREFIX
            && text.split('.').all(|part| {
                is_framed(part, |byte| byte == b'-') && !part.bytes().any(|byte| byte.is_ascii_uppercase())
            })
    };
    if prefix.is_some_and(|prefix| !is_subdomain(prefix)) || !is_label_text(name) {
        return Err(invalid(key, "not a label key, such as app or example.com/app"));
    }
    Ok(())
}

fn check_value(key: &str, value: &str) -> Result<(), SelectorError> {
    if value.is_empty() || is_label_text(value) {
        return Ok(());
    }
    Err(invalid(key, &format!("{value:?} is not a label value: at most 63 letters, digits, '-', '_', '.'")))
}

fn is_label_text(text: &str) -> bool {
    text.len() <= bowline_api::label::MAX_VALUE_LENGTH
        && is_framed(text, |byte| matches!(byte, b'-' | b'_' | b'.'))
}

/// Letters and digits, with others only between them.
fn is_framed(text: &str, inner: impl Fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    ends.iter().all(|end| end.is_some_and(u8::is_ascii_alphanumeric))
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || inner(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(text: &str) -> BTreeMap<String, String> {
        let pairs = text.split(' ').filter_map(|pair| pair.split_once('='));
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn conditions_mean_what_they_mean_to_the_api_server() {
        let cases = [
            ("", "a=b", true),
            ("a=b", "a=b c=d", true),
            ("a==b", "a=c", false),
            ("a!=b", "c=d", true),
            ("a!=b", "a=b", false),
            ("a in (b,c)", "a=c", true),
            ("a in (b,c)", "", false),
            ("a notin (b)", "", true),
            ("a notin (b)", "a=b", false),
            ("a", "a=", true),
            ("!a", "b=c", true),
            ("n>4,n<6", "n=5", true),
            ("n>5", "n=5", false),
            ("n>1", "n=x", false),
        ];
        for (selector, object, selected) in cases {
            let parsed = Selector::parse(selector).unwrap();
            assert_eq!(parsed.matches(&labels(object)), selected, "{selector} on {object}");
        }
    }

    #[test]
    fn specs_become_the_same_selectors() {
        let spec: LabelSelector = serde_json::from_value(serde_json::json!({
            "matchLabels": {"app": "web"},
            "matchExpressions": [
                {"key": "tier", "operator": "In", "values": ["b", "a"]},
                {"key": "old", "operator": "DoesNotExist"}]}))
        .unwrap();
        let selector = Selector::from_spec(&spec).unwrap();
        assert_eq!(selector.to_string(), "app=web,!old,tier in (a,b)");
        assert_eq!(Selector::parse(&selector.to_string()).unwrap(), selector);
    }

    #[test]
    fn impossible_specs_are_refused() {
        for expression in [
            serde_json::json!({"key": "a", "operator": "In"}),
            serde_json::json!({"key": "a", "operator": "Exists", "values": ["b"]}),
            serde_json::json!({"key": "a", "operator": "Near", "values": ["b"]}),
            serde_json::json!({"key": "-a", "operator": "Exists"}),
        ] {
            let spec = serde_json::from_value(serde_json::json!({"matchExpressions": [expression]})).unwrap();
            assert!(Selector::from_spec(&spec).is_err());
        }
    }

    proptest::proptest! {
        #[test]
        fn a_selector_reads_its_own_text(text in "[a-c]( in \\([xy,]{0,4}\\)|=x|!=y| notin \\(z\\)|)(,!?[d-f]){0,3}") {
            if let Ok(selector) = Selector::parse(&text) {
                proptest::prop_assert_eq!(Selector::parse(&selector.to_string()).unwrap(), selector);
            }
        }

        #[test]
        fn no_text_makes_the_reader_of_selectors_fail_badly(text in ".{0,40}") {
            let _ = Selector::parse(&text);
        }

        #[test]
        fn what_is_required_and_refused_selects_nothing(key in "[a-z]{1,8}", value in "[a-z]{1,8}") {
            let selector = Selector::parse(&format!("{key}={value},{key}!={value}")).unwrap();
            let own = BTreeMap::from([(key, value)]);
            proptest::prop_assert!(!selector.matches(&own) && !selector.matches(&BTreeMap::new()));
        }
    }
}
