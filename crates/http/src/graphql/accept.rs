//! Negotiates the media type (RFC 9110, section 12.5.1; GraphQL over HTTP, "Media Types").

use axum::http::{HeaderMap, header};

/// The two media types of a GraphQL response. The bytes are the same, the status codes are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Media {
    /// `application/json`: 200 for every well-formed request.
    Json,
    /// `application/graphql-response+json`: the status tells whether the request was executed.
    GraphQl,
}

impl Media {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json; charset=utf-8",
            Self::GraphQl => "application/graphql-response+json; charset=utf-8",
        }
    }

    fn subtype(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::GraphQl => "graphql-response+json",
        }
    }
}

/// How well a range of the header fits: weight, precision, position in the header (earlier is better).
type Fit = (u16, u8, isize);

/// The media type of the response; none if the caller accepts neither. `application/json` without a header and if both
/// fit equally, as audits of the draft expect.
pub(super) fn negotiate(headers: &HeaderMap) -> Option<Media> {
    let ranges: Vec<&str> = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|v| v.split(','))
        .collect();
    if ranges.iter().all(|range| range.trim().is_empty()) {
        return Some(Media::Json);
    }
    let fit = |media: Media| best(&ranges, media).filter(|(weight, ..)| *weight > 0);
    match (fit(Media::Json), fit(Media::GraphQl)) {
        (None, None) => None,
        (json, graphql) if json >= graphql => Some(Media::Json),
        _ => Some(Media::GraphQl),
    }
}

/// Whether the caller accepts events by name: `*/*` does not ask for a stream.
pub(super) fn takes_events(headers: &HeaderMap) -> bool {
    let values = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let named = parts
            .next()
            .is_some_and(|kind| kind.eq_ignore_ascii_case("text/event-stream"));
        named && !parts.any(|parameter| matches!(parameter, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}

/// Whether a browser is asking for a page.
pub(super) fn wants_html(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|v| v.contains("text/html"))
}

/// The most precise range that covers `media` decides, whatever less precise ones say.
fn best(ranges: &[&str], media: Media) -> Option<Fit> {
    let fits = ranges.iter().zip(0..).filter_map(|(range, place)| {
        let (precision, weight) = covers(range, media)?;
        Some((weight, precision, -place))
    });
    fits.max_by_key(|(_, precision, place)| (*precision, *place))
}

/// How precisely `range` names `media` (0 to 2), and its weight in thousandths.
fn covers(range: &str, media: Media) -> Option<(u8, u16)> {
    let mut parts = range.split(';').map(str::trim);
    let (kind, subtype) = parts.next()?.split_once('/')?;
    let precision = match (kind, subtype) {
        ("*", "*") => 0,
        (kind, "*") if kind.eq_ignore_ascii_case("application") => 1,
        (kind, subtype)
            if kind.eq_ignore_ascii_case("application") && subtype.eq_ignore_ascii_case(media.subtype()) =>
        {
            2
        }
        _ => return None,
    };
    let mut weight = 1_000;
    for parameter in parts {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "q" => weight = thousandths(value.trim())?,
            "charset" if !value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8") => {
                return None;
            }
            _ => {}
        }
    }
    Some((precision, weight))
}

/// `0.5` is 500; at most three decimals (RFC 9110, section 12.4.2).
fn thousandths(weight: &str) -> Option<u16> {
    let (whole, decimals) = weight.split_once('.').unwrap_or((weight, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths = format!("{whole}{decimals:0<3}").parse().ok()?;
    (thousandths <= 1_000).then_some(thousandths)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn negotiated(accept: &str) -> Option<Media> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        negotiate(&headers)
    }

    #[test]
    fn no_header_and_wildcards_mean_json() {
        assert_eq!(negotiate(&HeaderMap::new()), Some(Media::Json));
        for accept in [
            "",
            "*/*",
            "application/*",
            "application/json",
            "text/html, */*;q=0.8",
            "Application/JSON",
        ] {
            assert_eq!(negotiated(accept), Some(Media::Json), "{accept}");
        }
    }

    #[test]
    fn the_precise_and_the_heavier_range_wins() {
        for accept in [
            "application/graphql-response+json",
            "application/graphql-response+json, application/json;q=0.9",
            "application/json;q=0.5, application/graphql-response+json;q=0.9",
            "application/graphql-response+json, application/json",
            "*/*, application/graphql-response+json",
            "application/*;q=0.1, application/graphql-response+json;charset=utf-8",
        ] {
            assert_eq!(negotiated(accept), Some(Media::GraphQl), "{accept}");
        }
        for accept in [
            "application/json, application/graphql-response+json",
            "application/json, application/graphql-response+json;q=0.9",
            "*/*, application/graphql-response+json;q=0.9",
            "*/*;q=0.1, application/graphql-response+json;q=0",
        ] {
            assert_eq!(negotiated(accept), Some(Media::Json), "{accept}");
        }
    }

    #[test]
    fn what_covers_neither_is_not_acceptable() {
        for accept in [
            "text/html",
            "application/json;q=0",
            "image/*",
            "*/*;q=0",
            "application/json;charset=latin1",
        ] {
            assert_eq!(negotiated(accept), None, "{accept}");
        }
    }

    #[test]
    fn weights_have_at_most_three_decimals() {
        assert_eq!(thousandths("0.5"), Some(500));
        assert_eq!(thousandths("1"), Some(1_000));
        assert_eq!(thousandths("0.001"), Some(1));
        for wrong in ["1.001", "2", "0.1234", "-1", "x", "0.-1"] {
            assert_eq!(thousandths(wrong), None, "{wrong}");
        }
    }
}
