//! Literal values and types.

use async_graphql::{
    Name, Number, Pos, Positioned, Value,
    indexmap::IndexMap,
    parser::types::{BaseType, Type},
};
use async_graphql_value::Value as InputValue;

use crate::numbers;
use leadmesh_forms::numerals;

use super::{SyntaxError, cursor::wrong, lexer::Kind, parser::Parser, spelling::Spelling};

impl Parser<'_> {
    /// A value that may name variables.
    pub(super) fn value(&mut self) -> Result<Positioned<InputValue>, SyntaxError> {
        let at = self.at();
        let mut spelling = Spelling::default();
        let value = self.any_value(false, &mut spelling)?;
        self.spellings.add(at, spelling);
        Ok(Positioned::new(value, at))
    }

    /// A value without variables.
    pub(super) fn constant(&mut self) -> Result<Positioned<Value>, SyntaxError> {
        let at = self.at();
        let value = self.any_value(true, &mut Spelling::default())?.into_const();
        let value = value.ok_or_else(|| wrong(at, "a variable cannot stand here"))?;
        Ok(Positioned::new(value, at))
    }

    fn any_value(&mut self, constant: bool, spelling: &mut Spelling) -> Result<InputValue, SyntaxError> {
        let at = self.at();
        spelling.leaf(self.kind());
        Ok(match self.kind().clone() {
            Kind::Mark("[") => self.list(constant, spelling)?,
            Kind::Mark("{") => self.object(constant, spelling)?,
            Kind::Mark("$") if constant => return Err(wrong(at, "a variable cannot stand here")),
            Kind::Mark("$") => InputValue::Variable(self.variable()?.node),
            Kind::Int(text) | Kind::Float(text) if numerals::exceeds_64_bits(text) => {
                self.advance()?;
                numbers::literal(text)
            }
            Kind::Int(text) | Kind::Float(text) => {
                let number = number(text).ok_or_else(|| wrong(at, "the number is too large"))?;
                self.advance()?;
                InputValue::Number(number)
            }
            Kind::Text(text) | Kind::Block(text) => {
                self.advance()?;
                InputValue::String(text)
            }
            Kind::Name(name) => {
                self.advance()?;
                match name {
                    "true" => InputValue::Boolean(true),
                    "false" => InputValue::Boolean(false),
                    "null" => InputValue::Null,
                    other => InputValue::Enum(Name::new(other)),
                }
            }
            Kind::Mark(_) | Kind::End => return Err(self.unexpected("a value")),
        })
    }

    fn list(&mut self, constant: bool, spelling: &mut Spelling) -> Result<InputValue, SyntaxError> {
        self.open("[")?;
        let mut items = Vec::new();
        while !self.close("]")? {
            let mut within = Spelling::default();
            let item = self.any_value(constant, &mut within)?;
            spelling.item(items.len(), within);
            items.push(item);
        }
        Ok(InputValue::List(items))
    }

    fn object(&mut self, constant: bool, spelling: &mut Spelling) -> Result<InputValue, SyntaxError> {
        self.open("{")?;
        let mut fields = IndexMap::new();
        while !self.close("}")? {
            let name = self.name()?;
            self.expect(":")?;
            let mut within = Spelling::default();
            let value = self.any_value(constant, &mut within)?;
            if fields.contains_key(&name.node) {
                let fault = format!("There can be only one input field named \"{}\".", name.node);
                self.fault(name.pos, fault);
            } else {
                spelling.field(&name.node, within);
                fields.insert(name.node, value);
            }
        }
        Ok(InputValue::Object(fields))
    }

    /// `$` and a name.
    pub(super) fn variable(&mut self) -> Result<Positioned<Name>, SyntaxError> {
        let at = self.at();
        self.expect("$")?;
        Ok(Positioned::new(self.name()?.node, at))
    }

    pub(super) fn type_reference(&mut self) -> Result<Positioned<Type>, SyntaxError> {
        let at = self.at();
        Ok(Positioned::new(self.any_type()?, at))
    }

    fn any_type(&mut self) -> Result<Type, SyntaxError> {
        let base = if self.is_mark("[") {
            self.open("[")?;
            let inner = self.any_type()?;
            if !self.close("]")? {
                return Err(self.unexpected("\"]\""));
            }
            BaseType::List(Box::new(inner))
        } else {
            BaseType::Named(self.name()?.node)
        };
        let nullable = !self.is_mark("!");
        if !nullable {
            self.advance()?;
        }
        Ok(Type { base, nullable })
    }

    fn fault(&mut self, at: Pos, message: String) {
        self.faults.push((at, message));
    }
}

/// `None` beyond what a double can hold. The library for JSON would take `-0` for a number with a fraction.
fn number(text: &str) -> Option<Number> {
    if text == "-0" {
        Some(0.into())
    } else {
        text.parse().ok()
    }
}
