//! Definitions and selections.

use std::collections::{HashMap, hash_map::Entry};

use async_graphql::{
    Name, Pos, Positioned,
    parser::types::{
        Directive, DocumentOperations, ExecutableDocument, Field, FragmentDefinition, FragmentSpread, InlineFragment,
        OperationDefinition, OperationType, Selection, SelectionSet, TypeCondition, VariableDefinition,
    },
};

use async_graphql_value::Value as InputValue;

use super::{
    Bounds, Read, SyntaxError,
    cursor::wrong,
    lexer::{Kind, Lexer, Token},
    spelling::Spellings,
};

/// Its name and what it is given.
type Argument = (Positioned<Name>, Positioned<InputValue>);

/// The token that comes next, and what was found before it.
pub(super) struct Parser<'a> {
    lexer: Lexer<'a>,
    token: Token<'a>,
    bounds: Bounds,
    tokens: usize,
    open: usize,
    pub(super) faults: Vec<(Pos, String)>,
    pub(super) spellings: Spellings,
}

#[derive(Default)]
struct Definitions {
    anonymous: Option<Positioned<OperationDefinition>>,
    operations: HashMap<Name, Positioned<OperationDefinition>>,
    fragments: HashMap<Name, Positioned<FragmentDefinition>>,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str, bounds: Bounds) -> Result<Self, SyntaxError> {
        let mut lexer = Lexer::new(text);
        Ok(Self {
            token: lexer.next()?,
            lexer,
            bounds,
            tokens: 1,
            open: 0,
            faults: Vec::new(),
            spellings: Spellings::default(),
        })
    }

    pub(super) fn document(mut self) -> Result<Read, SyntaxError> {
        let mut definitions = Definitions::default();
        loop {
            self.definition(&mut definitions)?;
            if self.token.kind == Kind::End {
                break;
            }
        }
        let operations = match (definitions.anonymous, definitions.operations) {
            (Some(only), named) => {
                if !named.is_empty() {
                    let fault = "An operation without a name must be the only one of its document.";
                    self.faults.push((only.pos, fault.into()));
                }
                DocumentOperations::Single(only)
            }
            (None, named) => {
                if named.is_empty() {
                    return Err(self.unexpected("an operation"));
                }
                DocumentOperations::Multiple(named)
            }
        };
        let document = ExecutableDocument {
            operations,
            fragments: definitions.fragments,
        };
        Ok(Read {
            document,
            faults: self.faults,
            spellings: self.spellings,
        })
    }

    fn definition(&mut self, definitions: &mut Definitions) -> Result<(), SyntaxError> {
        let at = self.at();
        if self.is_mark("{") {
            let operation = OperationDefinition {
                ty: OperationType::Query,
                variable_definitions: Vec::new(),
                directives: Vec::new(),
                selection_set: self.selection_set()?,
            };
            self.add_operation(None, Positioned::new(operation, at), definitions);
            return Ok(());
        }
        self.description()?;
        let kind = match &self.token.kind {
            Kind::Name("fragment") => return self.fragment_definition(at, definitions),
            Kind::Name("query") => OperationType::Query,
            Kind::Name("mutation") => OperationType::Mutation,
            Kind::Name("subscription") => OperationType::Subscription,
            _ => return Err(self.unexpected("query, mutation, subscription or fragment")),
        };
        self.advance()?;
        let name = match self.token.kind {
            Kind::Name(_) => Some(self.name()?),
            _ => None,
        };
        let operation = OperationDefinition {
            ty: kind,
            variable_definitions: self.variable_definitions()?,
            directives: self.directives(false)?,
            selection_set: self.selection_set()?,
        };
        self.add_operation(name, Positioned::new(operation, at), definitions);
        Ok(())
    }

    fn add_operation(
        &mut self,
        name: Option<Positioned<Name>>,
        operation: Positioned<OperationDefinition>,
        definitions: &mut Definitions,
    ) {
        let Some(name) = name else {
            if definitions.anonymous.is_some() {
                let fault = "An operation without a name must be the only one of its document.";
                self.faults.push((operation.pos, fault.into()));
            } else {
                definitions.anonymous = Some(operation);
            }
            return;
        };
        match definitions.operations.entry(name.node) {
            Entry::Vacant(vacant) => drop(vacant.insert(operation)),
            Entry::Occupied(taken) => {
                let fault = format!("There can be only one operation named \"{}\".", taken.key());
                self.faults.push((name.pos, fault));
            }
        }
    }

    fn fragment_definition(&mut self, at: Pos, definitions: &mut Definitions) -> Result<(), SyntaxError> {
        self.advance()?;
        if self.token.kind == Kind::Name("on") {
            return Err(self.unexpected("the name of a fragment"));
        }
        let name = self.name()?;
        let Some(type_condition) = self.type_condition()? else {
            return Err(self.unexpected("\"on\" and the name of a type"));
        };
        let fragment = FragmentDefinition {
            type_condition,
            directives: self.directives(false)?,
            selection_set: self.selection_set()?,
        };
        match definitions.fragments.entry(name.node) {
            Entry::Vacant(vacant) => drop(vacant.insert(Positioned::new(fragment, at))),
            Entry::Occupied(taken) => {
                let fault = format!("There can be only one fragment named \"{}\".", taken.key());
                self.faults.push((name.pos, fault));
            }
        }
        Ok(())
    }

    fn type_condition(&mut self) -> Result<Option<Positioned<TypeCondition>>, SyntaxError> {
        let at = self.at();
        if self.token.kind != Kind::Name("on") {
            return Ok(None);
        }
        self.advance()?;
        let on = self.name()?;
        Ok(Some(Positioned::new(TypeCondition { on }, at)))
    }

    fn variable_definitions(&mut self) -> Result<Vec<Positioned<VariableDefinition>>, SyntaxError> {
        self.many("(", ")", "a variable", |parser| {
            parser.description()?;
            let at = parser.at();
            let name = parser.variable()?;
            parser.expect(":")?;
            let var_type = parser.type_reference()?;
            let default_value = if parser.is_mark("=") {
                parser.advance()?;
                Some(parser.constant()?)
            } else {
                None
            };
            let definition = VariableDefinition {
                name,
                var_type,
                default_value,
                directives: parser.directives(true)?,
            };
            Ok(Positioned::new(definition, at))
        })
    }

    fn directives(&mut self, constant: bool) -> Result<Vec<Positioned<Directive>>, SyntaxError> {
        let mut directives = Vec::new();
        while self.is_mark("@") {
            let at = self.at();
            self.advance()?;
            let name = self.name()?;
            let arguments = self.arguments(constant)?;
            directives.push(Positioned::new(Directive { name, arguments }, at));
        }
        Ok(directives)
    }

    fn arguments(&mut self, constant: bool) -> Result<Vec<Argument>, SyntaxError> {
        self.many("(", ")", "an argument", |parser| {
            let name = parser.name()?;
            parser.expect(":")?;
            let value = if constant {
                let value = parser.constant()?;
                Positioned::new(value.node.into_value(), value.pos)
            } else {
                parser.value()?
            };
            Ok((name, value))
        })
    }

    fn selection_set(&mut self) -> Result<Positioned<SelectionSet>, SyntaxError> {
        let at = self.at();
        if !self.is_mark("{") {
            return Err(self.unexpected("\"{\""));
        }
        let items = self.many("{", "}", "a field", Self::selection)?;
        Ok(Positioned::new(SelectionSet { items }, at))
    }

    fn selection(&mut self) -> Result<Positioned<Selection>, SyntaxError> {
        let at = self.at();
        let selection = if self.is_mark("...") {
            self.fragment(at)?
        } else {
            Selection::Field(Positioned::new(self.field()?, at))
        };
        Ok(Positioned::new(selection, at))
    }

    fn fragment(&mut self, at: Pos) -> Result<Selection, SyntaxError> {
        self.advance()?;
        let type_condition = self.type_condition()?;
        if type_condition.is_none() && matches!(self.token.kind, Kind::Name(_)) {
            let spread = FragmentSpread {
                fragment_name: self.name()?,
                directives: self.directives(false)?,
            };
            return Ok(Selection::FragmentSpread(Positioned::new(spread, at)));
        }
        let inline = InlineFragment {
            type_condition,
            directives: self.directives(false)?,
            selection_set: self.selection_set()?,
        };
        Ok(Selection::InlineFragment(Positioned::new(inline, at)))
    }

    fn field(&mut self) -> Result<Field, SyntaxError> {
        let first = self.name()?;
        let (alias, name) = if self.is_mark(":") {
            self.advance()?;
            (Some(first), self.name()?)
        } else {
            (None, first)
        };
        let arguments = self.arguments(false)?;
        let directives = self.directives(false)?;
        let selection_set = if self.is_mark("{") {
            self.selection_set()?
        } else {
            Positioned::new(SelectionSet::default(), self.at())
        };
        Ok(Field {
            alias,
            name,
            arguments,
            directives,
            selection_set,
        })
    }

    /// Nothing, or at least one of something between brackets.
    fn many<T>(
        &mut self,
        open: &'static str,
        close: &'static str,
        what: &str,
        item: impl Fn(&mut Self) -> Result<T, SyntaxError>,
    ) -> Result<Vec<T>, SyntaxError> {
        let mut items = Vec::new();
        if !self.is_mark(open) {
            return Ok(items);
        }
        self.open(open)?;
        if self.is_mark(close) {
            return Err(self.unexpected(what));
        }
        while !self.close(close)? {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// Descriptions of operations, fragments and variables have no effect.
    fn description(&mut self) -> Result<(), SyntaxError> {
        if matches!(self.token.kind, Kind::Text(_) | Kind::Block(_)) {
            self.advance()?;
        }
        Ok(())
    }

    pub(super) fn at(&self) -> Pos {
        self.token.at
    }

    pub(super) fn kind(&self) -> &Kind<'a> {
        &self.token.kind
    }

    pub(super) fn is_mark(&self, mark: &'static str) -> bool {
        self.token.kind == Kind::Mark(mark)
    }

    pub(super) fn advance(&mut self) -> Result<(), SyntaxError> {
        self.tokens += 1;
        if self.tokens > self.bounds.tokens {
            return Err(SyntaxError::Tokens(self.bounds.tokens));
        }
        self.token = self.lexer.next()?;
        Ok(())
    }

    pub(super) fn expect(&mut self, mark: &'static str) -> Result<(), SyntaxError> {
        if !self.is_mark(mark) {
            return Err(self.unexpected(&format!("\"{mark}\"")));
        }
        self.advance()
    }

    pub(super) fn open(&mut self, mark: &'static str) -> Result<(), SyntaxError> {
        self.open += 1;
        if self.open > self.bounds.nesting {
            return Err(SyntaxError::Nesting(self.bounds.nesting));
        }
        self.expect(mark)
    }

    /// Takes the closing bracket if it stands next.
    pub(super) fn close(&mut self, mark: &'static str) -> Result<bool, SyntaxError> {
        let closes = self.is_mark(mark);
        if closes {
            self.open = self.open.saturating_sub(1);
            self.advance()?;
        }
        Ok(closes)
    }

    pub(super) fn name(&mut self) -> Result<Positioned<Name>, SyntaxError> {
        let Kind::Name(name) = self.token.kind else {
            return Err(self.unexpected("a name"));
        };
        let at = self.at();
        self.advance()?;
        Ok(Positioned::new(Name::new(name), at))
    }

    pub(super) fn unexpected(&self, expected: &str) -> SyntaxError {
        wrong(
            self.at(),
            format!("expected {expected}, found {}", self.token.kind.called()),
        )
    }
}
