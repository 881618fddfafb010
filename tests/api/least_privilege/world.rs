//! An account with one of everything, and those who ask for it.

use entity::mail::{self, MailStatus};
use sea_orm::EntityTrait;
use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::make::{Account, Flow, PASSWORD, accepted, text};
use crate::support::wait::eventually;

/// Stands in every text of the account that is nobody else's business.
pub(super) const MARKER: &str = "zq7marker";

const PERSON: &str =
    "mutation($input: InviteUserInput!) { inviteUser(input: $input) { user { id } userErrors { code message path } } }";
const KEY: &str =
    "mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) { secret userErrors { code message path } } }";
const NOTE: &str = "mutation($input: UpdateConnectionInput!) { updateConnection(input: $input) { connection { id } userErrors { code message path } } }";
const RENAME: &str =
    "mutation($input: UpdateFlowInput!) { updateFlow(input: $input) { flow { id } userErrors { code message path } } }";
const SIGN_UP: &str = "mutation($input: SignUpInput!) { signUp(input: $input) {
    session { accessToken refreshToken } viewer { account { id } } userErrors { code message path } } }";
const RECEIVE: &str = "mutation($input: ReceivingFlowInput!) { setReceivingFlow(input: $input) { connection { id } userErrors { code message path } } }";

/// Who asks, and what of its own it can put beside another's identifier.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) who: &'static str,
    pub(super) token: Option<String>,
    pub(super) own: Value,
}

/// The account whose things are asked for, those who ask, and what of it is shared with some of them.
pub(super) struct World {
    pub(super) owner: Account,
    pub(super) nobody: Caller,
    pub(super) stranger: Caller,
    pub(super) partner: Caller,
    pub(super) portal: Caller,
    /// The partner, to end the connection with.
    pub(super) other_side: Account,
    pub(super) connection: String,
    pub(super) invitation: String,
    pub(super) open_flow: String,
    pub(super) open_source: String,
    /// What the partner submitted.
    pub(super) submitted_lead: String,
    /// What the portal shows.
    pub(super) delivery: String,
    /// Who is in the portal.
    pub(super) portal_user: String,
}

impl World {
    pub(super) async fn build(app: &TestApp) -> Self {
        let owner = account(app).await;
        let (b, c, d) = (
            app.account("Bolt").await,
            app.account("Cork").await,
            app.account("Dune").await,
        );
        let portal = routed(app, &owner).await;
        let feed = "{ portal { user { id } leads { nodes { id } } } }";
        let feed = app.data(&portal, feed, json!({})).await;
        let shared = shared(app, &owner, &b).await;
        app.connect(&owner, &d, "BOTH").await;
        private(app, &owner, &shared.connection).await;
        let own = belongings(app, &c, &d).await;
        let beside = belongings(app, &b, &d).await;
        settled(app).await;
        let caller = |who, token: Option<&String>, own: &Value| Caller {
            who,
            token: token.cloned(),
            own: own.clone(),
        };
        Self {
            nobody: caller("nobody", None, &own),
            stranger: caller("a stranger", Some(&c.token), &own),
            partner: caller("a partner", Some(&b.token), &beside),
            portal: caller("a portal user", Some(&portal), &own),
            owner,
            other_side: b,
            connection: shared.connection,
            invitation: shared.invitation,
            open_flow: shared.flow.id,
            open_source: shared.source,
            submitted_lead: shared.lead,
            delivery: text(&feed["portal"]["leads"]["nodes"][0]["id"]),
            portal_user: text(&feed["portal"]["user"]["id"]),
        }
    }

    pub(super) fn as_owner(&self) -> Caller {
        Caller {
            who: "the owner",
            token: Some(self.owner.token.clone()),
            own: json!({ "flowId": self.open_flow, "connectionId": self.connection, "accountId": self.owner.id }),
        }
    }

    /// The partner after the end of the connection.
    pub(super) fn former_partner(&self) -> Caller {
        Caller {
            who: "a former partner",
            ..self.partner.clone()
        }
    }
}

async fn account(app: &TestApp) -> Account {
    let email = format!("owner@{MARKER}.test");
    let input = json!({ "accountName": "Acme", "name": MARKER, "email": email, "password": PASSWORD });
    let answer = app.ask(None, SIGN_UP, json!({ "input": input })).await;
    let made = accepted(&answer, "signUp");
    let token = text(&made["session"]["accessToken"]);
    let input = json!({ "name": MARKER, "scopes": ["LEADS_SUBMIT", "MANAGE"] });
    let key = text(&app.done(&token, KEY, input).await["secret"]);
    let refresh_token = text(&made["session"]["refreshToken"]);
    let id = text(&made["viewer"]["account"]["id"]);
    Account {
        id,
        token,
        refresh_token,
        email,
        key,
    }
}

