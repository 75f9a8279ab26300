//! Who may use whom: the arrows of ARCHITECTURE.md.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::Problem;

/// What each package may use of ours, directly. Tests may use `bowline-testing` besides, but for `kopia`'s.
const ARROWS: &[(&str, &[&str])] = &[
    ("bowline-api", &[]),
    ("bowline-kopia", &[]),
    ("bowline-store", &["bowline-api"]),
    ("bowline-engine", &["bowline-api"]),
    ("bowline-reconcile", &["bowline-api"]),
    ("bowline-plugin", &["bowline-api", "bowline-engine", "bowline-store"]),
    ("bowline-datamover", &["bowline-api", "bowline-kopia", "bowline-store"]),
    ("bowline-node-agent", &["bowline-api", "bowline-datamover", "bowline-reconcile"]),
    (
        "bowline-server",
        &[
            "bowline-api",
            "bowline-datamover",
            "bowline-engine",
            "bowline-plugin",
            "bowline-reconcile",
            "bowline-store",
        ],
    ),
    ("bowline-testing", &["bowline-api", "bowline-engine", "bowline-store"]),
];

/// Packages at the top, which may use everything.
const TOPS: &[&str] = &["bowline", "bowline-e2e", "bowline-bench", "bowline-bench-kopia", "xtask"];

/// Packages without a Kubernetes client.
const NO_CLIENT: &[&str] = &["bowline-api", "bowline-engine", "bowline-store", "bowline-kopia"];

/// Features of `kube` that bring a client.
const CLIENT: &[&str] = &["client", "runtime"];

/// A package of the workspace.
#[derive(Deserialize)]
pub(super) struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

/// What a package asks for.
#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// `dev`, `build`, or nothing for an ordinary one.
    kind: Option<String>,
    features: Vec<String>,
}

/// The packages of the workspace, as Cargo sees them.
pub(super) fn packages(root: &Path) -> Result<Vec<Package>> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Package>,
    }
    let mut cargo = Command::new(env!("CARGO"));
    let output = cargo
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(root)
        .output()
        .context("failed to run cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let metadata: Metadata =
        serde_json::from_slice(&output.stdout).context("failed to read cargo metadata")?;
    Ok(metadata.packages)
}

/// Uses of a package that no arrow allows, and features that it must not turn on.
pub(super) fn check(package: &Package) -> Vec<Problem> {
    let arrows = ARROWS.iter().find(|(name, _)| *name == package.name).map(|(_, uses)| *uses);
    let is_top = TOPS.contains(&package.name.as_str());
    if arrows.is_none() && !is_top {
        return vec![Problem::error(
            &package.name,
            "has no place in the layers: see xtask/src/verify/layering.rs",
        )];
    }
    let allows = |dependency: &Dependency| {
        let for_tests = is_top || dependency.kind.as_deref() == Some("dev");
        match dependency.name.as_str() {
            "bowline-testing" => for_tests && package.name != "bowline-kopia",
            // A crate turns on its own features for its tests that way.
            name if name == package.name => dependency.kind.as_deref() == Some("dev"),
            name => arrows.is_none_or(|arrows| arrows.contains(&name)),
        }
    };
    let ours = package.dependencies.iter().filter(|dependency| dependency.name.starts_with("bowline"));
    let uses = ours.filter(|dependency| !allows(dependency));
    let mut problems: Vec<_> = uses
        .map(|dependency| Problem::error(&package.name, format!("must not use {}", dependency.name)))
        .collect();
    problems.extend(clients(package));
    problems
}

fn clients(package: &Package) -> impl Iterator<Item = Problem> {
    let bound = NO_CLIENT.contains(&package.name.as_str());
    let kube = package.dependencies.iter().filter(move |dependency| bound && dependency.name == "kube");
    let features = kube.flat_map(|dependency| &dependency.features);
    features
        .filter(|feature| CLIENT.contains(&feature.as_str()))
        .map(|feature| Problem::error(&package.name, format!("must not turn on kube's {feature}")))
}

#[cfg(test)]
mod tests {
    use super::{Dependency, Package, check};

    fn package(name: &str, dependencies: &[(&str, Option<&str>, &[&str])]) -> Package {
        let dependencies = dependencies.iter().map(|(name, kind, features)| Dependency {
            name: (*name).to_owned(),
            kind: kind.map(str::to_owned),
            features: features.iter().map(|feature| (*feature).to_owned()).collect(),
        });
        Package { name: name.to_owned(), dependencies: dependencies.collect() }
    }

    #[test]
    fn only_arrows_are_allowed() {
        let cases = [
            ("bowline-engine", ("bowline-api", None), 0),
            ("bowline-engine", ("bowline-store", None), 1),
            ("bowline-engine", ("bowline-testing", Some("dev")), 0),
            ("bowline-engine", ("bowline-testing", None), 1),
            ("bowline-kopia", ("bowline-testing", Some("dev")), 1),
            ("bowline-node-agent", ("bowline-engine", None), 1),
            ("bowline", ("bowline-server", None), 0),
            ("bowline-bench", ("bowline-testing", None), 0),
            ("bowline-api", ("serde", None), 0),
            ("bowline-surprise", ("serde", None), 1),
        ];
        for (name, (uses, kind), problems) in cases {
            assert_eq!(check(&package(name, &[(uses, kind, &[])])).len(), problems, "{name} -> {uses}");
        }
    }

    #[test]
    fn lower_crates_have_no_client() {
        for (name, features, problems) in [
            ("bowline-engine", &["derive"][..], 0),
            ("bowline-engine", &["client", "runtime"][..], 2),
            ("bowline-server", &["client"][..], 0),
        ] {
            assert_eq!(check(&package(name, &[("kube", None, features)])).len(), problems, "{name}");
        }
    }
}
