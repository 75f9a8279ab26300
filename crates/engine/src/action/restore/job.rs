//! `velero.io/job`: drops what ties a job's pods to the uid of the old job.

use serde_json::Value;

use super::{Pure, changed, map_mut};

pub(super) const ACTION: Pure =
    Pure { name: "velero.io/job", resources: &["jobs.batch"], execute: |job, _| Ok(changed(|| untie(job))) };

fn untie(job: &mut Value) {
    for pointer in ["/spec/selector/matchLabels", "/spec/template/metadata/labels"] {
        if let Some(labels) = map_mut(job, pointer) {
            labels.remove("controller-uid");
            labels.remove("batch.kubernetes.io/controller-uid");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn labels_with_the_old_uid_go_and_others_stay() {
        let labels = json!({"controller-uid": "1", "batch.kubernetes.io/controller-uid": "1", "app": "a"});
        let mut job = json!({"spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}}}});
        untie(&mut job);
        let left = json!({"app": "a"});
        assert_eq!(
            job,
            json!({"spec": {"selector": {"matchLabels": left}, "template": {"metadata": {"labels": left}}}})
        );
        let mut bare = json!({"spec": {}});
        untie(&mut bare);
        assert_eq!(bare, json!({"spec": {}}));
    }
}
