//! Which version of an object is restored, when the archive has several (backup-format §4.3).

use std::collections::BTreeMap;

use super::run::Run;
use crate::action::ItemId;
use crate::archive::spool::EntryId;
use crate::catalog::{Catalog, GroupResource};

/// The user's order of versions by kind (ConfigMap `enableapigroupversions`).
pub type VersionPriorities = BTreeMap<GroupResource, Vec<String>>;

/// Reads lines `resource.group=v2,v1`; empty ones and those that begin with `#` don't count. The error is the line that is wrong.
pub fn parse_version_priorities(text: &str) -> Result<VersionPriorities, String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let parse = |line: &str| {
        let (resource, versions) = line.split_once('=')?;
        let versions: Vec<String> = versions.split(',').map(|version| version.trim().to_owned()).collect();
        let whole = !resource.trim().is_empty() && versions.iter().all(|version| !version.is_empty());
        whole.then(|| (GroupResource::from(resource.trim()), versions))
    };
    lines.map(|line| parse(line).ok_or_else(|| line.to_owned())).collect()
}

impl Run {
    /// The copy of an object to restore: with EnableAPIGroupVersions the best that both sides know; without it the plain copy, unless
    /// the cluster does not serve its version and the archive has a copy at one that it serves.
    pub(super) fn version_of(&self, plain: EntryId, id: &ItemId) -> EntryId {
        let stored = self.spool.versions(&id.resource);
        let scene = self.scene();
        let served = served(&scene.catalog, &id.resource);
        let chosen = match &self.request.version_priorities {
            Some(priorities) => {
                let wanted = priorities.get(&id.resource).map_or(&[][..], Vec::as_slice);
                choose(&stored, &served, wanted)
            }
            None => rescue(&stored, &served),
        };
        chosen.and_then(|version| self.spool.find_version(id, version)).unwrap_or(plain)
    }
}

/// The served versions of a kind, the preferred one first.
fn served<'a>(catalog: &'a Catalog, resource: &GroupResource) -> Vec<&'a str> {
    let preferred = catalog.get(resource).map(|kind| kind.version.as_str());
    let all =
        catalog.all().iter().filter(|kind| kind.plural == resource.resource && kind.group == resource.group);
    let others = all.map(|kind| kind.version.as_str()).filter(|version| Some(*version) != preferred);
    preferred.into_iter().chain(others).collect()
}

/// The version to restore, of those stored (the source's preferred one first) and served (the target's preferred one first). `None` for
/// the source's preferred one.
fn choose<'a>(stored: &[&'a str], served: &[&str], wanted: &[String]) -> Option<&'a str> {
    let both = |version: &str| {
        served.contains(&version).then(|| stored.iter().copied().find(|have| *have == version)).flatten()
    };
    let wanted = wanted.iter().find_map(|version| both(version));
    let target = served.first().and_then(|version| both(version));
    let source = stored.first().and_then(|version| both(version));
    wanted.or(target).or(source).or_else(|| served.iter().find_map(|version| both(version)))
}

fn rescue<'a>(stored: &[&'a str], served: &[&str]) -> Option<&'a str> {
    if stored.first().is_none_or(|preferred| served.contains(preferred)) {
        return None;
    }
    choose(stored, served, &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_five_cases_of_version_choice() {
        for (stored, served, wanted, expected) in [
            (&["v1", "v1beta1"][..], &["v1", "v1beta1"][..], &[][..], Some("v1")),
            (&["v1", "v2beta2", "v2beta1"], &["v2beta1", "v2beta2"], &[], Some("v2beta1")),
            (&["v1"], &["v2"], &[], None),
            (&["v1", "v2beta2", "v2beta1"], &["v2beta2", "v2beta1"], &["v3", "v2beta1"], Some("v2beta1")),
            (&["v2", "v1"], &["v3", "v1"], &[], Some("v1")),
            (&["v1", "v2"], &["v3", "v2", "v1"], &[], Some("v1")),
        ] {
            let wanted: Vec<String> = wanted.iter().map(ToString::to_string).collect();
            assert_eq!(choose(stored, served, &wanted), expected, "{stored:?} {served:?} {wanted:?}");
        }
    }

    #[test]
    fn the_user_s_order_is_read_line_by_line() {
        let orders =
            parse_version_priorities("# mine\nrockbands.music.example.io = v2beta1, v2beta2\n\npods=v1")
                .unwrap();
        assert_eq!(orders[&"rockbands.music.example.io".into()], ["v2beta1", "v2beta2"]);
        assert_eq!(orders[&"pods".into()], ["v1"]);
        for line in ["pods", "pods=", "=v1", "pods=v1,,v2"] {
            assert_eq!(parse_version_priorities(line).unwrap_err(), line);
        }
    }

    #[test]
    fn without_the_feature_another_version_only_rescues() {
        assert_eq!(rescue(&["v1", "v2"], &["v2", "v1"]), None);
        assert_eq!(rescue(&["v1beta1", "v1"], &["v1"]), Some("v1"));
        assert_eq!(rescue(&[], &["v1"]), None);
    }
}
