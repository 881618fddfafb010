//! How many deliveries there were, what became of them, how long they took and what they were worth.
//!
//! Counting is one grouped query for all that is asked about together. It reads what was routed within the range and
//! nothing else: identifiers begin with their time, so the range is a range of the index too. Test deliveries are left out.
//!
//! Percentiles are taken of a sample: the newest [`SAMPLE`] deliveries of the range that were delivered, each from its
//! routing to its arrival. So the work does not grow with the range, and no database needs to know what a percentile is.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use chrono::{DateTime, TimeDelta, Utc};
use entity::delivery::{Column, DeliveryStatus, Entity, ReviewStatus};
use entity::ids::{AccountId, PartnerId, ProfileId, StepId};
use rust_decimal::Decimal;
use sea_orm::sea_query::{Asterisk, Expr, ExprTrait, Query, SelectStatement, UnionType};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select};
use uuid::Uuid;

/// Deliveries of which percentiles are taken, at most.
pub const SAMPLE: u64 = 2_000;
/// Subjects in one query of samples: `SQLite` takes 500 parts of a union.
const MAX_UNION_PARTS: usize = 100;
/// Identifier and time of a row are taken one after the other; further apart than this they never are.
const SLACK: TimeDelta = TimeDelta::minutes(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    Partner(PartnerId),
    Profile(ProfileId),
    Step(StepId),
}

/// What became of the deliveries that were routed in a range.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counts {
    /// All of them; the cancelled ones are in no other figure.
    pub routed: u64,
    /// Not settled yet: waiting, under way, or to be tried again.
    pub queued: u64,
    /// The recipient has them, or had them until it gave them back.
    pub delivered: u64,
    pub failed: u64,
    /// The recipient's answer was no.
    pub refused: u64,
    /// Of the delivered ones, those that were given back.
    pub returned: u64,
    /// Median time from routing to arrival in milliseconds, of a sample.
    pub p50_ms: Option<f64>,
    /// The time within which 95 % arrived, in milliseconds, of a sample.
    pub p95_ms: Option<f64>,
    /// Prices of the delivered ones by currency, those left out that were rejected in the portal or given back.
    pub revenue: BTreeMap<String, Decimal>,
}

impl Counts {
    /// Delivered ones among those that were delivered, failed or refused, 0 to 1; none as long as there are none.
    pub fn success_rate(&self) -> Option<f64> {
        let settled = self.delivered + self.failed + self.refused;
        let share =
            |part: u64, whole: u64| Some(f64::from(u32::try_from(part).ok()?) / f64::from(u32::try_from(whole).ok()?));
        (settled > 0).then(|| share(self.delivered, settled)).flatten()
    }

    /// Adds deliveries with the same fate.
    pub fn add(&mut self, group: Group) {
        let count = u64::try_from(group.count).unwrap_or_default();
        self.routed += count;
        match group.status {
            DeliveryStatus::Queued | DeliveryStatus::Sending | DeliveryStatus::Retrying => self.queued += count,
            DeliveryStatus::Delivered => self.delivered += count,
            DeliveryStatus::Failed => self.failed += count,
            DeliveryStatus::Refused => self.refused += count,
            DeliveryStatus::Cancelled => {}
        }
        if group.review == Some(ReviewStatus::Returned) {
            self.returned += count;
        }
        let kept = !matches!(group.review, Some(ReviewStatus::Returned | ReviewStatus::Rejected));
        if group.status == DeliveryStatus::Delivered
            && kept
            && let Some((amount, currency)) = group.worth
        {
            *self.revenue.entry(currency).or_default() += amount;
        }
    }
}

/// Deliveries with the same fate.
pub struct Group {
    pub status: DeliveryStatus,
    /// Where the recipient's review stands.
    pub review: Option<ReviewStatus>,
    pub count: i64,
    /// Their prices together, and the currency.
    pub worth: Option<(Decimal, String)>,
}

/// Counts an account's deliveries, for each subject those that were routed in the range. Percentiles cost a second query
/// and are only taken if asked for.
pub async fn count(
    db: &impl ConnectionTrait,
    account: AccountId,
    subjects: &[Subject],
    range: &Range<DateTime<Utc>>,
    percentiles: bool,
) -> Result<HashMap<Subject, Counts>, DbErr> {
    let mut all = HashMap::with_capacity(subjects.len());
    for kind in [Kind::Partner, Kind::Profile, Kind::Step] {
        let ids: Vec<Uuid> = subjects.iter().filter_map(|subject| kind.id(*subject)).collect();
        if ids.is_empty() {
            continue;
        }
        let scope = Scope { account, kind, range };
        let mut counts: HashMap<Uuid, Counts> = ids.iter().map(|id| (*id, Counts::default())).collect();
        scope.count(db, &ids, &mut counts).await?;
        if percentiles {
            scope.time(db, &ids, &mut counts).await?;
        }
        all.extend(counts.into_iter().map(|(id, counts)| (kind.subject(id), counts)));
    }
    Ok(all)
}

