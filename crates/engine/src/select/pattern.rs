//! Patterns for names: `*`, `?` and classes such as `[a-z]`.

use std::fmt;

use globset::{GlobBuilder, GlobMatcher};

/// Longest pattern accepted, in bytes; no Kubernetes name is longer.
const MAX_LENGTH: usize = 253;

/// A checked pattern.
#[derive(Clone)]
pub struct Pattern {
    text: String,
    matcher: GlobMatcher,
}

impl Pattern {
    /// Whether a text is a pattern rather than a name.
    pub fn is_pattern(text: &str) -> bool {
        text.contains(['*', '?', '['])
    }

    /// Checks a pattern. What Velero refuses is refused (behaviour §6.2): `**`, alternatives, negations, open brackets. The error is the
    /// reason, naming the pattern.
    pub fn parse(text: &str) -> Result<Self, String> {
        let refuse = |reason: &str| Err(format!("pattern {text:?}: {reason}"));
        if text.len() > MAX_LENGTH {
            return refuse("too long");
        }
        if text.contains("**") {
            return refuse("'**' is not allowed, use '*'");
        }
        if let Some(sign) = text.chars().find(|sign| "|()!{},\\/".contains(*sign)) {
            return refuse(&format!("{sign:?} is not allowed; only '*', '?' and classes like [a-z] are"));
        }
        if !brackets_close(text) {
            return refuse("its brackets are empty or don't close");
        }
        match GlobBuilder::new(text).literal_separator(false).build() {
            Ok(glob) => Ok(Self { text: text.to_owned(), matcher: glob.compile_matcher() }),
            Err(error) => refuse(&error.kind().to_string()),
        }
    }

    /// Whether a name fits.
    pub fn matches(&self, name: &str) -> bool {
        self.matcher.is_match(name)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({:?})", self.text)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn brackets_close(text: &str) -> bool {
    let mut content = None;
    for sign in text.chars() {
        match (sign, content) {
            ('[', None) => content = Some(0),
            ('[', Some(_)) | (']', None | Some(0)) => return false,
            (']', Some(_)) => content = None,
            (_, Some(length)) => content = Some(length + 1),
            (_, None) => {}
        }
    }
    content.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_mean_what_they_mean_in_a_shell() {
        for (pattern, name, fits) in [
            ("team-*", "team-a", true),
            ("team-*", "steam-a", false),
            ("team-?", "team-ab", false),
            ("team-[ab]", "team-b", true),
            ("team-[a-c]", "team-d", false),
            ("*", "anything.with.dots", true),
        ] {
            assert_eq!(Pattern::parse(pattern).unwrap().matches(name), fits, "{pattern} {name}");
        }
    }

    #[test]
    fn other_signs_are_refused_with_the_reason() {
        for (pattern, reason) in [
            ("a**", "'**'"),
            ("{a,b}", "'{'"),
            ("a|b", "'|'"),
            ("(a)", "'('"),
            ("[!a]", "'!'"),
            ("a,b", "','"),
            ("[a", "brackets"),
            ("a]", "brackets"),
            ("[]", "brackets"),
            ("[[a]]", "brackets"),
        ] {
            let error = Pattern::parse(pattern).unwrap_err();
            assert!(error.contains(reason) && error.contains(pattern), "{error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_name_fits_the_patterns_made_of_it(name in "[a-z][a-z0-9-]{1,20}", at in 0_usize..20) {
            let at = at % name.len();
            let star = format!("{}*", &name[..at]);
            let one = format!("{}?{}", &name[..at], &name[at + 1..]);
            proptest::prop_assert!(Pattern::parse(&star).unwrap().matches(&name));
            proptest::prop_assert!(Pattern::parse(&one).unwrap().matches(&name));
        }

        #[test]
        fn no_text_makes_the_reader_of_patterns_fail_badly(text in r"[a-z*?!^{},/\[\]\\-]{0,30}") {
            if let Ok(pattern) = Pattern::parse(&text) {
                pattern.matches("name");
            }
        }
    }
}
