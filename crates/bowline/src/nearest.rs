//! The nearest right name for a mistyped one.

/// Below this similarity (Jaro-Winkler) a suggestion would only confuse.
const SIMILAR: f64 = 0.78;

/// The candidate that looks most like `name`, if any looks like it at all.
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(similarity, _)| *similarity >= SIMILAR)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// [`nearest`] as a question to the user.
pub(crate) fn did_you_mean<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(name, candidates).map(|candidate| format!("did you mean {candidate:?}?"))
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn typing_errors_are_found_and_strangers_are_not() {
        let names = ["deployments", "daemonsets", "secrets"];
        for (typed, meant) in
            [("deploymnts", Some("deployments")), ("secert", Some("secrets")), ("xyz", None), ("", None)]
        {
            assert_eq!(nearest(typed, names), meant, "{typed}");
        }
    }
}
