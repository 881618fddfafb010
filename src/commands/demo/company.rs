//! The demo's two companies: one with a flow and three partners, and a neighbour that must see nothing of it.

use entity::api_key::ApiKeyScope;
use entity::delivery_config::{FieldSelection, FieldSelectionMode};
use entity::field::FieldType;
use entity::ids::{FlowId, PartnerId};
use entity::profile::{OnFailure, Strategy};
use entity::smtp_settings::{SmtpAuth, SmtpSecurity};

use super::people::SERVICES;
use super::receivers::Receivers;
use super::state::DemoState;
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, Result};
use leadmesh_core::identity::api_keys::{self, CreateApiKey};
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::mail_queue;
use leadmesh_core::identity::mail_server::{self, SmtpSettings};
use leadmesh_core::identity::password_reset::{self, NewPassword};
use leadmesh_core::identity::portal_users::{self, InvitePortalUser, PortalAccess};
use leadmesh_core::identity::sessions::{self, LogIn, SignedIn};
use leadmesh_core::identity::sign_up::{SignUp, SignUpOrigin, sign_up};
use leadmesh_core::identity::tokens::{self, Scope};
use leadmesh_distribution::assignments::{self, NewAssignment};
use leadmesh_distribution::partners::{self, NewPartner};
use leadmesh_distribution::profiles::{self, NewProfile};
use leadmesh_distribution::settings::{self, DeliveryInput, EmailInput, PortalInput, SetDelivery, WebhookInput};
use leadmesh_flows::PriceInput;
use leadmesh_flows::manage::{self, CreateFlow, FieldInput};
use leadmesh_flows::steps::{self, AddStep, StepInput};
use leadmesh_forms::fields::decimal::Decimal;

const OWNER: &str = "ann@sunny.example";
const NEIGHBOUR: &str = "bo@neighbour.example";
const PORTAL_USER: &str = "cy@windows.example";

/// Both companies, with tokens for all users.
pub(super) struct Company {
    pub(super) state: DemoState,
    pub(super) caller: Caller,
    pub(super) owner_token: String,
    pub(super) neighbour_token: String,
    pub(super) portal_token: String,
}

pub(super) async fn found(app: &App, receivers: &Receivers) -> Result<Company> {
    let password = tokens::random("");
    let owner = join(app, "Sunny Homes", "Ann Long", OWNER, &password).await?;
    let neighbour = join(app, "The Neighbour", "Bo Short", NEIGHBOUR, &password).await?;
    let caller = &owner.caller;
    set_mail_server(app, caller, receivers).await?;
    let flow = make_flow(app, caller).await?;
    let webhook = partner(app, caller, "Heatworks CRM", webhook(receivers)).await?;
    let email = partner(app, caller, "Roof & Sons", email()).await?;
    let portal = partner(
        app,
        caller,
        "Sash & Daughters",
        DeliveryInput::Portal(PortalInput::default()),
    )
    .await?;
    let partners = [webhook.partner.id, email.partner.id, portal.partner.id];
    distribute(app, caller, flow, partners).await?;
    let visitor = open_portal(app, caller, portal.partner.id, &password).await?;
    let state = DemoState {
        api_key: make_key(app, caller).await?,
        neighbour_key: make_key(app, &neighbour.caller).await?,
        password,
        owner: OWNER.into(),
        neighbour: NEIGHBOUR.into(),
        portal_user: PORTAL_USER.into(),
        flow,
        webhook_partner: webhook.partner.id,
        portal_partner: portal.partner.id,
        signing_secret: webhook.signing_secret.unwrap_or_default(),
        http_port: receivers.http.port(),
        smtp_port: receivers.smtp.port(),
    };
    Ok(company(state, owner, &neighbour, &visitor))
}

/// Signs all users in again, and delivers to where the receivers are now.
pub(super) async fn find(app: &App, receivers: &Receivers, mut state: DemoState) -> Result<Company> {
    let owner = log_in(app, Scope::Account, &state.owner, &state.password).await?;
    let neighbour = log_in(app, Scope::Account, &state.neighbour, &state.password).await?;
    let visitor = log_in(app, Scope::Portal, &state.portal_user, &state.password).await?;
    if state.http_port != receivers.http.port() {
        let delivery = SetDelivery {
            partner: state.webhook_partner,
            assignment: None,
            delivery: webhook(receivers),
        };
        settings::set(app, &owner.caller, delivery).await?;
    }
    set_mail_server(app, &owner.caller, receivers).await?;
    state.http_port = receivers.http.port();
    state.smtp_port = receivers.smtp.port();
    Ok(company(state, owner, &neighbour, &visitor))
}

fn company(state: DemoState, owner: SignedIn, neighbour: &SignedIn, visitor: &SignedIn) -> Company {
    Company {
        state,
        caller: owner.caller,
        owner_token: owner.session.access_token,
        neighbour_token: neighbour.session.access_token.clone(),
        portal_token: visitor.session.access_token.clone(),
    }
}

async fn join(app: &App, company: &str, name: &str, email: &str, password: &str) -> Result<SignedIn> {
    let input = SignUp {
        account_name: company.into(),
        name: name.into(),
        email: email.into(),
        password: password.into(),
        website: None,
        timezone: Some("America/Los_Angeles".into()),
        invitation_token: None,
    };
    sign_up(app, None, SignUpOrigin::Operator, input).await
}

async fn log_in(app: &App, scope: Scope, email: &str, password: &str) -> Result<SignedIn> {
    let input = LogIn {
        email: email.into(),
        password: password.into(),
    };
    sessions::log_in(app, scope, None, input).await
}

