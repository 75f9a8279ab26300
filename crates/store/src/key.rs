//! The rules that every key obeys, in every driver. They are what makes a key safe as a path, so a backup name that
//! came from a bucket or a CRD can't lead anywhere else.

use crate::error::{Error, ErrorKind, Result};

/// The longest key in bytes; S3's limit.
pub const MAX_KEY_LENGTH: usize = 1024;

/// Checks a key of an object: 1 to [`MAX_KEY_LENGTH`] bytes; segments between `/` are not empty, not `.` and not
/// `..`; no control characters.
pub fn check(key: &str) -> Result<()> {
    match fault(key) {
        Some(why) => Err(invalid(key, why)),
        None => Ok(()),
    }
}

/// Checks a prefix of a listing: empty, or a key, or a key with a `/` at its end.
pub fn check_prefix(prefix: &str) -> Result<()> {
    if prefix.is_empty() { Ok(()) } else { check(prefix.strip_suffix('/').unwrap_or(prefix)) }
}

/// Checks a name that becomes one segment of a key: a key without `/`.
pub fn check_segment(name: &str) -> Result<()> {
    check(name)?;
    if name.contains('/') { Err(invalid(name, "it has a slash")) } else { Ok(()) }
}

fn fault(key: &str) -> Option<&'static str> {
    if key.is_empty() {
        Some("it is empty")
    } else if key.len() > MAX_KEY_LENGTH {
        Some("it is longer than 1024 bytes")
    } else if key.chars().any(char::is_control) {
        Some("it has a control character")
    } else {
        key.split('/').find_map(|segment| match segment {
            "" => Some("it has an empty segment"),
            "." | ".." => Some("it has a segment . or .."),
            _ => None,
        })
    }
}

fn invalid(key: &str, why: &str) -> Error {
    let shown: String = key.chars().take(80).collect();
    Error::new(ErrorKind::InvalidKey, format!("use the key {shown:?}")).with_detail(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_could_escape_or_confuse_a_store_are_refused() {
        let long = "x".repeat(MAX_KEY_LENGTH + 1);
        for key in ["", "/a", "a/", "a//b", ".", "..", "a/../b", "a/./b", "a\0b", "a\nb", long.as_str()] {
            assert_eq!(check(key).unwrap_err().kind(), ErrorKind::InvalidKey, "{key:?}");
        }
    }

    #[test]
    fn ordinary_keys_are_accepted() {
        for key in ["a", "backups/a.b/a.b-logs.gz", "kopia/ns/xn0_1", "…/ü:=+@", ".hidden", "a..b"] {
            assert!(check(key).is_ok(), "{key:?}");
        }
    }

    #[test]
    fn a_name_is_one_segment() {
        assert!(check_segment("a.b").is_ok());
        assert!(check_segment("a/b").is_err() && check_segment("..").is_err() && check_segment("").is_err());
    }

    #[test]
    fn a_prefix_may_be_empty_or_end_in_a_slash() {
        assert!(check_prefix("").is_ok() && check_prefix("a/").is_ok() && check_prefix("a/b").is_ok());
        assert!(check_prefix("/").is_err() && check_prefix("a//").is_err() && check_prefix("../").is_err());
    }
}
