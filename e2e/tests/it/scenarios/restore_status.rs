//! Status that is restored because the user asks for it.

use anyhow::Result;
use serde_json::{Value, json};

use super::stage::Scenario;

#[test]
fn the_status_of_chosen_kinds_is_restored() -> Result<()> {
    let scenario = Scenario::new("status")?;
    let namespace = scenario.namespace("first")?;
    let job = |name: &str, annotations: Value| {
        let container = json!({"name": "c", "image": "none"});
        let template = json!({"spec": {"restartPolicy": "Never", "containers": [container]}});
        let metadata = json!({"name": name, "namespace": namespace, "annotations": annotations});
        let spec = json!({"schedule": "0 0 1 1 *", "suspend": true, "jobTemplate": {"spec": {"template": template}}});
        json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata, "spec": spec})
    };
    let mark = "velero.io/restore-status";
    scenario.apply(&[
        job("plain", json!({})),
        job("refusing", json!({mark: "false"})),
        job("asking", json!({mark: "true"})),
    ])?;
    let time = "2020-01-02T03:04:05Z";
    let patch = json!({"status": {"lastScheduleTime": time}}).to_string();
    for name in ["plain", "refusing", "asking"] {
        let patch = [
            "-n",
            &namespace,
            "patch",
            "cronjob",
            name,
            "--subresource=status",
            "--type=merge",
            "-p",
            &patch,
        ];
        scenario.cluster.kubectl(patch)?.ok()?;
    }
    scenario.back_up(&["--include-namespaces", &namespace])?;
    let restored = |attempt: &str, flags: &[&str]| -> Result<[Value; 3]> {
        let copy = scenario.named(attempt);
        let mappings = format!("{namespace}:{copy}");
        scenario.restore(attempt, &[&["--namespace-mappings", &mappings], flags].concat())?;
        let list = scenario.cluster.get(&["-n", &copy, "cronjob", "asking", "plain", "refusing"])?;
        Ok([0, 1, 2].map(|index| list["items"][index]["status"]["lastScheduleTime"].clone()))
    };
    let (is, none) = (json!(time), Value::Null);
    assert_eq!(restored("unasked", &[])?, [is.clone(), none.clone(), none.clone()]);
    assert_eq!(
        restored("asked", &["--status-include-resources", "cronjobs"])?,
        [is.clone(), is.clone(), none.clone()]
    );
    let but = ["--status-include-resources", "*", "--status-exclude-resources", "cronjobs.batch"];
    assert_eq!(restored("but", &but)?, [is, none.clone(), none]);
    Ok(())
}
