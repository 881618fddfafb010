//! Setting how partners get their leads.

use chrono::Duration;
use entity::account::Plan;
use entity::delivery_config::{DeliveryConfig, FieldSelection, FieldSelectionMode, WebhookConfig};
use entity::delivery_settings;
use entity::field::FieldType;
use entity::ids::{PartnerId, SettingsId};
use entity::portal_user::{self, Permissions, PortalPermission};
use leadmesh_core::error::{Error, UserErrorCode};
use leadmesh_core::identity::caller::{Caller, Principal};
use leadmesh_delivery::{seal_context, signing};
use leadmesh_distribution::partners;
use leadmesh_distribution::secrets;
use leadmesh_distribution::settings::PartnerResult;
use leadmesh_distribution::settings::{
    self, AccountInput, DeliveryInput, EmailInput, HeaderInput, PortalInput, SetDelivery, WebhookInput,
};
use sea_orm::{ActiveModelTrait, ColumnTrait, IntoActiveModel, PaginatorTrait, QueryFilter, Set, Unchanged};

use super::{Company, broken, new_partner, paid, refused};
use crate::support::app::both;

impl Company {
    async fn set(&self, partner: PartnerId, delivery: DeliveryInput) -> Result<PartnerResult, Error> {
        let input = SetDelivery {
            partner,
            assignment: None,
            delivery,
        };
        settings::set(&self.app, &self.caller, input).await
    }

    async fn webhook(&self, id: SettingsId) -> WebhookConfig {
        let row = delivery_settings::Entity::in_account(self.account).filter(delivery_settings::Column::Id.eq(id));
        match row.one(self.app.db.read()).await.unwrap().unwrap().config {
            DeliveryConfig::Webhook(config) => config,
            other => panic!("{other:?}"),
        }
    }

    /// A header's value, opened as the worker opens it.
    async fn opened(&self, id: SettingsId, name: &str) -> String {
        let config = self.webhook(id).await;
        let header = config.headers.iter().find(|header| header.name == name).unwrap();
        let keys = self
            .app
            .vault
            .keys(self.app.db.write(), &self.app.clock, Some(self.account))
            .await
            .unwrap();
        let value = keys
            .open(&seal_context::header(id, name), &header.sealed_value)
            .unwrap();
        String::from_utf8(value).unwrap()
    }
}

fn webhook(change: impl FnOnce(&mut WebhookInput)) -> DeliveryInput {
    let mut input = WebhookInput::to("https://crm.example.com/leads");
    input.headers = vec![header("X-API-Key", "secret-value-1234")];
    change(&mut input);
    DeliveryInput::Webhook(Box::new(input))
}

fn header(name: &str, value: &str) -> HeaderInput {
    HeaderInput {
        name: name.into(),
        value: value.into(),
    }
}

fn only(fields: &[&str]) -> FieldSelection {
    FieldSelection {
        mode: FieldSelectionMode::Only,
        fields: fields.iter().map(ToString::to_string).collect(),
    }
}

fn email(subject: &str, fields: Option<FieldSelection>) -> DeliveryInput {
    DeliveryInput::Email(EmailInput {
        recipients: vec!["ann@example.com".into()],
        subject: subject.into(),
        fields,
        ..EmailInput::default()
    })
}

both!(
    new_settings_are_a_new_version_and_the_old_one_stays,
    paid,
    |company: Company| {
        let before = company.partner("P").await;
        let changed = company.set(before.id, webhook(|_| ())).await.unwrap();
        let after = company.stored(before.id).await;
        assert_eq!(after, changed.partner);
        assert_ne!(after.settings_id, before.settings_id);
        let versions = delivery_settings::Entity::in_account(company.account);
        assert_eq!(versions.count(company.app.db.read()).await.unwrap(), 2);
        let told = company.audit_entries(company.account).await.pop().unwrap();
        assert_eq!(told.action, "partner.delivery_set");
        let delivery = told.changes.unwrap()["delivery"].clone();
        assert_eq!(
            (&delivery["from"]["channel"], &delivery["to"]["channel"]),
            (&"PORTAL".into(), &"WEBHOOK".into())
        );
        assert_eq!(delivery["to"]["destination"], "crm.example.com");
    }
);

