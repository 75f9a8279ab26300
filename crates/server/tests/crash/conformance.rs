//! The API server in memory keeps what a real one promises. The same script runs against a real one in `e2e`.

use std::sync::Arc;

use bowline_testing::{MemoryCluster, Process, conformance, object};

#[tokio::test(start_paused = true)]
async fn the_api_server_in_memory_is_like_a_real_one() {
    let cluster = Arc::new(MemoryCluster::with([object::namespace("shop")]));
    conformance::judge(&cluster.client(&Process::default()), "shop").await;
}
