//! `velero.io/init-restore-hook`: puts the init containers of restore hooks before those of the pod.

use serde_json::Value;

use super::super::{ActionError, RestoreContext, RestoreEffects};
use super::{Pure, map_mut, text};
use crate::hook::restore::RestoreHookRules;

pub(super) const ACTION: Pure =
    Pure { name: "velero.io/init-restore-hook", resources: &["pods"], execute: add_init_containers };

/// The init container that waits for volume data comes before all hooks.
const WAITER: &str = "restore-wait";

fn add_init_containers(pod: &mut Value, context: &RestoreContext<'_>) -> Result<RestoreEffects, ActionError> {
    let rules = RestoreHookRules::resolve(&context.restore.spec.hooks)
        .map_err(|problems| ActionError::Failed(problems.join("; ")))?;
    let head = context.from_backup.head();
    let namespace = context.target_namespace(head.namespace.as_deref().unwrap_or_default());
    insert(pod, rules.init_containers(head, namespace));
    Ok(RestoreEffects::default())
}

fn insert(pod: &mut Value, containers: Vec<Value>) {
    let Some(spec) = map_mut(pod, "/spec").filter(|_| !containers.is_empty()) else { return };
    let list = spec.entry("initContainers").or_insert_with(|| Value::Array(Vec::new()));
    if let Some(list) = list.as_array_mut() {
        let at = usize::from(list.first().is_some_and(|first| text(first, "/name") == WAITER));
        list.splice(at..at, containers);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn hooks_come_first_but_after_the_wait_for_data() {
        for (before, after) in [
            (json!({}), json!(["hook"])),
            (json!({"initContainers": [{"name": "own"}]}), json!(["hook", "own"])),
            (
                json!({"initContainers": [{"name": "restore-wait"}, {"name": "own"}]}),
                json!(["restore-wait", "hook", "own"]),
            ),
            (
                json!({"initContainers": [{"name": "own"}, {"name": "restore-wait"}]}),
                json!(["hook", "own", "restore-wait"]),
            ),
        ] {
            let mut pod = json!({"spec": before});
            insert(&mut pod, vec![json!({"name": "hook"})]);
            let names: Vec<_> = pod["spec"]["initContainers"]
                .as_array()
                .unwrap()
                .iter()
                .map(|it| it["name"].clone())
                .collect();
            assert_eq!(Value::Array(names), after);
        }
    }
}
