//! Where repositories are, and what opens them: Velero's conventions, and the ways Kopia itself keeps one.

use std::fmt;
use std::sync::Arc;

use bowline_store::{ObjectStore, ObjectStoreExt};
use kopia::blob::BlobStore;
use zeroize::Zeroizing;

use crate::ObjectBlobs;

/// The password of every repository that Velero creates unless its users set another one. It is public knowledge: it keeps
/// nobody out who can read the store.
pub const VELERO_PASSWORD: &str = "static-passw0rd";

/// The folder of a backup location that holds the repositories, one a namespace.
const FOLDER: &str = "kopia";
/// The blob that every repository has.
const FORMAT_BLOB: &str = "kopia.repository";

/// The key prefix of the repository of a namespace's volumes in a backup location, without `/` at its end.
pub fn prefix(namespace: &str) -> String {
    format!("{FOLDER}/{namespace}")
}

/// What lies at a place in an object store.
#[derive(Debug)]
pub enum Found {
    /// A repository.
    Repository(ObjectBlobs),
    /// A backup location with the only repository in it, that of this namespace.
    InLocation {
        /// Its blobs.
        blobs: ObjectBlobs,
        /// The namespace of the volumes.
        namespace: String,
    },
    /// A backup location with repositories of several namespaces.
    Several(Vec<String>),
    /// Neither.
    Nothing,
}

/// Looks for a repository at the top of `objects`, then for those that Velero keeps below `kopia/`.
///
/// # Errors
/// Those of the store.
pub async fn find(objects: &Arc<dyn ObjectStore>) -> bowline_store::Result<Found> {
    if objects.exists(FORMAT_BLOB).await? {
        return Ok(Found::Repository(ObjectBlobs::new(objects.clone(), "")?));
    }
    let mut namespaces = Vec::new();
    for name in objects.common_prefixes(&format!("{FOLDER}/")).await? {
        if objects.exists(&format!("{}/{FORMAT_BLOB}", prefix(&name))).await? {
            namespaces.push(name);
        }
    }
    if namespaces.len() > 1 {
        return Ok(Found::Several(namespaces));
    }
    match namespaces.pop() {
        Some(namespace) => Ok(Found::InLocation {
            blobs: ObjectBlobs::new(objects.clone(), &prefix(&namespace))?,
            namespace,
        }),
        None => Ok(Found::Nothing),
    }
}

/// A password for a repository: hidden in `Debug`, wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// The text as it is.
    pub fn new(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    /// The content of a file: the line's end, which editors add, is no part of the password.
    pub fn of_file(text: &str) -> Self {
        Self::new(text.trim_end_matches(['\r', '\n']))
    }

    /// The content of Velero's secret, which ignores white space around it.
    pub fn of_secret(text: &str) -> Self {
        Self::new(text.trim())
    }

    /// The one that Velero uses where nothing else is set.
    pub fn velero() -> Self {
        Self::new(VELERO_PASSWORD)
    }

    /// Opens the repository in `blobs`.
    ///
    /// # Errors
    /// As [`kopia::Repository::open`].
    pub async fn open(
        &self,
        blobs: Arc<dyn BlobStore>,
        options: kopia::OpenOptions,
    ) -> kopia::Result<kopia::Repository> {
        kopia::Repository::open(blobs, &self.0, options).await
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(***)")
    }
}

#[cfg(test)]
mod tests {
    use bowline_store::{Body, MemoryStore, PutOptions};

    use super::*;

    async fn found(keys: &[&str]) -> Found {
        let store: Arc<dyn ObjectStore> = Arc::new(MemoryStore::new());
        for key in keys {
            store.put(key, Body::from("x"), PutOptions::default()).await.unwrap();
        }
        find(&store).await.unwrap()
    }

    #[tokio::test]
    async fn repositories_are_found_at_the_top_and_where_velero_keeps_them() {
        assert!(matches!(
            found(&["kopia.repository", "kopia/a/kopia.repository"]).await,
            Found::Repository(_)
        ));
        let one = ["backups/b/velero-backup.json", "kopia/shop/kopia.repository", "kopia/empty/xe1"];
        assert!(matches!(found(&one).await, Found::InLocation { namespace, .. } if namespace == "shop"));
        let two = ["kopia/a/kopia.repository", "kopia/b/kopia.repository"];
        assert!(matches!(found(&two).await, Found::Several(names) if names == ["a", "b"]));
        assert!(matches!(found(&["kopia/a/xe1"]).await, Found::Nothing));
    }

    #[test]
    fn a_password_is_trimmed_by_its_origin_and_never_shown() {
        assert_eq!(Password::of_secret(" static-passw0rd\n"), Password::velero());
        assert_eq!(Password::of_file("static-passw0rd\r\n"), Password::velero());
        assert_ne!(Password::new("static-passw0rd\n"), Password::velero());
        assert_eq!(format!("{:?}", Password::velero()), "Password(***)");
    }
}
