//! Faults 1 and 4, D10: the whole server is killed again and again while leads come in and go out.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::ledger::Ledger;
use super::load::Load;
use super::world::World;
use crate::support::app::both;
use crate::support::http_receiver::Answer;

const KILLS: usize = 10;
const CONCURRENCY: usize = 32;
/// After a kill, what was in flight has to be sent again within this.
const RESEND: Duration = Duration::from_secs(10);

both!(
    /// Ten kills at random moments, each followed by a start. Clients repeat what was not answered under the same keys.
    nothing_acknowledged_is_lost, |mode: Mode| {
        let seed = std::env::var("LEADMESH_TEST_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
        println!("LEADMESH_TEST_SEED={seed}");
        let mut moments = StdRng::seed_from_u64(seed);
        let mut world = World::start(mode, &["serve"], 1, CONCURRENCY).await;
        world
            .receiver
            .answer(Answer::status(200).after(Duration::from_millis(100)));
        let load = Load::start(&world);

        let mut kills = Vec::new();
        for _ in 0..KILLS {
            world.receiver.wait_for(world.receiver.count() + 1).await;
            tokio::time::sleep(Duration::from_millis(moments.random_range(0..1_000))).await;
            kills.push(world.kill(0));
            world.restart(0).await;
        }
        let seen = load.finish().await;

        assert!(seen.wrong().is_empty(), "{:?}", seen.wrong());
        let ledger = Ledger::at_rest(&world, &seen).await;
        let figures = ledger.check(KILLS * CONCURRENCY);
        let last = ledger.slowest_repeat(kills[KILLS - 1]);
        println!(
            "{mode:?}: {figures:?}, {} tries refused, repeats after the last kill within {last:?}",
            seen.refused().len()
        );
        assert!(figures.repeats > 0, "no kill has hit anything in flight");
        assert!(last.is_none_or(|last| last <= RESEND), "{last:?}");
    }
);
