//! What one account has to do does not hold up the others.

use std::sync::Arc;

use futures::future::join_all;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::SUBMIT_MANY;
use crate::support::app::both;
use crate::support::http_receiver::{Answer, HttpReceiver};
use crate::support::make::ana;

/// Of 16 slots, what an account may have that is not alone, and what is left to one that wants as much.
const MOST: usize = 12;
const LEFT: usize = 3;

both!(
    /// One account's partners never answer, which pauses nobody, and it has a thousand deliveries waiting; then they go on.
    an_account_with_much_to_do_leaves_slots_to_others_and_turns_in_the_queue,
    ["--concurrency", "16", "--destination-concurrency", "8"],
    |app| {
        let (silent, quick) = (HttpReceiver::start().await, HttpReceiver::start().await);
        let permits = Arc::new(Semaphore::new(0));
        silent.answer(Answer::status(200).hold(permits.clone()));
        let (big, small) = (app.account_by_key("Big").await, app.account_by_key("Small").await);
        let (to_silent, to_quick) = (app.to_all(&big).await, app.to_all(&small).await);
        for name in ["P", "Q"] {
            app.behind(&big, &to_silent, name, &silent).await;
        }
        app.behind(&small, &to_quick, "R", &quick).await;
        app.submit(&small, &to_quick.flow, ana()).await;
        quick.wait_for(1).await;
        app.submit(&big, &to_silent.flow, ana()).await;
        let leads: Vec<Value> = (0..500).map(|_| json!({ "fields": ana() })).collect();
        let bulk = json!({ "flowId": to_silent.flow.id, "leads": leads });
        assert_eq!(app.done(&big.key, SUBMIT_MANY, bulk).await["accepted"], 500);
        silent.wait_for(MOST).await;

        app.submit(&small, &to_quick.flow, ana()).await;
        quick.wait_for(2).await;

        // More than there are slots for: the rest waits behind those thousand.
        let one_by_one = Arc::new(Semaphore::new(0));
        quick.answer(Answer::status(200).hold(one_by_one.clone()));
        join_all((0..10).map(|_| app.submit(&small, &to_quick.flow, ana()))).await;
        quick.wait_for(2 + LEFT).await;
        assert_eq!(quick.count(), 2 + LEFT);
        one_by_one.add_permits(10);
        quick.wait_for(12).await;
        assert_eq!((silent.count(), silent.most_active()), (MOST, MOST), "all that while");

        permits.add_permits(2_000);
        silent.wait_for(MOST + 100).await;
        assert!(silent.most_active() <= MOST, "{}", silent.most_active());
    }
);

both!(
    /// Where nobody else delivers, nothing is left unused.
    an_account_alone_has_all_slots,
    ["--concurrency", "16", "--destination-concurrency", "8"],
    |app| {
        let silent = HttpReceiver::start().await;
        let permits = Arc::new(Semaphore::new(0));
        silent.answer(Answer::status(200).hold(permits.clone()));
        let owner = app.account_by_key("Acme").await;
        let all = app.to_all(&owner).await;
        for name in ["P", "Q"] {
            app.behind(&owner, &all, name, &silent).await;
        }
        app.submit(&owner, &all.flow, ana()).await;
        join_all((1..10).map(|_| app.submit(&owner, &all.flow, ana()))).await;
        silent.wait_for(16).await;
        assert_eq!((silent.count(), app.app.queue.slots.used()), (16, 16));
        permits.add_permits(20);
        silent.wait_for(20).await;
    }
);
