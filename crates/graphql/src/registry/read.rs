//! Reading a [`Registry`] from the schema definition language.

use std::collections::{HashMap, HashSet};

use async_graphql::{
    Name, Positioned,
    parser::{
        parse_schema,
        types::{
            BaseType, FieldDefinition, InputValueDefinition, SchemaDefinition, Type, TypeDefinition, TypeKind,
            TypeSystemDefinition,
        },
    },
};

use super::{ArgumentDef, CompositeDef, DirectiveDef, FieldDef, InputDef, Registry, RegistryError, TypeDef, named};

const INTROSPECTION: &str = include_str!("introspection.graphql");

impl Registry {
    /// Reads a schema. The scalars and directives of the specification and the types of introspection need not be in it.
    pub fn from_sdl(sdl: &str) -> Result<Self, RegistryError> {
        let mut registry = Self::default();
        let mut objects_of = HashMap::new();
        for text in [INTROSPECTION, sdl] {
            for definition in parse_schema(text)?.definitions {
                registry.add(definition, &mut objects_of);
            }
        }
        for (interface, objects) in objects_of {
            if let Some(TypeDef::Composite(interface)) = registry.types.get_mut(&interface) {
                interface.possible.extend(objects);
            }
        }
        registry.add_meta_fields();
        registry.check_names()?;
        Ok(registry)
    }

    fn add(&mut self, definition: TypeSystemDefinition, objects_of: &mut HashMap<Name, HashSet<Name>>) {
        match definition {
            TypeSystemDefinition::Schema(schema) => self.roots(schema.node),
            TypeSystemDefinition::Directive(directive) => {
                let directive = directive.node;
                let definition = DirectiveDef {
                    arguments: arguments(directive.arguments),
                    locations: directive.locations.into_iter().map(|location| location.node).collect(),
                };
                self.directives.insert(directive.name.node, definition);
            }
            TypeSystemDefinition::Type(definition) => {
                let definition = definition.node;
                if let TypeKind::Object(object) = &definition.kind {
                    for interface in &object.implements {
                        let objects = objects_of.entry(interface.node.clone()).or_default();
                        objects.insert(definition.name.node.clone());
                    }
                }
                self.types.insert(definition.name.node.clone(), type_def(definition));
            }
        }
    }

    fn roots(&mut self, schema: SchemaDefinition) {
        let name = |root: Option<Positioned<Name>>| root.map(|root| root.node);
        self.query = name(schema.query);
        self.mutation = name(schema.mutation);
        self.subscription = name(schema.subscription);
    }

    fn add_meta_fields(&mut self) {
        let required = |name: &str| Type {
            nullable: false,
            ..named_type(name)
        };
        for definition in self.types.values_mut() {
            if let TypeDef::Composite(composite) = definition {
                let typename = FieldDef {
                    ty: required("String"),
                    arguments: Vec::new(),
                };
                composite.fields.insert(Name::new("__typename"), typename);
            }
        }
        let Some(TypeDef::Composite(query)) = self.query.as_ref().and_then(|query| self.types.get_mut(query)) else {
            return;
        };
        let schema = FieldDef {
            ty: required("__Schema"),
            arguments: Vec::new(),
        };
        query.fields.insert(Name::new("__schema"), schema);
        let name = ArgumentDef {
            name: Name::new("name"),
            ty: required("String"),
            default: None,
        };
        let by_name = FieldDef {
            ty: named_type("__Type"),
            arguments: vec![name],
        };
        query.fields.insert(Name::new("__type"), by_name);
    }

    /// Ensures that every mentioned type exists, which look-ups rely on.
    fn check_names(&self) -> Result<(), RegistryError> {
        let mut mentioned: Vec<&str> = Vec::new();
        for definition in self.types.values() {
            match definition {
                TypeDef::Scalar | TypeDef::Enum(_) => {}
                TypeDef::Input(input) => mentioned.extend(input.fields.iter().map(|field| named(&field.ty))),
                TypeDef::Composite(composite) => {
                    mentioned.extend(composite.possible.iter().map(Name::as_str));
                    for field in composite.fields.values() {
                        mentioned.push(named(&field.ty));
                        mentioned.extend(field.arguments.iter().map(|argument| named(&argument.ty)));
                    }
                }
            }
        }
        let roots = [&self.query, &self.mutation, &self.subscription];
        mentioned.extend(roots.into_iter().flatten().map(Name::as_str));
        match mentioned.into_iter().find(|name| !self.types.contains_key(*name)) {
            Some(unknown) => Err(RegistryError::Unknown(Name::new(unknown))),
            None => Ok(()),
        }
    }
}

fn named_type(name: &str) -> Type {
    Type {
        base: BaseType::Named(Name::new(name)),
        nullable: true,
    }
}

fn type_def(definition: TypeDefinition) -> TypeDef {
    let one_of = definition
        .directives
        .iter()
        .any(|directive| directive.node.name.node == "oneOf");
    match definition.kind {
        TypeKind::Scalar => TypeDef::Scalar,
        TypeKind::Enum(values) => TypeDef::Enum(values.values.into_iter().map(|value| value.node.value.node).collect()),
        TypeKind::InputObject(input) => TypeDef::Input(InputDef {
            name: definition.name.node,
            fields: arguments(input.fields),
            one_of,
        }),
        TypeKind::Object(object) => TypeDef::Composite(CompositeDef {
            fields: fields(object.fields),
            possible: HashSet::from([definition.name.node]),
            is_object: true,
        }),
        TypeKind::Interface(interface) => TypeDef::Composite(CompositeDef {
            fields: fields(interface.fields),
            ..CompositeDef::default()
        }),
        TypeKind::Union(union) => TypeDef::Composite(CompositeDef {
            possible: union.members.into_iter().map(|member| member.node).collect(),
            ..CompositeDef::default()
        }),
    }
}

fn fields(definitions: Vec<Positioned<FieldDefinition>>) -> HashMap<Name, FieldDef> {
    let read = |field: Positioned<FieldDefinition>| {
        let definition = FieldDef {
            ty: field.node.ty.node,
            arguments: arguments(field.node.arguments),
        };
        (field.node.name.node, definition)
    };
    definitions.into_iter().map(read).collect()
}

fn arguments(definitions: Vec<Positioned<InputValueDefinition>>) -> Vec<ArgumentDef> {
    let read = |argument: Positioned<InputValueDefinition>| ArgumentDef {
        name: argument.node.name.node,
        ty: argument.node.ty.node,
        default: argument.node.default_value.map(|value| value.node),
    };
    definitions.into_iter().map(read).collect()
}
