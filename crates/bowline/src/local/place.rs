//! A place given on the command line: a folder, or `s3://BUCKET/PREFIX`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use bowline_store::LocationConfig;
use bowline_store::layout::BACKUPS;

use crate::failure::Failure;

/// The setting with the region of a bucket.
const REGION: &str = "region";

/// Where backups are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    kind: PlaceKind,
    config: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum PlaceKind {
    Folder(PathBuf),
    Bucket { bucket: String, prefix: String },
}

/// What is done with a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// It is read; nothing is changed.
    Read,
    /// It must exist; something is added.
    Change,
    /// It is made if it does not exist.
    Create,
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let kind = match text.split_once("://") {
            Some(("s3", path)) => {
                let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
                if bucket.is_empty() {
                    return Err("a bucket is missing: s3://BUCKET/PREFIX".to_owned());
                }
                PlaceKind::Bucket { bucket: bucket.to_owned(), prefix: prefix.trim_matches('/').to_owned() }
            }
            Some(("file", path)) => PlaceKind::Folder(path.into()),
            Some((scheme, _)) => {
                return Err(format!("{scheme:?} is neither a folder nor s3://BUCKET/PREFIX"));
            }
            None if text.is_empty() => return Err("a folder or s3://BUCKET/PREFIX is expected".to_owned()),
            None => PlaceKind::Folder(text.into()),
        };
        Ok(Self { kind, config: BTreeMap::new() })
    }
}

impl Place {
    /// With settings of the provider.
    pub(crate) fn with_config(mut self, config: BTreeMap<String, String>) -> Self {
        self.config = config;
        self
    }

    /// In this region, if it is a bucket whose settings name none.
    pub(crate) fn or_region(mut self, region: Option<&String>) -> Self {
        if let (PlaceKind::Bucket { .. }, Some(region)) = (&self.kind, region) {
            self.config.entry(REGION.to_owned()).or_insert_with(|| region.clone());
        }
        self
    }

    /// The folder, unless it is a bucket.
    pub(crate) fn folder(&self) -> Option<&Path> {
        match &self.kind {
            PlaceKind::Folder(path) => Some(path),
            PlaceKind::Bucket { .. } => None,
        }
    }

    /// How to open it.
    pub(crate) fn location(&self, access: Access) -> anyhow::Result<LocationConfig> {
        let read_only = access == Access::Read;
        let mut location =
            LocationConfig { config: self.config.clone(), read_only, ..LocationConfig::default() };
        match &self.kind {
            PlaceKind::Bucket { bucket, prefix } => {
                "aws".clone_into(&mut location.provider);
                location.bucket.clone_from(bucket);
                location.prefix.clone_from(prefix);
            }
            PlaceKind::Folder(path) => {
                check_folder(path, access)?;
                "filesystem".clone_into(&mut location.provider);
                let path = std::path::absolute(path)?;
                location.config.insert("path".to_owned(), path.display().to_string());
            }
        }
        Ok(location)
    }
}

impl Place {
    /// Where to look instead: the folder of a server's location (`path`) has a folder below for each bucket.
    pub(super) fn hint(&self) -> Option<String> {
        let PlaceKind::Folder(path) = &self.kind else { return None };
        if path.join(BACKUPS.trim_end_matches('/')).is_dir() {
            return None;
        }
        let below = fs_err::read_dir(path).ok()?.filter_map(Result::ok).map(|entry| entry.path());
        let found = below.into_iter().find(|folder| folder.join(BACKUPS.trim_end_matches('/')).is_dir())?;
        Some(format!("there are backups in {}: name that folder", found.display()))
    }
}

fn check_folder(path: &Path, access: Access) -> anyhow::Result<()> {
    if path.exists() && !path.is_dir() {
        return Err(Failure::new(format!("{} is not a folder", path.display())).into());
    }
    if access != Access::Create && !path.exists() {
        return Err(Failure::new(format!("there is no folder {}", path.display()))
            .hint("name the folder that was given to --to")
            .into());
    }
    Ok(())
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            PlaceKind::Folder(path) => write!(f, "{}", path.display()),
            PlaceKind::Bucket { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            PlaceKind::Bucket { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Access, Place};

    #[test]
    fn folders_and_buckets_are_told_apart() {
        for (text, shown) in [
            ("./backups", "./backups"),
            ("/srv/b", "/srv/b"),
            ("file:///srv/b", "/srv/b"),
            ("s3://bucket", "s3://bucket"),
            ("s3://bucket/some/where/", "s3://bucket/some/where"),
        ] {
            assert_eq!(text.parse::<Place>().unwrap().to_string(), shown);
        }
        for text in ["", "s3://", "s3:///x", "gs://bucket"] {
            assert!(text.parse::<Place>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_region_of_the_environment_is_for_buckets_whose_settings_name_none() {
        let environment = "eu-west-1".to_owned();
        for (place, config, region) in [
            ("s3://b", vec![], Some("eu-west-1")),
            ("s3://b", vec![("region".to_owned(), "us-east-2".to_owned())], Some("us-east-2")),
            ("/srv/b", vec![], None),
        ] {
            let place: Place = place.parse().unwrap();
            let place = place.with_config(config.into_iter().collect()).or_region(Some(&environment));
            assert_eq!(place.config.get("region").map(String::as_str), region, "{place}");
        }
        assert!("s3://b".parse::<Place>().unwrap().or_region(None).config.is_empty());
    }

    #[test]
    fn a_bucket_is_opened_with_its_settings() {
        let config = [("region".to_owned(), "eu".to_owned())].into();
        let location =
            "s3://b/p".parse::<Place>().unwrap().with_config(config).location(Access::Read).unwrap();
        assert_eq!(
            (location.provider.as_str(), location.bucket.as_str(), location.prefix.as_str()),
            ("aws", "b", "p")
        );
        assert_eq!(location.config["region"], "eu");
        assert!(location.read_only);
        let below = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(below.path().join("bucket/backups")).unwrap();
        let hint = below.path().display().to_string().parse::<Place>().unwrap().hint().unwrap();
        assert!(hint.contains("/bucket: name that folder"), "{hint}");
        assert!("/nonexistent/x".parse::<Place>().unwrap().location(Access::Read).is_err());
    }
}
