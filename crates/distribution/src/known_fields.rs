//! The fields that partners and profiles may name. They belong to no flow, so these are the fields of all flows.

use std::collections::HashSet;

use entity::delivery_config::FieldSelection;
use entity::field::{FieldDef, FieldType};
use entity::flow::FieldDefs;
use entity::ids::AccountId;
use entity::{flow, former_field};
use sea_orm::{DbErr, QueryOrder, QuerySelect};

use leadmesh_core::database::Connection;
use leadmesh_core::error::{Error, Result, UserError, UserErrorCode};
use leadmesh_forms::rules::{self, PatternSizes, ProblemKind, Rule};
use leadmesh_forms::templates::FieldNames;

/// The fields of an account's flows, each name once: of several definitions the oldest flow's counts.
#[derive(Clone, Debug, Default)]
pub(super) struct KnownFields {
    definitions: Vec<FieldDef>,
    /// Of the names in question, those that deleted flows had: their leads are still there, and are shared or not like others.
    former: HashSet<String>,
    /// Whether there were flows, where there is none now.
    has_former: bool,
    to_recipient: bool,
}

impl KnownFields {
    /// Reads the fields, and which of the `named` ones deleted flows had. Not within a transaction that writes: an account may
    /// have many.
    pub(super) async fn of(db: &Connection, account: AccountId, named: &[String]) -> std::result::Result<Self, DbErr> {
        let flows = flow::Entity::in_account(account).order_by_asc(flow::Column::Id);
        let fields: Vec<FieldDefs> = flows
            .select_only()
            .column(flow::Column::Fields)
            .into_tuple()
            .all(db)
            .await?;
        let known = Self::union(fields.into_iter().flat_map(|fields| fields.0));
        let others = named.iter().filter(|name| !known.defines(name)).cloned();
        let former = former_field::Entity::among(db, account, others).await?;
        Ok(Self {
            former: former.into_iter().collect(),
            has_former: known.definitions.is_empty() && former_field::Entity::any_of(db, account).await?,
            ..known
        })
    }

    fn defines(&self, name: &str) -> bool {
        self.definitions.iter().any(|field| field.name == name)
    }

    /// Each name once, as first defined.
    pub(super) fn union(fields: impl IntoIterator<Item = FieldDef>) -> Self {
        let mut names = HashSet::new();
        let first = fields.into_iter().filter(|field| names.insert(field.name.clone()));
        Self {
            definitions: first.collect(),
            former: HashSet::new(),
            has_former: false,
            to_recipient: false,
        }
    }

    /// For a recipient who sets up its own delivery: fields that are not shared with it do not exist.
    pub(super) fn for_recipient(self) -> Self {
        Self {
            to_recipient: true,
            ..self
        }
    }

    pub(super) fn is_for_recipient(&self) -> bool {
        self.to_recipient
    }

    /// Refuses a selection with a name that no flow has or had: a typing error under EXCEPT would share what it was meant to
    /// hold back. `path` is where the names stand. An account without any field may make settings before its flows; and a
    /// recipient could not correct the account's selection.
    pub(super) fn names(&self, selection: &FieldSelection, path: &str) -> Result<()> {
        if self.to_recipient || (self.definitions.is_empty() && !self.has_former) {
            return Ok(());
        }
        let known = |name: &String| self.former.contains(name) || self.defines(name);
        let unknown = selection.fields.iter().enumerate().filter(|(_, name)| !known(name));
        let names = FieldNames::new(&self.definitions);
        let broken = unknown.map_while(|(index, name)| {
            let text = names.no_such(name)?;
            Some(UserError::new(
                UserErrorCode::UnknownField,
                &format!("{path}.{index}"),
                text,
            ))
        });
        let broken: Vec<UserError> = broken.collect();
        if broken.is_empty() {
            Ok(())
        } else {
            Err(Error::User(broken))
        }
    }

    /// The fields that settings under this selection may name: those of the flows and those of the selection, because an
    /// account's first settings may be made before the flow whose fields they share, and deleted flows have leads.
    pub(super) fn under(self, selection: &FieldSelection) -> Vec<FieldDef> {
        let named = selection.fields.iter().map(|name| text_field(name));
        let mut all = Self::union(self.definitions.into_iter().chain(named)).definitions;
        all.retain(|field| !self.to_recipient || selection.shares(&field.name));
        all
    }

    /// The selection by which settings are checked. A recipient may name all that is shared with it; what the account's
    /// selection withholds is not looked up, so that no answer reveals it.
    pub(super) fn checked_by(&self, selection: &FieldSelection) -> FieldSelection {
        if self.to_recipient {
            FieldSelection::default()
        } else {
            selection.clone()
        }
    }

