//! A flow whose leads go into the portals of partners in turn, and somebody signed in to each.

use anyhow::Context;
use entity::ids::PartnerId;
use entity::profile::Strategy;
use leadmesh_core::app::App;
use leadmesh_core::clock::Clock;
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::mail_queue;
use leadmesh_core::identity::password_reset::{self, NewPassword};
use leadmesh_core::identity::portal_users::{self, InvitePortalUser, PortalAccess};
use leadmesh_core::identity::tokens::Scope;
use leadmesh_distribution::settings::{DeliveryInput, PortalInput};
use leadmesh_distribution::{assignments, partners, profiles};
use leadmesh_forms::rules::Rule;
use serde_json::json;

use crate::seed::{self, Target};
use crate::server::Place;

/// What leads are submitted to, and who follows them.
pub(crate) struct Portals {
    pub(crate) target: Target,
    /// An access token for each portal.
    pub(crate) tokens: Vec<String>,
}

/// Makes all of it, through the use cases.
pub(crate) async fn seed(place: &Place, portals: u16) -> anyhow::Result<Portals> {
    let mut config = place.config()?;
    // Nobody listens there: links are taken from the queue before the server starts.
    config.settings.smtp_url = Some("smtp+plain://127.0.0.1:9".into());
    let app = App::open(config, Clock::system()).await?;
    let owner = seed::owner(&app).await?;
    let mut turns = seed::profile();
    turns.strategy = Strategy::FirstMatch;
    let profile = profiles::create(&app, &owner, turns).await?.id;
    let mut tokens = Vec::new();
    for number in 0..portals {
        let mut partner = seed::partner(number, "http://127.0.0.1:1");
        partner.delivery = Some(DeliveryInput::Portal(PortalInput::default()));
        let partner = partners::create(&app, &owner, partner).await?.partner.id;
        let mut place = seed::assignment(profile, partner);
        place.rule = Some(turn(number, portals)?);
        assignments::assign(&app, &owner, place).await?;
        tokens.push(visitor(&app, &owner, partner).await?);
    }
    let target = seed::target(&app, &owner, profile, portals).await?;
    Ok(Portals { target, tokens })
}

/// Leads whose number's last two digits are this portal's: in turn, as long as 100 can be divided by the portals.
fn turn(number: u16, portals: u16) -> anyhow::Result<Rule> {
    let ends = (0..100).filter(|end| end % portals == number);
    let ends = ends
        .map(|end| json!({"condition": {"field": "last_name", "operator": "ENDS_WITH", "value": format!("{end:02}")}}));
    Ok(serde_json::from_value(json!({"any": ends.collect::<Vec<_>>()}))?)
}

async fn visitor(app: &App, owner: &Caller, partner: PartnerId) -> anyhow::Result<String> {
    let access = PortalAccess {
        partner,
        enabled: true,
        permissions: None,
    };
    portal_users::set_access(app, owner, access).await?;
    let invited = InvitePortalUser {
        partner,
        email: format!("{partner}@example.com").into(),
        name: Some("Pat".into()),
        permissions: None,
    };
    portal_users::invite(app, owner, invited).await?;
    let input = NewPassword {
        token: mailed(app).await?,
        password: "a long enough password for a benchmark".into(),
        name: None,
    };
    let signed_in = password_reset::reset(app, Scope::Portal, None, input).await?;
    Ok(signed_in.session.access_token)
}

/// The token in the only mail that waits.
async fn mailed(app: &App) -> anyhow::Result<String> {
    let mut token = None;
    for (mail, body) in mail_queue::claim_due(app).await? {
        let link = body.text.lines().find_map(|line| line.split_once("?token="));
        token = link.map(|(_, token)| token.to_owned());
        mail_queue::finish(app, &mail, Ok(())).await?;
    }
    token.context("no mail to a portal user")
}
