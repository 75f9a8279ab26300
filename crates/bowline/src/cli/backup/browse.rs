//! `backup browse`: the stored objects of a backup, listed like folders and printed, with nothing restored.

use std::collections::BTreeSet;
use std::fmt::Write;

use bowline_engine::archive::spool::{EntryId, Group, Spool};
use bowline_engine::catalog::GroupResource;
use serde_json::json;

use crate::cli::get::Form;
use crate::failure::Failure;
use crate::nearest::did_you_mean;
use crate::output::encode::{Encoding, encode};
use crate::output::tabs;
use crate::session::Session;
use crate::stored::Fetch;

/// Look at the objects of a backup without restoring them
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Browse {
    /// Name of the backup
    #[arg(value_name = "NAME")]
    name: String,
    /// What to look at: RESOURCE, RESOURCE/NAMESPACE, RESOURCE/NAMESPACE/OBJECT, or RESOURCE/OBJECT outside of namespaces
    #[arg(value_name = "PATH", default_value = "", hide_default_value = true)]
    path: String,
    /// Form of the output: table, json, yaml or name; a single object is yaml unless it is to be json
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t = Form::Table)]
    output: Form,
    #[command(flatten)]
    fetch: Fetch,
}

const EXAMPLES: &str = "
# Which resources it holds, and how many objects of each
{program} backup browse web
# The objects of one resource, and one of them
{program} backup browse web deployments.apps
{program} backup browse web deployments.apps/shop/frontend
# A backup in a folder, with nothing installed in the cluster
{program} backup browse web secrets/shop -o name --from ./backups";

impl Browse {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let stored = self.fetch.backup(session, &self.name).await?;
        let spool = &stored.spool;
        let words: Vec<&str> = self.path.split('/').filter(|word| !word.is_empty()).collect();
        let Some((first, rest)) = words.split_first() else {
            return Ok(session.screen.print(resources(spool, self.output)?)?);
        };
        let above = |words: &[&str]| {
            let path = [&[self.name.as_str()], words].concat();
            format!("see what there is: `{} backup browse {}`", session.program(), path.join(" "))
        };
        let resource = resource(spool, first).map_err(|failure| failure.hint(above(&[])))?;
        let found = find(spool, &resource, rest).map_err(|failure| failure.hint(above(&[*first])))?;
        match (found, self.output) {
            (Found::One(entry), Form::Table | Form::Wide | Form::Yaml) => {
                show(session, spool, entry, Encoding::Yaml)
            }
            (Found::One(entry), Form::Json) => show(session, spool, entry, Encoding::Json),
            (Found::One(entry), Form::Name) => Ok(session.screen.print(path(spool, entry) + "\n")?),
            (Found::Many(groups), form) => many(session, spool, &groups, form),
        }
    }
}

/// What a path leads to.
enum Found {
    One(EntryId),
    Many(Vec<Group>),
}

/// All resources with their numbers of objects.
fn resources(spool: &Spool, form: Form) -> anyhow::Result<String> {
    let rows = spool.resources().filter_map(|resource| {
        let groups: Vec<Group> = spool.groups(resource).collect();
        let objects: usize = groups.iter().map(Group::len).sum();
        let namespaces = groups.iter().filter(|group| spool.namespace(group).is_some()).count();
        (objects > 0).then(|| (resource.to_string(), objects, namespaces))
    });
    let object = |(resource, objects, namespaces)| json!({ "resource": resource, "objects": objects, "namespaces": namespaces });
    match form {
        Form::Json => encode(&rows.map(object).collect(), Encoding::Json),
        Form::Yaml => encode(&rows.map(object).collect(), Encoding::Yaml),
        Form::Name => Ok(rows.map(|(resource, ..)| resource + "\n").collect()),
        Form::Table | Form::Wide => {
            let mut text = "RESOURCE\tOBJECTS\tNAMESPACES\n".to_owned();
            for (resource, objects, namespaces) in rows {
                let namespaces = if namespaces == 0 { "-".to_owned() } else { namespaces.to_string() };
                // Writing to a string can't fail.
                let _ = writeln!(text, "{resource}\t{objects}\t{namespaces}");
            }
            Ok(tabs::expand(&text, tabs::TABLE))
        }
    }
}

/// Short names as `kubectl` knows them. Those of other kinds are known to their cluster only.
const SHORT_NAMES: [(&str, &str); 19] = [
    ("cj", "cronjobs"),
    ("cm", "configmaps"),
    ("crd", "customresourcedefinitions"),
    ("deploy", "deployments"),
    ("ds", "daemonsets"),
    ("ep", "endpoints"),
    ("hpa", "horizontalpodautoscalers"),
    ("ing", "ingresses"),
    ("netpol", "networkpolicies"),
    ("ns", "namespaces"),
    ("pdb", "poddisruptionbudgets"),
    ("po", "pods"),
    ("pv", "persistentvolumes"),
    ("pvc", "persistentvolumeclaims"),
    ("rs", "replicasets"),
    ("sa", "serviceaccounts"),
    ("sc", "storageclasses"),
    ("sts", "statefulsets"),
    ("svc", "services"),
];

