//! How long to wait after a failure, per key: doubling from the first pause to the longest, forgotten after a success.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

/// Pauses by key. Holds an entry for each key that keeps failing, and for no other.
#[derive(Debug)]
pub struct Backoff<K> {
    first: Duration,
    longest: Duration,
    failures: HashMap<K, u32>,
}

impl<K: Eq + Hash> Backoff<K> {
    /// Pauses from `first`, doubled each time, to `longest`.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, failures: HashMap::new() }
    }

    /// Counts a failure of the key and says how long to wait.
    pub fn fail(&mut self, key: K) -> Duration {
        let failures = self.failures.entry(key).or_default();
        let pause = self.first.saturating_mul(2_u32.saturating_pow(*failures)).min(self.longest);
        *failures = failures.saturating_add(1);
        pause
    }

    /// Forgets the failures of the key.
    pub fn succeed(&mut self, key: &K) {
        self.failures.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_start_again_after_a_success() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(5));
        let pauses: Vec<_> = (0..5).map(|_| backoff.fail("a").as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 5, 5]);
        assert_eq!(backoff.fail("b").as_secs(), 1);
        backoff.succeed(&"a");
        assert_eq!(backoff.fail("a").as_secs(), 1);
    }
}