both!(
    header_values_are_sealed_for_their_version_and_kept_when_left_empty,
    paid,
    |company: Company| {
        let partner = company.partner("P").await;
        let first = company
            .set(partner.id, webhook(|_| ()))
            .await
            .unwrap()
            .partner
            .settings_id;
        let config = company.webhook(first).await;
        assert_eq!(config.headers[0].value_hint, "…1234");
        assert!(!serde_json::to_string(&config).unwrap().contains("secret-value"));
        assert_eq!(company.opened(first, "X-API-Key").await, "secret-value-1234");

        let again = webhook(|input| {
            input.url = "https://crm.example.com/other".into();
            input.headers = vec![header("x-api-key", ""), header("X-New", "n")];
        });
        let second = company.set(partner.id, again).await.unwrap().partner.settings_id;
        assert_eq!(company.opened(second, "x-api-key").await, "secret-value-1234");
        assert_eq!(company.webhook(second).await.headers[0].value_hint, "…1234");

        let dropped = company
            .set(partner.id, webhook(|input| input.headers.clear()))
            .await
            .unwrap();
        assert!(company.webhook(dropped.partner.settings_id).await.headers.is_empty());
    }
);

both!(
    a_stored_header_value_is_not_sent_to_another_destination,
    paid,
    |company: Company| {
        let partner = company.partner("P").await;
        company.set(partner.id, webhook(|_| ())).await.unwrap();
        let path = "input.delivery.webhook.headers.0.value";
        for url in ["https://thief.example.org/leads", "https://crm.example.com:444/leads"] {
            let moved = webhook(|input| {
                input.url = url.into();
                input.headers = vec![header("X-API-Key", "")];
            });
            refused(company.set(partner.id, moved).await, UserErrorCode::Required, path);
        }
        let unknown = webhook(|input| input.headers = vec![header("X-Other", "")]);
        refused(company.set(partner.id, unknown).await, UserErrorCode::Required, path);
    }
);

both!(
    the_first_signed_webhook_shows_a_new_secret_once,
    paid,
    |company: Company| {
        let mut input = new_partner("P");
        input.delivery = Some(webhook(|input| input.sign = false));
        let made = partners::create(&company.app, &company.caller, input).await.unwrap();
        assert_eq!((made.signing_secret, made.partner.sealed_secret), (None, None));
        let changed = company.set(made.partner.id, webhook(|_| ())).await.unwrap();
        let secret = changed.signing_secret.unwrap();
        assert!(signing::Secret::parse(&secret).is_ok());
        assert!(secret.ends_with(changed.partner.secret_hint.as_deref().unwrap()));
        let again = company.set(made.partner.id, webhook(|_| ())).await.unwrap();
        assert_eq!(again.signing_secret, None);
        assert_eq!(again.partner.sealed_secret, changed.partner.sealed_secret);

        let mut signed = new_partner("Q");
        signed.delivery = Some(webhook(|_| ()));
        let made = partners::create(&company.app, &company.caller, signed).await.unwrap();
        assert!(made.signing_secret.is_some() && made.partner.secret_rotated_at.is_some());
    }
);

both!(
    a_rotated_secret_leaves_the_one_before_valid_for_a_day,
    paid,
    |company: Company| {
        let id = company.partner("P").await.id;
        let (first, shown) = secrets::rotate(&company.app, &company.caller, id).await.unwrap();
        assert_eq!(
            (first.sealed_previous_secret.as_ref(), first.previous_secret_until),
            (None, None)
        );
        company.app.clock.advance(Duration::hours(1));
        let (second, new) = secrets::rotate(&company.app, &company.caller, id).await.unwrap();
        assert_ne!(shown, new);
        assert_eq!(second.sealed_previous_secret, first.sealed_secret);
        assert_eq!(
            second.previous_secret_until,
            Some(company.app.clock.now() + Duration::hours(24))
        );
        let keys = company
            .app
            .vault
            .keys(company.app.db.write(), &company.app.clock, Some(company.account))
            .await
            .unwrap();
        let place = seal_context::signing_secret(id);
        for (sealed, expected) in [(second.sealed_secret, new), (second.sealed_previous_secret, shown)] {
            assert_eq!(keys.open(&place, &sealed.unwrap()).unwrap(), expected.into_bytes());
        }
        let stranger = company.owner_of(Plan::Paid).await;
        refused(
            secrets::rotate(&company.app, &stranger, id).await,
            UserErrorCode::NotFound,
            "partnerId",
        );
    }
);

both!(
    templates_are_checked_against_the_fields_of_all_flows,
    paid,
    |company: Company| {
        company.flow(&[("first_name", FieldType::Text)]).await;
        company
            .flow(&[("first_name", FieldType::Text), ("ssn", FieldType::Text)])
            .await;
        let id = company.partner("P").await.id;
        assert!(
            company
                .set(id, email("{{ lead.first_name }} {{ lead.ssn }}", None))
                .await
                .is_ok()
        );
        let path = "input.delivery.email.subject";
        let unknown = email("{{ lead.nope }}", None);
        refused(company.set(id, unknown).await, UserErrorCode::UnknownField, path);
        let hidden = email("{{ lead.ssn }}", Some(only(&["first_name"])));
        refused(company.set(id, hidden).await, UserErrorCode::FieldNotShared, path);
        let open = email("{{ lead.", None);
        refused(company.set(id, open).await, UserErrorCode::InvalidTemplate, path);
        let misspelt = "input.delivery.email.fields.fields.1";
        let later = email("{{ lead.later }}", Some(only(&["ssn", "later"])));
        refused(company.set(id, later).await, UserErrorCode::UnknownField, misspelt);
    }
);

