//! What every command gets: the checked settings, the screen, and the cluster on demand.

use std::path::PathBuf;

use crate::cli::flag::{given, named};
use crate::cli::global::GlobalFlags;
use crate::cluster::{Cluster, connect};
use crate::config::{ClientFile, DEFAULT_NAMESPACE, Environment};
use crate::output::screen::Screen;

/// Velero's switch for saving every served version of an object.
pub(crate) const API_GROUP_VERSIONS: &str = "EnableAPIGroupVersions";
/// Velero's switches; CSI snapshots are always on here.
const FEATURES: [&str; 2] = ["EnableCSI", API_GROUP_VERSIONS];

/// One run of the program.
pub(crate) struct Session {
    pub(crate) environment: Environment,
    pub(crate) settings: Settings,
    pub(crate) screen: Screen,
}

/// Settings that hold for every command, from flags, file and environment, in this order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    /// Namespace of the server and its objects.
    pub(crate) namespace: String,
    /// The kubeconfig file; where it is not given, the usual places.
    pub(crate) kubeconfig: Option<PathBuf>,
    /// The context; where it is not given, the kubeconfig's current one.
    pub(crate) kubecontext: Option<String>,
    /// Features to switch on.
    pub(crate) features: Vec<String>,
    /// File with certificates to trust for downloads.
    pub(crate) cacert: Option<PathBuf>,
    /// How much to log, from 0.
    pub(crate) verbosity: u8,
}

impl Session {
    /// Combines flags, file and environment.
    pub(crate) fn new(environment: Environment, flags: GlobalFlags, file: &ClientFile) -> Self {
        let session = Self::silent(environment, flags, file);
        session.warn_of_features();
        session
    }

    /// [`Self::new`] without a word on what is wrong with the flags.
    pub(crate) fn silent(environment: Environment, flags: GlobalFlags, file: &ClientFile) -> Self {
        let wanted = flags.colorized.or_else(|| file.get("colorized")?.parse().ok()).unwrap_or(true);
        let screen = Screen::new(&environment, wanted);
        let settings = Settings::new(&environment, flags, file);
        Self { environment, settings, screen }
    }

    /// Features that are asked for and do not exist must not be missed in silence.
    fn warn_of_features(&self) {
        for feature in self.settings.features.iter().filter(|it| !FEATURES.contains(&it.as_str())) {
            self.screen.note(format!("warning: the feature {feature:?} does not exist here and is ignored"));
        }
    }

    /// The same run without colours, for texts that go into files.
    pub(crate) fn plain(&self) -> Self {
        let (environment, settings) = (self.environment.clone(), self.settings.clone());
        Self { environment, settings, screen: Screen::default() }
    }

    /// Name of the program, for texts.
    pub(crate) fn program(&self) -> &'static str {
        self.environment.program
    }

    /// Namespace of the server.
    pub(crate) fn namespace(&self) -> &str {
        &self.settings.namespace
    }

    /// A client for the cluster. No request is made yet.
    pub(crate) async fn cluster(&self) -> anyhow::Result<Cluster> {
        connect::connect(&self.environment, &self.settings).await
    }
}

impl Settings {
    fn new(environment: &Environment, flags: GlobalFlags, file: &ClientFile) -> Self {
        let namespace = flags
            .namespace
            .filter(|name| !name.is_empty())
            .or_else(|| file.get("namespace"))
            .or_else(|| environment.namespace.clone())
            .unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned());
        let mut features = flags.features;
        let stored = file.get("features").unwrap_or_default();
        features.extend(stored.split(',').filter(|feature| !feature.is_empty()).map(str::to_owned));
        Self {
            namespace,
            kubeconfig: given(flags.kubeconfig.as_ref()).cloned(),
            kubecontext: named(flags.kubecontext),
            features,
            cacert: file.get("cacert").map(PathBuf::from),
            verbosity: flags.v.unwrap_or(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ClientFile, Environment, GlobalFlags, Settings};

    #[test]
    fn the_namespace_comes_from_flag_then_file_then_environment() {
        let flag = || GlobalFlags { namespace: Some("flag".into()), ..GlobalFlags::default() };
        let mut file = ClientFile::default();
        file.set("namespace", "file");
        let environment = Environment { namespace: Some("variable".into()), ..Environment::default() };
        let empty = (Environment::default(), ClientFile::default());
        for (environment, flags, file, expected) in [
            (&environment, flag(), &file, "flag"),
            (&environment, GlobalFlags::default(), &file, "file"),
            (&environment, GlobalFlags::default(), &empty.1, "variable"),
            (&empty.0, GlobalFlags::default(), &empty.1, "velero"),
        ] {
            assert_eq!(Settings::new(environment, flags, file).namespace, expected);
        }
    }
}
