//! The bounds hold for every list and text of the schema, wherever it may be given: the test walks the schema for them.

use std::collections::HashSet;

use async_graphql::parser::{parse_query, types::OperationType};
use async_graphql::value;

use super::*;
use crate::mask::code;
use crate::registry::{ArgumentDef, lists};

/// A way from an argument to a value of the schema: the input fields in between, from the outside in.
struct Way<'a> {
    operation: OperationType,
    field: &'a str,
    argument: &'a ArgumentDef,
    inner: Vec<&'a ArgumentDef>,
}

impl Way<'_> {
    fn last(&self) -> &ArgumentDef {
        self.inner.last().copied().unwrap_or(self.argument)
    }

    /// The path as messages name it.
    fn path(&self) -> String {
        let mut path = self.argument.name.to_string();
        let outer = std::iter::once(self.argument).chain(self.inner.iter().copied());
        for (outer, inner) in outer.zip(&self.inner) {
            path += &"[0]".repeat(lists(&outer.ty));
            path.push('.');
            path += &inner.name;
        }
        path
    }

    /// The value of the argument in which the last of the way is `value`.
    fn value(&self, value: Value) -> Value {
        let mut fields = std::iter::once(self.argument)
            .chain(self.inner.iter().copied())
            .rev()
            .peekable();
        let mut value = value;
        while let (Some(inner), Some(outer)) = (fields.next(), fields.peek()) {
            let mut object = async_graphql::indexmap::IndexMap::new();
            object.insert(inner.name.clone(), value);
            value = Value::Object(object);
            for _ in 0..lists(&outer.ty) {
                value = Value::List(vec![value]);
            }
        }
        value
    }

    /// What is said of a request that gives this.
    fn refused(&self, value: Value) -> Refusal {
        let (kind, field, argument) = (self.operation, self.field, self.argument);
        let text = format!(
            "{kind}($given: {}) {{ {field}({}: $given) }}",
            argument.ty, argument.name
        );
        let mut variables = Variables::default();
        variables.insert(Name::new("given"), self.value(value));
        admitted(&text, &variables).expect_err(&self.path())
    }
}

/// What is said of the inputs of a document that need not be whole.
fn admitted(text: &str, variables: &Variables) -> Result<(), Refusal> {
    let (limits, registry) = (Limits::default(), crate::schema::registry());
    let parsed = parse_query(text).unwrap();
    let inputs = Inputs::of(&parsed, &registry, &limits)?;
    let (_, operation) = parsed.operations.iter().next().unwrap();
    inputs.admit(
        &operation.node.variable_definitions,
        variables,
        &registry,
        &limits.bounds,
    )
}

/// Every argument of the root fields and every input field below them, each once.
fn ways(registry: &Registry) -> Vec<Way<'_>> {
    let mut seen = HashSet::new();
    let mut ways = Vec::new();
    for operation in [
        OperationType::Query,
        OperationType::Mutation,
        OperationType::Subscription,
    ] {
        let root = registry.composite(registry.root(operation).unwrap()).unwrap();
        for (field, definition) in &root.fields {
            for argument in &definition.arguments {
                follow(
                    registry,
                    &mut seen,
                    &mut ways,
                    Way {
                        operation,
                        field,
                        argument,
                        inner: Vec::new(),
                    },
                );
            }
        }
    }
    ways
}

fn follow<'a>(registry: &'a Registry, seen: &mut HashSet<*const ArgumentDef>, ways: &mut Vec<Way<'a>>, way: Way<'a>) {
    if !seen.insert(std::ptr::from_ref(way.last())) {
        return;
    }
    if let Some(TypeDef::Input(input)) = registry.get(named(&way.last().ty)) {
        for field in &input.fields {
            let inner = way.inner.iter().copied().chain([field]).collect();
            follow(registry, seen, ways, Way { inner, ..way });
        }
    }
    ways.push(way);
}

fn place<'a>(way: &'a Way<'_>, owner: &'a str) -> Place<'a> {
    Place {
        owner,
        name: &way.last().name,
    }
}

/// What has the last field of a way: an input object, or the field of the root.
fn owner(registry: &Registry, way: &Way<'_>) -> String {
    let outer = way.inner.iter().rev().nth(1).copied();
    match (way.inner.len(), outer) {
        (0, _) => format!("{}.{}", registry.root(way.operation).unwrap(), way.field),
        (_, Some(outer)) => named(&outer.ty).to_owned(),
        (_, None) => named(&way.argument.ty).to_owned(),
    }
}

