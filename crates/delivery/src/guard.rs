//! The one guard between Leadmesh and addresses a stranger must not make it connect to.
//!
//! A name is resolved here, its addresses are judged here, and only what passed is handed to the connector, so there
//! is no gap between check and connection in which a name could change its mind. Addresses written into a URL never
//! reach a resolver, therefore [`Guard::vet`] judges them as well.

use std::{
    error::Error,
    fmt,
    future::Future,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::Arc,
};

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

mod ranges;

type Found = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;
type Lookup = Arc<dyn Fn(String) -> Found + Send + Sync>;

/// Decides which addresses may be dialled. Cheap to clone; the clones share everything.
#[derive(Clone)]
pub struct Guard {
    allowed: Arc<[IpNet]>,
    lookup: Lookup,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Blocked {
    /// The settings name a forbidden address.
    #[error(
        "the destination {address} is a {range} address; the operator can allow it with LEADMESH_ALLOW_DESTINATIONS"
    )]
    Address {
        address: IpAddr,
        /// What the range is for, as in "private".
        range: &'static str,
    },
    /// A host name leads to forbidden addresses only. They are logged for the operator and not shown to the account, which could
    /// draw a map of the operator's network with a list of names.
    #[error(
        "the host name {host} leads to no address that may be reached; the operator can allow more with LEADMESH_ALLOW_DESTINATIONS, and finds the address in the log"
    )]
    Name { host: String },
}

/// Why a host has no address that may be dialled.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Every address of the host is forbidden.
    #[error(transparent)]
    Blocked(#[from] Blocked),
    /// The name could not be resolved.
    #[error("the host name {host} could not be resolved: {cause}")]
    Unresolved { host: String, cause: String },
}

impl Guard {
    /// A guard with the system's resolver. What lies in `allowed` may be dialled although it is special.
    pub fn new(allowed: Vec<IpNet>) -> Self {
        Self::with_lookup(allowed, system_lookup)
    }

    /// A guard with a resolver of one's own, for tests: a function from a name to its addresses.
    pub fn with_lookup<L, F>(allowed: Vec<IpNet>, lookup: L) -> Self
    where
        L: Fn(String) -> F + Send + Sync + 'static,
        F: Future<Output = io::Result<Vec<IpAddr>>> + Send + 'static,
    {
        let lookup: Lookup = Arc::new(move |host| Box::pin(lookup(host)));
        Self {
            allowed: allowed.into(),
            lookup,
        }
    }

    pub fn check(&self, address: IpAddr) -> Result<(), Blocked> {
        match ranges::special(address) {
            Some(range) if !self.allowed.iter().any(|net| net.contains(&address)) => {
                Err(Blocked::Address { address, range })
            }
            _ => Ok(()),
        }
    }

    /// Judges a URL whose host is an address, in any spelling: `Url` has turned decimal, octal and hexadecimal forms
    /// into the usual one. A name passes; it is judged when it is resolved.
    pub fn check_url(&self, url: &Url) -> Result<(), Blocked> {
        literal(url).map_or(Ok(()), |address| self.check(address))
    }

    /// Judges a host as settings name it: an address in its usual spelling, or a name that means this machine everywhere (RFC
    /// 6761 section 6.3). Other names pass; they are judged when they are resolved, for every connection anew.
    pub fn check_host(&self, host: &str) -> Result<(), Blocked> {
        match bare(host).parse() {
            Ok(address) => self.check(address),
            Err(_) if is_local(host) => self.check(Ipv4Addr::LOCALHOST.into()),
            Err(_) => Ok(()),
        }
    }

    /// The addresses of a host, name or literal, that may be dialled: never empty. Forbidden ones among several are
    /// dropped. To be used when settings are saved, and by whoever connects to exactly these addresses.
    pub async fn vet(&self, host: &str) -> Result<Vec<IpAddr>, Refusal> {
        if let Ok(address) = bare(host).parse::<IpAddr>() {
            self.check(address)?;
            return Ok(vec![address]);
        }
        let found = (self.lookup)(host.to_owned()).await.map_err(|e| unresolved(host, &e))?;
        self.permitted(host, &found)
    }

    fn permitted(&self, host: &str, found: &[IpAddr]) -> Result<Vec<IpAddr>, Refusal> {
        let mut first_blocked = None;
        let mut permitted = Vec::with_capacity(found.len());
        for address in found {
            match self.check(*address) {
                Ok(()) => permitted.push(*address),
                Err(blocked) => first_blocked = first_blocked.or(Some(blocked)),
            }
        }
        match first_blocked {
            _ if !permitted.is_empty() => Ok(permitted),
            Some(blocked) => {
                tracing::info!(host, %blocked, "a destination is blocked");
                Err(Blocked::Name { host: host.to_owned() }.into())
            }
            None => Err(unresolved(host, &"it has no address")),
        }
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("allowed", &self.allowed)
            .finish_non_exhaustive()
    }
}

/// As reqwest's resolver, the guard answers with permitted addresses only, and reqwest dials no others.
impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let addresses = guard.vet(name.as_str()).await?;
            let sockets = addresses.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok::<Addrs, Box<dyn Error + Send + Sync>>(Box::new(sockets))
        })
    }
}

/// A host without the brackets that addresses of six have in URLs.
fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

fn is_local(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name == "localhost" || name.ends_with(".localhost")
}

/// The address a URL spells out, if its host is not a name.
fn literal(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
        Host::Domain(_) => None,
    }
}

async fn system_lookup(host: String) -> io::Result<Vec<IpAddr>> {
    Ok(tokio::net::lookup_host((host.as_str(), 0))
        .await?
        .map(|socket| socket.ip())
        .collect())
}

fn unresolved(host: &str, cause: &dyn fmt::Display) -> Refusal {
    Refusal::Unresolved {
        host: host.to_owned(),
        cause: cause.to_string(),
    }
}

#[cfg(test)]
mod tests;
