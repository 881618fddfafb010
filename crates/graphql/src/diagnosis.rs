//! Why something does not go, and what to do about it.

use async_graphql::{Context, Object, SimpleObject};
use entity::ids::{AccountId, FlowId};

use super::context::app_and_caller;
use leadmesh_core::diagnosis::Check;
use leadmesh_core::error::Result;
use leadmesh_network::diagnosis;

/// Result of a diagnosis.
#[derive(SimpleObject)]
pub struct Diagnosis {
    /// Whether all checks passed.
    pub ok: bool,
    /// The checks, in the order in which a lead passes them. The first failed one is the cause.
    pub checks: Vec<DiagnosisCheck>,
}

/// One check.
#[derive(SimpleObject)]
pub struct DiagnosisCheck {
    /// What was checked. For a connection: `invitation`, `mail`, `connection`, `suspension`, `direction`, `source`,
    /// `step`, `buyer`, `flow`. For a delivery: `delivery`, `worker`, `partner`, `assignment`, `schedule`, `settings`,
    /// `mail server`, `portal`, `connection`, `destination`, `last attempt`. New names may be added.
    pub name: String,
    /// Whether the check passed.
    pub passed: bool,
    /// What the check found.
    pub message: String,
    /// What to do; null if the check passed.
    pub remedy: Option<String>,
}

impl From<Vec<Check>> for Diagnosis {
    fn from(checks: Vec<Check>) -> Self {
        Self {
            ok: checks.iter().all(|check| check.passed),
            checks: checks.into_iter().map(DiagnosisCheck::from).collect(),
        }
    }
}

impl From<Check> for DiagnosisCheck {
    fn from(check: Check) -> Self {
        Self {
            name: check.name.to_owned(),
            passed: check.passed,
            message: check.message,
            remedy: check.remedy,
        }
    }
}

/// Diagnoses.
#[derive(Default)]
pub struct DiagnosisQuery;

#[Object]
impl DiagnosisQuery {
    /// Explains why a partner is not connected, cannot be a source, or may not submit. An account without any
    /// relationship to the caller's is answered like an unknown one. Requires a user of the account, or an API key with
    /// `NETWORK_READ` or MANAGE.
    async fn diagnose_connection(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Identifier of the partner's account.")] partner_id: AccountId,
        #[graphql(
            desc = "A flow of the caller that the partner should submit to or that delivers to it, or a flow of the partner that is open to the caller."
        )]
        flow_id: Option<FlowId>,
    ) -> Result<Diagnosis> {
        let (app, caller) = app_and_caller(ctx).await?;
        let flow = flow_id;
        let checks = diagnosis::diagnose(app, caller, partner_id, flow).await?;
        Ok(checks.into())
    }
}
