//! P4: leads for a spreadsheet.

use entity::{delivery, lead};
use reqwest::{Response, StatusCode};
use sea_orm::{ConnectionTrait, EntityName, IdenStatic, Iterable};
use serde_json::{Value, json};

use super::reviews::{ACCEPT, REJECT};
use super::with_mail;
use crate::support::app::{TestApp, client};
use crate::support::make::{merge, text};

const ABOUT: &str = "Lead,Delivered at,Status,Review reason,Price,Currency,Test";
const AUDIT: &str = "query($id: ID!) { auditEvents(subjectId: $id) { nodes { action actor { kind name } changes } } }";

impl TestApp {
    async fn csv(&self, token: Option<&str>, query: &str) -> Response {
        let url = format!("http://{}/portal/leads.csv{query}", self.address);
        let client = client();
        let mut request = client.get(url);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        request.send().await.unwrap()
    }

    pub(crate) async fn records(&self, token: &str, query: &str) -> Vec<String> {
        let response = self.csv(Some(token), query).await;
        assert_eq!(response.status(), StatusCode::OK);
        let text = response.text().await.unwrap();
        assert!(text.ends_with("\r\n"));
        text.split_terminator("\r\n").map(str::to_owned).collect()
    }
}

with_mail!(
    /// Labels as header, only what is shared, quotes where they have to be, and nothing that a spreadsheet would run.
    an_export_has_the_shared_columns_and_runs_nothing,
    |app| {
        let owner = app.account("Acme").await;
        let shared = json!({ "portal": { "fields": { "mode": "ONLY", "fields": ["first_name", "phone", "score", "company"] } } });
        let (flow, partner, _) = app.flow_to(&owner, shared).await;
        let pat = app.portal_user(&owner, &partner, "pat@buyer.test").await;
        let (other, _) = app.partner(&owner, "Q", json!({ "portal": {} }), json!({})).await;
        let quinn = app.portal_user(&owner, &other, "quinn@other.test").await;
        let lead = |more: Value| {
            let mut lead = json!({ "first_name": "Ana", "email": "secret@example.com", "phone": "(415) 555-0132" });
            merge(&mut lead, more);
            lead
        };
        for more in [
            json!({ "first_name": "=HYPERLINK(\"x\")", "company": "@SUM(A1)" }),
            json!({ "company": "Roofs, \"Best\"", "score": -2.5 }),
            json!({ "company": "Müller" }),
            json!({ "company": "two\nlines" }),
        ] {
            app.submit(&owner, &flow, lead(more)).await;
        }
        let listed = app.data(&pat, "{ portal { leads { nodes { id deliveredAt } } columns { label } csvUrl(filter: { status: [REJECTED], search: \"a&b\" }) } }", json!({})).await;
        let ids: Vec<String> = listed["portal"]["leads"]["nodes"].as_array().unwrap().iter().map(|node| text(&node["id"])).collect();
        let labels: Vec<String> = listed["portal"]["columns"].as_array().unwrap().iter().map(|column| text(&column["label"])).collect();
        assert_eq!(listed["portal"]["csvUrl"], "http://leadmesh.test/portal/leads.csv?status=REJECTED&search=a%26b");
        app.done(&pat, ACCEPT, json!({ "ids": [ids[1]] })).await;
        app.done(&pat, REJECT, json!({ "ids": [ids[2]], "reason": "-2+3" })).await;

        let response = app.csv(Some(&pat), "").await;
        assert_eq!(response.headers()["content-type"], "text/csv; charset=utf-8; header=present");
        assert_eq!(response.headers()["cache-control"], "no-store");
        let csv = response.text().await.unwrap();
        let at = app.clock.now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        let expected = [
            format!("{},{ABOUT}", labels.join(",")),
            format!("Ana,+14155550132,,\"two\nlines\",{},{at},PENDING_REVIEW,,,,false", ids[0]),
            format!("Ana,+14155550132,,Müller,{},{at},ACCEPTED,,,,false", ids[1]),
            format!("Ana,+14155550132,-2.5,\"Roofs, \"\"Best\"\"\",{},{at},REJECTED,'-2+3,,,false", ids[2]),
            format!("\"'=HYPERLINK(\"\"x\"\")\",+14155550132,,'@SUM(A1),{},{at},PENDING_REVIEW,,,,false", ids[3]),
        ];
        assert_eq!(csv, expected.map(|record| record + "\r\n").concat());

        for (query, count) in [("?status=ACCEPTED&status=REJECTED", 2), ("?search=415%20555%200132", 4), ("?search=secret@example.com", 0), ("?from=2001-01-01T00:00:00Z", 4), ("?to=2001-01-01T00:00:00Z", 0)] {
            assert_eq!(app.records(&pat, query).await.len(), 1 + count, "{query}");
        }
        assert_eq!(app.records(&quinn, "").await, [ABOUT], "what is another partner's does not exist");
        let trail = app.data(&owner.token, AUDIT, json!({ "id": partner })).await;
        let exports: Vec<_> = trail["auditEvents"]["nodes"].as_array().unwrap().iter().filter(|entry| entry["action"] == "portal_lead.exported").collect();
        assert_eq!(exports.len(), 6);
        assert_eq!(exports[0]["actor"], json!({ "kind": "PORTAL_USER", "name": "Pat" }));
        assert!(!format!("{exports:?}").contains("secret@"), "what was looked for is a value of a lead");
    }
);

