//! The limit of file descriptors. Every connection takes one; a process without a free one can neither reach its database nor
//! deliver.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors for listeners, Redis, logs and certificates.
const OTHER: u64 = 128;
/// Connections of callers that are accepted whatever the limit is.
const FEWEST: u64 = 16;

/// Raises the limit of open files to the most that the system allows (`RLIMIT_NOFILE`).
pub fn raise() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, raised)
    {
        tracing::warn!(%error, "cannot raise the limit of open files (ulimit -n)");
    }
}

/// Open files that this process may have; none without a limit.
pub fn limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// How many of `wanted` connections of callers leave descriptors for everything else.
pub fn connections(wanted: usize, reserved: u64, limit: Option<u64>) -> usize {
    let Some(limit) = limit else { return wanted };
    let left = limit.saturating_sub(reserved + OTHER).max(FEWEST);
    wanted.min(usize::try_from(left).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_get_what_database_and_deliveries_leave() {
        assert_eq!(connections(20_000, 272, None), 20_000);
        assert_eq!(connections(20_000, 272, Some(65_536)), 20_000);
        assert_eq!(connections(20_000, 272, Some(1_024)), 624);
        assert_eq!(connections(20_000, 272, Some(256)), 16);
    }

    #[test]
    fn the_limit_is_raised_to_what_the_system_allows() {
        raise();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }
}
