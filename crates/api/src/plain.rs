//! Words of errors that end in statuses, results and on terminals.

/// What libraries add to the words of the system, which tells nothing to those who did not write them: begin and end.
const JARGON: [(&str, &str); 3] =
    [(" (os error ", ")"), ("client error (Connect): ", ""), ("tcp connect error: ", "")];

/// The text of an error of the system, a client or TLS without what only programmers read: `Connection refused (os error 111)` is
/// `Connection refused`, and `DnsName("a")` is `a`.
pub fn plain(text: &str) -> String {
    let mut plain = text.to_owned();
    for (begin, end) in JARGON {
        while let Some(start) = plain.find(begin)
            && let Some(length) = plain[start + begin.len()..].find(end)
        {
            plain.replace_range(start..start + begin.len() + length + end.len(), "");
        }
    }
    without_call(&plain, "DnsName(\"", "\")")
}

/// The text with what stands between `begin` and `end` in their place.
fn without_call(text: &str, begin: &str, end: &str) -> String {
    let mut parts = text.split(begin);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |line, part| line + &part.replacen(end, "", 1))
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn what_only_programmers_read_is_left_out_of_reasons() {
        let refused = std::io::Error::from_raw_os_error(111).to_string();
        assert!(refused.contains("os error"), "{refused}");
        assert_eq!(
            plain(&format!("client error (Connect): tcp connect error: {refused}")),
            "Connection refused"
        );
        assert_eq!(
            plain("only valid for DnsName(\"a.b\") or DnsName(\"c\") (os error)"),
            "only valid for a.b or c (os error)"
        );
    }
}
