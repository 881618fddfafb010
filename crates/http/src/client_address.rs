//! The network address of a caller behind proxies.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderValue};
use ipnet::IpNet;

use leadmesh_core::app::App;

/// The most entries of `X-Forwarded-For` read, from the right. Chains of proxies are short; clients may write any
/// number.
const MAX_HOPS: usize = 32;

/// The caller's address: the peer's, or what trusted proxies (`LEADMESH_TRUSTED_PROXIES`) say of it.
pub fn client_ip(app: &App, headers: &HeaderMap, peer: Option<SocketAddr>) -> Option<IpAddr> {
    let lines: Vec<&HeaderValue> = headers.get_all("x-forwarded-for").iter().collect();
    Some(resolve(peer?.ip(), &lines, &app.config.settings.trusted_proxies))
}

/// Walks `X-Forwarded-For` from the right. An entry is believed only if a trusted proxy has written it: the one to its
/// right, or the peer for the last entry. The first address that is no trusted proxy is the caller's.
///
/// An entry that is no address ends the walk, and the caller counts as the proxy that wrote it: everything further left
/// may have been written by the client, so passing over such an entry would let anybody choose an address.
fn resolve(peer: IpAddr, lines: &[&HeaderValue], trusted: &[IpNet]) -> IpAddr {
    // A listener on [::] gets IPv4 callers as ::ffff:192.0.2.1, which no IPv4 network contains.
    let is_trusted = |ip: &IpAddr| trusted.iter().any(|network| network.contains(ip));
    let mut nearest = peer.to_canonical();
    let hops = lines
        .iter()
        .rev()
        .flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    for hop in hops.take(MAX_HOPS) {
        if !is_trusted(&nearest) {
            break;
        }
        match parse_hop(hop) {
            Some(address) => nearest = address,
            None => break,
        }
    }
    nearest
}

/// `192.0.2.1`, `192.0.2.1:51000`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:51000`, bare or in quotes.
fn parse_hop(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?.trim();
    let text = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(text);
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    let address = bare
        .parse::<IpAddr>()
        .or_else(|_with_port| text.parse::<SocketAddr>().map(|socket| socket.ip()));
    address.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(peer: &str, lines: &[&str]) -> String {
        let trusted: Vec<IpNet> = ["10.0.0.0/8", "fd00::/8"].map(|text| text.parse().unwrap()).to_vec();
        let lines: Vec<HeaderValue> = lines
            .iter()
            .map(|line| HeaderValue::from_bytes(line.as_bytes()).unwrap())
            .collect();
        resolve(peer.parse().unwrap(), &lines.iter().collect::<Vec<_>>(), &trusted).to_string()
    }

    #[test]
    fn a_caller_without_a_trusted_proxy_is_its_peer_whatever_it_writes() {
        assert_eq!(resolved("203.0.113.9", &[]), "203.0.113.9");
        assert_eq!(resolved("203.0.113.9", &["6.6.6.6"]), "203.0.113.9");
        assert_eq!(resolved("203.0.113.9", &["10.0.0.1, 10.0.0.2"]), "203.0.113.9");
    }

    #[test]
    fn the_address_that_the_nearest_proxy_saw_counts_and_not_what_the_client_wrote_before() {
        for (lines, expected) in [
            (&["6.6.6.6, 203.0.113.9"][..], "203.0.113.9"),
            // Several lines are one list (RFC 9110, section 5.3): the last line is the nearest proxy's.
            (&["6.6.6.6", "203.0.113.9"], "203.0.113.9"),
            (&["6.6.6.6", "203.0.113.9, 10.0.0.7"], "203.0.113.9"),
            // Azure's and some others' proxies write the port as well.
            (&["6.6.6.6, 203.0.113.9:51000"], "203.0.113.9"),
            (&["6.6.6.6, [2001:db8::9]:51000"], "2001:db8::9"),
            (&["6.6.6.6, [2001:db8::9]"], "2001:db8::9"),
            (&["6.6.6.6, \"[2001:db8::9]:443\""], "2001:db8::9"),
            (&["6.6.6.6, ::ffff:203.0.113.9"], "203.0.113.9"),
            (&["6.6.6.6, 203.0.113.9, fd00::1, 10.9.9.9"], "203.0.113.9"),
        ] {
            assert_eq!(resolved("10.0.0.1", lines), expected, "{lines:?}");
            assert_eq!(resolved("::ffff:10.0.0.1", lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn an_entry_that_is_no_address_counts_as_the_proxy_that_wrote_it() {
        for lines in [
            &["6.6.6.6, unknown"][..],
            &["6.6.6.6, _hidden"],
            &["6.6.6.6, "],
            &["6.6.6.6", ""],
            &["6.6.6.6, 203.0.113.9:99999"],
            &["6.6.6.6, 203.0.113.9 via proxy"],
            &["6.6.6.6, \u{e9}"],
        ] {
            assert_eq!(resolved("10.0.0.1", lines), "10.0.0.1", "{lines:?}");
        }
        assert_eq!(resolved("10.0.0.1", &["6.6.6.6, unknown, 10.0.0.2"]), "10.0.0.2");
    }

    #[test]
    fn a_chain_is_followed_so_far_only() {
        let proxies = vec!["10.0.0.2"; MAX_HOPS].join(", ");
        assert_eq!(resolved("10.0.0.1", &[&format!("6.6.6.6, {proxies}")]), "10.0.0.2");
    }
}
