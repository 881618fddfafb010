//! Access to an account besides one person's own. The reader of an address sees it before confirming an account that another
//! person may have made.

use entity::connection::{self, ConnectionStatus};
use entity::ids::AccountId;
use entity::invitation::{self, InvitationStatus};
use entity::source::{self, SourceKind};
use entity::user::{self, Role};
use entity::{account, api_key, erasure_notice, flow, partner, portal_user, smtp_settings, step};
use sea_orm::{
    ActiveEnum, ColumnTrait, Condition, ConnectionTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};

use super::emails::sanitize;
use crate::app::App;
use crate::error::Result;

/// People that are named one by one.
const NAMED: u64 = 5;

/// Who can act for an account, gets its leads or emails, or waits to, besides one user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OtherAccess {
    /// Name, address and role of the first few.
    people: Vec<String>,
    people_count: u64,
    /// The contact address, unless it is the person's.
    contact: Option<String>,
    mail_server: bool,
    counted: Vec<CountedItems>,
}

/// A number of things of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct CountedItems {
    count: u64,
    one: &'static str,
    many: &'static str,
}

impl OtherAccess {
    pub async fn besides(db: &impl ConnectionTrait, app: &App, person: &user::Model) -> Result<Self> {
        let others = user::Entity::in_account(person.account_id).filter(user::Column::Id.ne(person.id));
        let named = others
            .clone()
            .order_by_asc(user::Column::Id)
            .limit(NAMED)
            .all(db)
            .await?;
        let account = account::Entity::by_id(person.account_id).one(db).await?;
        let contact = account.and_then(|account| account.contact_email);
        let mail_server = smtp_settings::Entity::in_account(person.account_id).one(db).await?;
        Ok(Self {
            people: named.iter().map(named_person).collect(),
            people_count: others.count(db).await?,
            contact: contact.filter(|contact| *contact != person.email),
            mail_server: mail_server.is_some(),
            counted: counted(db, app, person.account_id).await?,
        })
    }

    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// A list for people, each entry without a full stop.
    pub fn lines(&self) -> Vec<String> {
        let named = u64::try_from(self.people.len()).unwrap_or_default();
        let unnamed = CountedItems {
            count: self.people_count.saturating_sub(named),
            one: "more person",
            many: "more people",
        };
        let mut lines = self.people.clone();
        lines.extend(unnamed.line());
        lines.extend(self.counted.iter().filter_map(CountedItems::line));
        lines.extend(
            self.contact
                .as_ref()
                .map(|contact| format!("the contact address {contact}")),
        );
        lines.extend(self.mail_server.then(|| "a mail server of its own".to_owned()));
        lines
    }
}

impl CountedItems {
    fn of(count: u64, [one, many]: [&'static str; 2]) -> Self {
        Self { count, one, many }
    }

    fn line(&self) -> Option<String> {
        let Self { count, one, many } = *self;
        (count > 0).then(|| format!("{count} {}", if count == 1 { one } else { many }))
    }
}

/// What gives others access to the leads, emails or settings of an account, now or after an answer; without zero counts.
async fn counted(db: &impl ConnectionTrait, app: &App, account: AccountId) -> Result<Vec<CountedItems>> {
    let mut all = who_acts(db, app, account).await?;
    all.extend(where_leads_go(db, account).await?);
    all.retain(|counted| counted.count > 0);
    Ok(all)
}

async fn who_acts(db: &impl ConnectionTrait, app: &App, account: AccountId) -> Result<Vec<CountedItems>> {
    let keys = api_key::Entity::live_in_account(account, app.clock.now());
    let partners = partner::Entity::in_account(account);
    let people = portal_user::Entity::in_account(account);
    let live = connection::Column::Status.ne(ConnectionStatus::Terminated);
    let connections = connection::Entity::of_account(account).filter(live);
    let waits = || invitation::Column::Status.eq(InvitationStatus::Pending);
    let sent = invitation::Entity::sent_by(account).filter(waits());
    let received = invitation::Entity::received_by(account, app.config.address_proof()).filter(waits());
    Ok(vec![
        CountedItems::of(keys.count(db).await?, ["API key", "API keys"]),
        CountedItems::of(partners.count(db).await?, ["partner", "partners"]),
        CountedItems::of(people.count(db).await?, ["portal user", "portal users"]),
        CountedItems::of(connections.count(db).await?, ["connection", "connections"]),
        CountedItems::of(
            sent.count(db).await?,
            [
                "invitation that waits for an answer",
                "invitations that wait for an answer",
            ],
        ),
        CountedItems::of(
            received.count(db).await?,
            ["received invitation", "received invitations"],
        ),
    ])
}

async fn where_leads_go(db: &impl ConnectionTrait, account: AccountId) -> Result<Vec<CountedItems>> {
    // Drafts too: an accepted invitation or a new connection makes them live.
    let linked = Condition::any()
        .add(step::Column::ConnectionId.is_not_null())
        .add(step::Column::InvitationId.is_not_null());
    let steps = step::Entity::in_account(account).filter(linked);
    let sources = source::Entity::in_account(account).filter(source::Column::Kind.ne(SourceKind::Own));
    let flows = flow::Entity::in_account(account).filter(flow::Column::IsInbox.eq(false));
    let notices = erasure_notice::Entity::queued_in_account(account);
    Ok(vec![
        CountedItems::of(
            steps.count(db).await?,
            [
                "step that sends leads to another account",
                "steps that send leads to other accounts",
            ],
        ),
        CountedItems::of(
            sources.count(db).await?,
            ["source of another account", "sources of other accounts"],
        ),
        CountedItems::of(
            flows.count(db).await?,
            ["flow besides the inbox", "flows besides the inbox"],
        ),
        CountedItems::of(
            notices.count(db).await?,
            [
                "notice of an erased lead to be sent",
                "notices of erased leads to be sent",
            ],
        ),
    ])
}

/// The name is sanitized for emails; the address stays as it is, for the reader may know it.
fn named_person(person: &user::Model) -> String {
    let role: String = Role::to_value(&person.role);
    format!("{} <{}>, {role}", sanitize::name(&person.name), person.email)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_is_besides_is_listed() {
        assert!(OtherAccess::default().is_empty() && OtherAccess::default().lines().is_empty());
        let counted = |count, one, many| CountedItems { count, one, many };
        let some = OtherAccess {
            people: vec!["Eve <eve@example.com>, OWNER".into()],
            people_count: 3,
            contact: Some("eve@example.com".into()),
            mail_server: true,
            counted: vec![counted(1, "API key", "API keys"), counted(2, "partner", "partners")],
        };
        let expected = [
            "Eve <eve@example.com>, OWNER",
            "2 more people",
            "1 API key",
            "2 partners",
            "the contact address eve@example.com",
            "a mail server of its own",
        ];
        assert_eq!(some.lines(), expected);
    }
}
