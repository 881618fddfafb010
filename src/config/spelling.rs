//! Finds settings in the environment that no part of Leadmesh reads: a misspelt one would be ignored without a word.

use super::ConfigError;

const PREFIX: &str = "LEADMESH_";
/// Names as far apart as this (Jaro-Winkler, 1 for equal ones) are not suggested for one another.
const ALIKE: f64 = 0.85;

/// Refuses the first name that begins like a setting and is none, with the likely name.
pub fn check<'a>(given: impl IntoIterator<Item = &'a str>, known: &[String]) -> Result<(), ConfigError> {
    for name in given {
        let begins = name
            .get(..PREFIX.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(PREFIX));
        if !begins || known.iter().any(|known| known == name) || is_of_others(name) {
            continue;
        }
        let advice = match likely(name, known) {
            Some(likely) => format!("did you mean {likely}?"),
            None => "`leadmesh serve --help` lists all settings".to_owned(),
        };
        return Err(ConfigError::Set(format!(
            "{name} is set in the environment or in .env, but there is no such setting: {advice}"
        )));
    }
    Ok(())
}

/// What Kubernetes and Docker set for a service that is called `leadmesh` or `leadmesh-…`, and what our tests use.
fn is_of_others(name: &str) -> bool {
    let is_port = name
        .split_once("_PORT_")
        .is_some_and(|(_, rest)| rest.starts_with(|first: char| first.is_ascii_digit()));
    name.starts_with("LEADMESH_TEST_")
        || name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.ends_with("_PORT")
        || is_port
}

fn likely<'a>(name: &str, known: &'a [String]) -> Option<&'a str> {
    let name = name.to_ascii_uppercase();
    let bare = name.strip_prefix(PREFIX).unwrap_or(&name);
    let likeness = |known: &str| {
        // What all share says nothing about what was meant.
        strsim::jaro_winkler(bare, known.strip_prefix(PREFIX).unwrap_or(known))
    };
    let best = known.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(best) >= ALIKE).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(name: &str) -> Option<String> {
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
        check([name], &known).err().map(|error| error.to_string())
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
        ] {
            let error = refused(name).unwrap();
            assert!(error.starts_with(name), "{error}");
            assert!(error.ends_with(&format!("did you mean {likely}?")), "{error}");
        }
        let error = refused("LEADMESH_COLOUR").unwrap();
        assert!(error.ends_with("`leadmesh serve --help` lists all settings"), "{error}");
    }

    #[test]
    fn settings_and_what_belongs_to_others_pass() {
        for name in [
            "LEADMESH_LISTEN",
            "HOME",
            "LEADMESH_TEST_DATABASE_URL",
            "LEADMESH_SERVICE_HOST",
            "LEADMESH_SERVICE_PORT_HTTP",
            "LEADMESH_PORT",
            "LEADMESH_PORT_8080_TCP_ADDR",
            "LEADMESH_API_SERVICE_HOST",
            "LEADMESHING",
        ] {
            assert_eq!(refused(name), None);
        }
    }
}
