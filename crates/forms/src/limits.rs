//! What settings may hold, in numbers: what a rule, a flow and an account may make this server keep, compile and read.
//!
//! Limits of single requests are in `graphql::limits`, those of single values (names, lists, templates) beside what checks them.

/// Bytes of one rule: the names and values in it together. Room for 30,000 postal codes, and read in a millisecond.
pub const RULE_BYTES: usize = 256 << 10;
/// Conditions, groups and negations of one rule together: five times as many as it may have conditions.
pub const RULE_NODES: usize = 1_000;
/// Bytes that the patterns of one rule may take together, compiled: three as large as `\w{2,20}`, which knows all alphabets, or
/// hundreds of usual ones; compiled in some 50 milliseconds.
pub const RULE_PATTERN_BYTES: usize = 4 << 20;
/// Bytes of one flow with its fields, sources and steps, as a revision stores it: a hundred times a large one. Whatever changes a
/// flow reads, compares and writes all of it.
pub const FLOW_BYTES: usize = 1 << 20;
/// Bytes that the patterns of one flow (its own rule, those of its sources and steps) may take together, compiled.
pub const FLOW_PATTERN_BYTES: usize = 16 << 20;
/// The same for a distribution profile with its assignments.
pub const PROFILE_PATTERN_BYTES: usize = 16 << 20;
/// The same for a flow with all profiles that it distributes by. Rules beyond it let nothing through.
pub const ROUTING_PATTERN_BYTES: usize = 64 << 20;
/// Bytes of compiled patterns that a process keeps for the flows that were used last.
pub const COMPILED_FLOWS_BYTES: u64 = 512 << 20;
/// Bytes of compiled patterns that a process keeps in case they are compiled again.
pub const CACHED_PATTERN_BYTES: u64 = 64 << 20;
/// People of an account, removed ones left out.
pub const MAX_PEOPLE: u64 = 1_000;
/// People of a partner's portal, removed ones left out.
pub const MAX_PORTAL_PEOPLE: u64 = 200;
/// Invitations of an account to connect that wait for an answer.
pub const MAX_OPEN_INVITATIONS: u64 = 1_000;
