//! Leads in a partner's portal.

mod query;

use async_graphql::{ID, InputObject, Json, Object};
use chrono::{DateTime, Utc};
use entity::delivery::ReviewStatus;
use serde_json::Value;

use super::delivery::PortalReview;
use super::money::Money;
use super::relay::{Page, connection};
use super::time_range::TimeRangeInput;
use leadmesh_core::error::Result;
use leadmesh_delivery::portal_feed::{self, Filter};

/// A lead in the portal.
pub struct PortalLead(pub portal_feed::PortalLead);

impl From<portal_feed::PortalLead> for PortalLead {
    fn from(lead: portal_feed::PortalLead) -> Self {
        Self(lead)
    }
}

/// A lead as the receiving partner sees it: only the fields shared with the partner, decrypted.
#[Object]
impl PortalLead {
    /// Identifier of the delivery that brought the lead.
    pub(crate) async fn id(&self) -> ID {
        self.0.delivery.id.to_string().into()
    }

    /// Title of the lead: a name, an email address or a phone number if shared, otherwise the end of its identifier.
    async fn title(&self) -> &str {
        &self.0.title
    }

    /// Shared values by field name; null for those that the lead does not have. `Portal.columns` describes the fields.
    async fn fields(&self) -> Json<Value> {
        Json(Value::Object(self.0.fields.clone()))
    }

    /// Status of the partner's review.
    async fn status(&self) -> ReviewStatus {
        self.0.delivery.review.unwrap_or(ReviewStatus::PendingReview)
    }

    /// The partner's review; null until there is one.
    async fn review(&self) -> Option<PortalReview> {
        PortalReview::of(&self.0.delivery).filter(|review| review.status != ReviewStatus::PendingReview)
    }

    /// Price that the partner pays for the lead; null if none was agreed.
    async fn price(&self) -> Option<Money> {
        let delivery = &self.0.delivery;
        Money::from_columns(delivery.price_e4, delivery.price_currency.clone())
    }

    /// Whether it is a test, which no count includes.
    async fn test(&self) -> bool {
        self.0.delivery.test
    }

    /// When the values were erased. They are gone permanently; copies must be erased too. Null before.
    async fn erased_at(&self) -> Option<DateTime<Utc>> {
        self.0.delivery.erased_at
    }

    /// When the lead arrived in the portal.
    async fn delivered_at(&self) -> DateTime<Utc> {
        self.0.delivery.settled_at.unwrap_or(self.0.delivery.created_at)
    }
}

/// Selects leads of a portal. Omitted conditions restrict nothing.
#[derive(InputObject)]
pub struct PortalLeadFilter {
    /// With one of these review statuses.
    status: Option<Vec<ReviewStatus>>,
    /// With this email address, phone number or full name, in any spelling, but never a part of it. Phone numbers
    /// outside the United States need their country code. Values that are not shared with the partner are not found.
    search: Option<String>,
    /// Delivered in this range.
    delivered_in: Option<TimeRangeInput>,
}

impl PortalLeadFilter {
    /// The filter of the use case.
    pub fn checked(self) -> Result<Filter> {
        Ok(Filter {
            status: self.status,
            search: self.search,
            delivered_in: self.delivered_in.map(TimeRangeInput::checked).transpose()?,
        })
    }
}

connection!(
    PortalLeadConnection,
    PortalLeadEdge,
    PortalLead,
    portal_feed::PortalLead,
    "portal leads"
);

impl PortalLeadConnection {
    /// A page of deliveries, with each lead as it may be seen in the place of its delivery.
    pub fn of(page: Page<entity::delivery::Model>, shown: Vec<portal_feed::PortalLead>) -> Self {
        let cursors = page.entries.into_iter().map(|(cursor, _)| cursor);
        let entries = cursors.zip(shown).collect();
        Page {
            entries,
            info: page.info,
        }
        .into()
    }
}
