//! Leadmesh's tables, a file each: the row, and finders that are scoped by construction.

#![warn(missing_docs)]

/// Declares that a table has no relations: rows are loaded by scoped finders, never by joins that could leave their account.
macro_rules! no_relations {
    () => {
        /// No relations: see `no_relations` in the crate's root.
        #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
        pub enum Relation {}

        impl ActiveModelBehavior for ActiveModel {}
    };
}
pub(crate) use no_relations;

pub mod account;
pub mod account_key;
pub mod api_key;
pub mod assignment;
pub mod audit_event;
pub mod bulk;
pub mod cap_usage;
pub mod chain;
pub mod choice;
pub mod claim;
pub mod connection;
pub mod connection_side;
pub mod delivery;
pub mod delivery_attempt;
pub mod delivery_config;
pub mod delivery_outcome;
pub mod delivery_settings;
pub mod destination;
pub mod disconnected;
pub mod docs_read;
pub mod due;
pub mod duplicate_memory;
pub mod endpoint;
pub mod erasure_notice;
pub mod event;
pub mod field;
pub mod flow;
pub mod flow_revision;
pub mod former_field;
pub mod gate;
pub mod hand_made_lead;
pub mod idempotency;
pub mod ids;
pub mod instance;
pub mod invitation;
pub mod key_holder;
pub mod known_network;
pub mod large;
pub mod lead;
pub mod lead_event;
pub mod mail;
pub mod mail_count;
pub mod mail_recipient;
pub mod manual_retry;
pub mod one_time_token;
pub mod partner;
pub mod portal_permission;
pub mod portal_user;
pub mod profile;
pub mod profile_credit;
pub mod proof;
pub mod refused_attempt;
pub mod relationship;
pub mod retryable;
pub mod routed;
pub mod scalars;
pub mod send_slot;
pub mod session;
pub mod settings_usage;
pub mod smtp_rate;
pub mod smtp_settings;
pub mod source;
pub mod step;
pub mod suspect;
pub mod suspended;
pub mod topic;
pub mod user;
pub mod worker;
