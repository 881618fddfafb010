use super::*;

const SDL: &str = "
    schema { query: Root }
    interface Node { id: ID! }
    type A implements Node { id: ID! all(first: Int! = 2, of: [Kind!]): [[A!]!] }
    type B { b: Either }
    union Either = A | B
    enum Kind { X Y }
    input In @oneOf { a: Int, b: In }
    type Root { node(id: ID!): Node }
";

fn registry() -> Registry {
    Registry::from_sdl(SDL).unwrap()
}

#[test]
fn fields_know_their_types_lists_and_arguments() {
    let registry = registry();
    let all = registry.field("A", "all").unwrap();
    assert_eq!((named(&all.ty), lists(&all.ty)), ("A", 2));
    let first = all.argument("first").unwrap();
    assert!(!first.required() && !first.ty.nullable);
    assert_eq!(first.default, Some(Value::from(2)));
    assert_eq!(lists(&all.argument("of").unwrap().ty), 1);
    assert!(registry.is_composite(&all.ty) && !registry.is_input(&all.ty));
    assert!(matches!(registry.get("In"), Some(TypeDef::Input(input)) if input.one_of && input.field("b").is_some()));
    assert!(matches!(registry.get("Kind"), Some(TypeDef::Enum(values)) if values.len() == 2));
}

#[test]
fn interfaces_and_unions_know_their_objects() {
    let registry = registry();
    assert!(registry.overlap("Node", "Either") && registry.overlap("A", "Node"));
    assert!(!registry.overlap("Node", "B") && !registry.overlap("A", "Root"));
}

#[test]
fn introspection_belongs_to_the_root_of_queries() {
    let registry = registry();
    assert!(registry.field("Root", "__schema").is_some() && registry.field("A", "__schema").is_none());
    assert!(registry.field("Either", "__typename").is_some());
    assert!(registry.field("__Type", "ofType").is_some());
    assert!(registry.directive("skip").is_some());
    assert_eq!(registry.root(OperationType::Query).unwrap(), "Root");
    assert!(registry.root(OperationType::Mutation).is_none());
}

#[test]
fn a_schema_with_a_name_that_is_missing_is_refused() {
    let refused = Registry::from_sdl("schema { query: Root } type Root { a: Missing }");
    assert!(matches!(refused, Err(RegistryError::Unknown(name)) if name == "Missing"));
}

#[test]
fn our_own_schema_is_read() {
    let registry = crate::schema::registry();
    for kind in [
        OperationType::Query,
        OperationType::Mutation,
        OperationType::Subscription,
    ] {
        assert!(registry.root(kind).is_some());
    }
    assert!(registry.overlap("FlowSource", "Node"));
}
