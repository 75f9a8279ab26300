//! `--from`: backups in a folder or bucket instead of those of the cluster.

use crate::cli::flag::{KeyValues, merged};
use crate::local::Place;

/// Where to look instead of asking the cluster.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct FromPlace {
    /// Look into a folder or s3://BUCKET/PREFIX instead of asking the cluster
    #[arg(long, value_name = "PLACE")]
    from: Option<Place>,
    /// Settings of the place given by --from, such as region=eu-1,s3Url=http://localhost:9000
    #[arg(long, value_name = "KEY=VALUE", requires = "from")]
    from_config: Vec<KeyValues>,
}

impl FromPlace {
    /// The place, if one was given.
    pub(crate) fn place(&self) -> Option<Place> {
        let config = || merged(self.from_config.clone());
        self.from.clone().map(|place| place.with_config(config()))
    }
}
