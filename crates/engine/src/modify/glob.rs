//! The patterns of conditions: `*` and `?` stop at the separator, `**` doesn't; classes `[a-z]`, `[!a-z]`; alternatives
//! `{a,b}`; `\` takes the next character as it is. The same language as in Velero.

use std::fmt::Write;

use regex::bytes::{Regex, RegexBuilder};

/// Most memory of one compiled pattern, in bytes.
const MAX_COMPILED: usize = 1 << 20;
/// Longest pattern or regular expression, in bytes.
const MAX_LENGTH: usize = 4096;

/// Compiles a pattern that must cover a whole name.
pub(super) fn compile(pattern: &str, separator: Option<char>) -> Result<Regex, String> {
    let invalid = |reason: &str| format!("pattern {pattern:?}: {reason}");
    let expression = translate(pattern, separator).map_err(invalid)?;
    regex(&expression).map_err(|reason| invalid(&reason))
}

/// Compiles a regular expression, which may match any part of a name. Names are ASCII, hence bytes, as in Go's engine.
pub(super) fn regex(expression: &str) -> Result<Regex, String> {
    if expression.len() > MAX_LENGTH {
        return Err("too long".to_owned());
    }
    let regex = RegexBuilder::new(expression).unicode(false).size_limit(MAX_COMPILED).build();
    regex.map_err(|error| error.to_string())
}

fn translate(pattern: &str, separator: Option<char>) -> Result<String, &'static str> {
    let any =
        separator.map_or_else(|| "[\\x00-\\xff]".to_owned(), |separator| format!("[^{}]", escape(separator)));
    let mut out = String::from("^(?:");
    let mut open = 0_usize;
    let mut rest = pattern.chars().peekable();
    while let Some(sign) = rest.next() {
        match sign {
            '*' if rest.next_if_eq(&'*').is_some() => out.push_str("[\\x00-\\xff]*"),
            '*' => out.extend([&any, "*"]),
            '?' => out.push_str(&any),
            '[' => out.push_str(&class(&mut rest)?),
            '{' => {
                open += 1;
                out.push_str("(?:");
            }
            ',' if open > 0 => out.push('|'),
            '}' if open > 0 => {
                open -= 1;
                out.push(')');
            }
            '\\' => out.push_str(&escape(rest.next().ok_or("nothing follows the '\\'")?)),
            sign => out.push_str(&escape(sign)),
        }
    }
    if open > 0 {
        return Err("a '{' is not closed");
    }
    out.push_str(")$");
    Ok(out)
}

fn class(rest: &mut impl Iterator<Item = char>) -> Result<String, &'static str> {
    let mut out = String::from("[");
    let mut members = 0;
    loop {
        match rest.next().ok_or("a '[' is not closed")? {
            ']' if members > 0 => break,
            ']' => return Err("a class is empty"),
            '!' if out == "[" => out.push('^'),
            '-' if members > 0 => out.push('-'),
            sign => {
                let sign = if sign == '\\' { rest.next().ok_or("a '[' is not closed")? } else { sign };
                out.push_str(&escape(sign));
                members += 1;
            }
        }
    }
    out.push(']');
    Ok(out)
}

/// A character as a regular expression, inside a class or outside.
fn escape(sign: char) -> String {
    let mut out = String::new();
    if sign.is_ascii_alphanumeric() || !sign.is_ascii() {
        out.push(sign);
    } else {
        // Writing to a string can't fail.
        let _ = write!(out, "\\x{:02x}", sign as u32);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::compile;

    #[test]
    fn patterns_follow_the_separator() {
        let cases = [
            ("pods", "pods", true),
            ("pods", "podsx", false),
            ("*", "pods", true),
            ("*", "deployments.apps", false),
            ("**", "deployments.apps", true),
            ("*.apps", "deployments.apps", true),
            ("*.*", "routes.route.openshift.io", false),
            ("*.**", "routes.route.openshift.io", true),
            ("pod?", "pods", true),
            ("pod?", "pod.", false),
            ("{pods,services}", "services", true),
            ("{deploy*,{a,b}}.apps", "deployments.apps", true),
            ("[pq]ods", "pods", true),
            ("[!p]ods", "pods", false),
            ("[a-z]ods", "pods", true),
            ("[0-9]ods", "pods", false),
            ("a\\*b", "a*b", true),
            ("a\\*b", "axb", false),
            ("a+(b)|c", "a+(b)|c", true),
        ];
        for (pattern, name, fits) in cases {
            assert_eq!(
                compile(pattern, Some('.')).unwrap().is_match(name.as_bytes()),
                fits,
                "{pattern} {name}"
            );
        }
    }

    #[test]
    fn without_separator_stars_cover_everything() {
        assert!(compile("shop*", None).unwrap().is_match(b"shop.eu-1"));
        assert!(!compile("shop*", None).unwrap().is_match(b"a-shop"));
    }

    #[test]
    fn broken_patterns_are_refused() {
        for pattern in ["[a", "[]", "{a,b", "a\\", "[z-a]"] {
            let error = compile(pattern, None).unwrap_err();
            assert!(error.starts_with(&format!("pattern {pattern:?}: ")), "{error}");
        }
        assert!(compile(&"a".repeat(5000), None).is_err());
    }
}
