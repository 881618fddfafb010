//! How much goes over a connection, and when it is due for a review (N22).

use chrono::{DateTime, TimeDelta, Utc};
use entity::{ids::AccountId, lead, source};
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter, Set};
use serde_json::{Value, json};

use super::{by_id, by_input};
use crate::support::app::{TestApp, both};
use crate::support::make::{Account, Flow, ana, merge, text};

const USAGE: &str = "query($id: ID!, $range: TimeRangeInput!, $bucket: TimeBucket) { connection(id: $id) { usage(range: $range, bucket: $bucket) {
    received { submitted accepted rejected failed acceptRate p50Ms p95Ms refusedAttempts } sent { submitted accepted rejected }
    buckets { start received { submitted accepted } sent { submitted accepted } } } } }";
const CAPACITY: &str = "query($id: ID!) { connection(id: $id) { capacity { expectedDaily last24h peakHour utilisation } lastActivityAt reviewDue } }";

/// A lead that a partner has sent into a flow some time ago.
#[expect(clippy::disallowed_methods, reason = "a test's rows are all its own")]
async fn arrived(app: &TestApp, to: (&Account, &Flow), from: &Account, ago: TimeDelta, outcome: lead::LeadOutcome) {
    let receipt = app.submit(to.0, to.1, ana()).await;
    let id: entity::ids::LeadId = text(&receipt["id"]).parse().unwrap();
    let at = app.clock.now() - ago;
    let earlier = uuid::Builder::from_unix_timestamp_millis(at.timestamp_millis().try_into().unwrap(), &rand::random())
        .into_uuid();
    lead::Entity::update_many()
        .col_expr(
            lead::Column::SenderAccountId,
            Expr::value(from.id.parse::<AccountId>().unwrap()),
        )
        .col_expr(lead::Column::SubmittedAt, Expr::value(at))
        .col_expr(lead::Column::Id, Expr::value(earlier))
        .col_expr(lead::Column::Outcome, Expr::value(outcome))
        .col_expr(
            lead::Column::ProcessingUs,
            Expr::value(1_000_i64 * (1 + i64::try_from(id.0.as_u128() % 7).unwrap())),
        )
        .filter(lead::Column::Id.eq(id))
        .exec(app.app.db.write())
        .await
        .unwrap();
}

/// A connection that was agreed so long ago.
#[expect(clippy::disallowed_methods, reason = "a test's rows are all its own")]
async fn connected_since(app: &TestApp, one: &Account, other: &Account, ago: TimeDelta) -> String {
    let id = app.connected(one, other, "BOTH").await;
    let row: entity::ids::ConnectionId = id.parse().unwrap();
    entity::connection::Entity::update_many()
        .col_expr(
            entity::connection::Column::ConnectedAt,
            Expr::value(app.clock.now() - ago),
        )
        .filter(entity::connection::Column::Id.eq(row))
        .exec(app.app.db.write())
        .await
        .unwrap();
    id
}

fn range(app: &TestApp, hours: i64) -> Value {
    let at = |time: DateTime<Utc>| time.to_rfc3339();
    let now = app.clock.now();
    json!({ "from": at(now - TimeDelta::hours(hours)), "to": at(now + TimeDelta::seconds(1)) })
}