    /// A rule in the form in which it is stored; `path` is where it stands in the input.
    pub(super) fn rule(&self, rule: &Rule, sizes: &PatternSizes, path: &str) -> Result<serde_json::Value> {
        match rules::check_with_sizes(rule, &self.definitions, sizes) {
            Ok(canonical) => Ok(serde_json::to_value(canonical)?),
            Err(problems) => Err(Error::User(
                problems.into_iter().map(|problem| broken(problem, path)).collect(),
            )),
        }
    }
}

fn broken(problem: rules::Problem, path: &str) -> UserError {
    let code = match problem.kind {
        ProblemKind::UnknownField => UserErrorCode::UnknownField,
        ProblemKind::Invalid => UserErrorCode::InvalidRule,
    };
    let mut broken = UserError::new(code, path, problem.message);
    broken.path.extend(problem.path);
    broken
}

fn text_field(name: &str) -> FieldDef {
    FieldDef {
        name: name.to_owned(),
        label: name.to_owned(),
        field_type: FieldType::Text,
        required: false,
        encrypted: false,
        choices: None,
        example: None,
        description: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use entity::delivery_config::FieldSelectionMode;
    use serde_json::json;

    fn field(name: &str, field_type: FieldType) -> FieldDef {
        FieldDef {
            field_type,
            ..text_field(name)
        }
    }

    #[test]
    fn of_two_definitions_the_first_counts() {
        let fields = [
            field("age", FieldType::Integer),
            field("age", FieldType::Text),
            field("city", FieldType::Text),
        ];
        let known = KnownFields::union(fields).definitions;
        assert_eq!(known.len(), 2);
        assert_eq!(known[0].field_type, FieldType::Integer);
    }

    #[test]
    fn a_selection_adds_what_it_names_and_a_recipient_knows_only_what_is_shared() {
        let known = KnownFields::union([field("age", FieldType::Integer), field("ssn", FieldType::Text)]);
        let under = |mode, known: KnownFields| -> Vec<String> {
            let fields = vec!["age".into(), "later".into()];
            let fields = known.under(&FieldSelection { mode, fields });
            fields.into_iter().map(|field| field.name).collect()
        };
        let all = ["age", "ssn", "later"];
        assert_eq!(under(FieldSelectionMode::Only, known.clone()), all);
        assert_eq!(under(FieldSelectionMode::Except, known.clone()), all);
        assert_eq!(
            under(FieldSelectionMode::Only, known.clone().for_recipient()),
            ["age", "later"]
        );
        assert_eq!(under(FieldSelectionMode::Except, known.for_recipient()), ["ssn"]);
    }

    #[test]
    fn a_selection_names_fields_that_some_flow_has_or_had() {
        let known = KnownFields {
            former: ["ssn".to_owned()].into(),
            ..KnownFields::union([field("age", FieldType::Integer)])
        };
        let problems = |known: &KnownFields, mode| {
            let fields = ["age", "ssn", "agee"].map(str::to_owned).to_vec();
            match known.names(&FieldSelection { mode, fields }, "input.fields") {
                Ok(()) => Vec::new(),
                Err(Error::User(broken)) => broken,
                Err(other) => panic!("{other:?}"),
            }
        };
        for mode in [FieldSelectionMode::Only, FieldSelectionMode::Except] {
            let [broken] = &problems(&known, mode)[..] else {
                panic!()
            };
            assert_eq!(
                (broken.code, broken.path.join(".")),
                (UserErrorCode::UnknownField, "input.fields.2".into())
            );
            assert!(
                broken.message.contains("\"agee\"") && broken.message.contains("age"),
                "{broken:?}"
            );
        }
        assert_eq!(
            problems(&KnownFields::default(), FieldSelectionMode::Only),
            [],
            "there is no flow yet"
        );
        assert_eq!(
            problems(&known.for_recipient(), FieldSelectionMode::Only),
            [],
            "not the recipient's to correct"
        );
    }

    #[test]
    fn every_problem_of_a_rule_names_its_path() {
        let known = KnownFields::union([field("age", FieldType::Integer)]);
        let rule = json!({"all": [
            {"condition": {"field": "age", "operator": "EQUALS", "value": "x"}},
            {"condition": {"field": "nope", "operator": "IS_EMPTY"}},
        ]});
        let rule: Rule = serde_json::from_value(rule).unwrap();
        let Err(Error::User(broken)) = known.rule(&rule, &PatternSizes::default(), "input.rule") else {
            panic!("the rule is not usable")
        };
        let problems: Vec<_> = broken.iter().map(|rule| (rule.code, rule.path.join("."))).collect();
        assert_eq!(
            problems,
            [
                (
                    UserErrorCode::InvalidRule,
                    "input.rule.all.0.condition.value".to_owned()
                ),
                (
                    UserErrorCode::UnknownField,
                    "input.rule.all.1.condition.field".to_owned()
                ),
            ]
        );
    }
}
