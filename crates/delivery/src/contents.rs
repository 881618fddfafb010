//! The leads of deliveries, as their recipients get them. Encrypted values are opened here, at the last moment.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use entity::delivery;
use entity::field::FieldDef;
use entity::flow;
use entity::hand_made_lead;
use entity::ids::{FlowId, LeadId};
use entity::lead;

use leadmesh_core::app::App;
use leadmesh_core::error::{Error, Result};
use leadmesh_core::queue::LeadContent;
use leadmesh_leads::decide::typing;
use leadmesh_leads::{routed, sealed};

/// How long a flow's fields are cached: labels in a default mail may be as old as this.
const TTL: Duration = Duration::from_secs(5);

#[derive(Clone)]
pub(super) struct LeadContents {
    app: App,
    flows: moka::future::Cache<FlowId, (i32, Arc<Vec<FieldDef>>)>,
}

impl LeadContents {
    pub(super) fn new(app: App) -> Self {
        Self {
            app,
            flows: moka::future::Cache::builder()
                .max_capacity(2_000)
                .time_to_live(TTL)
                .build(),
        }
    }

    /// The leads of those deliveries, without erased ones and without those that cannot be opened, which are logged: one damaged
    /// lead must not delay the others.
    pub(super) async fn load(&self, deliveries: &[delivery::Model]) -> Result<HashMap<LeadId, Arc<LeadContent>>> {
        let mut ids: Vec<LeadId> = deliveries.iter().map(|row| row.lead_id).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut contents = HashMap::new();
        for lead in self.rows(ids).await? {
            if lead.erased_at.is_some() {
                continue;
            }
            let id = lead.id;
            match self.open(lead).await {
                Ok(content) => drop(contents.insert(id, Arc::new(content))),
                // An outage of the database says nothing about the lead.
                Err(error) if error.is_temporary() => return Err(error),
                Err(error) => tracing::error!(lead = %id, ?error, "a lead cannot be opened for delivery"),
            }
        }
        Ok(contents)
    }

    /// If one damaged row makes the common query fail, each row is read by itself.
    async fn rows(&self, ids: Vec<LeadId>) -> Result<Vec<lead::Content>> {
        let all = lead::Entity::contents(lead::Entity::for_worker(ids.clone()));
        let all = all.into_model::<lead::Content>().all(self.app.db.read()).await;
        match all.map_err(Error::from) {
            Err(error) if error.is_temporary() => return Err(error),
            Err(error) => tracing::error!(?error, "leads cannot be read together; reading them one by one"),
            Ok(rows) => return Ok(rows),
        }
        let mut rows = Vec::new();
        for id in ids {
            let one = lead::Entity::contents(lead::Entity::for_worker([id]));
            let one = one.into_model::<lead::Content>().one(self.app.db.read()).await;
            match one.map_err(Error::from) {
                Err(error) if error.is_temporary() => return Err(error),
                Err(error) => tracing::error!(lead = %id, ?error, "a lead cannot be read for delivery"),
                Ok(row) => rows.extend(row),
            }
        }
        Ok(rows)
    }

    async fn open(&self, lead: lead::Content) -> Result<LeadContent> {
        // What is prepared for the fields of a hand-made lead is cached under the lead's own identifier.
        let (flow, definitions) = if let Some(definitions) = self.hand_made(&lead).await? {
            ((FlowId(lead.id.0), 0), definitions)
        } else {
            let (version, definitions) = self.fields(lead.flow_id).await?;
            ((lead.flow_id, version), definitions)
        };
        let fields = sealed::open_fields(&self.app, lead.account_id, lead.id, &lead.fields).await?;
        let routed = routed::open(&self.app, lead.account_id, lead.id, lead.routed_by).await?;
        let invalid = match lead.invalid {
            Some(noted) => noted.0.into_iter().collect(),
            None => typing::invalid(&definitions, &fields),
        };
        Ok(LeadContent {
            id: lead.id,
            test: lead.test,
            fields,
            invalid,
            routed,
            flow,
            definitions,
        })
    }

    /// The fields of a lead that was typed in to test a delivery, which are not those of a flow.
    async fn hand_made(&self, lead: &lead::Content) -> Result<Option<Arc<Vec<FieldDef>>>> {
        if !lead.source_id.0.is_nil() {
            return Ok(None);
        }
        let kept = hand_made_lead::Entity::for_worker(lead.id);
        let kept = kept.one(self.app.db.read()).await?;
        Ok(kept.map(|row| Arc::new(row.fields.0)))
    }

    async fn fields(&self, id: FlowId) -> Result<(i32, Arc<Vec<FieldDef>>)> {
        if let Some(kept) = self.flows.get(&id).await {
            return Ok(kept);
        }
        let flow = flow::Entity::for_worker([id]).one(self.app.db.read()).await?;
        let flow = flow.ok_or_else(|| Error::Internal(anyhow::anyhow!("a lead without its flow")))?;
        let fields = (flow.version, Arc::new(flow.fields.0));
        self.flows.insert(id, fields.clone()).await;
        Ok(fields)
    }
}
