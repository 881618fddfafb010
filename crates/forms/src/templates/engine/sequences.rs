//! Places and stretches of lists and texts.

use super::Fail;
use super::value::Val;
use crate::templates::Budget;

/// What a slice is bounded by.
pub(super) struct Bounds<'r> {
    pub(super) start: Option<Val<'r>>,
    pub(super) stop: Option<Val<'r>>,
    pub(super) step: Option<Val<'r>>,
}

/// `of[place]`; a negative place counts from the end.
pub(super) fn index<'r>(of: &Val<'r>, place: &Val<'r>, budget: &Budget) -> Result<Val<'r>, Fail> {
    if let Val::Text(key) = place {
        return of.member(key.read(budget)?, budget);
    }
    let Val::Int(place) = place else {
        return Ok(Val::Undefined);
    };
    if let Val::Text(text) = of {
        let text = text.read_times(2, budget)?;
        let place = from_end(*place, text.chars().count());
        let found = place.and_then(|place| text.chars().nth(place));
        return found.map_or(Ok(Val::Undefined), |c| Val::made(c.encode_utf8(&mut [0; 4]), budget));
    }
    let place = from_end(*place, of.count().unwrap_or_default());
    Ok(place.map_or(Val::Undefined, |place| of.item(place)))
}

fn from_end(place: i128, length: usize) -> Option<usize> {
    let length = i128::try_from(length).ok()?;
    let place = if place < 0 { place.checked_add(length)? } else { place };
    usize::try_from(place).ok()
}

/// `of[start:stop:step]` of a list or text; the step is positive.
pub(super) fn slice<'r>(of: &Val<'r>, bounds: &Bounds<'_>, budget: &Budget) -> Result<Val<'r>, Fail> {
    let is_text = matches!(of, Val::Text(_));
    if matches!(of, Val::Undefined | Val::None) {
        return Val::list(Vec::new(), budget);
    }
    if !is_text && !of.is_list() {
        return Err(Fail::Misfit);
    }
    let length = of.length(budget)?.unwrap_or_default();
    let start = bound(bounds.start.as_ref(), length)?.unwrap_or(0);
    let stop = bound(bounds.stop.as_ref(), length)?.unwrap_or(length);
    let stride = match &bounds.step {
        None | Some(Val::None) => 1,
        Some(Val::Int(places)) if *places > 0 => usize::try_from(*places).unwrap_or(usize::MAX),
        Some(_) => return Err(Fail::Misfit),
    };
    let wanted = stop.saturating_sub(start);
    if let Val::Text(text) = of {
        let part: String = text
            .read(budget)?
            .chars()
            .skip(start)
            .take(wanted)
            .step_by(stride)
            .collect();
        return Val::made(&part, budget);
    }
    let items = of.items(budget)?.unwrap_or_default();
    Val::list(
        items.into_iter().skip(start).take(wanted).step_by(stride).collect(),
        budget,
    )
}

fn bound(value: Option<&Val<'_>>, length: usize) -> Result<Option<usize>, Fail> {
    match value {
        None | Some(Val::None | Val::Undefined) => Ok(None),
        Some(Val::Int(place)) if *place < 0 => Ok(Some(from_end(*place, length).unwrap_or(0))),
        Some(Val::Int(place)) => Ok(Some(usize::try_from(*place).unwrap_or(usize::MAX).min(length))),
        Some(_) => Err(Fail::Misfit),
    }
}
