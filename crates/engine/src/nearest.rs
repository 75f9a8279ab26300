//! The nearest right name for a mistyped one.

/// Below this similarity (Jaro-Winkler) a suggestion would only confuse.
const SIMILAR: f64 = 0.78;

/// The candidate that looks most like `name`, if any looks like it at all.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (similarity(name, candidate), candidate))
        .filter(|(similarity, _)| *similarity >= SIMILAR)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// From 0 to 1. Short names differ much by a single slip, which is therefore counted by itself.
fn similarity(name: &str, candidate: &str) -> f64 {
    let slip = strsim::osa_distance(name, candidate) == 1 && name.len() > 2;
    strsim::jaro_winkler(name, candidate).max(if slip { SIMILAR } else { 0.0 })
}

/// [`nearest`] as a question to the user.
pub fn did_you_mean<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(name, candidates).map(|candidate| format!("did you mean {candidate:?}?"))
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn typing_errors_are_found_and_strangers_are_not() {
        let names = ["deployments", "daemonsets", "secrets", "pods"];
        for (typed, meant) in [
            ("deploymnts", Some("deployments")),
            ("secert", Some("secrets")),
            ("pdos", Some("pods")),
            ("xyz", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, names), meant, "{typed}");
        }
    }
}
