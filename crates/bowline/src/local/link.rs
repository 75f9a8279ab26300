//! The cluster as the engine sees it from here: for runs, plans and comparisons without a server.

use std::pin::pin;
use std::time::Duration;

use bowline_engine::port::{Ports, ServerVersion};
use bowline_engine::progress::Progress as Counters;
use bowline_server::Config;
use bowline_server::adapter::{self, ConnectOptions, Connection};
use bowline_server::operation::Tools;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

use crate::cluster::connect;
use crate::failure::{Failure, causes};
use crate::output::progress::{Counts, Progress};
use crate::session::{API_GROUP_VERSIONS, Session};

/// How often progress is shown.
const PACE: Duration = Duration::from_millis(200);

/// A connection to the cluster, with the settings of a run.
pub(super) struct Link {
    pub(super) config: Config,
    pub(super) connection: Connection,
    pub(super) version: ServerVersion,
    pub(super) ports: Ports,
}

impl Link {
    pub(super) async fn new(session: &Session) -> anyhow::Result<Self> {
        // Finds out first whether there is a cluster at all, with the better message.
        connect::find(&session.environment, &session.settings).await?;
        let options = ConnectOptions {
            kubeconfig: session.settings.kubeconfig.clone(),
            context: session.settings.kubecontext.clone(),
            ..ConnectOptions::default()
        };
        let (connection, version) = adapter::connect(&options)
            .await
            .map_err(|error| Failure::offline(causes(&error)).hint(error.hint()))?;
        let mut config =
            Config { namespace: session.namespace().to_owned(), connect: options, ..Config::default() };
        config.engine.rules.all_versions =
            session.settings.features.iter().any(|feature| feature == API_GROUP_VERSIONS);
        let ports = adapter::ports(&connection);
        Ok(Self { config, connection, version, ports })
    }

    /// Runs something, shows how far it is, and tells it to stop on Ctrl-C. `namespace` is the server's, when ConfigMaps are to be
    /// read there.
    pub(super) async fn watched<T>(
        &self,
        progress: &Progress,
        namespace: Option<&str>,
        run: impl AsyncFnOnce(Tools<'_>) -> T,
    ) -> T {
        let (counters, cancel) = (Counters::default(), CancellationToken::new());
        let scratch = self.config.scratch();
        let tools = Tools {
            ports: &self.ports,
            settings: &self.config.engine,
            namespace,
            scratch: &scratch,
            progress: &counters,
            cancel: &cancel,
        };
        let mut run = pin!(run(tools));
        let mut stop = pin!(tokio::signal::ctrl_c());
        let mut pace = interval(PACE);
        loop {
            tokio::select! {
                done = &mut run => return done,
                _ = &mut stop, if !cancel.is_cancelled() => cancel.cancel(),
                _ = pace.tick() => {
                    let (total, done) = counters.snapshot();
                    progress.show(&Counts { phase: "InProgress".to_owned(), done, total });
                }
            }
        }
    }
}
