//! `GET /deliveries.csv`: the log of deliveries, with the credentials of an account and the filter of the list as
//! parameters.

use axum::Router;
use axum::extract::State;
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::get;
use chrono::{DateTime, Utc};
use entity::delivery::DeliveryStatus;
use entity::delivery_config::Channel;
use entity::ids::DeliveryId;
use sea_orm::ActiveEnum;
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::client_address::client_ip;
use super::csv::{self, PAGE};
use super::graphql::peer;
use super::refusal::error_response;
use super::session::bearer;
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, Result};
use leadmesh_core::identity::authenticate;
use leadmesh_core::identity::caller::Caller;
use leadmesh_delivery::manage;
use leadmesh_reports::delivery_log::{self, COLUMNS, DeliveryFilter};

/// The route.
pub fn router(app: &App) -> Router {
    Router::new()
        .route("/deliveries.csv", get(download))
        .with_state(app.clone())
}

async fn download(State(app): State<App>, parts: Parts) -> Response {
    match answer(app, &parts).await {
        Ok(response) => response,
        Err(error) => error_response(&error),
    }
}

async fn answer(app: App, parts: &Parts) -> Result<Response> {
    let missing = Error::Unauthenticated("Send a token: Authorization: Bearer <access token or API key>");
    let Ok(Some(token)) = bearer(&parts.headers) else {
        return Err(missing);
    };
    let caller = authenticate::bearer(&app, token, client_ip(&app, &parts.headers, peer(parts))).await?;
    let asked = parse_query(parts.uri.query().unwrap_or_default())?;
    let found = manage::found(&app, &caller, asked.search.as_deref()).await?;
    let filter = DeliveryFilter { found, ..asked.filter };
    let app = caller
        .principal
        .account()
        .map_or(app.clone(), |account| app.for_account(account.0));
    let (noting, noted) = ((app.clone(), caller.clone()), asked.audit);
    let note = async move { delivery_log::begin(&noting.0, &noting.1, noted).await };
    app.writes.run(None, note).await.flatten()?;
    let pages = csv::pages(None, move |after| {
        next(app.clone(), caller.clone(), filter.clone(), after)
    });
    let header = COLUMNS.iter().map(|name| (*name).to_owned()).collect();
    csv::download("deliveries.csv", header, pages).await
}

/// The next page. Checks the caller's right for each, so that a download ends with the right.
async fn next(
    app: App,
    caller: Caller,
    filter: DeliveryFilter,
    after: Option<DeliveryId>,
) -> Result<Option<(Vec<csv::Row>, Option<DeliveryId>)>> {
    let caller = app.rights.refresh(&caller).await?;
    let page = delivery_log::page(&app, &caller, filter, after, PAGE).await?;
    Ok(page.map(|(rows, last)| (rows, Some(last))))
}

/// A parsed query.
struct ExportRequest {
    /// The filter without the search, which needs the account's keys.
    filter: DeliveryFilter,
    search: Option<String>,
    /// The entry of the audit log. Of a search it records only that there was one, because the text is a value of a
    /// lead.
    audit: Value,
}

/// Refuses unknown parameters: a typing error must not export more than was meant.
fn parse_query(query: &str) -> Result<ExportRequest> {
    let (mut filter, mut search) = (DeliveryFilter::default(), None);
    let (mut from, mut to) = (None, None);
    let mut audit: Map<String, Value> = Map::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let wrong = || Error::BadInput(format!("The parameter {name} cannot be {value:.100}."));
        match name.as_ref() {
            "status" => {
                let named = parse_list::<DeliveryStatus>(&value).ok_or_else(wrong)?;
                filter.statuses.get_or_insert_default().extend(named);
            }
            "channel" => {
                let named = parse_list::<Channel>(&value).ok_or_else(wrong)?;
                filter.channels.get_or_insert_default().extend(named);
            }
            "partnerId" => filter.partner = Some(id(&value)),
            "connectionId" => filter.connection = Some(id(&value)),
            "profileId" => filter.profile = Some(id(&value)),
            "flowId" => filter.flow = Some(id(&value)),
            "leadId" => filter.lead = Some(id(&value)),
            "search" => {
                search = Some(value.into_owned());
                audit.insert("searched".into(), Value::Bool(true));
                continue;
            }
            "createdFrom" => from = Some(time(&value).ok_or_else(wrong)?),
            "createdTo" => to = Some(time(&value).ok_or_else(wrong)?),
            "includeTests" => filter.include_tests = value.parse().ok().ok_or_else(wrong)?,
            _ => {
                return Err(Error::BadInput(format!(
                    "There is no parameter {name:.100}. The parameters are status, channel, partnerId, connectionId, profileId, flowId, leadId, search, createdFrom, createdTo and includeTests."
                )));
            }
        }
        audit.insert(name.into_owned(), Value::from(value.into_owned()));
    }
    if from.is_some() || to.is_some() {
        let from = from.unwrap_or(DateTime::UNIX_EPOCH);
        let to = to.unwrap_or(LAST);
        if from >= to {
            return Err(Error::BadInput("createdFrom must be before createdTo.".into()));
        }
        filter.during = Some(from..to);
    }
    Ok(ExportRequest {
        filter,
        search,
        audit: Value::Object(audit),
    })
}

/// 9999-12-31T23:59:59Z: databases do not reliably accept longer years.
const LAST: DateTime<Utc> = match DateTime::from_timestamp(253_402_300_799, 0) {
    Some(last) => last,
    None => DateTime::UNIX_EPOCH,
};

/// Enum values separated by commas.
fn parse_list<E: ActiveEnum<Value = String>>(list: &str) -> Option<Vec<E>> {
    list.split(',')
        .map(|word| E::try_from_value(&word.trim().to_owned()).ok())
        .collect()
}

/// An invalid identifier finds nothing.
fn id<I: std::str::FromStr + From<uuid::Uuid>>(text: &str) -> I {
    text.parse().unwrap_or_else(|_not_one| uuid::Uuid::nil().into())
}

fn time(text: &str) -> Option<DateTime<Utc>> {
    let time: DateTime<Utc> = text.parse().ok()?;
    Some(time.clamp(DateTime::UNIX_EPOCH, LAST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_the_filter_and_unknown_ones_are_refused() {
        let query =
            "status=FAILED,REFUSED&status=CANCELLED&createdFrom=2026-01-01T00:00:00Z&includeTests=true&search=Ana+S";
        let ExportRequest { filter, search, audit } = parse_query(query).unwrap();
        let statuses = [
            DeliveryStatus::Failed,
            DeliveryStatus::Refused,
            DeliveryStatus::Cancelled,
        ];
        assert_eq!(filter.statuses.as_deref(), Some(statuses.as_slice()));
        assert!(filter.include_tests && filter.during.is_some() && filter.channels.is_none());
        assert_eq!(search.as_deref(), Some("Ana S"));
        assert_eq!(
            (&audit["includeTests"], &audit["searched"]),
            (&Value::from("true"), &Value::Bool(true))
        );
        assert!(audit.get("search").is_none(), "{audit}");
        for query in ["state=FAILED", "status=DONE", "createdTo=yesterday", "includeTests=1"] {
            assert!(parse_query(query).is_err(), "{query}");
        }
    }
}