/// A flow that gives its leads to two partners; the token of somebody in the portal of one of them.
async fn routed(app: &TestApp, owner: &Account) -> String {
    let flow = app.flow(owner, json!({ "name": MARKER, "description": MARKER })).await;
    app.done(
        &owner.token,
        RENAME,
        json!({ "id": flow.id, "description": format!("{MARKER} again") }),
    )
    .await;
    let hidden = app
        .partner(owner, MARKER, json!({ "portal": {} }), json!({ "notes": MARKER }))
        .await
        .0;
    let visible = json!({ "portal": { "fields": { "mode": "ONLY", "fields": ["first_name"] } } });
    let visible = app.partner(owner, "Quiet", visible, json!({ "notes": MARKER })).await.0;
    let profile = app.profile(owner, json!({ "name": MARKER })).await;
    for partner in [&hidden, &visible] {
        app.assign(owner, &profile, partner, json!({})).await;
    }
    let condition =
        json!({ "condition": { "field": "company", "operator": "EQUALS", "value": format!("not {MARKER}") } });
    let steps = [
        json!({ "filter": { "reason": MARKER, "rule": condition } }),
        json!({ "transform": { "assignments": [{ "field": "last_name", "template": MARKER }] } }),
        json!({ "distribute": { "profileId": profile } }),
    ];
    for step in steps {
        app.step(owner, &flow, MARKER, step, Value::Null).await;
    }
    let portal = app.portal_user(owner, &visible, "pat@buyer.test").await;
    let email = format!("{MARKER}@buyer.test");
    app.portal_user(owner, &hidden, &email).await;
    let receipt = app
        .submit(owner, &flow, json!({ "first_name": "Ana", "company": MARKER }))
        .await;
    assert_eq!(receipt["outcome"], "ACCEPTED", "{receipt:#}");
    portal
}

struct Shared {
    connection: String,
    invitation: String,
    flow: Flow,
    source: String,
    lead: String,
}

/// A flow opened to a partner, and one that sells to it, with a lead in each.
async fn shared(app: &TestApp, owner: &Account, partner: &Account) -> Shared {
    let flow = app.flow(owner, json!({ "name": "Open", "description": MARKER })).await;
    let invitation = app.invite(owner, partner, "BOTH").await;
    let connection = app.accept(partner, &invitation).await;
    let source = json!({ "connectionId": connection, "name": MARKER });
    let source = app.source(owner, &flow, source).await;
    let lead = app.submit(partner, &flow, json!({ "first_name": "Ben" })).await;
    let target = app.flow(partner, json!({})).await;
    let input = json!({ "connectionId": connection, "flowId": target.id });
    app.done(&partner.token, RECEIVE, input).await;
    let sold = app.flow(owner, json!({ "name": MARKER })).await;
    let fields = json!({ "mode": "ONLY", "fields": ["first_name"] });
    let buyer = json!({ "buyer": { "connectionId": connection, "sharedFields": fields } });
    app.step(owner, &sold, MARKER, buyer, Value::Null).await;
    let receipt = app
        .submit(owner, &sold, json!({ "first_name": "Cem", "company": MARKER }))
        .await;
    assert_eq!(receipt["outcome"], "ACCEPTED", "{receipt:#}");
    Shared {
        connection,
        invitation,
        flow,
        source,
        lead: text(&lead["id"]),
    }
}

/// People, notes and an invitation of the account's own.
async fn private(app: &TestApp, owner: &Account, connection: &str) {
    let person = json!({ "email": format!("viewer@{MARKER}.test"), "name": MARKER, "role": "VIEWER" });
    app.done(&owner.token, PERSON, person).await;
    app.done(&owner.token, NOTE, json!({ "id": connection, "notes": MARKER }))
        .await;
    app.invite_address(owner, &format!("{MARKER}@nowhere.test"), "BOTH")
        .await;
}

/// Mails are tried in the background; once they have failed for the time being, nothing changes by itself any more.
#[expect(clippy::disallowed_methods, reason = "a test's mails are all its own")]
pub(super) async fn settled(app: &TestApp) {
    let read = async || mail::Entity::find().all(app.app.db.read()).await.unwrap();
    let tried =
        |mail: &mail::Model| mail.error.is_some() && (mail.status == MailStatus::Failed || mail.lease_until.is_none());
    eventually(read, |mails| mails.iter().all(tried)).await;
}

/// What an asking account has itself, by the names of the arguments that take it.
async fn belongings(app: &TestApp, account: &Account, connected: &Account) -> Value {
    let flow = app.flow(account, json!({})).await;
    let partner = app.partner(account, "Own", json!({ "portal": {} }), json!({})).await.0;
    let profile = app.profile(account, json!({})).await;
    let connection = app.connect(account, connected, "BOTH").await;
    json!({ "flowId": flow.id, "partnerId": partner, "profileId": profile, "connectionId": connection, "id": flow.id,
        "ids": flow.id, "accountId": account.id, "leadId": "lead_01h2xcejqtf2nbrexx3vqjhp41",
        "deliveryId": "dlv_01h2xcejqtf2nbrexx3vqjhp41" })
}