#[derive(Clone, Copy)]
enum Kind {
    Partner,
    Profile,
    Step,
}

impl Kind {
    fn column(self) -> Column {
        match self {
            Self::Partner => Column::PartnerId,
            Self::Profile => Column::ProfileId,
            Self::Step => Column::StepId,
        }
    }

    fn id(self, subject: Subject) -> Option<Uuid> {
        match (self, subject) {
            (Self::Partner, Subject::Partner(id)) => Some(id.0),
            (Self::Profile, Subject::Profile(id)) => Some(id.0),
            (Self::Step, Subject::Step(id)) => Some(id.0),
            _ => None,
        }
    }

    fn subject(self, id: Uuid) -> Subject {
        match self {
            Self::Partner => Subject::Partner(PartnerId(id)),
            Self::Profile => Subject::Profile(ProfileId(id)),
            Self::Step => Subject::Step(StepId(id)),
        }
    }
}

struct Scope<'a> {
    account: AccountId,
    kind: Kind,
    range: &'a Range<DateTime<Utc>>,
}

type GroupRow = (
    Uuid,
    DeliveryStatus,
    Option<ReviewStatus>,
    Option<String>,
    i64,
    Option<String>,
);

impl Scope<'_> {
    fn deliveries(&self) -> Select<Entity> {
        routed_in(
            Entity::in_account(self.account).filter(Column::Test.eq(false)),
            self.range,
        )
    }

    async fn count(
        &self,
        db: &impl ConnectionTrait,
        ids: &[Uuid],
        counts: &mut HashMap<Uuid, Counts>,
    ) -> Result<(), DbErr> {
        let columns = [
            self.kind.column(),
            Column::Status,
            Column::Review,
            Column::PriceCurrency,
        ];
        let mut select = self
            .deliveries()
            .filter(self.kind.column().is_in(ids.iter().copied()))
            .select_only();
        for column in columns {
            select = select.column(column).group_by(column);
        }
        // As text: a sum has another type on each database and may exceed 64 bits.
        let worth = Expr::col(Column::PriceE4).sum().cast_as("text");
        let groups = select.column_as(Column::Id.count(), "count").column_as(worth, "worth");
        for (id, status, review, currency, count, worth) in groups.into_tuple::<GroupRow>().all(db).await? {
            let worth = worth.as_deref().and_then(units).zip(currency);
            let group = Group {
                status,
                review,
                count,
                worth,
            };
            counts.entry(id).or_default().add(group);
        }
        Ok(())
    }

    async fn time(
        &self,
        db: &impl ConnectionTrait,
        ids: &[Uuid],
        counts: &mut HashMap<Uuid, Counts>,
    ) -> Result<(), DbErr> {
        let mut samples: HashMap<Uuid, Vec<f64>> = HashMap::new();
        for ids in ids.chunks(MAX_UNION_PARTS) {
            let mut parts = ids.iter().map(|id| self.newest(*id));
            let Some(mut query) = parts.next() else { continue };
            for part in parts {
                query.union(UnionType::All, part);
            }
            for row in db.query_all(&query).await? {
                let (id, routed, arrived): (Uuid, DateTime<Utc>, DateTime<Utc>) = (
                    row.try_get_by_index(0)?,
                    row.try_get_by_index(1)?,
                    row.try_get_by_index(2)?,
                );
                samples.entry(id).or_default().push(milliseconds(arrived - routed));
            }
        }
        for (id, mut sample) in samples {
            sample.sort_unstable_by(f64::total_cmp);
            let counts = counts.entry(id).or_default();
            counts.p50_ms = percentile(&sample, 50);
            counts.p95_ms = percentile(&sample, 95);
        }
        Ok(())
    }

    /// One subject's sample, as a part of a union.
    fn newest(&self, id: Uuid) -> SelectStatement {
        let sample = self
            .deliveries()
            .filter(self.kind.column().eq(id))
            .filter(Column::Status.eq(DeliveryStatus::Delivered))
            .filter(Column::SettledAt.is_not_null())
            .select_only()
            .column(self.kind.column())
            .column(Column::CreatedAt)
            .column(Column::SettledAt)
            .order_by_desc(Column::Id)
            .limit(SAMPLE)
            .into_query();
        Query::select()
            .column(Asterisk)
            .from_subquery(sample, "sample")
            .to_owned()
    }
}

