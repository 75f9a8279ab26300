//! Which kinds the server serves: two requests where the server aggregates its discovery (Kubernetes 1.26 and later), else one
//! request per group version. A group whose aggregated API server is down is named as broken; the rest goes on.

use bowline_engine::catalog::{BrokenGroup, Catalog, Kind};
use bowline_engine::port::ClusterError;
use futures::stream::{self, StreamExt};
use kube::client::{APIGroupDiscovery, APIGroupDiscoveryList, APIResourceDiscovery, APIVersionDiscovery};
use serde::Deserialize;

use super::transport::{Call, Transport, decode};

const AGGREGATED: &str = kube::core::discovery::v2::ACCEPT_AGGREGATED_DISCOVERY_V2;
const STALE: &str = "Stale";
/// Group versions that are read at once without aggregation.
const IN_FLIGHT: usize = 16;

#[derive(Default)]
struct Found {
    kinds: Vec<Kind>,
    broken: Vec<BrokenGroup>,
}

/// Reads all kinds in the server's order: the core group, then the other groups by their priority.
pub(super) async fn discover(transport: &Transport) -> Result<Catalog, ClusterError> {
    let (core, groups) = tokio::try_join!(
        transport.send(Call::get("/api".into()).accepting(AGGREGATED)),
        transport.send(Call::get("/apis".into()).accepting(AGGREGATED)),
    )?;
    let mut found = Found::default();
    for answer in [core, groups] {
        match decode::<Answer>(&answer)? {
            Answer::Aggregated(list) => {
                list.items.into_iter().for_each(|group| aggregated(group, &mut found));
            }
            Answer::Versions(core) => one_by_one(transport, core.into_versions(), &mut found).await?,
            Answer::Groups(groups) => one_by_one(transport, groups.into_versions(), &mut found).await?,
        }
    }
    Ok(Catalog::new(found.kinds, found.broken))
}

#[derive(Deserialize)]
#[serde(tag = "kind")]
enum Answer {
    #[serde(rename = "APIGroupDiscoveryList")]
    Aggregated(APIGroupDiscoveryList),
    #[serde(rename = "APIVersions")]
    Versions(CoreVersions),
    #[serde(rename = "APIGroupList")]
    Groups(GroupList),
}

fn aggregated(group: APIGroupDiscovery, found: &mut Found) {
    let name = group.metadata.and_then(|metadata| metadata.name).unwrap_or_default();
    for (index, version) in group.versions.into_iter().enumerate() {
        let version_name = version.version.clone().unwrap_or_default();
        if version.freshness.as_deref() == Some(STALE) {
            found.broken.push(stale(&name, &version_name));
        } else {
            found.kinds.extend(kinds(&name, &version_name, version, index == 0));
        }
    }
}

fn stale(group: &str, version: &str) -> BrokenGroup {
    BrokenGroup {
        api_version: GroupVersion::new(group, version, false).api_version(),
        message: "the aggregated API server behind this group does not answer".into(),
    }
}

fn kinds(group: &str, version: &str, discovery: APIVersionDiscovery, preferred: bool) -> Vec<Kind> {
    let kind = |resource: APIResourceDiscovery| {
        Some(Kind {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: resource.response_kind?.kind?,
            plural: resource.resource?,
            singular: resource.singular_resource.unwrap_or_default(),
            short_names: resource.short_names,
            namespaced: resource.scope.as_deref() == Some("Namespaced"),
            verbs: resource.verbs,
            preferred,
        })
    };
    discovery.resources.into_iter().filter(|resource| !resource.verbs.is_empty()).filter_map(kind).collect()
}

/// A version of a group that is to be read by a request of its own.
struct GroupVersion {
    group: String,
    version: String,
    preferred: bool,
}

impl GroupVersion {
    fn new(group: &str, version: &str, preferred: bool) -> Self {
        Self { group: group.to_owned(), version: version.to_owned(), preferred }
    }

    fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    fn path(&self) -> String {
        format!("/{}/{}", if self.group.is_empty() { "api" } else { "apis" }, self.api_version())
    }
}

#[derive(Deserialize)]
struct CoreVersions {
    versions: Vec<String>,
}

impl CoreVersions {
    fn into_versions(self) -> Vec<GroupVersion> {
        self.versions
            .iter()
            .enumerate()
            .map(|(index, version)| GroupVersion::new("", version, index == 0))
            .collect()
    }
}

#[derive(Deserialize)]
struct GroupList {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    name: String,
    versions: Vec<Version>,
    preferred_version: Option<Version>,
}

#[derive(Deserialize, PartialEq, Eq)]
struct Version {
    version: String,
}

impl GroupList {
    fn into_versions(self) -> Vec<GroupVersion> {
        let versions = |group: &Group| {
            let preferred = group.preferred_version.as_ref().or(group.versions.first());
            let mut versions: Vec<_> = group
                .versions
                .iter()
                .map(|version| GroupVersion::new(&group.name, &version.version, Some(version) == preferred))
                .collect();
            versions.sort_by_key(|version| !version.preferred);
            versions
        };
        self.groups.iter().flat_map(versions).collect()
    }
}

#[derive(Deserialize)]
struct ResourceList {
    resources: Vec<Resource>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resource {
    name: String,
    #[serde(default)]
    singular_name: String,
    namespaced: bool,
    kind: String,
    #[serde(default)]
    verbs: Vec<String>,
    #[serde(default)]
    short_names: Vec<String>,
}

async fn one_by_one(
    transport: &Transport,
    versions: Vec<GroupVersion>,
    found: &mut Found,
) -> Result<(), ClusterError> {
    let all = versions.len();
    let mut lists = stream::iter(versions)
        .map(|version| async move { (transport.send(Call::get(version.path())).await, version) })
        .buffered(IN_FLIGHT);
    let (mut failed, mut last) = (0, None);
    while let Some((answer, version)) = lists.next().await {
        match answer.and_then(|body| decode::<ResourceList>(&body)) {
            Ok(list) => found
                .kinds
                .extend(list.resources.into_iter().filter_map(|resource| served(resource, &version))),
            Err(error) => {
                failed += 1;
                found
                    .broken
                    .push(BrokenGroup { api_version: version.api_version(), message: error.to_string() });
                last = Some(error);
            }
        }
    }
    match last {
        Some(error) if failed == all => Err(error),
        _ => Ok(()),
    }
}

/// `None` for subresources.
fn served(resource: Resource, version: &GroupVersion) -> Option<Kind> {
    (!resource.name.contains('/')).then(|| Kind {
        group: version.group.clone(),
        version: version.version.clone(),
        kind: resource.kind,
        plural: resource.name,
        singular: resource.singular_name,
        short_names: resource.short_names,
        namespaced: resource.namespaced,
        verbs: resource.verbs,
        preferred: version.preferred,
    })
}
