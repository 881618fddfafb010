//! The pure rules of leads: fields, conditions, templates. Nothing here waits or knows a database.

pub mod fields;
pub mod lenient_json;
pub mod limits;
pub mod numerals;
pub mod rules;
pub mod templates;
