//! What to call a lead of which only some fields may be seen.

use entity::field::FieldType;
use entity::ids::DeliveryId;
use serde_json::{Map, Value};

use super::shapes::Shape;
use crate::text::one_line;
use leadmesh_forms::fields::NAME_FIELDS;

const LONGEST: usize = 120;
/// Characters at the end of an identifier: they are random, where its beginning is the time.
const TAIL: usize = 6;

/// A person's name if shared, else an email address, else a phone number, else the end of the identifier.
pub(super) fn title(id: DeliveryId, shape: &Shape<'_>, values: &Map<String, Value>) -> String {
    let text = |name: &str| values.get(name)?.as_str().filter(|text| !text.trim().is_empty());
    let shared = |name: &&str| shape.shared().any(|field| field.name == *name);
    let name = NAME_FIELDS.iter().find_map(|parts| {
        let found: Vec<&str> = parts
            .iter()
            .copied()
            .filter(|part| shared(part))
            .filter_map(text)
            .collect();
        (!found.is_empty()).then(|| found.join(" "))
    });
    let first = |kind| {
        let mut fields = shape.shared().filter(move |field| field.field_type == kind);
        fields.find_map(|field| text(&field.name)).map(str::to_owned)
    };
    let known = name
        .or_else(|| first(FieldType::Email))
        .or_else(|| first(FieldType::Phone));
    known.map_or_else(|| by_id(id), |known| one_line(&known, LONGEST))
}

fn by_id(id: DeliveryId) -> String {
    let id = id.to_string();
    let hidden = id.chars().count().saturating_sub(TAIL);
    format!("Lead …{}", id.chars().skip(hidden).collect::<String>())
}

#[cfg(test)]
mod tests {
    use entity::delivery_config::{DeliveryConfig, FieldSelection, FieldSelectionMode, PortalConfig};
    use entity::field::FieldDef;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn field(name: &str, field_type: FieldType) -> FieldDef {
        FieldDef {
            name: name.into(),
            label: name.into(),
            field_type,
            required: false,
            encrypted: false,
            choices: None,
            example: None,
            description: None,
        }
    }

    fn titled(shared: &[&str]) -> String {
        let fields = [
            field("first_name", FieldType::Text),
            field("last_name", FieldType::Text),
            field("email", FieldType::Email),
            field("phone", FieldType::Phone),
            field("zip", FieldType::PostalCode),
        ];
        let config = DeliveryConfig::Portal(PortalConfig {
            fields: FieldSelection {
                mode: FieldSelectionMode::Only,
                fields: shared.iter().map(ToString::to_string).collect(),
            },
        });
        let lead = json!({"first_name": "Ann", "last_name": "Long", "email": "a@b.test", "phone": "+1415", "zip": "1"});
        let id = DeliveryId(Uuid::from_u128(0x0188_bac7_4afa_78aa_bc3b_bd1e_ef28_d881));
        title(id, &Shape::new(&config, &fields), lead.as_object().unwrap())
    }

    #[test]
    fn a_lead_is_called_by_the_best_of_what_is_shared_and_by_nothing_else() {
        assert_eq!(titled(&["first_name", "last_name", "email"]), "Ann Long");
        assert_eq!(titled(&["last_name", "email"]), "Long");
        assert_eq!(titled(&["email", "phone"]), "a@b.test");
        assert_eq!(titled(&["phone", "zip"]), "+1415");
        assert_eq!(titled(&["zip"]), "Lead …qjhp41");
    }
}