with_mail!(
    /// Nobody, other scopes, people without the permission and people of a closed portal export nothing.
    an_export_takes_a_portal_session_that_may,
    |app| {
        let owner = app.account("Acme").await;
        let (_, partner, _) = app.flow_to(&owner, json!({ "portal": {} })).await;
        let pat = app.portal_user(&owner, &partner, "pat@buyer.test").await;
        let access = "mutation($input: PortalAccessInput!) { setPortalAccess(input: $input) { partner { id } userErrors { code message path } } }";
        let looking = app.portal_user(&owner, &partner, "lou@buyer.test").await;
        app.permit(&owner, (&partner, "lou@buyer.test"), json!(["VIEW_LEADS"])).await;
        for (token, query, status) in [
            (None, "", 401),
            (Some("nonsense"), "", 401),
            (Some(&*owner.token), "", 403),
            (Some(&*owner.key), "", 403),
            (Some(&*looking), "", 403),
            (Some(&*pat), "?status=NEW", 400),
            (Some(&*pat), "?limit=1", 400),
            (Some(&*pat), "?from=2002-01-01T00:00:00Z&to=2001-01-01T00:00:00Z", 400),
        ] {
            let response = app.csv(token, query).await;
            assert_eq!(response.status().as_u16(), status, "{token:?} {query}");
        }
        let less = json!({ "partnerId": partner, "enabled": true, "permissions": ["VIEW_LEADS", "REVIEW"] });
        app.done(&owner.token, access, less).await;
        assert_eq!(app.csv(Some(&pat), "").await.status(), StatusCode::FORBIDDEN, "taken from everybody");
        app.done(&owner.token, access, json!({ "partnerId": partner, "enabled": false })).await;
        assert_eq!(app.csv(Some(&pat), "").await.status(), StatusCode::UNAUTHORIZED);
    }
);

