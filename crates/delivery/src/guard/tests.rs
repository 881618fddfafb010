use std::{
    net::{IpAddr, Ipv6Addr as Ipv6},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use proptest::prelude::*;

use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn strict() -> Guard {
    Guard::new(Vec::new())
}

/// A guard for which every name has these addresses.
fn resolving_to(addresses: &[&str]) -> Guard {
    let addresses: Vec<IpAddr> = addresses.iter().map(|text| ip(text)).collect();
    Guard::with_lookup(Vec::new(), move |_| {
        let addresses = addresses.clone();
        async move { Ok(addresses) }
    })
}

#[test]
fn hosts_of_settings_are_refused_by_address_and_by_the_names_of_this_machine() {
    for host in ["10.0.0.1", "[::1]", "::1", "localhost", "localhost.", "a.localhost"] {
        assert!(strict().check_host(host).is_err(), "{host}");
    }
    for host in [
        "8.8.8.8",
        "smtp.example.com",
        "notlocalhost",
        "localhost.example.com",
        "",
    ] {
        assert_eq!(strict().check_host(host), Ok(()), "{host}");
    }
    let allowed = Guard::new(vec!["127.0.0.0/8".parse().unwrap()]);
    assert_eq!(allowed.check_host("localhost"), Ok(()));
}

#[test]
fn special_addresses_are_refused_with_the_name_of_their_range() {
    for (address, range) in [
        ("0.0.0.0", "unspecified"),
        ("0.1.2.3", "unspecified"),
        ("10.1.2.3", "private"),
        ("100.64.0.1", "carrier-grade NAT"),
        ("100.127.255.255", "carrier-grade NAT"),
        ("127.0.0.1", "loopback"),
        ("127.255.255.254", "loopback"),
        ("168.63.129.16", "cloud platform"),
        ("169.254.169.254", "cloud metadata"),
        ("169.254.1.1", "link-local"),
        ("172.16.0.1", "private"),
        ("172.31.255.255", "private"),
        ("192.0.0.192", "protocol assignment"),
        ("192.0.2.1", "documentation"),
        ("192.88.99.1", "6to4 relay"),
        ("192.168.178.1", "private"),
        ("198.18.0.1", "benchmarking"),
        ("198.19.255.255", "benchmarking"),
        ("198.51.100.7", "documentation"),
        ("203.0.113.7", "documentation"),
        ("224.0.0.1", "multicast"),
        ("239.255.255.255", "multicast"),
        ("240.0.0.1", "reserved"),
        ("255.255.255.255", "broadcast"),
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("::ffff:10.0.0.1", "IPv4-mapped"),
        ("::ffff:8.8.8.8", "IPv4-mapped"),
        ("::127.0.0.1", "IPv4-compatible"),
        ("64:ff9b::7f00:1", "NAT64"),
        ("64:ff9b:1::1", "NAT64"),
        ("64:ff9b:1:ffff::1", "NAT64"),
        ("100::1", "discard"),
        ("2001::1", "Teredo"),
        ("2001:2::1", "benchmarking"),
        ("2001:10::1", "protocol assignment"),
        ("2001:db8::1", "documentation"),
        ("2002:7f00:1::", "6to4"),
        ("3fff::1", "documentation"),
        ("5f00::1", "reserved"),
        ("fc00::1", "private"),
        ("fd00:ec2::254", "private"),
        ("fe80::1", "link-local"),
        ("fec0::1", "site-local"),
        ("ff02::1", "multicast"),
        ("2a00:1450:4001::5efe:7f00:1", "ISATAP"),
        ("2a00:1450:4001:0:200:5efe:808:808", "ISATAP"),
    ] {
        let address = ip(address);
        assert_eq!(strict().check(address), Err(Blocked::Address { address, range }));
    }
}

#[test]
fn public_addresses_pass() {
    for address in [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.167.255.255",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2606:4700::1111",
        "2a00:1450::1",
        "2001:4860:4860::8888",
        "2003::1",
    ] {
        assert_eq!(strict().check(ip(address)), Ok(()), "{address}");
    }
}

#[test]
fn every_spelling_of_an_address_in_a_url_is_recognised() {
    for url in [
        "http://127.0.0.1/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://0x7f000001/",
        "http://017700000001/",
        "http://127.1/",
        "http://127.0.0.1./",
        "http://0/",
        "http://[::1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://169.254.169.254/latest/meta-data",
        "https://user@10.0.0.1:8443/",
        "http://①②⑦.0.0.1/",
        "http://%31%32%37.0.0.1/",
    ] {
        assert!(strict().check_url(&Url::parse(url).unwrap()).is_err(), "{url}");
    }
    assert_eq!(strict().check_url(&Url::parse("https://example.com/").unwrap()), Ok(()));
}

#[test]
fn the_operator_may_allow_ranges() {
    let guard = Guard::new(vec!["127.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()]);
    assert_eq!(guard.check(ip("127.0.0.1")), Ok(()));
    assert_eq!(guard.check(ip("fd12::1")), Ok(()));
    assert!(guard.check(ip("10.0.0.1")).is_err());
    assert!(guard.check(ip("::1")).is_err());
    assert!(guard.check(ip("::ffff:127.0.0.1")).is_err());
}

#[test]
fn the_refusal_says_what_to_do() {
    let text = strict().check(ip("10.0.0.1")).unwrap_err().to_string();
    assert!(text.contains("10.0.0.1 is a private address"), "{text}");
    assert!(text.contains("LEADMESH_ALLOW_DESTINATIONS"), "{text}");
}

#[tokio::test]
async fn forbidden_addresses_among_several_are_dropped() {
    let guard = resolving_to(&["10.0.0.1", "1.1.1.1", "::1", "2606:4700::1111"]);
    assert_eq!(
        guard.vet("mixed.test").await.unwrap(),
        [ip("1.1.1.1"), ip("2606:4700::1111")]
    );
}

#[tokio::test]
async fn a_name_with_only_forbidden_addresses_is_blocked() {
    match resolving_to(&["10.0.0.1", "::1"]).vet("inside.test").await {
        Err(Refusal::Blocked(blocked)) => {
            let text = blocked.to_string();
            assert!(text.contains("the host name inside.test leads to no address"), "{text}");
            assert!(!text.contains("10.0.0.1") && !text.contains("private"), "{text}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_name_without_addresses_is_unresolved_rather_than_blocked() {
    let refusal = resolving_to(&[]).vet("empty.test").await.unwrap_err();
    assert!(matches!(refusal, Refusal::Unresolved { .. }), "{refusal:?}");
    let failing = Guard::with_lookup(Vec::new(), async |_| Err(io::Error::other("no such host")));
    assert!(
        failing
            .vet("gone.test")
            .await
            .unwrap_err()
            .to_string()
            .contains("no such host")
    );
}

#[tokio::test]
async fn literals_are_judged_without_asking_the_resolver() {
    let guard = resolving_to(&["1.1.1.1"]);
    assert!(guard.vet("127.0.0.1").await.is_err());
    assert!(guard.vet("[::1]").await.is_err());
    assert_eq!(guard.vet("9.9.9.9").await.unwrap(), [ip("9.9.9.9")]);
}

#[tokio::test]
async fn a_name_that_changes_is_judged_each_time() {
    let asked = Arc::new(AtomicUsize::new(0));
    let guard = Guard::with_lookup(Vec::new(), move |_| {
        let first = asked.fetch_add(1, Ordering::SeqCst) == 0;
        async move { Ok(vec![ip(if first { "1.1.1.1" } else { "127.0.0.1" })]) }
    });
    assert!(guard.vet("rebind.test").await.is_ok());
    assert!(guard.vet("rebind.test").await.is_err());
}

#[tokio::test]
async fn names_the_system_resolver_reads_as_numbers_are_caught() {
    for host in ["localhost", "0x7f.1", "2130706433"] {
        if let Ok(addresses) = strict().vet(host).await {
            panic!("{host} was let through as {addresses:?}");
        }
    }
}

proptest! {
    #[test]
    fn no_ipv4_address_gets_through_by_being_embedded_in_ipv6(bits: u32) {
        let [a, b, c, d] = bits.to_be_bytes();
        let high = u16::from_be_bytes([a, b]);
        let low = u16::from_be_bytes([c, d]);
        for embedded in [
            Ipv6::new(0, 0, 0, 0, 0, 0xffff, high, low),
            Ipv6::new(0, 0, 0, 0, 0, 0, high, low),
            Ipv6::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
            Ipv6::new(0x2002, high, low, 0, 0, 0, 0, 1),
            Ipv6::new(0x2001, 0, 0, 0, 0, 0, !high, !low),
            Ipv6::new(0x2a00, 1, 2, 3, 0, 0x5efe, high, low),
        ] {
            prop_assert!(strict().check(embedded.into()).is_err(), "{embedded}");
        }
    }
}
