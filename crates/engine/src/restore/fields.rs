//! The fields of a JSON object as text: an object is taken apart and put together again without decoding what nobody changes.
//!
//! This keeps numbers, escapes and the order of keys as they are in the backup, and costs a fraction of a tree.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

use crate::object::ObjectError;

/// The fields of one JSON object, in their order.
#[derive(Debug, Default)]
pub(super) struct Fields<'a>(Vec<(Cow<'a, str>, Cow<'a, RawValue>)>);

impl<'a> Fields<'a> {
    /// Takes a text apart.
    pub(super) fn parse(text: &'a [u8]) -> Result<Self, ObjectError> {
        serde_json::from_slice(text).map_err(ObjectError::Decode)
    }

    /// The text of a field; `null` counts as absent.
    pub(super) fn get(&self, name: &str) -> Option<&RawValue> {
        self.0
            .iter()
            .find(|(have, _)| have == name)
            .map(|(_, value)| &**value)
            .filter(|value| value.get() != "null")
    }

    /// Takes a field apart that is an object itself.
    pub(super) fn object(&self, name: &str) -> Result<Fields<'_>, ObjectError> {
        self.get(name).map_or_else(|| Ok(Fields::default()), |value| Fields::parse(value.get().as_bytes()))
    }

    /// Decodes a field; an absent one has its zero value.
    pub(super) fn read<T: Default + for<'de> Deserialize<'de>>(&self, name: &str) -> Result<T, ObjectError> {
        self.get(name).map_or_else(
            || Ok(T::default()),
            |value| serde_json::from_str(value.get()).map_err(ObjectError::Decode),
        )
    }

    /// Removes a field.
    pub(super) fn remove(&mut self, name: &str) {
        self.0.retain(|(have, _)| have != name);
    }

    /// Keeps the fields that `keep` names.
    pub(super) fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.0.retain(|(name, _)| keep(name));
    }

    /// Sets a field, at its place or at the end.
    pub(super) fn set(&mut self, name: &'a str, value: &impl Serialize) -> Result<(), ObjectError> {
        let value = Cow::Owned(to_raw_value(value).map_err(ObjectError::Decode)?);
        match self.0.iter_mut().find(|(have, _)| have == name) {
            Some(field) => field.1 = value,
            None => self.0.push((Cow::Borrowed(name), value)),
        }
        Ok(())
    }

    /// Puts the text together.
    pub(super) fn text(&self) -> Result<Vec<u8>, ObjectError> {
        serde_json::to_vec(self).map_err(ObjectError::Decode)
    }
}

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, &**value)))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;

        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Vec<(Cow<'de, str>, Cow<'de, RawValue>)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields: Self::Value = Vec::new();
                while let Some((name, value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
                    fields.push((name.0, Cow::Borrowed(value)));
                }
                Ok(fields)
            }
        }

        deserializer.deserialize_map(FieldsVisitor).map(Self)
    }
}

/// A field's name, borrowed unless it has escapes.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn untouched_fields_keep_their_text() {
        let text = br#"{"b":1.10,"a":{"x":18446744073709551617},"q\"":"\u003c"}"#;
        let mut fields = Fields::parse(text).unwrap();
        assert_eq!(fields.text().unwrap(), br#"{"b":1.10,"a":{"x":18446744073709551617},"q\"":"\u003c"}"#);
        fields.remove("b");
        fields.set("c", &true).unwrap();
        assert_eq!(fields.text().unwrap(), br#"{"a":{"x":18446744073709551617},"q\"":"\u003c","c":true}"#);
    }

    #[test]
    fn absent_and_null_fields_have_their_zero_value() {
        let fields = Fields::parse(br#"{"n":null}"#).unwrap();
        assert!(fields.get("n").is_none() && fields.object("n").unwrap().0.is_empty());
        assert_eq!(fields.read::<Vec<String>>("m").unwrap(), Vec::<String>::new());
    }

    proptest::proptest! {
        #[test]
        fn any_object_survives_taking_apart(fields in proptest::collection::btree_map(".{0,8}", ".{0,8}", 0..6)) {
            let text = serde_json::to_vec(&fields).unwrap();
            proptest::prop_assert_eq!(Fields::parse(&text).unwrap().text().unwrap(), text);
        }

        #[test]
        fn no_text_makes_the_parser_fail_badly(text in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..64)) {
            let _ = Fields::parse(&text);
        }
    }
}
