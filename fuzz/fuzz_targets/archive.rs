//! Archives of backups: unpacked within limits, and every object read.
#![no_main]

use bowline_engine::archive::spool::{Limits, Spool};
use bytes::Bytes;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime can be made");
    let blocks = futures::stream::iter([Ok(Bytes::copy_from_slice(data))]);
    let limits = Limits { total_bytes: 1 << 20, entries: 1000 };
    if let Ok(spool) = runtime.block_on(Spool::read(blocks, limits, &std::env::temp_dir())) {
        for resource in spool.resources() {
            for entry in spool.groups(resource).flat_map(|group| group.entries().collect::<Vec<_>>()) {
                let _ = spool.load(entry);
            }
        }
    }
});
