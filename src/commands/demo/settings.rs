//! The settings of the demo's server: embedded, and allowed to deliver to this machine.

use std::net::SocketAddr;

use entity::account::Plan;

use super::Arguments;
use leadmesh_core::config::traces::TraceSettings;
use leadmesh_core::config::{LogFormat, ProofOfAddress, Settings, SignUp};

/// Written out, so that no setting of a real server in the environment takes part.
pub(super) fn settings(arguments: &Arguments) -> Settings {
    Settings {
        listen: arguments.listen,
        metrics_listen: None,
        public_url: None,
        database_url: None,
        redis_url: None,
        redis_prefix: "leadmesh".to_owned(),
        data_dir: arguments.data_dir.clone(),
        master_key: None,
        previous_master_key: None,
        token_secret: None,
        smtp_url: None,
        mail_from: None,
        ehlo_name: None,
        // The people are invented, so nobody reads their emails.
        proof_of_address: Some(ProofOfAddress::Off),
        allow_destinations: ["127.0.0.0/8"].iter().filter_map(|net| net.parse().ok()).collect(),
        default_plan: Plan::Paid,
        invited_plan: Plan::Free,
        sign_up: SignUp::Open,
        allow_origins: Vec::new(),
        trusted_proxies: Vec::new(),
        concurrency: 64,
        destination_concurrency: 32,
        database_connections: 8,
        payload_bytes: 1_048_576,
        account_settings_bytes: 64 << 20,
        idempotency_days: 7,
        invitation_days: 14,
        session_days: 90,
        review_days: 90,
        rate_principal: 500,
        rate_account: 1_500,
        rate_address: 50,
        log: arguments.log.clone(),
        log_format: LogFormat::Text,
        traces: TraceSettings::off(),
    }
}

/// Sends the instance's own emails to the demo's mail server.
pub(super) fn receive_mail_at(settings: &mut Settings, smtp: SocketAddr) {
    settings.smtp_url = Some(format!("smtp+plain://{smtp}"));
    settings.mail_from = Some("Leadmesh <leadmesh@demo.example>".to_owned());
}