both!(
    /// N22: the figures are those of the leads, both ways, in total and by spans.
    usage_counts_the_leads_that_went_over_the_connection, |app| {
        use lead::LeadOutcome::{Accepted, Rejected};
        let (a, b, c) = (app.account("Alpha").await, app.account("Beta").await, app.account("Gamma").await);
        let id = connected_since(&app, &a, &b, TimeDelta::days(10)).await;
        app.connected(&a, &c, "BOTH").await;
        let (mine, theirs) = (app.flow(&a, json!({})).await, app.flow(&b, json!({})).await);
        let to_a = (&a, &mine);
        for (from, hours, outcome) in [(&b, 1, Accepted), (&b, 1, Accepted), (&b, 2, Rejected), (&b, 30, Accepted), (&c, 1, Accepted), (&a, 1, Accepted)] {
            arrived(&app, to_a, from, TimeDelta::hours(hours), outcome).await;
        }
        arrived(&app, (&b, &theirs), &a, TimeDelta::hours(3), Accepted).await;
        // Before there was a connection.
        arrived(&app, to_a, &b, TimeDelta::days(11), Accepted).await;

        let usage = |hours: i64, bucket: &str| {
            let variables = json!({ "id": id, "range": range(&app, hours), "bucket": bucket });
            let (app, a) = (&app, &a);
            async move { app.data(&a.token, USAGE, variables).await["connection"]["usage"].take() }
        };
        let all = usage(24 * 20, "MONTH").await;
        let figures = |counts: &Value| [&counts["submitted"], &counts["accepted"], &counts["rejected"]].map(|count| count.as_i64().unwrap());
        assert_eq!((figures(&all["received"]), figures(&all["sent"])), ([4, 3, 1], [1, 1, 0]));
        assert_eq!((&all["received"]["acceptRate"], &all["received"]["failed"]), (&json!(0.75), &json!(0)));
        assert!(all["received"]["p50Ms"].as_f64().unwrap() <= all["received"]["p95Ms"].as_f64().unwrap());
        let recent = usage(24, "HOUR").await;
        assert_eq!(figures(&recent["received"]), [3, 2, 1]);
        for bucket in ["HOUR", "DAY", "WEEK", "MONTH"] {
            let told = usage(48, bucket).await;
            let buckets = told["buckets"].as_array().unwrap().clone();
            let sum = |way: &str| buckets.iter().map(|bucket| bucket[way]["submitted"].as_i64().unwrap()).sum::<i64>();
            assert_eq!((sum("received"), sum("sent")), (4, 1), "{bucket}");
            let starts: Vec<_> = buckets.iter().map(|bucket| text(&bucket["start"])).collect();
            assert!(starts.is_sorted(), "{starts:?}");
        }
        let seen = app.data(&b.token, USAGE, json!({ "id": id, "range": range(&app, 480), "bucket": "DAY" })).await;
        assert_eq!(figures(&seen["connection"]["usage"]["sent"]), [4, 3, 1], "the other side sees the same the other way round");
        let long = json!({ "id": id, "range": range(&app, 24 * 365), "bucket": "HOUR" });
        assert_eq!(app.error_code(Some(&a.token), USAGE, long).await, "BAD_USER_INPUT");

        let update = by_input("updateConnection", "UpdateConnectionInput");
        app.done(&a.token, &update, json!({ "id": id, "expectedDailyVolume": 8 })).await;
        let told = app.data(&a.token, CAPACITY, json!({ "id": id })).await["connection"].take();
        assert_eq!(told["capacity"], json!({ "expectedDaily": 8, "last24h": 4, "peakHour": 2, "utilisation": 0.5 }));
        let last: DateTime<Utc> = text(&told["lastActivityAt"]).parse().unwrap();
        assert_eq!(app.clock.now() - last, TimeDelta::hours(1));
        assert_eq!(told["reviewDue"], false);
    }
);

both!(
    a_connection_is_due_for_a_review_when_idle_or_not_looked_through,
    |app| {
        let (a, b, c) = (
            app.account("Alpha").await,
            app.account("Beta").await,
            app.account("Gamma").await,
        );
        let idle = connected_since(&app, &a, &b, TimeDelta::days(30)).await;
        let used = connected_since(&app, &a, &c, TimeDelta::days(89)).await;
        let flow = app.flow(&a, json!({})).await;
        arrived(&app, (&a, &flow), &c, TimeDelta::days(2), lead::LeadOutcome::Accepted).await;
        let due = |due: bool| {
            let (app, a) = (&app, &a);
            async move {
                let links = app.links(a, json!({ "due": due })).await;
                assert!(links.iter().all(|link| link["reviewDue"] == due), "{links:#?}");
                links.iter().map(|link| text(&link["id"])).collect::<Vec<_>>()
            }
        };
        assert_eq!(
            (due(true).await, due(false).await),
            (vec![idle.clone()], vec![used.clone()])
        );
        let reviewed = app
            .done_to(&a.token, &by_id("markConnectionReviewed", "connection"), &json!(idle))
            .await["connection"]
            .take();
        assert_eq!(
            (&reviewed["reviewDue"], reviewed["lastReviewedAt"].is_null()),
            (&json!(false), false)
        );
        assert_eq!(
            app.link(&b, &idle).await["reviewDue"],
            true,
            "each side reviews for itself"
        );
        app.clock.advance(TimeDelta::days(1));
        let a = app.sign_in(&a).await;
        let links = app.links(&a, json!({ "due": true })).await;
        assert_eq!(links.iter().map(|link| text(&link["id"])).collect::<Vec<_>>(), [used]);
        app.done_to(&a.token, &by_id("terminateConnection", "connection"), &links[0]["id"])
            .await;
        assert_eq!(
            app.links(&a, json!({ "due": true })).await,
            Vec::<Value>::new(),
            "what has ended is not due"
        );
    }
);

/// A source through which a partner submits, as its owner has added it.
pub(super) async fn opened(
    app: &TestApp,
    owner: &Account,
    flow: &Flow,
    partner: &Account,
    more: Value,
) -> source::Model {
    let mut row = json!({ "enabled": true });
    merge(&mut row, more);
    let row = source::ActiveModel {
        id: Set(app.clock.id()),
        account_id: Set(owner.id.parse().unwrap()),
        flow_id: Set(flow.id.parse().unwrap()),
        kind: Set(source::SourceKind::Account),
        name: Set("Partner".into()),
        enabled: Set(row["enabled"].as_bool().unwrap()),
        acceptance_rule: Set(None),
        mapping: Set(source::Mappings::default()),
        caps: Set(Default::default()),
        price_e4: Set(None),
        price_currency: Set(None),
        sender_account_id: Set(Some(partner.id.parse().unwrap())),
        connection_id: Set(None),
        invitation_id: Set(None),
        position: Set(9),
        created_at: Set(app.clock.now()),
        deleted_at: Set(None),
    };
    row.insert(app.app.db.write()).await.unwrap()
}
