//! The schema as documents are checked against it: every type with its fields, arguments and possible types.
//!
//! It is read once from the schema's own text (the library keeps its registry to itself), so what is validated and what
//! is served cannot differ. Names of types that a field or an argument mentions are always in it.

mod read;

use std::collections::{HashMap, HashSet};

use async_graphql::{
    Name, Value,
    parser::types::{BaseType, DirectiveLocation, OperationType, Type},
};

/// A schema.
#[derive(Debug, Default)]
pub struct Registry {
    types: HashMap<Name, TypeDef>,
    directives: HashMap<Name, DirectiveDef>,
    query: Option<Name>,
    mutation: Option<Name>,
    subscription: Option<Name>,
}

/// A type that has a name.
#[derive(Debug)]
pub enum TypeDef {
    /// A scalar.
    Scalar,
    /// An enum, with its values in the order of the schema.
    Enum(Vec<Name>),
    /// An input object.
    Input(InputDef),
    /// An object, an interface or a union.
    Composite(CompositeDef),
}

/// An input object.
#[derive(Debug)]
pub struct InputDef {
    /// Its name.
    pub name: Name,
    /// Its fields, in the order of the schema.
    pub fields: Vec<ArgumentDef>,
    /// Whether exactly one of them must be given (`@oneOf`).
    pub one_of: bool,
}

/// An object, an interface or a union.
#[derive(Debug, Default)]
pub struct CompositeDef {
    /// Its fields; a union has none but `__typename`.
    pub fields: HashMap<Name, FieldDef>,
    /// The objects that it may be: for an object, itself.
    pub possible: HashSet<Name>,
    /// Whether it is an object.
    pub is_object: bool,
}

/// A field of an object or interface.
#[derive(Debug)]
pub struct FieldDef {
    /// What it answers.
    pub ty: Type,
    /// What it takes.
    pub arguments: Vec<ArgumentDef>,
}

/// An argument of a field or directive, or a field of an input object.
#[derive(Debug)]
pub struct ArgumentDef {
    /// Its name.
    pub name: Name,
    /// Its type.
    pub ty: Type,
    /// What holds where nothing is given.
    pub default: Option<Value>,
}

/// A directive. Each may stand at a place once: none of ours is repeatable, and the library reads every one as if it were.
#[derive(Debug)]
pub struct DirectiveDef {
    /// What it takes.
    pub arguments: Vec<ArgumentDef>,
    /// Where it may stand.
    pub locations: Vec<DirectiveLocation>,
}

/// The text is not a schema that documents can be checked against.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// It is no schema definition language.
    #[error("the schema cannot be read: {0}")]
    Syntax(#[from] async_graphql::parser::Error),
    /// It names a type that it does not have.
    #[error("the schema has no type \"{0}\"")]
    Unknown(Name),
}

impl Registry {
    /// The type of that name.
    pub fn get(&self, name: &str) -> Option<&TypeDef> {
        self.types.get(name)
    }

    /// All names of types.
    pub fn type_names(&self) -> impl Iterator<Item = &Name> {
        self.types.keys()
    }

    /// The object, interface or union of that name.
    pub fn composite(&self, name: &str) -> Option<&CompositeDef> {
        match self.types.get(name)? {
            TypeDef::Composite(composite) => Some(composite),
            _ => None,
        }
    }

    /// The field of that name; `__typename` belongs to every composite type, `__schema` and `__type` to the root of queries.
    pub fn field(&self, parent: &str, name: &str) -> Option<&FieldDef> {
        self.composite(parent)?.fields.get(name)
    }

    /// The directive of that name.
    pub fn directive(&self, name: &str) -> Option<&DirectiveDef> {
        self.directives.get(name)
    }

    /// All names of directives.
    pub fn directive_names(&self) -> impl Iterator<Item = &Name> {
        self.directives.keys()
    }

    /// The type at the root of such operations; `None` if the schema has none.
    pub fn root(&self, kind: OperationType) -> Option<&Name> {
        match kind {
            OperationType::Query => self.query.as_ref(),
            OperationType::Mutation => self.mutation.as_ref(),
            OperationType::Subscription => self.subscription.as_ref(),
        }
    }

    /// Whether values of the type may be given: scalars, enums and input objects, and lists of them.
    pub fn is_input(&self, ty: &Type) -> bool {
        matches!(
            self.types.get(named(ty)),
            Some(TypeDef::Scalar | TypeDef::Enum(_) | TypeDef::Input(_))
        )
    }

    /// Whether a field of the type needs a selection.
    pub fn is_composite(&self, ty: &Type) -> bool {
        self.composite(named(ty)).is_some()
    }

    /// Whether some object is of both types, so that a fragment on the one may stand in the other.
    pub fn overlap(&self, one: &str, other: &str) -> bool {
        match (self.composite(one), self.composite(other)) {
            (Some(one), Some(other)) => !one.possible.is_disjoint(&other.possible),
            _ => false,
        }
    }
}

impl ArgumentDef {
    /// Whether it has to be given.
    pub fn required(&self) -> bool {
        !self.ty.nullable && self.default.is_none()
    }
}

impl FieldDef {
    /// The argument of that name.
    pub fn argument(&self, name: &str) -> Option<&ArgumentDef> {
        self.arguments.iter().find(|argument| argument.name == name)
    }
}

impl InputDef {
    /// The field of that name.
    pub fn field(&self, name: &str) -> Option<&ArgumentDef> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// The name of a type without its lists and exclamation marks.
pub fn named(ty: &Type) -> &str {
    match &ty.base {
        BaseType::Named(name) => name,
        BaseType::List(inner) => named(inner),
    }
}

/// How many lists are around the named type: 2 for `[[Int]]`.
pub fn lists(ty: &Type) -> usize {
    match &ty.base {
        BaseType::Named(_) => 0,
        BaseType::List(inner) => 1 + lists(inner),
    }
}

#[cfg(test)]
mod tests;
