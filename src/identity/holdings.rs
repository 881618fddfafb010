//! What an account has besides one of its people. Whoever takes an account over that somebody else may have made in their name
//! has to know: all of it could go on acting.

use entity::connection::{self, ConnectionStatus};
use entity::user::{self, Role};
use entity::{api_key, partner, smtp_settings};
use sea_orm::{ActiveEnum, ColumnTrait, ConnectionTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};

use super::letters::reduced;
use crate::app::App;
use crate::error::Result;

/// People that are named one by one.
const NAMED: u64 = 5;

/// What else can act, or gets leads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Other people: name, address and role of the first few.
    pub people: Vec<String>,
    /// How many other people there are.
    pub people_count: u64,
    /// API keys that can be used.
    pub keys: u64,
    /// Partners, to whom leads may go.
    pub partners: u64,
    /// Connections that have not ended.
    pub connections: u64,
    /// Whether it sends through a mail server of its own.
    pub mail_server: bool,
}

impl Holdings {
    /// What the account of a person has besides that person.
    pub async fn besides(db: &impl ConnectionTrait, app: &App, person: &user::Model) -> Result<Self> {
        let account = person.account_id;
        let others = user::Entity::in_account(account).filter(user::Column::Id.ne(person.id));
        let named = others
            .clone()
            .order_by_asc(user::Column::Id)
            .limit(NAMED)
            .all(db)
            .await?;
        let live =
            connection::Entity::of_account(account).filter(connection::Column::Status.ne(ConnectionStatus::Terminated));
        Ok(Self {
            people: named.iter().map(named_person).collect(),
            people_count: others.count(db).await?,
            keys: api_key::Entity::live_in_account(account, app.clock.now())
                .count(db)
                .await?,
            partners: partner::Entity::in_account(account).count(db).await?,
            connections: live.count(db).await?,
            mail_server: smtp_settings::Entity::in_account(account).one(db).await?.is_some(),
        })
    }

    /// Whether there is nothing besides.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// A list for people, each entry without a full stop.
    pub fn lines(&self) -> Vec<String> {
        let counted = |count: u64, one: &str, many: &str| {
            (count > 0).then(|| format!("{count} {}", if count == 1 { one } else { many }))
        };
        let named = u64::try_from(self.people.len()).unwrap_or_default();
        let mut lines = self.people.clone();
        let unnamed = self.people_count.saturating_sub(named);
        lines.extend(counted(unnamed, "more person", "more people"));
        lines.extend(counted(self.keys, "API key", "API keys"));
        lines.extend(counted(self.partners, "partner", "partners"));
        lines.extend(counted(self.connections, "connection", "connections"));
        lines.extend(self.mail_server.then(|| "a mail server of its own".to_owned()));
        lines
    }
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
        let some = Holdings {
            people: vec!["Eve <eve@example.com>, OWNER".into()],
            people_count: 3,
            keys: 1,
            partners: 2,
            connections: 0,
            mail_server: true,
        };
        let expected = [
            "Eve <eve@example.com>, OWNER",
            "2 more people",
            "1 API key",
            "2 partners",
            "a mail server of its own",
        ];
        assert_eq!(some.lines(), expected);
    }
}
