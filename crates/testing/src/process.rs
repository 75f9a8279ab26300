//! A process that can be killed at any of its calls, as by SIGKILL: from then on nothing that it began has an end.

use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

/// When a call kills its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Before it is carried out.
    Before,
    /// When it has been carried out, and nobody has heard of it.
    After,
}

/// A process, as far as the world can tell: a number of calls, until there are no more. Clones are the same process.
#[derive(Clone, Debug)]
pub struct Process(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    death: Option<(usize, Moment)>,
    calls: Mutex<Vec<String>>,
    delay: Mutex<Duration>,
    alive: watch::Sender<bool>,
}

impl Default for Process {
    fn default() -> Self {
        Self::new(None)
    }
}

impl Process {
    /// A process that dies at its call of this number, counted from 1.
    pub fn dying_at(call: usize, moment: Moment) -> Self {
        Self::new(Some((call, moment)))
    }

    fn new(death: Option<(usize, Moment)>) -> Self {
        Self(Arc::new(Inner {
            death,
            calls: Mutex::default(),
            delay: Mutex::default(),
            alive: watch::Sender::new(true),
        }))
    }

    /// Kills it now.
    pub fn kill(&self) {
        self.0.alive.send_replace(false);
    }

    /// Returns once it is dead.
    pub async fn died(&self) {
        let mut alive = self.0.alive.subscribe();
        // The sender lives as long as this borrow of the process.
        let _ = alive.wait_for(|alive| !alive).await;
    }

    /// From now on each of its calls is on its way for so long before it has an effect.
    pub fn slow(&self, delay: Duration) {
        *self.0.delay.lock().unwrap_or_else(PoisonError::into_inner) = delay;
    }

    /// Its calls so far, in order.
    pub fn calls(&self) -> Vec<String> {
        self.lock().clone()
    }

    /// Carries out a call, unless the process is dead or dies of it; then this never returns.
    pub async fn call<T>(&self, what: impl Display, act: impl Future<Output = T>) -> T {
        let number = {
            let mut calls = self.lock();
            if *self.0.alive.borrow() {
                calls.push(what.to_string());
            }
            calls.len()
        };
        self.die_if((number, Moment::Before));
        let delay = *self.0.delay.lock().unwrap_or_else(PoisonError::into_inner);
        let arrives = async {
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            act.await
        };
        let result = tokio::select! {
            biased;
            () = self.died() => std::future::pending().await,
            result = arrives => result,
        };
        self.die_if((number, Moment::After));
        if !*self.0.alive.borrow() {
            std::future::pending::<()>().await;
        }
        result
    }

    fn die_if(&self, moment: (usize, Moment)) {
        if self.0.death == Some(moment) {
            self.kill();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_process_dies_before_or_after_the_effect_and_never_answers_again() {
        for (moment, effects) in [(Moment::Before, 1), (Moment::After, 2)] {
            let process = Process::dying_at(2, moment);
            let done = AtomicU32::new(0);
            let count = || async { done.fetch_add(1, Ordering::Relaxed) };
            process.call("first", count()).await;
            for name in ["second", "third"] {
                tokio::select! {
                    biased;
                    _ = process.call(name, count()) => panic!("a dead process went on"),
                    () = process.died() => {}
                }
            }
            assert_eq!(done.load(Ordering::Relaxed), effects);
            assert_eq!(process.calls(), ["first", "second"]);
        }
    }
}
