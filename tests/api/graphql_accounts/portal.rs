use chrono::{DateTime, TimeDelta, Utc};
use entity::cap_usage::Caps;
use entity::delivery::{self, DeliveryStatus, Reservations, ReviewStatus};
use entity::delivery_config::{Channel, DeliveryConfig, FieldSelection, FieldSelectionMode, PortalConfig};
use entity::flow::{self, Names};
use entity::ids::{AccountId, DeliveryId, LeadId, PartnerId, SettingsId, SourceId};
use entity::lead::{self, LeadOutcome};
use entity::portal_user::Permissions;
use entity::{delivery_settings, partner};
use leadmesh_core::app::App;
use sea_orm::{ActiveModelTrait, IntoActiveModel};
use serde_json::{Value, json};

use super::{Api, signed_up};
use crate::identity_use_cases::support::{api_with_mail, mailed_token};
use crate::support::app::{TestApp, both};

const LEADS: &str = "query($filter: PortalLeadFilter, $last: Int) { portal { leads(filter: $filter, last: $last) {
    nodes { id title fields status review { status by reason } price { amount currency } test deliveredAt }
    edges { cursor node { id } } pageInfo { hasNextPage } } } }";

/// A partner whose portal shows these fields of the account's inbox.
struct Seller<'a> {
    app: &'a TestApp,
    account: AccountId,
    partner: PartnerId,
    settings: SettingsId,
}

async fn account_of(api: &Api<'_>) -> AccountId {
    let data = api.data("{ account { id } }", json!({})).await;
    data["account"]["id"].as_str().unwrap().parse().unwrap()
}

impl<'a> Seller<'a> {
    async fn new(app: &'a TestApp, account: AccountId, shared: &[&str]) -> Self {
        let (partner, settings): (PartnerId, SettingsId) = (app.clock.id(), app.clock.id());
        partner_row(app, account, partner, settings)
            .into_active_model()
            .insert(app.db.write())
            .await
            .unwrap();
        let fields = FieldSelection {
            mode: FieldSelectionMode::Only,
            fields: shared.iter().map(ToString::to_string).collect(),
        };
        let row = delivery_settings::Model {
            id: settings,
            account_id: account,
            partner_id: Some(partner),
            config: DeliveryConfig::Portal(PortalConfig { fields }),
            created_at: app.clock.now(),
        };
        row.into_active_model().insert(app.db.write()).await.unwrap();
        Self {
            app,
            account,
            partner,
            settings,
        }
    }

    async fn inbox(&self) -> flow::Model {
        flow::Entity::in_account(self.account)
            .one(self.app.db.read())
            .await
            .unwrap()
            .unwrap()
    }

    /// Puts a lead into the portal.
    async fn deliver(&self, fields: Value, review: Option<(ReviewStatus, DateTime<Utc>)>, test: bool) -> DeliveryId {
        let (app, flow) = (self.app, self.inbox().await);
        let lead = lead_row(app, &flow, fields, test);
        lead.clone().into_active_model().insert(app.db.write()).await.unwrap();
        let row = delivery::Model {
            id: app.clock.id(),
            account_id: self.account,
            lead_id: lead.id,
            flow_id: flow.id,
            step_id: None,
            profile_id: Some(app.clock.id()),
            assignment_id: None,
            partner_id: Some(self.partner),
            buyer_account_id: None,
            connection_id: None,
            settings_id: self.settings,
            channel: Channel::Portal,
            status: DeliveryStatus::Delivered,
            test,
            attempt_count: 0,
            attempts_before: 0,
            budget_since: app.clock.now(),
            due_at: None,
            lease_owner: None,
            failure_code: None,
            failure_message: None,
            external_id: None,
            price_e4: Some(125_000),
            price_currency: Some("EUR".into()),
            review: Some(review.map_or(ReviewStatus::PendingReview, |(status, _)| status)),
            review_by: review.map(|_| "Pat".into()),
            review_at: review.map(|(_, at)| at),
            review_reason: None,
            reservations: Reservations::default(),
            created_at: app.clock.now(),
            settled_at: Some(app.clock.now()),
            suspended_for: None,
            follows: None,
            erased_at: None,
        };
        let id = row.id;
        row.into_active_model().insert(app.db.write()).await.unwrap();
        id
    }

    /// The API as one of the partner's people uses it.
    async fn let_in<'b>(&self, owner: &Api<'b>, email: &str) -> Api<'b> {
        let partner = self.partner.to_string();
        let open = "mutation($partner: ID!) { setPortalAccess(input: {partnerId: $partner, enabled: true}) { partner { id } userErrors { code } } }";
        let opened = owner.data(open, json!({"partner": partner})).await;
        assert_eq!(opened["setPortalAccess"]["partner"]["id"], partner);
        let invite = "mutation($partner: ID!, $email: EmailAddress!) { invitePortalUser(input: {partnerId: $partner, email: $email}) { portalUser { id permissions } userErrors { code } } }";
        owner.data(invite, json!({"partner": partner, "email": email})).await;
        let token = mailed_token(self.app, email).await;
        let activate = "mutation($token: String!) { activatePortalUser(input: {token: $token, password: \"correct horse\", name: \"Pat\"}) { session { accessToken } viewer { portalUser { name } user { id } account { id } } } }";
        let active = owner.data(activate, json!({"token": token})).await["activatePortalUser"].clone();
        assert_eq!(
            active["viewer"],
            json!({"portalUser": {"name": "Pat"}, "user": null, "account": null})
        );
        owner.with_token(active["session"]["accessToken"].as_str().unwrap())
    }
}

