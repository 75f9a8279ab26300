//! Values of flags that are more than a word: maps, lists, enumerations, checked names.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;

use bowline_api::reference::SecretKeySelector;

use crate::failure::Failure;

/// `key=value,key2=value2`; the flag may be repeated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeyValues(BTreeMap<String, String>);

impl FromStr for KeyValues {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        pairs(text, '=').map(Self)
    }
}

/// `old:new,old2:new2`; the flag may be repeated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mappings(BTreeMap<String, String>);

impl FromStr for Mappings {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        pairs(text, ':').map(Self)
    }
}

fn pairs(text: &str, separator: char) -> Result<BTreeMap<String, String>, String> {
    quoted_entries(text)?
        .into_iter()
        .filter(|entry| !entry.is_empty())
        .map(|entry| match entry.split_once(separator) {
            Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.to_owned())),
            _ => Err(format!("{entry:?} is not of the form a{separator}b")),
        })
        .collect()
}

/// Entries between commas. One in double quotes may hold commas, as in `"a=1,2",b=3`; two quotes in it are one, as in CSV files.
fn quoted_entries(text: &str) -> Result<Vec<String>, String> {
    let mut entries = Vec::new();
    let mut rest = text.trim_start();
    loop {
        let (entry, after) = if let Some(inner) = rest.strip_prefix('"') {
            quoted(inner).ok_or_else(|| format!("a closing quote is missing in {text:?}"))?
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            (rest[..end].trim().to_owned(), &rest[end..])
        };
        entries.push(entry);
        match after.trim_start().strip_prefix(',') {
            Some(next) => rest = next.trim_start(),
            None if after.trim().is_empty() => return Ok(entries),
            None => return Err(format!("a comma is missing behind the quoted part of {text:?}")),
        }
    }
}

/// The text up to the closing quote, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut entry = String::new();
    let mut rest = text;
    loop {
        let (part, after) = rest.split_once('"')?;
        entry.push_str(part);
        match after.strip_prefix('"') {
            Some(next) => {
                entry.push('"');
                rest = next;
            }
            None => return Some((entry, after)),
        }
    }
}

/// All pairs of a repeated flag; of equal keys the last one counts.
pub(crate) fn merged(flags: Vec<KeyValues>) -> BTreeMap<String, String> {
    flags.into_iter().flat_map(|flag| flag.0).collect()
}

/// All mappings of a repeated flag.
pub(crate) fn merged_mappings(flags: Vec<Mappings>) -> BTreeMap<String, String> {
    flags.into_iter().flat_map(|flag| flag.0).collect()
}

/// The file of a flag. An empty name, as of a variable that is not set, is none.
pub(crate) fn given(path: Option<&PathBuf>) -> Option<&PathBuf> {
    path.filter(|path| !path.as_os_str().is_empty())
}

/// The entries of a list flag without empty ones, which name nothing.
pub(crate) fn entries(list: Vec<String>) -> Vec<String> {
    list.into_iter().map(|entry| entry.trim().to_owned()).filter(|entry| !entry.is_empty()).collect()
}

/// The included namespaces. A list of nothing but empty entries names "no namespace", as Velero reads it; without any it would
/// be all of them, which is the opposite.
pub(crate) fn included_namespaces(list: Vec<String>) -> Vec<String> {
    let given = !list.is_empty();
    let named = entries(list);
    if named.is_empty() && given { vec![String::new()] } else { named }
}

/// A name; an empty one, as of a variable that is not set, is none.
pub(crate) fn named(name: Option<String>) -> Option<String> {
    name.filter(|name| !name.is_empty())
}

/// `pods=ns1/a,ns1/b;persistentvolumes=pv1`: for a kind the objects to save first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OrderedResources(pub(crate) BTreeMap<String, String>);

