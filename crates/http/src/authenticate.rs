//! Authenticates requests and sockets, and makes the data that their operations run with.

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_graphql::{Data, Value, Variables};
use entity::ids::FlowId;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::client_address::client_ip;
use super::quota::Quotas;
use super::session::{AuthRequest, Authenticate, Session};
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, Result};
use leadmesh_core::identity::authenticate;
use leadmesh_core::identity::caller::Caller;
use leadmesh_graphql::context::RequestAuth;
use leadmesh_graphql::limits::budget::Budget;
use leadmesh_graphql::limits::rate::{Allowance, Holder, Limits, Rates};
use leadmesh_graphql::loaders;

/// Seconds between checks of the rights of open sockets, at the same moments for all, so that one query reads them.
/// This covers lost notices: a change of rights is notified immediately, and subscriptions check each event.
const RECHECK_SECONDS: u64 = 5;

/// Authenticates callers of an app.
#[derive(Clone, Debug)]
pub struct AppAuthenticator {
    app: App,
    quotas: Quotas,
    rates: Rates,
}

impl AppAuthenticator {
    pub fn new(app: App) -> Self {
        let settings = &app.config.settings;
        let rates = Rates::new(Limits {
            principal: settings.rate_principal,
            account: settings.rate_account,
            address: settings.rate_address,
        });
        Self {
            app,
            quotas: Quotas::default(),
            rates,
        }
    }

    /// The rate limits of a caller: a user or API key draws on its own bucket and its account's, an anonymous caller
    /// on its address's.
    fn allowance(&self, known: Option<&Caller>, ip: Option<IpAddr>) -> Allowance {
        let principal = known.and_then(|known| known.principal.uuid()).map(Holder::Principal);
        let account = known.and_then(|known| known.principal.rights_account());
        let address = ip
            .filter(|_| principal.is_none())
            .map(|ip| Holder::Address(address_key(ip)));
        let account = account.map(|account| Holder::Account(account.0));
        self.rates
            .allowance([principal, account, address].into_iter().flatten())
    }
}

impl Authenticate for AppAuthenticator {
    async fn authenticate(&self, request: AuthRequest<'_>) -> Result<Session> {
        let app = &self.app;
        let ip = client_ip(app, request.headers, request.peer);
        let Some(token) = request.token else {
            let mut session = session(app, None, ip, None, self.allowance(None, ip));
            session.is_anonymous = true;
            session.quota = ip.filter(|_| request.socket).map(|ip| self.quotas.of(address_key(ip)));
            return Ok(session);
        };
        let known = match authenticate::cached(app, token, ip).await.filter(|_| !request.socket) {
            Some(known) => known,
            None => authenticate::bearer(app, token, ip).await?,
        };
        let allowance = self.allowance(Some(&known), ip);
        let mut session = session(app, Some(token.to_owned()), ip, Some(known.clone()), allowance);
        if request.socket {
            session.quota = known.principal.uuid().map(|id| self.quotas.of(id));
            session.expires_at = expiry(app, &known);
            let watched = watch(app.clone(), known, session.revoked.clone());
            tokio::spawn(watched);
        }
        Ok(session)
    }

    fn refused(&self, variables: &Variables) {
        if let Some(flow) = variables.values().find_map(submitted_to) {
            self.app.counters.refused(flow, None, self.app.clock.now());
        }
    }
}

/// The flow of an input that looks like a submission.
fn submitted_to(value: &Value) -> Option<FlowId> {
    let Value::Object(input) = value else { return None };
    match input.get("flowId") {
        Some(Value::String(flow)) if input.contains_key("fields") || input.contains_key("leads") => flow.parse().ok(),
        _ => None,
    }
}

/// The quota key of callers without a token: their address, of IPv6 the first 64 bits, which identify one network.
fn address_key(ip: IpAddr) -> Uuid {
    match ip.to_canonical() {
        IpAddr::V4(ip) => Uuid::from_u128(ip.to_ipv6_mapped().to_bits()),
        IpAddr::V6(ip) => Uuid::from_u128(ip.to_bits() & (u128::MAX << 64)),
    }
}

fn session(
    app: &App,
    token: Option<String>,
    ip: Option<IpAddr>,
    known: Option<Caller>,
    allowance: Allowance,
) -> Session {
    let account = known.as_ref().and_then(|known| known.principal.account());
    let owner = account.map(|account| account.0).or(ip.map(address_key));
    // Replaces the schema's app, so that reads and writes count against the caller's account.
    let app = owner.map_or_else(|| app.clone(), |owner| app.for_account(owner));
    let drawn_on = allowance.clone();
    let mut session = Session::new(move || {
        let budget = Arc::<Budget>::default();
        let mut data = Data::default();
        data.insert(app.clone());
        data.insert(loaders::loader_within(&app, budget.clone()));
        data.insert(budget);
        data.insert(drawn_on.clone());
        data.insert(Arc::new(RequestAuth::new(token.clone(), ip, known.clone())));
        data
    });
    session.owner = owner;
    session.allowance = Some(allowance);
    session
}

fn expiry(app: &App, caller: &Caller) -> Option<Instant> {
    let left = (caller.expires_at? - app.clock.now()).to_std().unwrap_or_default();
    Some(Instant::now() + left)
}

/// Revokes a session once its right is lost. Ends with the session.
async fn watch(app: App, caller: Caller, revoked: CancellationToken) {
    let Some(account) = caller.principal.rights_account() else {
        return;
    };
    let rights_of_account = app.hub.rights(account);
    let mut changed = rights_of_account.listen();
    let recheck = async {
        loop {
            changed.mark_unchanged();
            // Boxed, so that the task is small while it waits, which is nearly always.
            let now = Box::pin(app.rights.refresh(&caller)).await;
            if let Err(Error::Unauthenticated(_) | Error::Forbidden(_)) = now {
                return;
            }
            // Both outcomes only trigger the next check.
            drop(tokio::time::timeout(until_next_check(), changed.changed()).await);
        }
    };
    if revoked.run_until_cancelled(recheck).await.is_some() {
        revoked.cancel();
    }
}

fn until_next_check() -> Duration {
    static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    let elapsed = u64::try_from(BEGIN.elapsed().as_micros()).unwrap_or_default();
    let period = RECHECK_SECONDS * 1_000_000;
    Duration::from_micros(period - elapsed % period)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_network_has_one_share() {
        let of = |text: &str| address_key(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
