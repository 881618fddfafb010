//! What partners and profiles refer to.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use async_graphql::dataloader::Loader;
use chrono::{DateTime, Utc};
use entity::field::FieldDef;
use entity::ids::{AccountId, PartnerId, ProfileId};
use entity::{flow, smtp_settings, step};
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder};

use super::{Loaded, Many, Rows, by_account, many, shared};
use leadmesh_core::error::Error;
use leadmesh_delivery::counts::{self, Counts, Subject};
use leadmesh_delivery::health::{self, OpenCircuit};
use leadmesh_distribution::wording;

/// The mail server of an account, if it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MailServerOf(pub AccountId);

impl Loader<MailServerOf> for Rows {
    type Value = smtp_settings::Model;
    type Error = Arc<Error>;

    /// One by one: a request sees the partners of one account.
    async fn load(&self, keys: &[MailServerOf]) -> Loaded<MailServerOf, smtp_settings::Model> {
        let mut found = HashMap::new();
        for key in keys {
            let row = smtp_settings::Entity::in_account(key.0).one(self.db.read());
            if let Some(row) = row.await.map_err(shared)? {
                found.insert(*key, row);
            }
        }
        Ok(found)
    }
}

/// The fields that some flow of an account encrypts, each name once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EncryptedFieldsOf(pub AccountId);

impl Loader<EncryptedFieldsOf> for Rows {
    type Value = Vec<FieldDef>;
    type Error = Arc<Error>;

    /// One by one: a request sees the partners of one account.
    async fn load(&self, keys: &[EncryptedFieldsOf]) -> Loaded<EncryptedFieldsOf, Vec<FieldDef>> {
        let mut found = HashMap::new();
        for key in keys {
            let flows = flow::Entity::in_account(key.0).order_by_asc(flow::Column::Id);
            let flows = flows.all(self.db.read()).await.map_err(shared)?;
            let mut names = HashSet::new();
            let fields = flows.into_iter().flat_map(|flow| flow.fields.0);
            let once = fields.filter(|field| field.encrypted && names.insert(field.name.clone()));
            found.insert(*key, once.collect());
        }
        Ok(found)
    }
}

/// The flows with a step that routes through a profile, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlowsThrough(pub AccountId, pub ProfileId);

impl Loader<FlowsThrough> for Rows {
    type Value = Many<flow::Model>;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[FlowsThrough]) -> Loaded<FlowsThrough, Many<flow::Model>> {
        let mut found: HashMap<FlowsThrough, Vec<flow::Model>> = HashMap::new();
        for (account, profiles) in by_account(keys.iter().map(|key| (key.0, key.1))) {
            let steps = step::Entity::in_account(account).filter(step::Column::ProfileId.is_in(profiles));
            let steps = self.all_large(steps, step::Entity::LARGE).await?;
            let users: HashSet<_> = steps
                .iter()
                .filter_map(|step| Some((step.flow_id, step.profile_id?)))
                .collect();
            let rows =
                flow::Entity::in_account(account).filter(flow::Column::Id.is_in(users.iter().map(|user| user.0)));
            let rows = rows.order_by_asc(flow::Column::Id);
            for row in self.all_large(rows, flow::Entity::LARGE).await? {
                for (_, profile) in users.iter().filter(|(flow, _)| *flow == row.id) {
                    found
                        .entry(FlowsThrough(account, *profile))
                        .or_default()
                        .push(row.clone());
                }
            }
        }
        Ok(many(found))
    }
}

/// The open circuits of a partner's endpoints at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OpenCircuitsOf(pub AccountId, pub PartnerId, pub DateTime<Utc>);

impl Loader<OpenCircuitsOf> for Rows {
    type Value = Vec<OpenCircuit>;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[OpenCircuitsOf]) -> Loaded<OpenCircuitsOf, Vec<OpenCircuit>> {
        let mut found = HashMap::new();
        let Some(now) = keys.iter().map(|key| key.2).max() else {
            return Ok(found);
        };
        for (account, partners) in by_account(keys.iter().map(|key| (key.0, key.1))) {
            let held = health::open_circuits(self.db.read(), account, &partners, now)
                .await
                .map_err(shared)?;
            for key in keys.iter().filter(|key| key.0 == account) {
                found.extend(held.get(&key.1).map(|held| (*key, held.clone())));
            }
        }
        Ok(found)
    }
}

/// When a partner's last delivery succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LastSuccess(pub AccountId, pub PartnerId);

impl Loader<LastSuccess> for Rows {
    type Value = DateTime<Utc>;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[LastSuccess]) -> Loaded<LastSuccess, DateTime<Utc>> {
        let mut found = HashMap::with_capacity(keys.len());
        for (account, partners) in by_account(keys.iter().map(|key| (key.0, key.1))) {
            let last = health::last_successes(self.db.read(), account, &partners).await;
            let last = last.map_err(shared)?.into_iter();
            found.extend(last.map(|(partner, at)| (LastSuccess(account, partner), at)));
        }
        Ok(found)
    }
}

/// Deliveries that were routed in a range, counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CountsOf {
    /// Whose.
    pub account: AccountId,
    /// To whom, or through what.
    pub subject: Subject,
    /// When.
    pub range: Range<DateTime<Utc>>,
    /// Whether the times that they took are wanted too.
    pub percentiles: bool,
}

/// What the keys of one query share.
type Alike<'a> = (AccountId, &'a Range<DateTime<Utc>>, bool);

impl Loader<CountsOf> for Rows {
    type Value = Counts;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[CountsOf]) -> Loaded<CountsOf, Counts> {
        let mut alike: HashMap<Alike<'_>, Vec<Subject>> = HashMap::new();
        for key in keys {
            let subjects = alike.entry((key.account, &key.range, key.percentiles)).or_default();
            subjects.push(key.subject);
        }
        let mut found = HashMap::with_capacity(keys.len());
        for ((account, range, percentiles), subjects) in alike {
            let counts = counts::count(self.db.read(), account, &subjects, range, percentiles).await;
            let key = |subject| CountsOf {
                account,
                subject,
                range: range.clone(),
                percentiles,
            };
            let counts = counts.map_err(shared)?.into_iter();
            found.extend(counts.map(|(subject, counts)| (key(subject), counts)));
        }
        Ok(found)
    }
}

/// The fields of an account's flows, with whose labels rules are written in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FieldsOf(pub AccountId);

impl Loader<FieldsOf> for Rows {
    type Value = Arc<Vec<FieldDef>>;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[FieldsOf]) -> Loaded<FieldsOf, Arc<Vec<FieldDef>>> {
        let mut found = HashMap::with_capacity(keys.len());
        for key in keys {
            let fields = wording::fields(self.db.read(), key.0).await.map_err(shared)?;
            found.insert(*key, Arc::new(fields));
        }
        Ok(found)
    }
}
