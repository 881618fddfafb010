//! Finds leads by a search text in the portal: exactly, by their search keys.
//!
//! A value that is not shared must not be found either, for a hit would tell it. So a lead is found by its email address
//! only where every EMAIL field of its flow is shared by the settings it was delivered by, and so for the others.

use std::collections::HashMap;

use entity::delivery::{Column, Entity};
use entity::field::{FieldDef, FieldType};
use entity::ids::{AccountId, FlowId, SettingsId};
use entity::lead;
use sea_orm::sea_query::{Expr, ExprTrait, SelectStatement};
use sea_orm::{ColumnTrait, Condition, QueryFilter, QuerySelect, QueryTrait, Select};

use super::shapes::{Shape, Shapes};
use leadmesh_core::app::App;
use leadmesh_core::crypto::Keys;
use leadmesh_core::error::Result;
use leadmesh_forms::fields::{NAME_FIELDS, TypingContext, search_key_email, search_key_name, search_key_phone};

/// The three ways in which a lead is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum By {
    Email,
    Phone,
    Name,
}

const WAYS: [By; 3] = [By::Email, By::Phone, By::Name];

/// Keeps those deliveries whose lead the text finds by something that they show.
pub(super) async fn narrow(
    app: &App,
    account: AccountId,
    deliveries: Select<Entity>,
    text: &str,
) -> Result<Select<Entity>> {
    let keys = app.vault.keys(app.db.write(), &app.clock, Some(account)).await?;
    let wanted = Wanted::new(text, &keys);
    let candidates = deliveries.clone().filter(wanted.found(account, &WAYS));
    let pairs = super::pairs(app, candidates).await?;
    let shapes = Shapes::load(app, account, pairs.iter().copied()).await?;
    // There are seven ways together to find a lead at most, however many versions and flows there were.
    let mut alike: HashMap<Vec<By>, Vec<(SettingsId, FlowId)>> = HashMap::new();
    for (settings, flow) in pairs {
        let ways = ways(&shapes.of(settings, flow)?);
        alike.entry(ways).or_default().push((settings, flow));
    }
    alike.remove(&Vec::new());
    // Without any, this stays an impossible condition.
    let mut any = Condition::any().add(Column::Id.is_in(Vec::<uuid::Uuid>::new()));
    for (ways, pairs) in alike {
        let shared = Expr::tuple([Column::SettingsId.into_expr(), Column::FlowId.into_expr()]);
        let here = shared.in_tuples(pairs.into_iter().map(|(settings, flow)| (settings.0, flow.0)));
        any = any.add(here.and(wanted.found(account, &ways)));
    }
    Ok(deliveries.filter(any))
}

/// By what leads may be found where only this much is shared.
fn ways(shape: &Shape<'_>) -> Vec<By> {
    let open = |way: &By| shape.shared().any(|field| way.reads(field)) && !shape.hidden().any(|field| way.reads(field));
    WAYS.into_iter().filter(open).collect()
}

impl By {
    /// Whether the key may have been made from that field.
    fn reads(self, field: &FieldDef) -> bool {
        match self {
            Self::Email => field.field_type == FieldType::Email,
            Self::Phone => field.field_type == FieldType::Phone,
            Self::Name => NAME_FIELDS.iter().any(|parts| parts.contains(&field.name.as_str())),
        }
    }
}

/// The keys that a lead may have if it is meant: in plain text, or hashed where the field is encrypted.
struct Wanted {
    email: Vec<String>,
    phone: Vec<String>,
    name: Vec<String>,
}

impl Wanted {
    fn new(text: &str, keys: &Keys) -> Self {
        let both = |kind, key: String| vec![keys.index(kind, &key), key];
        let phone = search_key_phone(text, &TypingContext::default());
        Self {
            email: both("email", search_key_email(text)),
            phone: phone.map(|phone| both("phone", phone)).unwrap_or_default(),
            name: both("name", search_key_name(text)),
        }
    }

    fn found(&self, account: AccountId, ways: &[By]) -> Expr {
        Column::LeadId.in_subquery(self.leads(account, ways))
    }

    fn leads(&self, account: AccountId, ways: &[By]) -> SelectStatement {
        let any = ways.iter().fold(Condition::any(), |any, way| {
            any.add(match way {
                By::Email => lead::Column::EmailKey.is_in(&self.email),
                By::Phone => lead::Column::PhoneKey.is_in(&self.phone),
                By::Name => lead::Column::NameKey.is_in(&self.name),
            })
        });
        let leads = lead::Entity::in_account(account).filter(any);
        leads.select_only().column(lead::Column::Id).into_query()
    }
}
