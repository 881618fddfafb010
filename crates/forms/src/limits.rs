//! Limits of settings: what a rule, a flow and an account may make this server store, compile and read.
//!
//! Limits of single requests are in `graphql::limits`, those of single values (names, lists, templates) are next to their checks.

/// Bytes of one rule: the names and values in it together. Room for 30,000 postal codes, and read in a millisecond.
pub const RULE_BYTES: usize = 256 << 10;
/// Conditions, groups and negations of one rule together: five times as many as it may have conditions.
pub const RULE_NODES: usize = 1_000;
/// Bytes of the compiled patterns of one rule: three of `\w{2,20}`, which covers all alphabets, or hundreds of usual ones; compiling
/// them takes some 50 milliseconds.
pub const RULE_PATTERN_BYTES: usize = 4 << 20;
/// Bytes of one flow with its fields, sources and steps, as a revision stores it: a hundred times a large one. Each change reads,
/// compares and writes all of it.
pub const FLOW_BYTES: usize = 1 << 20;
/// Bytes of the compiled patterns of one flow (its own rule and those of its sources and steps).
pub const FLOW_PATTERN_BYTES: usize = 16 << 20;
/// The same for a distribution profile with its assignments.
pub const PROFILE_PATTERN_BYTES: usize = 16 << 20;
/// The same for a flow with all profiles of its DISTRIBUTE steps. Rules beyond it match nothing.
pub const ROUTING_PATTERN_BYTES: usize = 64 << 20;
/// Bytes of compiled patterns of recently used flows that a process caches.
pub const COMPILED_FLOWS_BYTES: u64 = 512 << 20;
/// Bytes of single compiled patterns that a process caches.
pub const CACHED_PATTERN_BYTES: u64 = 64 << 20;
/// People of an account, removed ones left out.
pub const MAX_PEOPLE: u64 = 1_000;
/// People of a partner's portal, removed ones left out.
pub const MAX_PORTAL_PEOPLE: u64 = 200;
/// Open invitations of an account to connect.
pub const MAX_OPEN_INVITATIONS: u64 = 1_000;
