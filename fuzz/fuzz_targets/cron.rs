//! Cron expressions: the next time is always later.
#![no_main]

use bowline_engine::schedule::Cron;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(cron) = Cron::parse(text) {
        let now = jiff::Timestamp::UNIX_EPOCH;
        assert!(cron.next(now).is_none_or(|next| next > now));
    }
});
