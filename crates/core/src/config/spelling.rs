//! Finds misspelt settings in the environment, which would otherwise be ignored silently.

use std::net::IpAddr;

use super::ConfigError;

const NAME: &str = "LEADMESH";
const PREFIX: &str = "LEADMESH_";
/// Least likeness (Jaro-Winkler, 1 for equal names) at which a name is suggested.
const ALIKE: f64 = 0.85;

/// Refuses the first variable whose name begins like a setting's but is none, and suggests the likely name. Takes names and
/// values.
pub fn check<'a>(given: impl IntoIterator<Item = (&'a str, &'a str)>, known: &[String]) -> Result<(), ConfigError> {
    for (name, value) in given {
        let Some(bare) = after_our_name(name) else {
            continue;
        };
        if known.iter().any(|known| known == name) || is_of_others(name, value) {
            continue;
        }
        let advice = match likely(&bare, known) {
            Some(likely) => format!("did you mean {likely}?"),
            None => "`leadmesh serve --help` lists all settings".to_owned(),
        };
        return Err(ConfigError::Set(format!(
            "{name} is set in the environment or in .env, but there is no such setting: {advice}"
        )));
    }
    Ok(())
}

/// The rest of a variable in capitals, if it begins with our name: in any case, with an underscore in it, or with one letter
/// wrong, missing, doubled or swapped.
fn after_our_name(variable: &str) -> Option<String> {
    let variable = variable.to_ascii_uppercase();
    let (first, rest) = variable.split_once('_')?;
    if strsim::osa_distance(first, NAME) <= 1 {
        return Some(rest.to_owned());
    }
    let (second, rest) = rest.split_once('_')?;
    (format!("{first}{second}") == NAME).then(|| rest.to_owned())
}

/// Variables that Kubernetes and Docker set for a service called `leadmesh` or `leadmesh-…`, and those of our tests and
/// scripts.
fn is_of_others(name: &str, value: &str) -> bool {
    let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let is_address_of_port = ["tcp://", "udp://", "sctp://"]
        .iter()
        .any(|scheme| value.starts_with(scheme));
    let is_port = name
        .split_once("_PORT_")
        .is_some_and(|(_, rest)| rest.starts_with(|first: char| first.is_ascii_digit()));
    name.starts_with("LEADMESH_TEST_")
        || name.starts_with("LEADMESH_BENCH_")
        || name == "LEADMESH_BIN"
        || (name.ends_with("_SERVICE_HOST") && value.parse::<IpAddr>().is_ok())
        || (name.contains("_SERVICE_PORT") && is_number)
        || (name.ends_with("_PORT") && is_address_of_port)
        || is_port
}

fn likely<'a>(bare: &str, known: &'a [String]) -> Option<&'a str> {
    let likeness = |known: &str| {
        // The common prefix says nothing about what was meant.
        strsim::jaro_winkler(bare, known.strip_prefix(PREFIX).unwrap_or(known))
    };
    let best = known.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(best) >= ALIKE).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(name: &str, value: &str) -> Option<String> {
        let known = [
            "DATABASE_URL",
            "REDIS_URL",
            "LEADMESH_LISTEN",
            "LEADMESH_SIGN_UP",
            "LEADMESH_TRUSTED_PROXIES",
            "LEADMESH_ALLOW_ORIGINS",
            "LEADMESH_ALLOW_DESTINATIONS",
            "LEADMESH_MASTER_KEY",
        ]
        .map(str::to_owned);
        check([(name, value)], &known).err().map(|error| error.to_string())
    }

    #[test]
    fn a_misspelt_setting_is_refused_with_the_likely_name() {
        for (name, likely) in [
            ("LEADMESH_TRUSTED_PROXY", "LEADMESH_TRUSTED_PROXIES"),
            ("LEADMESH_SIGNUP", "LEADMESH_SIGN_UP"),
            ("LEADMESH_ALLOWED_ORIGINS", "LEADMESH_ALLOW_ORIGINS"),
            ("LEADMESH_DATABASE_URL", "DATABASE_URL"),
            ("leadmesh_listen", "LEADMESH_LISTEN"),
            ("LEADMESH_MASTERKEY", "LEADMESH_MASTER_KEY"),
            ("LEADMES_SIGN_UP", "LEADMESH_SIGN_UP"),
            ("LEADMESSH_SIGN_UP", "LEADMESH_SIGN_UP"),
            ("LEADMEHS_SIGN_UP", "LEADMESH_SIGN_UP"),
            ("LEAD_MESH_SIGN_UP", "LEADMESH_SIGN_UP"),
            ("LEADMESH_LISTEN_PORT", "LEADMESH_LISTEN"),
        ] {
            let error = refused(name, "closed").unwrap();
            assert!(error.starts_with(name), "{error}");
            assert!(error.ends_with(&format!("did you mean {likely}?")), "{error}");
        }
        let error = refused("LEADMESH_COLOUR", "red").unwrap();
        assert!(error.ends_with("`leadmesh serve --help` lists all settings"), "{error}");
    }

    #[test]
    fn settings_and_what_belongs_to_others_pass() {
        for (name, value) in [
            ("LEADMESH_LISTEN", "127.0.0.1:8080"),
            ("HOME", "/home/ops"),
            ("LEADMESH_TEST_DATABASE_URL", "postgres://localhost/test"),
            ("LEADMESH_BIN", "target/debug/leadmesh"),
            ("LEADMESH_SERVICE_HOST", "10.96.0.7"),
            ("LEADMESH_SERVICE_PORT_HTTP", "8080"),
            ("LEADMESH_PORT", "tcp://10.96.0.7:8080"),
            ("LEADMESH_PORT_8080_TCP_ADDR", "10.96.0.7"),
            ("LEADMESH_API_SERVICE_HOST", "fd00::7"),
            ("LEADMESHING", "yes"),
            ("LEADMESHING_MODE", "yes"),
            ("LEAD_GENERATOR_URL", "yes"),
            ("LEAD_MESH", "yes"),
        ] {
            assert_eq!(refused(name, value), None);
        }
        // Other software sets an address, a port and a number under these names, and nothing else.
        for (name, value) in [
            ("LEADMESH_SMTP_PORT", "587"),
            ("LEADMESH_SIGN_UP_SERVICE_PORT", "closed"),
            ("LEADMESH_HTTP_SERVICE_HOST", "localhost"),
        ] {
            assert!(refused(name, value).is_some(), "{name}");
        }
    }
}