/// Those of some deliveries that were routed in a range, which is a range of the index too.
pub fn routed_in(deliveries: Select<Entity>, range: &Range<DateTime<Utc>>) -> Select<Entity> {
    deliveries
        .filter(Column::Id.gte(first_id(range.start - SLACK)))
        .filter(Column::Id.lt(first_id(range.end + SLACK)))
        .filter(Column::CreatedAt.gte(range.start))
        .filter(Column::CreatedAt.lt(range.end))
}

/// The lowest identifier of a moment.
fn first_id(at: DateTime<Utc>) -> Uuid {
    let millis = u64::try_from(at.timestamp_millis()).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(millis, &[0; 10]).into_uuid()
}

/// Ten-thousandths of a currency unit, as units.
pub fn units(e4: &str) -> Option<Decimal> {
    Decimal::try_from_i128_with_scale(e4.parse().ok()?, 4).ok()
}

/// Of a time; none is negative.
pub fn milliseconds(time: TimeDelta) -> f64 {
    time.as_seconds_f64().max(0.0) * 1_000.0
}

/// The nearest rank: the smallest value that at least `percent` % of a sorted sample do not exceed.
fn percentile(sorted: &[f64], percent: usize) -> Option<f64> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn group(status: DeliveryStatus, review: Option<ReviewStatus>, count: i64, e4: &str) -> Group {
        Group {
            status,
            review,
            count,
            worth: units(e4).zip(Some("EUR".into())),
        }
    }

    #[test]
    fn every_delivery_is_routed_and_what_became_of_it_is_counted_once() {
        let mut counts = Counts::default();
        for (status, count) in [
            (DeliveryStatus::Queued, 1),
            (DeliveryStatus::Sending, 2),
            (DeliveryStatus::Retrying, 4),
            (DeliveryStatus::Failed, 8),
            (DeliveryStatus::Refused, 16),
            (DeliveryStatus::Cancelled, 32),
            (DeliveryStatus::Delivered, 64),
        ] {
            counts.add(group(status, None, count, "10000"));
        }
        let told = (
            counts.routed,
            counts.queued,
            counts.delivered,
            counts.failed,
            counts.refused,
        );
        assert_eq!(told, (127, 7, 64, 8, 16));
        assert_eq!(counts.revenue, BTreeMap::from([("EUR".to_owned(), Decimal::ONE)]));
        assert_eq!(counts.success_rate(), Some(64.0 / 88.0));
    }

    #[test]
    fn what_was_given_back_or_rejected_earns_nothing() {
        let mut counts = Counts::default();
        for review in [
            ReviewStatus::Returned,
            ReviewStatus::Rejected,
            ReviewStatus::ReturnRequested,
        ] {
            counts.add(group(DeliveryStatus::Delivered, Some(review), 1, "25000"));
        }
        assert_eq!((counts.delivered, counts.returned), (3, 1));
        assert_eq!(counts.revenue["EUR"].to_string(), "2.5000");
    }

    #[test]
    fn nothing_settled_has_no_rate() {
        assert_eq!(Counts::default().success_rate(), None);
    }

    #[test]
    fn identifiers_of_a_moment_are_not_below_its_first() {
        let at = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
        let clock = leadmesh_core::clock::Clock::standing_at(at);
        let id: Uuid = clock.id();
        assert!(first_id(at) <= id && id < first_id(at + TimeDelta::milliseconds(1)));
        assert_eq!(first_id(DateTime::UNIX_EPOCH - SLACK), first_id(DateTime::UNIX_EPOCH));
    }

    proptest! {
        #[test]
        fn a_percentile_is_of_the_sample_and_so_many_are_not_above_it(
            mut sample in proptest::collection::vec(0.0..1e6_f64, 1..200),
            percent in 1_usize..=100,
        ) {
            sample.sort_unstable_by(f64::total_cmp);
            let value = percentile(&sample, percent).unwrap();
            let below = sample.iter().filter(|other| **other <= value).count();
            prop_assert!(sample.contains(&value));
            prop_assert!(below * 100 >= sample.len() * percent);
        }
    }
}