#[test]
fn every_list_of_the_schema_is_bounded() {
    let registry = crate::schema::registry();
    let bounds = Bounds::default();
    let mut visited = HashSet::new();
    for way in ways(&registry) {
        let BaseType::List(item) = &way.last().ty.base else {
            continue;
        };
        let owner = owner(&registry, &way);
        let most = bounds.entries(place(&way, &owner), item, &registry);
        assert!(most <= 1_000, "{}", way.path());
        let refusal = way.refused(Value::List(vec![Value::Null; most + 1]));
        assert_eq!(refusal.code, code::BAD_INPUT, "{refusal}");
        let told = format!(
            "\"{}\" has {} entries; at most {most} are accepted",
            way.path(),
            most + 1
        );
        assert!(refusal.message.contains(&told), "{refusal} should say {told}");
        visited.insert(format!("{owner}.{}", way.last().name));
    }
    for known in [
        "Query.nodes.ids",
        "Query.invitations.status",
        "Query.connections.status",
        "Query.submissions.outcome",
        "Query.deliveryReport.by",
        "LeadFilter.outcome",
        "DeliveryFilter.channel",
        "SubmitLeadsInput.leads",
        "RuleInput.all",
        "RuleInput.any",
        "CreatePartnerInput.tags",
        "FieldSelectionInput.fields",
        "ReviewPortalLeadsInput.ids",
        "EmailSettingsInput.mapping",
    ] {
        assert!(visited.contains(known), "{known} was not visited, but {visited:?}");
    }
}

#[test]
fn every_text_of_the_schema_is_bounded() {
    let registry = crate::schema::registry();
    let bounds = Bounds::default();
    let mut visited = 0;
    for way in ways(&registry) {
        let scalar = named(&way.last().ty);
        if !matches!(registry.get(scalar), Some(TypeDef::Scalar)) || scalar == JSON {
            continue;
        }
        let owner = owner(&registry, &way);
        let most = bounds.bytes(place(&way, &owner), scalar);
        let refusal = way.refused(Value::String("x".repeat(most + 1)));
        let told = format!("is {} bytes long; at most {most} are accepted", most + 1);
        assert!(refusal.message.contains(&told), "{}: {refusal}", way.path());
        visited += 1;
    }
    assert!(visited > 200, "{visited}");
}

fn given(variables: Value) -> Variables {
    Variables::from_value(variables)
}

fn nested(levels: usize) -> Value {
    (0..levels).fold(Value::Null, |inner, _| value!({"all": [inner]}))
}

#[test]
fn rules_and_json_nest_only_so_deep() {
    let add = "mutation ($rule: RuleInput) { addStep(input: {criteria: $rule, flowId: 1, name: \"a\", step: {}}) { flow { id } } }";
    admitted(add, &given(value!({"rule": nested(24)}))).unwrap();
    let refusal = admitted(add, &given(value!({"rule": nested(25)}))).unwrap_err();
    assert!(refusal.message.contains("nests objects more than 24 deep"), "{refusal}");
    let submit = "mutation ($lead: SubmitLeadInput!) { submitLead(input: $lead) { receipt { id } } }";
    let lead = |levels| {
        let fields = (0..levels).fold(Value::Null, |inner, _| Value::List(vec![inner]));
        value!({"lead": {"flowId": "f", "fields": fields}})
    };
    admitted(submit, &given(lead(64))).unwrap();
    let refusal = admitted(submit, &given(lead(65))).unwrap_err();
    assert!(refusal.message.contains("\"input.fields\" nests"), "{refusal}");
}

#[test]
fn values_in_the_document_and_its_defaults_are_held_too() {
    let many = "PENDING ".repeat(101);
    for text in [
        format!("{{ invitations(status: [{many}]) {{ nodes {{ id }} }} }}"),
        format!("query ($s: [InvitationStatus!] = [{many}]) {{ invitations(status: $s) {{ nodes {{ id }} }} }}"),
        format!(
            "{{ viewer {{ user {{ id }} }} ...F }} fragment F on Query {{ invitations(status: [{many}]) {{ nodes {{ id }} }} }}"
        ),
    ] {
        let refusal = admitted(&text, &Variables::default()).unwrap_err();
        assert!(refusal.message.contains("\"status\" has 101 entries"), "{refusal}");
    }
    let text = "query ($s: [LeadOutcome!]) { leads(filter: {outcome: $s}) { nodes { id } } }";
    let refusal = admitted(
        text,
        &given(value!({"s": Value::List(vec![Value::from("ACCEPTED"); 101])})),
    )
    .unwrap_err();
    assert!(
        refusal.message.contains("filter") && refusal.message.contains("101"),
        "{refusal}"
    );
}