fn partner_row(app: &App, account: AccountId, id: PartnerId, settings: SettingsId) -> partner::Model {
    partner::Model {
        id,
        account_id: account,
        name: "Best Roofs".into(),
        email: "roofs@example.com".into(),
        phone: None,
        notes: None,
        tags: Names::default(),
        active: true,
        timezone: "UTC".into(),
        caps: Caps::default(),
        settings_id: settings,
        portal_enabled: false,
        portal_permissions: Permissions(Vec::new()),
        sealed_secret: None,
        secret_hint: None,
        secret_rotated_at: None,
        sealed_previous_secret: None,
        previous_secret_until: None,
        created_at: app.clock.now(),
        updated_at: app.clock.now(),
    }
}

fn lead_row(app: &App, flow: &flow::Model, fields: Value, test: bool) -> lead::Model {
    let key = |name: &str| fields[name].as_str().map(str::to_lowercase);
    lead::Model {
        routed_by: None,
        invalid: None,
        id: app.clock.id::<LeadId>(),
        account_id: flow.account_id,
        flow_id: flow.id,
        source_id: app.clock.id::<SourceId>(),
        sender_account_id: flow.account_id,
        test,
        outcome: LeadOutcome::Accepted,
        raw: json!({}),
        reasons: json!([]),
        warnings: json!([]),
        trace: json!([]),
        price_e4: None,
        price_currency: None,
        idempotency_key: None,
        email_key: key("email"),
        phone_key: key("phone"),
        name_key: key("first_name"),
        submitted_at: app.clock.now(),
        processing_us: 1,
        erased_at: None,
        seller_delivery_id: None,
        path: lead::Path::default(),
        fields,
    }
}

async fn titles(api: &Api<'_>, filter: Value) -> Vec<String> {
    let data = api.data(LEADS, json!({"filter": filter})).await;
    let nodes = data["portal"]["leads"]["nodes"].as_array().unwrap().clone();
    nodes
        .iter()
        .map(|node| node["title"].as_str().unwrap().to_owned())
        .collect()
}

fn ann() -> Value {
    json!({"first_name": "Ann", "email": "ann@buyer.test", "phone": "+14155552671", "city": "Berlin"})
}

both!(
    a_portal_shows_the_shared_fields_of_its_own_leads_and_nothing_else,
    api_with_mail,
    |app: TestApp| {
        let owner = signed_up(&app, "ann@example.com").await;
        let account = account_of(&owner).await;
        let seller = Seller::new(&app, account, &["first_name", "phone", "country"]).await;
        let other = Seller::new(&app, account, &["email"]).await;
        let pat = seller.let_in(&owner, "pat@roofs.test").await;
        let id = seller.deliver(ann(), None, false).await;
        let foreign = other.deliver(ann(), None, false).await;
        seller.deliver(json!({"city": "Rome"}), None, true).await;

        let data = pat.data(LEADS, json!({})).await["portal"]["leads"].clone();
        assert_eq!(data["nodes"].as_array().unwrap().len(), 2);
        let lead = &data["nodes"][1];
        assert_eq!((&lead["id"], &lead["title"]), (&json!(id.to_string()), &json!("Ann")));
        assert_eq!(
            lead["fields"],
            json!({"first_name": "Ann", "phone": "+14155552671", "country": null})
        );
        assert_eq!(lead["price"], json!({"amount": "12.5", "currency": "EUR"}));
        assert_eq!(
            (&lead["status"], &lead["review"]),
            (&json!("PENDING_REVIEW"), &json!(null))
        );
        let test = &data["nodes"][0];
        assert!(test["title"].as_str().unwrap().starts_with("Lead …"));
        assert_eq!(test["test"], true);

        let one = "query($id: ID!) { portal { partnerName accountName user { name } columns { name type } lead(id: $id) { title } } }";
        let seen = pat.data(one, json!({"id": id.to_string()})).await["portal"].clone();
        assert_eq!(
            (&seen["partnerName"], &seen["accountName"], &seen["user"]["name"]),
            (&json!("Best Roofs"), &json!("Acme"), &json!("Pat"))
        );
        let columns: Vec<&str> = seen["columns"]
            .as_array()
            .unwrap()
            .iter()
            .map(|column| column["name"].as_str().unwrap())
            .collect();
        assert_eq!(columns, ["first_name", "phone", "country"]);
        assert_eq!(seen["lead"]["title"], "Ann");
        for unknown in [foreign.to_string(), "nonsense".into()] {
            assert_eq!(
                pat.data(one, json!({"id": unknown})).await["portal"]["lead"],
                json!(null)
            );
        }
        assert_eq!(pat.code("{ account { id } }").await, "FORBIDDEN");
        let contact = "mutation { updatePortalContact(input: {phone: \"1\"}) { portalUser { id } } }";
        assert_eq!(pat.code(contact).await, "FORBIDDEN");
    }
);

