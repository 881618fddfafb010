//! The filter of a portal's leads in the query of an address: `?status=ACCEPTED&status=REJECTED&search=…&from=…&to=…`.

use chrono::{DateTime, SecondsFormat, Utc};
use entity::delivery::ReviewStatus;
use sea_orm::ActiveEnum;
use url::form_urlencoded::{Serializer, parse};

use super::PortalLeadFilter;
use crate::time_range::TimeRangeInput;
use leadmesh_core::error::{Error, Result};

impl PortalLeadFilter {
    /// Parses a query. Refuses unknown parameters: ignoring one could export more than was requested.
    pub fn from_query(query: &str) -> Result<Self> {
        let (mut status, mut none, mut search, mut from, mut to) = (Vec::new(), false, None, None, None);
        for (name, value) in parse(query.as_bytes()) {
            match &*name {
                // No status, which no lead has.
                "status" if value.is_empty() => none = true,
                "status" => {
                    let named = value.split(',').map(one_status);
                    status.extend(named.collect::<Result<Vec<_>>>()?);
                }
                "search" => search = Some(value.into_owned()),
                "from" => from = Some(time(&value)?),
                "to" => to = Some(time(&value)?),
                _ => {
                    return Err(Error::BadInput(
                        "The parameters are status, search, from and to.".into(),
                    ));
                }
            }
        }
        let open = (DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC);
        let during =
            (from.is_some() || to.is_some()).then(|| TimeRangeInput::new(from.unwrap_or(open.0), to.unwrap_or(open.1)));
        Ok(Self {
            status: (none || !status.is_empty()).then_some(status),
            search,
            delivered_in: during,
        })
    }

    /// Writes the query.
    pub fn to_query(&self) -> String {
        let mut query = Serializer::new(String::new());
        if self.status.as_ref().is_some_and(Vec::is_empty) {
            query.append_pair("status", "");
        }
        for status in self.status.iter().flatten() {
            query.append_pair("status", &status.to_value());
        }
        if let Some(text) = &self.search {
            query.append_pair("search", text);
        }
        if let Some(span) = &self.delivered_in {
            for (name, at) in [("from", span.from), ("to", span.to)] {
                query.append_pair(name, &at.to_rfc3339_opts(SecondsFormat::AutoSi, true));
            }
        }
        query.finish()
    }
}

fn one_status(text: &str) -> Result<ReviewStatus> {
    let read = ReviewStatus::try_from_value(&text.to_owned());
    read.map_err(|_unknown| Error::BadInput("Write a status as in the API, such as PENDING_REVIEW or ACCEPTED.".into()))
}

fn time(text: &str) -> Result<DateTime<Utc>> {
    let read = DateTime::parse_from_rfc3339(text).map(|time| time.to_utc());
    read.map_err(|_not_one| Error::BadInput("Write a time as in the API, such as 2026-01-31T09:00:00Z.".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_read_as_it_was_written() {
        for query in [
            "",
            "status=",
            "status=ACCEPTED&status=RETURN_REQUESTED",
            "search=Ann+%26+Bo%2B",
            "from=2026-01-01T00%3A00%3A00Z&to=2026-02-01T00%3A00%3A00.500Z",
        ] {
            assert_eq!(PortalLeadFilter::from_query(query).unwrap().to_query(), query);
        }
        let listed = PortalLeadFilter::from_query("status=ACCEPTED,REJECTED").unwrap();
        assert_eq!(listed.to_query(), "status=ACCEPTED&status=REJECTED");
        let since = PortalLeadFilter::from_query("from=2026-01-01T00:00:00%2B01:00").unwrap();
        assert!(since.checked().unwrap().delivered_in.unwrap().end.timestamp() > 250_000_000_000);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for query in ["status=NEW", "from=yesterday", "page=2", "Status=ACCEPTED"] {
            assert!(PortalLeadFilter::from_query(query).is_err(), "{query}");
        }
    }
}