with_mail!(
    /// However long, an export takes the memory of a page; every lead is in it once.
    a_long_export_takes_no_more_memory_than_a_short_one,
    |app| {
        let owner = app.account("Acme").await;
        let (flow, partner, _) = app.flow_to(&owner, json!({ "portal": {} })).await;
        let pat = app.portal_user(&owner, &partner, "pat@buyer.test").await;
        app.submit(&owner, &flow, json!({ "first_name": "Ana", "company": "x".repeat(5_000) })).await;
        // What a first, shorter export takes for caches and buffers is not given back to the system.
        let (some, all) = (copies() / 5, copies());
        multiply(&app, 0..some).await;
        assert_eq!(download(&app, &pat).await.rows, 1 + some + 1);
        multiply(&app, some..all).await;
        let begin = resident();

        let whole = download(&app, &pat).await;

        assert_eq!(whole.rows, 1 + all + 1, "a header, the first lead, and its copies");
        assert!(whole.bytes > all * 5_000, "{}", whole.bytes);
        let grown = whole.most.saturating_sub(begin);
        assert!(grown < whole.bytes / 2, "an export of {} bytes took {grown} bytes of memory", whole.bytes);
    }
);

/// What came of an export that was read as it came.
struct Download {
    rows: usize,
    bytes: usize,
    /// The most memory that this process held meanwhile.
    most: usize,
}

/// Reads a whole export and keeps none of it; the leads come in order, each once.
async fn download(app: &TestApp, token: &str) -> Download {
    let mut response = app.csv(Some(token), "").await;
    let (mut rest, mut last) = (Vec::new(), None::<String>);
    let mut seen = Download {
        rows: 0,
        bytes: 0,
        most: 0,
    };
    while let Some(chunk) = response.chunk().await.unwrap() {
        seen.bytes += chunk.len();
        rest.extend_from_slice(&chunk);
        let whole = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        for line in std::str::from_utf8(&rest[..whole]).unwrap().lines() {
            let id = line.split(',').nth(7).unwrap();
            if seen.rows > 0 {
                assert!(last.as_deref().is_none_or(|last| last > id), "{id} after {last:?}");
                last = Some(id.to_owned());
            }
            seen.rows += 1;
        }
        rest.drain(..whole);
        seen.most = seen.most.max(resident());
    }
    seen
}

/// Rows of a long export: enough that they would be seen in memory; 200,000 take minutes in a build that is not optimised.
fn copies() -> usize {
    std::env::var("LEADMESH_TEST_ROWS").map_or(12_000, |rows| rows.parse().unwrap())
}

/// Makes copies of the only lead and its delivery.
async fn multiply(app: &TestApp, places: std::ops::Range<usize>) {
    let (first, rows) = (places.start, places.len());
    let postgres = app.app.db.is_postgres();
    let number = if postgres {
        format!("lpad(to_hex(n + {first}), 32, '0')::uuid")
    } else {
        format!("unhex(printf('%032x', n + {first}))")
    };
    let numbers = if postgres {
        format!("SELECT generate_series(1, {rows}) AS n")
    } else {
        format!("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {rows}) SELECT n FROM c")
    };
    let copy = |table: &str, columns: Vec<String>, changed: &[(&str, String)]| {
        let value = |name: &String| {
            let found = changed.iter().find(|(changed, _)| changed == name);
            found.map_or_else(|| format!("{table}.{name}"), |(_, value)| value.clone())
        };
        let values: Vec<String> = columns.iter().map(value).collect();
        let (columns, values) = (columns.join(", "), values.join(", "));
        format!(
            "INSERT INTO {table} ({columns}) SELECT {values} FROM (SELECT * FROM {table} ORDER BY id DESC LIMIT 1) AS {table}, ({numbers}) AS numbers"
        )
    };
    let leads = lead::Column::iter().map(|column| column.as_str().to_owned()).collect();
    let deliveries = delivery::Column::iter()
        .map(|column| column.as_str().to_owned())
        .collect();
    let copies = [
        copy(lead::Entity.table_name(), leads, &[("id", number.clone())]),
        copy(
            delivery::Entity.table_name(),
            deliveries,
            &[("id", number.clone()), ("lead_id", number)],
        ),
    ];
    for statement in copies {
        app.app.db.write().execute_unprepared(&statement).await.unwrap();
    }
}

/// Bytes of memory that this process holds.
pub(super) fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}