async fn make_key(app: &App, caller: &Caller) -> Result<String> {
    let input = CreateApiKey {
        name: "Demo".into(),
        scopes: vec![ApiKeyScope::LeadsSubmit, ApiKeyScope::LeadsRead],
        expires_at: None,
    };
    Ok(api_keys::create(app, caller, input).await?.1)
}

async fn set_mail_server(app: &App, caller: &Caller, receivers: &Receivers) -> Result<()> {
    let input = SmtpSettings {
        host: receivers.smtp.ip().to_string(),
        port: receivers.smtp.port().into(),
        security: SmtpSecurity::None,
        auth: SmtpAuth::Password,
        mails_per_minute: None,
        username: None,
        password: None,
        from_name: Some("Sunny Homes".into()),
        from_address: "leads@sunny.example".into(),
        reply_to: None,
    };
    mail_server::set(app, caller, input).await?;
    Ok(())
}

async fn make_flow(app: &App, caller: &Caller) -> Result<FlowId> {
    let field = |name: &str, field_type, required| FieldInput {
        name: name.into(),
        label: None,
        field_type,
        required: Some(required),
        encrypted: Some(name == "date_of_birth"),
        choices: (name == "service").then(|| SERVICES.map(str::to_owned).to_vec()),
        example: None,
        description: None,
    };
    let input = CreateFlow {
        name: "Home improvement".into(),
        description: Some("People who want offers for their homes.".into()),
        fields: vec![
            field("first_name", FieldType::Text, true),
            field("last_name", FieldType::Text, true),
            field("email", FieldType::Email, true),
            field("phone", FieldType::Phone, true),
            field("street", FieldType::Text, false),
            field("city", FieldType::Text, false),
            field("state", FieldType::State, false),
            field("zip", FieldType::PostalCode, true),
            field("service", FieldType::Choice, true),
            field("homeowner", FieldType::Boolean, false),
            field("monthly_bill", FieldType::Number, false),
            field("date_of_birth", FieldType::Date, false),
        ],
        acceptance_rule: None,
        duplicate_keys: Some(vec!["email".into(), "service".into()]),
        duplicate_window_days: Some(30),
        caps: None,
        price: None,
        enabled: Some(true),
    };
    Ok(manage::create(app, caller, input).await?.flow.id)
}

fn webhook(receivers: &Receivers) -> DeliveryInput {
    DeliveryInput::Webhook(Box::new(WebhookInput {
        allow_insecure_http: true,
        ..WebhookInput::to(format!("http://{}/leads", receivers.http))
    }))
}

fn email() -> DeliveryInput {
    DeliveryInput::Email(EmailInput {
        recipients: vec!["office@roof.example".into()],
        subject: "{{ lead.service }} for {{ lead.first_name }} {{ lead.last_name }}".into(),
        fields: Some(FieldSelection {
            mode: FieldSelectionMode::Except,
            fields: vec!["date_of_birth".into()],
        }),
        ..EmailInput::default()
    })
}

async fn partner(app: &App, caller: &Caller, name: &str, delivery: DeliveryInput) -> Result<settings::PartnerResult> {
    let input = NewPartner {
        name: name.into(),
        email: "office@partner.example".into(),
        phone: None,
        notes: None,
        tags: None,
        timezone: None,
        delivery: Some(delivery),
        caps: None,
    };
    partners::create(app, caller, input).await
}

/// Distributes to all partners, at a price.
async fn distribute(app: &App, caller: &Caller, flow: FlowId, partners: [PartnerId; 3]) -> Result<()> {
    let profile = NewProfile {
        name: "Everybody".into(),
        description: None,
        strategy: Strategy::SendToAll,
        on_failure: OnFailure::Stay,
        max_recipients: None,
        rule: None,
        base_price: Some(PriceInput {
            amount: Decimal(rust_decimal::Decimal::new(1250, 2)),
            currency: "USD".into(),
        }),
        enabled: true,
    };
    let profile = profiles::create(app, caller, profile).await?.id;
    for partner in partners {
        let place = NewAssignment {
            profile,
            partner,
            rank: None,
            weight: None,
            rule: None,
            price: None,
            caps: Vec::new(),
            schedule: None,
            delivery: None,
            enabled: true,
        };
        assignments::assign(app, caller, place).await?;
    }
    let step = AddStep {
        flow_id: flow,
        name: "To all partners".into(),
        criteria: None,
        position: None,
        enabled: true,
        step: StepInput::Distribute { profile_id: profile },
    };
    steps::add(app, caller, step).await?;
    Ok(())
}

/// Opens the portal to one person, who sets a password by the emailed link. No emails are sent yet, so the link is taken from
/// the queue.
async fn open_portal(app: &App, caller: &Caller, partner: PartnerId, password: &str) -> Result<SignedIn> {
    let access = PortalAccess {
        partner,
        enabled: true,
        permissions: None,
    };
    portal_users::set_access(app, caller, access).await?;
    let invitation = InvitePortalUser {
        partner,
        email: PORTAL_USER.into(),
        name: Some("Cy Pane".into()),
        permissions: None,
    };
    portal_users::invite(app, caller, invitation).await?;
    let mut token = None;
    for (mail, body) in mail_queue::claim_due(app).await? {
        let link = body.text.lines().find_map(|line| line.split_once("?token="));
        token = link.and_then(|(_, rest)| rest.split('&').next().map(str::to_owned));
        mail_queue::finish(app, &mail, Ok(())).await?;
    }
    let input = NewPassword {
        token: token.ok_or(Error::NotFound("mail to the portal user"))?,
        password: password.into(),
        name: None,
    };
    password_reset::reset(app, Scope::Portal, None, input).await
}
