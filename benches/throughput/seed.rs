//! What leads are submitted to: an account, a flow of six fields with one rule, and a profile that sends each lead to every
//! one of its webhook partners.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use entity::api_key::ApiKeyScope;
use entity::field::FieldType;
use entity::ids::{FlowId, ProfileId};
use entity::profile::{OnFailure, Strategy};
use leadmesh_core::app::App;
use leadmesh_core::clock::Clock;
use leadmesh_core::identity::api_keys::{self, CreateApiKey};
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::sign_up::{self, SignUp, SignUpOrigin};
use leadmesh_distribution::assignments::{self, NewAssignment};
use leadmesh_distribution::partners::{self, NewPartner};
use leadmesh_distribution::profiles::{self, NewProfile};
use leadmesh_distribution::settings::{DeliveryInput, WebhookInput};
use leadmesh_flows::manage::{self, CreateFlow, FieldInput};
use leadmesh_flows::steps::{self, AddStep, StepInput};
use leadmesh_forms::rules::Rule;
use serde_json::json;
use uuid::Uuid;

use crate::server::Place;

/// Where leads go.
pub(crate) struct Target {
    pub(crate) flow: FlowId,
    pub(crate) key: String,
    pub(crate) partners: u16,
    /// Begins every idempotency key.
    pub(crate) run: Uuid,
    next: AtomicUsize,
}

impl Target {
    /// Numbers for so many leads; answers the first.
    pub(crate) fn reserve(&self, leads: usize) -> usize {
        self.next.fetch_add(leads, Ordering::Relaxed)
    }
}

/// Makes all of it, through the use cases.
pub(crate) async fn seed(place: &Place, receiver: SocketAddr, partners: u16) -> anyhow::Result<Target> {
    let app = App::open(place.config()?, Clock::system()).await?;
    let owner = owner(&app).await?;
    let profile = profiles::create(&app, &owner, profile()).await?.id;
    for number in 0..partners {
        let partner = partner(number, &format!("http://{receiver}/{number}"));
        let partner = partners::create(&app, &owner, partner).await?.partner.id;
        assignments::assign(&app, &owner, assignment(profile, partner)).await?;
    }
    target(&app, &owner, profile, partners).await
}

/// A flow that sends its leads to that profile, and a key to submit with.
pub(crate) async fn target(app: &App, owner: &Caller, profile: ProfileId, partners: u16) -> anyhow::Result<Target> {
    let flow = manage::create(app, owner, flow()?).await?.flow.id;
    let step = AddStep {
        flow_id: flow,
        name: "Route".into(),
        criteria: None,
        position: None,
        enabled: true,
        step: StepInput::Distribute { profile_id: profile },
    };
    steps::add(app, owner, step).await?;
    let key = CreateApiKey {
        name: "Load".into(),
        scopes: vec![ApiKeyScope::LeadsSubmit],
        expires_at: None,
    };
    Ok(Target {
        flow,
        key: api_keys::create(app, owner, key).await?.1,
        partners,
        run: app.clock.id(),
        next: AtomicUsize::new(0),
    })
}

/// Somebody with an account.
pub(crate) async fn owner(app: &App) -> anyhow::Result<Caller> {
    let input = SignUp {
        account_name: "Load".into(),
        name: "Olga".into(),
        email: "olga@example.com".into(),
        password: "a long enough password for a benchmark".into(),
        website: None,
        timezone: None,
        invitation_token: None,
    };
    Ok(sign_up::sign_up(app, None, SignUpOrigin::Operator, input).await?.caller)
}

fn flow() -> anyhow::Result<CreateFlow> {
    let field = |name: &str, field_type, required| FieldInput {
        name: name.into(),
        label: None,
        field_type,
        required: Some(required),
        encrypted: Some(false),
        choices: None,
        example: None,
        description: None,
    };
    let rule: Rule = serde_json::from_value(json!(
        {"condition": {"field": "state", "operator": "IN", "value": ["CA", "NY", "TX"]}}
    ))?;
    Ok(CreateFlow {
        name: "Insulation".into(),
        description: None,
        fields: vec![
            field("email", FieldType::Email, true),
            field("first_name", FieldType::Text, false),
            field("last_name", FieldType::Text, true),
            field("phone", FieldType::Phone, false),
            field("state", FieldType::Text, true),
            field("message", FieldType::Text, false),
        ],
        acceptance_rule: Some(rule),
        duplicate_keys: None,
        duplicate_window_days: None,
        caps: None,
        price: None,
        enabled: Some(true),
    })
}

/// A profile that sends to all.
pub(crate) fn profile() -> NewProfile {
    NewProfile {
        name: "All".into(),
        description: None,
        strategy: Strategy::SendToAll,
        on_failure: OnFailure::Stay,
        max_recipients: None,
        rule: None,
        base_price: None,
        enabled: true,
    }
}

/// A partner with a webhook.
pub(crate) fn partner(number: u16, url: &str) -> NewPartner {
    let webhook = WebhookInput {
        allow_insecure_http: true,
        ..WebhookInput::to(url)
    };
    NewPartner {
        name: format!("Partner {number}"),
        email: format!("partner{number}@example.com"),
        phone: None,
        notes: None,
        tags: None,
        timezone: None,
        delivery: Some(DeliveryInput::Webhook(Box::new(webhook))),
        caps: None,
    }
}

/// Its place in a profile.
pub(crate) fn assignment(profile: ProfileId, partner: entity::ids::PartnerId) -> NewAssignment {
    NewAssignment {
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
    }
}
