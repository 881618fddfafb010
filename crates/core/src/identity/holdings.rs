//! What an account has besides one of its people. Whoever takes an account over that somebody else may have made in their name
//! has to know: all of it gives others access to what comes into the account, or will.

use entity::connection::{self, ConnectionStatus};
use entity::ids::AccountId;
use entity::invitation::{self, InvitationStatus};
use entity::source::{self, SourceKind};
use entity::user::{self, Role};
use entity::{account, api_key, erasure_notice, flow, partner, portal_user, smtp_settings, step};
use sea_orm::{
    ActiveEnum, ColumnTrait, Condition, ConnectionTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};

use super::letters::reduced;
use crate::app::App;
use crate::error::Result;

/// People that are named one by one.
const NAMED: u64 = 5;

/// What else can act, gets leads or mails, or waits to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Other people: name, address and role of the first few.
    people: Vec<String>,
    /// How many other people there are.
    people_count: u64,
    /// The address at which partners find the account and write to it, unless it is the person's.
    contact: Option<String>,
    /// Whether it sends through a mail server of its own.
    mail_server: bool,
    /// Everything that is only counted.
    counted: Vec<Counted>,
}

/// So many things of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Counted {
    count: u64,
    one: &'static str,
    many: &'static str,
}

impl Holdings {
    /// What the account of a person has besides that person.
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

    /// Whether there is nothing besides.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// A list for people, each entry without a full stop.
    pub fn lines(&self) -> Vec<String> {
        let named = u64::try_from(self.people.len()).unwrap_or_default();
        let unnamed = Counted {
            count: self.people_count.saturating_sub(named),
            one: "more person",
            many: "more people",
        };
        let mut lines = self.people.clone();
        lines.extend(unnamed.line());
        lines.extend(self.counted.iter().filter_map(Counted::line));
        lines.extend(
            self.contact
                .as_ref()
                .map(|contact| format!("the contact address {contact}")),
        );
        lines.extend(self.mail_server.then(|| "a mail server of its own".to_owned()));
        lines
    }
}

impl Counted {
    fn of(count: u64, [one, many]: [&'static str; 2]) -> Self {
        Self { count, one, many }
    }

    fn line(&self) -> Option<String> {
        let Self { count, one, many } = *self;
        (count > 0).then(|| format!("{count} {}", if count == 1 { one } else { many }))
    }
}

/// What gives others access to the leads, mails or settings of an account, or will when somebody answers; nothing that there is none of.
async fn counted(db: &impl ConnectionTrait, app: &App, account: AccountId) -> Result<Vec<Counted>> {
    let mut all = who_acts(db, app, account).await?;
    all.extend(where_leads_go(db, account).await?);
    all.retain(|counted| counted.count > 0);
    Ok(all)
}

/// Who acts for the account, or with it.
async fn who_acts(db: &impl ConnectionTrait, app: &App, account: AccountId) -> Result<Vec<Counted>> {
    let keys = api_key::Entity::live_in_account(account, app.clock.now());
    let partners = partner::Entity::in_account(account);
    let people = portal_user::Entity::in_account(account);
    let live = connection::Column::Status.ne(ConnectionStatus::Terminated);
    let connections = connection::Entity::of_account(account).filter(live);
    let waits = || invitation::Column::Status.eq(InvitationStatus::Pending);
    let sent = invitation::Entity::sent_by(account).filter(waits());
    let received = invitation::Entity::received_by(account, app.config.address_proof()).filter(waits());
    Ok(vec![
        Counted::of(keys.count(db).await?, ["API key", "API keys"]),
        Counted::of(partners.count(db).await?, ["partner", "partners"]),
        Counted::of(people.count(db).await?, ["portal user", "portal users"]),
        Counted::of(connections.count(db).await?, ["connection", "connections"]),
        Counted::of(
            sent.count(db).await?,
            [
                "invitation that waits for an answer",
                "invitations that wait for an answer",
            ],
        ),
        Counted::of(
            received.count(db).await?,
            ["received invitation", "received invitations"],
        ),
    ])
}

/// By which ways leads come and go.
async fn where_leads_go(db: &impl ConnectionTrait, account: AccountId) -> Result<Vec<Counted>> {
    // Also those that wait for an invitation, or for a connection that has ended and may begin again.
    let linked = Condition::any()
        .add(step::Column::ConnectionId.is_not_null())
        .add(step::Column::InvitationId.is_not_null());
    let steps = step::Entity::in_account(account).filter(linked);
    let sources = source::Entity::in_account(account).filter(source::Column::Kind.ne(SourceKind::Own));
    let flows = flow::Entity::in_account(account).filter(flow::Column::IsInbox.eq(false));
    let notices = erasure_notice::Entity::queued_in_account(account);
    Ok(vec![
        Counted::of(
            steps.count(db).await?,
            [
                "step that sends leads to another account",
                "steps that send leads to other accounts",
            ],
        ),
        Counted::of(
            sources.count(db).await?,
            ["source of another account", "sources of other accounts"],
        ),
        Counted::of(
            flows.count(db).await?,
            ["flow besides the inbox", "flows besides the inbox"],
        ),
        Counted::of(
            notices.count(db).await?,
            [
                "notice of an erased lead to be sent",
                "notices of erased leads to be sent",
            ],
        ),
    ])
}

/// For mails, too: the name is reduced, and the address shown as it is, for the reader may know it.
fn named_person(person: &user::Model) -> String {
    let role: String = Role::to_value(&person.role);
    format!("{} <{}>, {role}", reduced::name(&person.name), person.email)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_is_besides_is_listed() {
        assert!(Holdings::default().is_empty() && Holdings::default().lines().is_empty());
        let counted = |count, one, many| Counted { count, one, many };
        let some = Holdings {
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