both!(delivery_into_an_account_takes_a_connection, paid, |company: Company| {
    let id = company.partner("P").await.id;
    let account = DeliveryInput::Account(AccountInput {
        connection: company.app.clock.id(),
        fields: None,
        mapping: Vec::new(),
    });
    let path = "input.delivery.account.connectionId";
    refused(company.set(id, account).await, UserErrorCode::NotConnected, path);
});

both!(settings_of_foreign_partners_cannot_be_set, paid, |company: Company| {
    let partner = company.partner("P").await;
    let input = SetDelivery {
        partner: partner.id,
        assignment: None,
        delivery: DeliveryInput::default(),
    };
    let stranger = company.owner_of(Plan::Paid).await;
    let refused = settings::set(&company.app, &stranger, input).await;
    assert_eq!(
        broken(refused),
        [(UserErrorCode::NotFound, "input.partnerId".to_owned())]
    );
    assert_eq!(company.stored(partner.id).await, partner);
});

async fn portal_user(company: &Company, partner: PartnerId, permissions: &[PortalPermission]) -> Caller {
    let id = company.app.clock.id();
    let row = portal_user::Model {
        id,
        account_id: company.account,
        partner_id: partner,
        email: format!("{id}@buyer.test"),
        email_verified_at: None,
        name: Some("Pat".into()),
        phone: None,
        permissions: Permissions(permissions.to_vec()),
        password_hash: None,
        invited_at: None,
        activated_at: None,
        last_seen_at: None,
        removed_at: None,
    };
    let row = row.into_active_model().reset_all();
    row.insert(company.app.db.write()).await.unwrap();
    let principal = Principal::PortalUser {
        id,
        account: company.account,
        partner,
        permissions: permissions.to_vec(),
        name: "Pat".into(),
        session: company.app.clock.id(),
    };
    Caller {
        principal,
        ..Caller::anonymous(None)
    }
}

both!(
    a_partner_sets_its_own_delivery_but_never_sees_more_by_it,
    paid,
    |company: Company| {
        company
            .flow(&[("first_name", FieldType::Text), ("ssn", FieldType::Text)])
            .await;
        let id = company.partner("P").await.id;
        let narrow = DeliveryInput::Portal(PortalInput {
            fields: Some(only(&["first_name"])),
        });
        company.set(id, narrow).await.unwrap();
        let pat = portal_user(&company, id, &[PortalPermission::EditDelivery]).await;
        let closed = settings::set_from_portal(&company.app, &pat, DeliveryInput::default()).await;
        assert!(matches!(closed, Err(Error::Forbidden(_))));
        let row = entity::partner::ActiveModel {
            id: Unchanged(id),
            portal_enabled: Set(true),
            ..Default::default()
        };
        row.update(company.app.db.write()).await.unwrap();

        let wide = webhook(|input| input.fields = Some(FieldSelection::default()));
        let changed = settings::set_from_portal(&company.app, &pat, wide).await.unwrap();
        let config = company.webhook(changed.partner.settings_id).await;
        assert_eq!(config.fields, only(&["first_name"]));
        let spying = email("{{ lead.ssn }}", None);
        let spying = settings::set_from_portal(&company.app, &pat, spying).await;
        refused(spying, UserErrorCode::UnknownField, "input.email.subject");
        let powerless = portal_user(&company, id, &[PortalPermission::ViewLeads]).await;
        let refused = settings::set_from_portal(&company.app, &powerless, DeliveryInput::default()).await;
        assert!(matches!(refused, Err(Error::Forbidden(_))));
        let Principal::PortalUser { id: user, .. } = &pat.principal else {
            unreachable!()
        };
        let gone = portal_user::ActiveModel {
            id: Unchanged(*user),
            removed_at: Set(Some(company.app.clock.now())),
            ..Default::default()
        };
        gone.update(company.app.db.write()).await.unwrap();
        let late = settings::set_from_portal(&company.app, &pat, DeliveryInput::default()).await;
        assert!(
            matches!(late, Err(Error::Forbidden(_))),
            "removed while the request waited"
        );
    }
);
