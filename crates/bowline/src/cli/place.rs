//! `--from`: backups in a folder or bucket instead of those of the cluster.

use crate::cli::flag::{KeyValues, merged};
use crate::local::Place;
use crate::session::Session;

/// Where to look instead of asking the cluster.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct FromPlace {
    /// Look into a folder or s3://BUCKET/PREFIX instead of asking the cluster
    #[arg(long, value_name = "PLACE")]
    from: Option<Place>,
    /// Settings of the place given by --from, such as region=eu-1,s3Url=http://localhost:9000 (region: else AWS_REGION)
    #[arg(long, value_name = "KEY=VALUE", requires = "from")]
    from_config: Vec<KeyValues>,
}

impl FromPlace {
    /// The place, if one was given.
    pub(crate) fn place(&self, session: &Session) -> Option<Place> {
        self.from.clone().map(|place| with_settings(session, place, self.from_config.clone()))
    }
}

/// A place with the settings of its flag, and what the environment says where they are silent.
pub(crate) fn with_settings(session: &Session, place: Place, config: Vec<KeyValues>) -> Place {
    place.with_config(merged(config)).or_region(session.environment.aws_region.as_ref())
}
