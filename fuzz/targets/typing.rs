//! A value of a lead, as text and as JSON: what is made of it is canonical, so typing it again changes nothing.
#![no_main]

use leadmesh_forms::fields::{TypedValue, TypingContext, type_value};
use leadmesh_fuzz::TYPES;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const COUNTRIES: [Option<&str>; 6] = [None, Some("US"), Some("DE"), Some("GB"), Some("JP"), Some("Atlantis")];

fuzz_target!(|data: &[u8]| {
    let [kind, country, given @ ..] = data else {
        return;
    };
    let def = leadmesh_fuzz::field(TYPES[usize::from(*kind) % TYPES.len()]);
    let context = TypingContext {
        country: COUNTRIES[usize::from(*country) % COUNTRIES.len()],
    };
    let json = serde_json::from_slice::<Value>(given).ok();
    let text = std::str::from_utf8(given).ok().map(Value::from);
    for raw in json.into_iter().chain(text) {
        if let TypedValue::Valid(value) = type_value(&def, &raw, &context) {
            assert_eq!(
                type_value(&def, &value, &context),
                TypedValue::Valid(value.clone()),
                "from {raw}"
            );
            assert!(!has_nul(&value), "PostgreSQL stores no NUL: {raw}");
        }
    }
});

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(members) => members
            .iter()
            .any(|(name, member)| name.contains('\0') || has_nul(member)),
        _ => false,
    }
}
