//! Identifiers, addresses of mail, addresses of webhooks.
#![no_main]

use std::net::IpAddr;

use entity::ids::LeadId;
use leadmesh_core::identity::email_address;
use leadmesh_delivery::guard::Guard;
use libfuzzer_sys::fuzz_target;
use url::{Host, Url};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(id) = text.parse::<LeadId>() {
        assert_eq!(id.to_string(), text);
    }
    if let Some(address) = email_address::normalise(text) {
        assert_eq!(email_address::normalise(&address).as_deref(), Some(address.as_str()));
        assert!(
            !address.contains(|c: char| c.is_control() || c.is_whitespace()),
            "{address:?}"
        );
    }
    if let Ok(url) = Url::parse(text) {
        dialled(&url);
    }
});

/// No spelling of a loopback or private address passes.
fn dialled(url: &Url) {
    let address: IpAddr = match url.host() {
        Some(Host::Ipv4(address)) => address.into(),
        Some(Host::Ipv6(address)) => address.to_canonical(),
        _ => return,
    };
    let is_inner = match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local() || v4.is_unspecified(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unspecified() || v6.is_unique_local() || v6.is_unicast_link_local(),
    };
    assert!(!is_inner || Guard::new(Vec::new()).check_url(url).is_err(), "{url}");
}
