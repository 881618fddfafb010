//! Networks from which people have signed in. Password attempts from other networks are counted apart.

use std::collections::HashSet;
use std::net::IpAddr;

use entity::known_network;
use sea_orm::{ConnectionTrait, DatabaseTransaction};
use uuid::Uuid;

use super::person::{Person, PersonId};
use super::throttle;
use crate::app::App;
use crate::error::Result;

/// Notes from where an authenticated person signs in.
pub(super) async fn note(tx: &DatabaseTransaction, app: &App, person: PersonId, ip: Option<IpAddr>) -> Result<()> {
    if let Some(ip) = ip {
        let row = known_network::Model {
            person_id: person.uuid(),
            network: app.tokens.network(&throttle::network(ip)),
            seen_at: app.clock.now(),
        };
        known_network::Entity::note(tx, row).await?;
    }
    Ok(())
}

/// Which of some people have signed in from there.
pub(super) async fn known_there(
    db: &impl ConnectionTrait,
    app: &App,
    people: &[Person],
    ip: Option<IpAddr>,
) -> Result<HashSet<Uuid>> {
    let Some(ip) = ip.filter(|_| !people.is_empty()) else {
        return Ok(HashSet::new());
    };
    let network = app.tokens.network(&throttle::network(ip));
    let people = people.iter().map(|person| person.id().uuid());
    let known = known_network::Entity::known_among(people, &network).all(db).await?;
    Ok(known.into_iter().map(|row| row.person_id).collect())
}
