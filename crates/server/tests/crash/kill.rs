//! Runs a scenario and kills its server at one point after another.

use std::collections::BTreeSet;
use std::time::Duration;

use bowline_testing::{Moment, Process};

use crate::scenario::Scenario;
use crate::world::World;

/// Points that a run of all tests tries for each scenario. Every point is tried by `make soak`.
const SAMPLE: usize = 16;
/// What goes wrong late shows within this time, virtually.
const SETTLES: Duration = Duration::from_mins(5);

/// What became of a run.
struct Run {
    /// Calls of the first server, and of the one that took over.
    calls: Vec<String>,
    more: usize,
    killed: bool,
}

/// Counts the calls of a scenario, then kills at each point of a sample, or at every one.
pub(crate) fn at_every_point(scenario: &dyn Scenario) {
    let (calendar, whole) = in_paused_time(run(scenario, None));
    let points = points(whole.calls.len());
    let (mut kills, mut redone) = (0, 0);
    for &(call, moment) in &points {
        let what = whole.calls.get(call - 1).map_or("", String::as_str);
        let name = scenario.name();
        let run = std::panic::catch_unwind(|| in_paused_time(run(scenario, Some((call, moment)))));
        let Ok((_, run)) = run else {
            panic!("{name}: killed at call {call} ({what}), {moment:?}: see above");
        };
        kills += usize::from(run.killed);
        redone += (run.calls.len() + run.more).saturating_sub(whole.calls.len());
    }
    println!(
        "{}: {} calls in {calendar:?}; {kills} kills at {} points, {kills} recoveries, {} calls more than without on average",
        scenario.name(),
        whole.calls.len(),
        points.len(),
        redone / points.len().max(1),
    );
    assert!(
        kills * 10 >= points.len() * 9,
        "{}: only {kills} kills at {} points",
        scenario.name(),
        points.len()
    );
}

/// Runs a future in a runtime of its own whose time passes at once. Also gives the time that passed.
pub(crate) fn in_paused_time<T>(future: impl Future<Output = T>) -> (Duration, T) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    let runtime = runtime.expect("a runtime can be made");
    runtime.block_on(async {
        let start = tokio::time::Instant::now();
        let value = future.await;
        (start.elapsed(), value)
    })
}

async fn run(scenario: &dyn Scenario, death: Option<(usize, Moment)>) -> Run {
    let world = World::new();
    scenario.prepare(&world).await;
    let process = death.map_or_else(Process::default, |(call, moment)| Process::dying_at(call, moment));
    let mut server = world.start(process.clone());
    scenario.request(&world);
    let killed = tokio::select! {
        biased;
        () = process.died() => true,
        () = settled(scenario, &world) => false,
    };
    let mut calls = process.calls();
    let mut more = 0;
    if killed {
        server.kill().await;
        server = world.start(Process::default());
        settled(scenario, &world).await;
        more = server.process.calls().len();
    } else {
        calls = process.calls();
    }
    assert!(server.is_running(), "the server has ended by itself\n{}", world.describe());
    verify(scenario, &world, usize::from(killed)).await;
    server.kill().await;
    Run { calls, more, killed }
}

async fn settled(scenario: &dyn Scenario, world: &World) {
    world.until(scenario.name(), |world| scenario.ended(world)).await;
    tokio::time::sleep(scenario.settles().unwrap_or(SETTLES)).await;
}

async fn verify(scenario: &dyn Scenario, world: &World, kills: usize) {
    scenario.check(world, kills).await;
    world.check().await;
}

/// Every point, or a sample that reaches from the first call to the last.
fn points(calls: usize) -> Vec<(usize, Moment)> {
    let all = (1..=calls).flat_map(|call| [(call, Moment::Before), (call, Moment::After)]);
    if try_all() {
        return all.collect();
    }
    let wanted: BTreeSet<_> = (0..SAMPLE).map(|index| index * 2 * calls / SAMPLE).collect();
    all.enumerate().filter(|(index, _)| wanted.contains(index)).map(|(_, point)| point).collect()
}

#[expect(clippy::disallowed_methods, reason = "the one setting of these tests")]
fn try_all() -> bool {
    std::env::var("BOWLINE_CRASH_POINTS").is_ok_and(|points| points == "all")
}
