//! Why something does not go, and what to do about it.

use async_graphql::{Context, ID, Object, SimpleObject};

use super::context::app_and_caller;
use super::ids::id_or_unknown;
use crate::diagnosis::Check;
use crate::error::Result;
use crate::network::diagnosis;

/// What a look at everything that is needed has found.
#[derive(SimpleObject)]
pub struct Diagnosis {
    /// Whether all is well.
    pub ok: bool,
    /// Each look, in the order in which a lead needs it; the first that failed is the cause.
    pub checks: Vec<DiagnosisCheck>,
}

/// One look.
#[derive(SimpleObject)]
pub struct DiagnosisCheck {
    /// At what: of a connection `invitation`, `mail`, `connection`, `suspension`, `direction`, `source`, `step`, `buyer`,
    /// `flow`; of a delivery
    /// `delivery`, `worker`, `partner`, `assignment`, `schedule`, `settings`, `mail server`, `portal`, `connection`, `destination`,
    /// `last attempt`. New ones may be added.
    pub name: String,
    /// Whether all is well there.
    pub passed: bool,
    /// What was found.
    pub message: String,
    /// What to do; null where all is well.
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
    /// Why a partner is not connected, cannot be a source, or may not submit. An account without any relationship to the caller's is
    /// answered as one that does not exist. Takes a person of the account, or a key with `NETWORK_READ` or MANAGE.
    async fn diagnose_connection(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The partner's account.")] partner_id: ID,
        #[graphql(
            desc = "A flow of the caller's that the partner should submit to or that sells to it, or one of the partner's that is open to the caller."
        )]
        flow_id: Option<ID>,
    ) -> Result<Diagnosis> {
        let (app, caller) = app_and_caller(ctx).await?;
        let flow = flow_id.as_ref().map(id_or_unknown);
        let checks = diagnosis::diagnose(app, caller, id_or_unknown(&partner_id), flow).await?;
        Ok(checks.into())
    }
}
