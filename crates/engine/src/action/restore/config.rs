//! The ConfigMaps by which users configure actions: labelled `velero.io/plugin-config` and `<action>=RestoreItemAction`.

use std::collections::BTreeMap;

use bowline_api::label;
use serde::Deserialize;

use super::ActionError;
use crate::catalog::Kind;
use crate::port::{ClusterError, ListQuery, PageRequest, Ports};

/// Most bytes of the list of such ConfigMaps.
const MAX_BYTES: usize = 4 << 20;

/// Reads the data of the one ConfigMap for an action; empty when there is none.
pub(super) async fn read(
    ports: &Ports,
    namespace: Option<&str>,
    action: &str,
) -> Result<BTreeMap<String, String>, ActionError> {
    let Some(namespace) = namespace else { return Ok(BTreeMap::new()) };
    let kind = Kind::builtin("", "v1", "ConfigMap", "configmaps", true);
    let query = ListQuery {
        namespace: Some(namespace.to_owned()),
        label_selector: format!("{},{action}=RestoreItemAction", label::PLUGIN_CONFIG),
        field_selector: String::new(),
    };
    let page = PageRequest { limit: 0, continue_token: None, max_bytes: MAX_BYTES };
    let found = match ports.cluster.list(&kind, &query, &page).await {
        Ok(page) => page.items,
        // No such namespace.
        Err(ClusterError::NotFound { .. }) => return Ok(BTreeMap::new()),
        Err(source) => {
            return Err(ActionError::Cluster {
                attempt: format!("list the ConfigMaps for {action}"),
                source,
            });
        }
    };
    match found.as_slice() {
        [] => Ok(BTreeMap::new()),
        [one] => Ok(one.view::<View>()?.data.unwrap_or_default()),
        several => {
            let names: Vec<&str> = several.iter().map(|object| object.head().name.as_str()).collect();
            Err(ActionError::Failed(format!(
                "found more than one ConfigMap matching label selector {:?}: {}; keep one of them",
                query.label_selector,
                names.join(", ")
            )))
        }
    }
}

#[derive(Deserialize)]
struct View {
    data: Option<BTreeMap<String, String>>,
}