both!(
    a_search_finds_what_is_shared_and_never_tells_what_is_not,
    api_with_mail,
    |app: TestApp| {
        let owner = signed_up(&app, "ann@example.com").await;
        let account = account_of(&owner).await;
        let seller = Seller::new(&app, account, &["first_name", "last_name", "phone"]).await;
        let pat = seller.let_in(&owner, "pat@roofs.test").await;
        seller
            .deliver(ann(), Some((ReviewStatus::Accepted, app.clock.now())), false)
            .await;
        seller.deliver(json!({"first_name": "Bo"}), None, false).await;
        for text in ["ANN", "(415) 555-2671", "+1 415 555 2671"] {
            assert_eq!(titles(&pat, json!({"search": text})).await, ["Ann"], "{text}");
        }
        for text in ["ann@buyer.test", "an", "%", "Rome"] {
            assert!(titles(&pat, json!({"search": text})).await.is_empty(), "{text}");
        }
        assert_eq!(titles(&pat, json!({"search": " "})).await, ["Bo", "Ann"]);
        assert_eq!(titles(&pat, json!({"status": ["ACCEPTED"]})).await, ["Ann"]);
        let now = app.clock.now();
        let span =
            |from, to| json!({"deliveredIn": {"from": now + TimeDelta::hours(from), "to": now + TimeDelta::hours(to)}});
        assert_eq!(titles(&pat, span(0, 1)).await.len(), 2);
        assert!(titles(&pat, span(-1, 0)).await.is_empty());
        let last = pat.data(LEADS, json!({"last": 1})).await;
        assert_eq!(last["portal"]["leads"]["nodes"][0]["title"], "Ann");
    }
);

both!(
    counts_leave_tests_out_and_the_median_is_the_middle,
    api_with_mail,
    |app: TestApp| {
        let owner = signed_up(&app, "ann@example.com").await;
        let account = account_of(&owner).await;
        let seller = Seller::new(&app, account, &["first_name"]).await;
        let pat = seller.let_in(&owner, "pat@roofs.test").await;
        let now = app.clock.now();
        let stats = "query($from: DateTime!, $to: DateTime!) { portal { stats(range: {from: $from, to: $to}) {
        total pending accepted rejected returned medianReviewMinutes } } }";
        let range = json!({"from": now, "to": now + TimeDelta::hours(1)});
        let none = pat.data(stats, range.clone()).await["portal"]["stats"].clone();
        assert_eq!(
            (&none["total"], &none["medianReviewMinutes"]),
            (&json!(0), &json!(null))
        );
        for (status, minutes) in [
            (ReviewStatus::Accepted, 90),
            (ReviewStatus::Rejected, 2),
            (ReviewStatus::Accepted, 4),
            (ReviewStatus::Accepted, 30),
            (ReviewStatus::Returned, 1),
            (ReviewStatus::ReturnRequested, 1),
        ] {
            seller
                .deliver(ann(), Some((status, now + TimeDelta::minutes(minutes))), false)
                .await;
        }
        seller.deliver(ann(), None, false).await;
        seller.deliver(ann(), None, true).await;
        let counted = pat.data(stats, range).await["portal"]["stats"].clone();
        let expected =
            json!({"total": 7, "pending": 1, "accepted": 3, "rejected": 1, "returned": 1, "medianReviewMinutes": 17.0});
        assert_eq!(counted, expected);
    }
);

both!(
    an_account_sees_who_may_come_in_and_a_stranger_finds_no_such_partner,
    api_with_mail,
    |app: TestApp| {
        let owner = signed_up(&app, "ann@example.com").await;
        let seller = Seller::new(&app, account_of(&owner).await, &["first_name"]).await;
        let pat = seller.let_in(&owner, "pat@roofs.test").await;
        let stranger = signed_up(&app, "bob@example.com").await;
        let close = "mutation($partner: ID!) { setPortalAccess(input: {partnerId: $partner, enabled: false}) { partner { id } userErrors { code path } } }";
        let partner = json!({"partner": seller.partner.to_string()});
        let denied = stranger.data(close, partner.clone()).await;
        let expected = json!({"partner": null, "userErrors": [{"code": "NOT_FOUND", "path": ["input", "partnerId"]}]});
        assert_eq!(denied["setPortalAccess"], expected);
        owner.data(close, partner).await;
        assert_eq!(pat.code("{ portal { partnerName } }").await, "UNAUTHENTICATED");
        let log_in = "mutation { portalLogIn(input: {email: \"pat@roofs.test\", password: \"correct horse\"}) { userErrors { code } } }";
        assert_eq!(owner.code(log_in).await, "FORBIDDEN");
    }
);
