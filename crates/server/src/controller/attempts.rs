//! How often a run was begun. It is kept on the object, so that the next server knows it too.

use bowline_api::ObjectMeta;

/// How often a backup or restore is begun before it is given up.
pub(super) const LIMIT: u32 = 4;

const ANNOTATION: &str = "bowline.velero.io/attempts";

fn attempts(meta: &ObjectMeta) -> u32 {
    let annotation = meta.annotations.as_ref().and_then(|annotations| annotations.get(ANNOTATION));
    annotation.and_then(|count| count.parse().ok()).unwrap_or_default()
}

/// Whether it has been begun too often.
pub(super) fn used_up(meta: &ObjectMeta) -> bool {
    attempts(meta) >= LIMIT
}

/// One more is begun.
pub(super) fn count(meta: &mut ObjectMeta) {
    let count = attempts(meta).saturating_add(1).to_string();
    meta.annotations.get_or_insert_default().insert(ANNOTATION.into(), count);
}

/// Why it is given up.
pub(super) fn exhausted(what: &str) -> String {
    format!(
        "the server ended {LIMIT} times while the {what} was in progress; see why it ends, such as its memory limit"
    )
}