impl FromStr for OrderedResources {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let entries = text.split(';').map(str::trim).filter(|entry| !entry.is_empty());
        entries
            .map(|entry| match entry.split_once('=') {
                // No name holds a second sign: it is a comma or a semicolon that was meant.
                Some((kind, order)) if !kind.trim().is_empty() && !order.contains('=') => {
                    Ok((kind.trim().to_owned(), order.trim().to_owned()))
                }
                _ => Err(format!("{entry:?} is not of the form kind=namespace/name,namespace/name")),
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// The Secret and key of `--credential secret=key`.
pub(crate) fn credential(flags: Vec<KeyValues>) -> anyhow::Result<Option<SecretKeySelector>> {
    let mut pairs = merged(flags).into_iter();
    match (pairs.next(), pairs.next()) {
        (None, _) => Ok(None),
        (Some((name, key)), None) => Ok(Some(SecretKeySelector { name, key, optional: None })),
        _ => Err(Failure::new("--credential takes one Secret and one key")
            .hint("example: --credential my-secret=cloud")
            .into()),
    }
}

/// Longest name of an object.
const MAX_NAME_LENGTH: usize = 253;

/// Whether an object can have this name.
pub(crate) fn is_name(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let part = |part: &str| {
        part.starts_with(inner) && part.ends_with(inner) && part.chars().all(|c| inner(c) || c == '-')
    };
    name.len() <= MAX_NAME_LENGTH && name.split('.').all(part)
}

/// Checks the name of an object to be created, before anything else is done.
pub(crate) fn check_name(what: &str, name: &str) -> anyhow::Result<()> {
    if is_name(name) {
        return Ok(());
    }
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' || c == '-';
    let mut suggestion = name.to_lowercase().replace(|c: char| !allowed(c), "-");
    suggestion.truncate(MAX_NAME_LENGTH);
    let suggestion = suggestion.trim_matches(['-', '.']).to_owned();
    let failure = Failure::new(format!(
        "{name:?} is not a valid name for a {what}: it may hold lower-case letters, digits, '-' and '.', must start \
         and end with a letter or digit, and have at most {MAX_NAME_LENGTH} characters"
    ));
    let hint = (!suggestion.is_empty()).then(|| format!("for example {suggestion:?}"));
    Err(failure.maybe_hint(hint).into())
}

#[cfg(test)]
mod tests {
    use super::{
        KeyValues, Mappings, OrderedResources, check_name, credential, entries, included_namespaces, merged,
    };

    #[test]
    fn pairs_are_separated_by_commas_and_merged() {
        let flags = vec!["a=1,b=2".parse::<KeyValues>().unwrap(), "b=x=y".parse().unwrap()];
        let expected = [("a".to_owned(), "1".to_owned()), ("b".to_owned(), "x=y".to_owned())];
        assert_eq!(merged(flags), expected.into());
        for (text, expected) in [
            (r#""a=b,c",d=e"#, [("a", "b,c"), ("d", "e")]),
            (r#""a=x=y,z=w" , "d= e ""#, [("a", "x=y,z=w"), ("d", " e ")]),
            (r#""a=say ""no""",d=5" wide"#, [("a", r#"say "no""#), ("d", r#"5" wide"#)]),
            ("a=first\nsecond,, d=e,", [("a", "first\nsecond"), ("d", "e")]),
        ] {
            let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
            assert_eq!(merged(vec![text.parse().unwrap()]), expected.into(), "{text}");
        }
        for text in [r#""a=b"#, r#""a=b"c=d"#, r#""ab""#] {
            assert!(text.parse::<KeyValues>().is_err(), "{text}");
        }
        assert!("novalue".parse::<KeyValues>().is_err());
        assert!("=x".parse::<KeyValues>().is_err());
        assert_eq!("old:new".parse::<Mappings>().unwrap().0["old"], "new");
    }

    #[test]
    fn ordered_resources_are_separated_by_semicolons() {
        let order: OrderedResources = "pods=ns1/p1,ns1/p2;persistentvolumes=pv1".parse().unwrap();
        assert_eq!(order.0["pods"], "ns1/p1,ns1/p2");
        assert_eq!(order.0["persistentvolumes"], "pv1");
        for text in ["pods", "pods=a=b", "pods=a/b,secrets=a/c", "=a/b"] {
            assert!(text.parse::<OrderedResources>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_credential_is_one_secret_with_one_key() {
        assert_eq!(credential(vec![]).unwrap(), None);
        let one = credential(vec!["s=k".parse().unwrap()]).unwrap().unwrap();
        assert_eq!((one.name.as_str(), one.key.as_str()), ("s", "k"));
        assert!(credential(vec!["s=k,t=l".parse().unwrap()]).is_err());
    }

    #[test]
    fn names_are_checked() {
        for (name, valid) in [
            ("web", true),
            ("web-1.2", true),
            ("Web", false),
            ("-a", false),
            ("a..b", false),
            ("a/b", false),
            ("", false),
            ("..", false),
        ] {
            assert_eq!(check_name("backup", name).is_ok(), valid, "{name}");
        }
        assert!(check_name("backup", &"a".repeat(254)).is_err());
    }

    #[test]
    fn empty_entries_are_no_entries() {
        assert!(entries(vec![String::new(), " ".to_owned()]).is_empty());
        assert_eq!(included_namespaces(vec![String::new()]), [""]);
        assert_eq!(included_namespaces(vec!["a".to_owned(), String::new()]), ["a"]);
        assert!(included_namespaces(vec![]).is_empty());
    }
}
