//! The init container of a plugin, as Velero's tools make and find it (behaviour §2.2).

use bowline_api::label;
use serde_json::{Value, json};

/// Volume that holds the programs of all plugins.
pub(in crate::cli) const VOLUME: &str = "plugins";

/// The container that copies an image's plugin into the server's pod.
pub(in crate::cli) fn init_container(image: &str, pull_policy: &str) -> Value {
    json!({
        "name": name(image),
        "image": image,
        "imagePullPolicy": pull_policy,
        "resources": {},
        "volumeMounts": [{ "name": VOLUME, "mountPath": "/target" }],
    })
}

/// Name of the container: the image without registry, tag and digest, as a name that Kubernetes takes.
fn name(image: &str) -> String {
    let after_first = image.find('/').map(|slash| &image[slash + 1..]);
    let path = match after_first {
        Some(rest) if rest.contains('/') || image.starts_with('/') => rest,
        _ => image,
    };
    let end = path.rfind('@').or_else(|| path.rfind(':')).filter(|end| *end > 0).unwrap_or(path.len());
    label::valid_value(&path[..end].replace(['/', '_', '.'], "-"))
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn the_name_is_the_image_without_registry_tag_and_digest() {
        for (image, expected) in [
            ("velero/velero-plugin-for-aws:v1.13.0", "velero-velero-plugin-for-aws"),
            ("plugin", "plugin"),
            ("host:5000/team/plugin_a.b:v1", "team-plugin-a-b"),
            ("host.example/team/sub/plugin", "team-sub-plugin"),
            ("/plugin:v1", "plugin"),
            ("team/plugin@sha256:0123", "team-plugin"),
        ] {
            assert_eq!(name(image), expected, "{image}");
        }
        assert_eq!(name(&"a".repeat(80)).len(), 63);
    }
}
