//! The inbox, the flow that every account has from its sign-up. Its rows are written here, because the crate of flows depends on
//! this one. Its first revision is its first change.

use entity::cap_usage::Caps;
use entity::field::{FieldDef, FieldType};
use entity::flow::{self, FieldDefs, Names};
use entity::ids::{AccountId, FlowId};
use entity::source::{self, Mappings, SourceKind};
use sea_orm::{ActiveModelTrait, DatabaseTransaction, Set};

use crate::app::App;
use crate::error::Result;

/// Name, label and type of what most leads say. None is required: an Inbox takes what it gets.
const FIELDS: [(&str, &str, FieldType); 10] = [
    ("first_name", "First name", FieldType::Text),
    ("last_name", "Last name", FieldType::Text),
    ("email", "Email", FieldType::Email),
    ("phone", "Phone", FieldType::Phone),
    ("address", "Address", FieldType::Text),
    ("city", "City", FieldType::Text),
    ("state", "State", FieldType::State),
    ("postal_code", "Postal code", FieldType::PostalCode),
    ("country", "Country", FieldType::Country),
    ("comments", "Comments", FieldType::Text),
];

pub(super) async fn make(tx: &DatabaseTransaction, app: &App, account: AccountId) -> Result<()> {
    let id: FlowId = app.clock.id();
    inbox(app, account, id).insert(tx).await?;
    default_source(app, account, id).insert(tx).await?;
    Ok(())
}

fn inbox(app: &App, account: AccountId, id: FlowId) -> flow::ActiveModel {
    let now = app.clock.now();
    flow::ActiveModel {
        id: Set(id),
        account_id: Set(account),
        name: Set("Inbox".into()),
        description: Set(None),
        enabled: Set(true),
        is_inbox: Set(true),
        version: Set(1),
        fields: Set(FieldDefs(
            FIELDS
                .into_iter()
                .map(|(name, label, kind)| field(name, label, kind))
                .collect(),
        )),
        acceptance_rule: Set(None),
        duplicate_keys: Set(Names::default()),
        duplicate_window_days: Set(None),
        caps: Set(Caps::default()),
        price_e4: Set(None),
        price_currency: Set(None),
        created_at: Set(now),
        updated_at: Set(now),
        deleted_at: Set(None),
    }
}

fn field(name: &str, label: &str, field_type: FieldType) -> FieldDef {
    FieldDef {
        name: name.into(),
        label: label.into(),
        field_type,
        required: false,
        encrypted: false,
        choices: None,
        example: None,
        description: None,
    }
}

/// Through it the account can submit with its own key.
fn default_source(app: &App, account: AccountId, flow: FlowId) -> source::ActiveModel {
    source::ActiveModel {
        id: Set(app.clock.id()),
        account_id: Set(account),
        flow_id: Set(flow),
        kind: Set(SourceKind::Own),
        name: Set("Default".into()),
        enabled: Set(true),
        acceptance_rule: Set(None),
        mapping: Set(Mappings::default()),
        caps: Set(Caps::default()),
        price_e4: Set(None),
        price_currency: Set(None),
        sender_account_id: Set(None),
        connection_id: Set(None),
        invitation_id: Set(None),
        position: Set(0),
        created_at: Set(app.clock.now()),
        deleted_at: Set(None),
    }
}
