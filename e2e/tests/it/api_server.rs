//! The API server in memory, which the crash tests run servers on, promises nothing that a real one does not keep.

use anyhow::Result;
use bowline_e2e::Cluster;
use bowline_server::adapter::{self, ConnectOptions};
use bowline_testing::conformance;

#[test]
fn a_real_api_server_keeps_what_the_one_in_memory_promises() -> Result<()> {
    let cluster = Cluster::shared()?;
    let namespace = cluster.namespace("conformance")?;
    let kubeconfig = Some(cluster.setting("KUBECONFIG")?.into());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let options = ConnectOptions { kubeconfig, ..ConnectOptions::default() };
        let (connection, _) = adapter::connect(&options).await?;
        conformance::judge(&connection.client, &namespace).await;
        Ok(())
    })
}
