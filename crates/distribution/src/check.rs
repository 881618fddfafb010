//! Checks of values that several inputs share.

use async_graphql::MaybeUndefined;
use entity::account::Plan;
use entity::cap_usage::Caps;
use sea_orm::{ActiveValue, NotSet, Set};

use leadmesh_core::error::{Result, UserError, UserErrorCode};
use leadmesh_core::identity::change::Change;
use leadmesh_flows::PriceInput;
use leadmesh_flows::caps::{self, CapInput};
use leadmesh_flows::price::Price;

pub(super) type Checked<T> = std::result::Result<T, UserError>;

/// In characters.
pub(super) const MAX_NOTES: usize = 10_000;

/// A line of text that may be empty: trimmed, without control characters.
pub(super) fn optional_line(text: &str, max: usize, path: &str) -> Checked<Option<String>> {
    bounded(text, max, path, char::is_control)
}

/// Text of several lines that may be empty.
pub(super) fn optional_text(text: &str, max: usize, path: &str) -> Checked<Option<String>> {
    bounded(text, max, path, |c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
}

fn bounded(text: &str, max: usize, path: &str, forbidden: impl Fn(char) -> bool) -> Checked<Option<String>> {
    let text = text.trim();
    if text.chars().any(forbidden) {
        let message = "control characters are not allowed here: remove them";
        return Err(UserError::new(UserErrorCode::Invalid, path, message));
    }
    if text.chars().nth(max).is_some() {
        let message = format!("this is longer than {max} characters: shorten it");
        return Err(UserError::new(UserErrorCode::TooLong, path, message));
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

pub(super) fn number(value: i32, bounds: std::ops::RangeInclusive<i32>, path: &str) -> Checked<i32> {
    if bounds.contains(&value) {
        return Ok(value);
    }
    let message = format!("this must be from {} to {}", bounds.start(), bounds.end());
    Err(UserError::new(UserErrorCode::Invalid, path, message))
}

/// A column that changes when a value is given.
pub(super) fn given<T, U>(value: Option<T>, check: impl FnOnce(T) -> Result<U>) -> Result<ActiveValue<U>>
where
    U: Into<sea_orm::Value>,
{
    Ok(match value {
        Some(value) => Set(check(value)?),
        None => NotSet,
    })
}

/// A column with a list: null empties it.
pub(super) fn list_or_none<T, U>(
    value: MaybeUndefined<Vec<T>>,
    check: impl FnOnce(Vec<T>) -> Result<U>,
) -> Result<ActiveValue<U>>
where
    U: Into<sea_orm::Value>,
{
    match value {
        MaybeUndefined::Undefined => Ok(NotSet),
        MaybeUndefined::Null => Ok(Set(check(Vec::new())?)),
        MaybeUndefined::Value(list) => Ok(Set(check(list)?)),
    }
}

/// Caps of a partner or an assignment, which the FREE plan does not include. `zone` is that of caps that name none.
pub(super) fn caps(change: &Change<'_>, inputs: &[CapInput], old: &Caps, zone: &str) -> Result<Caps> {
    if !inputs.is_empty() && change.account.plan == Plan::Free {
        change.require_paid("input.caps", "caps")?;
    }
    let new_id = || change.app.clock.id();
    Ok(caps::check(inputs, old, zone, "input.caps", new_id)?)
}

/// The two columns of a price.
pub(super) struct PriceColumns {
    pub(super) e4: ActiveValue<Option<i64>>,
    pub(super) currency: ActiveValue<Option<String>>,
}

pub(super) fn price_columns(price: MaybeUndefined<PriceInput>, path: &str) -> Result<PriceColumns> {
    let price = match price {
        MaybeUndefined::Undefined => {
            return Ok(PriceColumns {
                e4: NotSet,
                currency: NotSet,
            });
        }
        MaybeUndefined::Null => None,
        MaybeUndefined::Value(price) => Some(Price::check(price.amount.0, &price.currency, path)?),
    };
    let (e4, currency) = Price::columns(price);
    Ok(PriceColumns {
        e4: Set(e4),
        currency: Set(currency),
    })
}

pub(super) fn price_audit_view(e4: Option<i64>, currency: Option<&str>) -> Option<String> {
    let price = Price::from_columns(e4, currency.map(str::to_owned))?;
    Some(format!("{} {}", price.amount(), price.currency))
}

/// A column that stays, is cleared by null, or changes.
pub(super) fn cleared_or_given<T, U>(
    value: MaybeUndefined<T>,
    check: impl FnOnce(T) -> Result<Option<U>>,
) -> Result<ActiveValue<Option<U>>>
where
    Option<U>: Into<sea_orm::Value>,
{
    Ok(match value {
        MaybeUndefined::Undefined => NotSet,
        MaybeUndefined::Null => Set(None),
        MaybeUndefined::Value(value) => Set(check(value)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_trimmed_bounded_and_free_of_control_characters() {
        assert_eq!(
            optional_line("  Müller & Söhne ", 14, "x"),
            Ok(Some("Müller & Söhne".into()))
        );
        assert_eq!(optional_line(" \t ", 14, "x"), Ok(None));
        assert_eq!(optional_text("a\nb\t", 14, "x"), Ok(Some("a\nb".into())));
        let code = |checked: Checked<Option<String>>| checked.unwrap_err().code;
        assert_eq!(code(optional_line("a\nb", 14, "x")), UserErrorCode::Invalid);
        assert_eq!(code(optional_text("a\0b", 14, "x")), UserErrorCode::Invalid);
        assert_eq!(code(optional_text("fifteen letters", 14, "x")), UserErrorCode::TooLong);
    }

    #[test]
    fn an_update_tells_absent_from_null() {
        let keep = |text: String| Ok(Some(text));
        assert_eq!(cleared_or_given(MaybeUndefined::Undefined, keep).unwrap(), NotSet);
        assert_eq!(cleared_or_given(MaybeUndefined::Null, keep).unwrap(), Set(None));
        let given = cleared_or_given(MaybeUndefined::Value("a".to_owned()), keep).unwrap();
        assert_eq!(given, Set(Some("a".to_owned())));
    }
}