/// The resource of that name: `deployments.apps`, or without the group, in the plural or singular.
fn resource(spool: &Spool, name: &str) -> Result<GroupResource, Failure> {
    let name = name.to_lowercase();
    let long = SHORT_NAMES.iter().find(|(short, _)| *short == name).map(|(_, long)| (*long).to_owned());
    let name = long.unwrap_or(name);
    let full = spool.resources().find(|resource| resource.to_string() == name);
    let fits = |resource: &&GroupResource| {
        let plural = resource.resource.as_str();
        plural == name || plural.strip_suffix('s') == Some(&name) || plural.strip_suffix("es") == Some(&name)
    };
    if let Some(found) = full.or_else(|| spool.resources().find(fits)) {
        return Ok(found.clone());
    }
    let known: Vec<String> = spool.resources().map(ToString::to_string).collect();
    let plain = spool.resources().map(|resource| resource.resource.as_str());
    let all = known.iter().map(String::as_str).chain(plain);
    Err(Failure::new(format!("the backup holds no resource {name:?}")).maybe_hint(did_you_mean(&name, all)))
}

fn find(spool: &Spool, resource: &GroupResource, rest: &[&str]) -> Result<Found, Failure> {
    let groups: Vec<Group> = spool.groups(resource).collect();
    let (scope, name) = match rest {
        [] => return Ok(Found::Many(groups)),
        [word] if groups.iter().any(|group| spool.namespace(group).is_none()) => (None, Some(*word)),
        [namespace] => (Some(*namespace), None),
        [namespace, name] => (Some(*namespace), Some(*name)),
        _ => return Err(Failure::new("the path has more than RESOURCE/NAMESPACE/OBJECT")),
    };
    let Some(group) = groups.iter().find(|group| spool.namespace(group) == scope) else {
        let wanted = scope.unwrap_or_default();
        let known: BTreeSet<&str> = groups.iter().filter_map(|group| spool.namespace(group)).collect();
        return Err(Failure::new(format!("the backup holds no {resource} in the namespace {wanted:?}"))
            .maybe_hint(did_you_mean(wanted, known)));
    };
    let Some(name) = name else { return Ok(Found::Many(vec![group.clone()])) };
    spool.find_in(group, name).map(Found::One).ok_or_else(|| {
        let known = group.entries().map(|entry| spool.name(entry));
        Failure::new(format!("the backup holds no {resource} {name:?}")).maybe_hint(did_you_mean(name, known))
    })
}

fn show(session: &Session, spool: &Spool, entry: EntryId, encoding: Encoding) -> anyhow::Result<()> {
    Ok(session.screen.print(encode(&spool.load(entry)?.tree()?, encoding)?)?)
}

/// The path by which [`Browse`] finds an object.
fn path(spool: &Spool, entry: EntryId) -> String {
    let id = spool.id(entry);
    let namespace = id.namespace.map(|namespace| namespace + "/").unwrap_or_default();
    format!("{}/{namespace}{}", id.resource, spool.name(entry))
}

/// Many objects. They are written one after the other, because all of them may not fit into memory.
fn many(session: &Session, spool: &Spool, groups: &[Group], form: Form) -> anyhow::Result<()> {
    let screen = &session.screen;
    let entries = || groups.iter().flat_map(Group::entries);
    match form {
        Form::Name => entries().try_for_each(|entry| Ok(screen.line(path(spool, entry))?)),
        Form::Yaml => entries().try_for_each(|entry| {
            screen.line("---")?;
            show(session, spool, entry, Encoding::Yaml)
        }),
        Form::Json => {
            screen.print(r#"{"apiVersion":"v1","kind":"List","metadata":{},"items":["#)?;
            for (at, entry) in entries().enumerate() {
                screen.print(if at == 0 { "\n" } else { ",\n" })?;
                screen.print(serde_json::to_string(&spool.load(entry)?.tree()?)?)?;
            }
            Ok(screen.line("\n]}")?)
        }
        Form::Table | Form::Wide => {
            let mut text = "NAMESPACE\tNAME\tBYTES\n".to_owned();
            for group in groups {
                let namespace = spool.namespace(group).unwrap_or("-");
                for entry in group.entries() {
                    let _ = writeln!(text, "{namespace}\t{}\t{}", spool.name(entry), spool.size(entry));
                }
            }
            Ok(screen.print(tabs::expand(&text, tabs::TABLE))?)
        }
    }
}
