//! Enumerations that are text in JSON: phases, modes, methods.
//!
//! A newer server may use a word that we don't know. Reading must not fail on it, and writing must
//! give it back, so every such enum has the variant `Other`.

/// Declares an enum of words with `Other(String)` for all the rest.
///
/// `Variant` alone means that the word is spelled like the variant; `Variant = "word"` names it.
macro_rules! text_enum {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $( $(#[$vmeta:meta])* $variant:ident $(= $word:literal)? ),+ $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $( $(#[$vmeta])* $variant, )+
            /// A word that this version does not know, kept as it was read.
            Other(String),
        }

        impl $name {
            /// All words known to this version, in the order of their meaning.
            pub const WORDS: &'static [&'static str] =
                &[ $( $crate::text::word!($variant $(, $word)?) ),+ ];

            /// The word as it stands in JSON.
            pub fn as_str(&self) -> &str {
                match self {
                    $( Self::$variant => $crate::text::word!($variant $(, $word)?), )+
                    Self::Other(word) => word,
                }
            }
        }

        impl From<&str> for $name {
            fn from(word: &str) -> Self {
                $( if word == $crate::text::word!($variant $(, $word)?) { return Self::$variant; } )+
                Self::Other(word.to_owned())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Ok(Self::from(String::deserialize(deserializer)?.as_str()))
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "enum": Self::WORDS, "nullable": false })
            }
        }
    };
}

/// The word of one variant of [`text_enum`].
macro_rules! word {
    ($variant:ident) => {
        stringify!($variant)
    };
    ($variant:ident, $word:literal) => {
        $word
    };
}

pub(crate) use {text_enum, word};

#[cfg(test)]
mod tests {
    use crate::restore::PolicyType;

    #[test]
    fn known_words_become_variants_and_unknown_ones_survive() {
        let cases = [
            ("\"none\"", PolicyType::None),
            ("\"update\"", PolicyType::Update),
            ("\"recreate\"", PolicyType::Other("recreate".to_owned())),
            ("\"\"", PolicyType::Other(String::new())),
        ];
        for (json, policy) in cases {
            assert_eq!(serde_json::from_str::<PolicyType>(json).unwrap(), policy);
            assert_eq!(serde_json::to_string(&policy).unwrap(), json);
        }
        assert_eq!(PolicyType::WORDS, ["none", "update"]);
    }
}
