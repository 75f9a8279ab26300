//! The resources that the cluster serves, to find mistyped ones before anything is created.

use std::collections::BTreeSet;

use kube::Client;

use crate::failure::Failure;
use crate::nearest::did_you_mean;

/// Every name by which a resource can be called: plural, short, kind, each also with its group.
pub(crate) struct KnownResources(BTreeSet<String>);

impl KnownResources {
    /// Asks the API server. `None` when it can't tell, which must not keep anybody from a backup.
    pub(crate) async fn read(client: &Client) -> Option<Self> {
        let groups = client.list_api_groups_aggregated().await.ok()?;
        let core = client.list_core_api_versions_aggregated().await.ok()?;
        let mut names = BTreeSet::new();
        for item in groups.items.iter().chain(&core.items) {
            let group = item.metadata.as_ref().and_then(|meta| meta.name.clone()).unwrap_or_default();
            for resource in item.versions.iter().flat_map(|version| &version.resources) {
                let kind = resource.response_kind.as_ref().and_then(|kind| kind.kind.as_ref());
                let calls = [resource.resource.as_ref(), resource.singular_resource.as_ref(), kind];
                let short = resource.short_names.iter();
                for name in calls.into_iter().flatten().chain(short) {
                    let name = name.to_lowercase();
                    names.insert(format!("{name}.{group}"));
                    names.insert(name);
                }
            }
        }
        Some(Self(names))
    }

    /// Refuses a resource that the cluster does not serve.
    pub(crate) fn check(&self, flag: &str, names: &[String]) -> anyhow::Result<()> {
        for name in names.iter().filter(|name| !name.contains('*')) {
            if !self.0.contains(&name.to_lowercase()) {
                let suggestion = did_you_mean(name, self.0.iter().map(String::as_str));
                return Err(Failure::new(format!("{flag}: the cluster has no resource {name:?}"))
                    .maybe_hint(suggestion)
                    .hint("`kubectl api-resources` lists all resources")
                    .into());
            }
        }
        Ok(())
    }
}
