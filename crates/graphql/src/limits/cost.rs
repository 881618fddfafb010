//! The estimated cost of an operation: an object is one point, ten leaf fields are one, and a list counts once per
//! entry.
//!
//! The sizes of pages may come from variables, so the cost of a cached document is a small expression, evaluated for
//! every request. A page is recognised by its arguments (`first`, `last`; `ids` for lists of identifiers) or by its
//! `edges` and `nodes`; other lists and large leaves are known from the schema. No field needs an annotation, so none
//! can be forgotten. [`super::budget`] counts what is really made.

use async_graphql::{
    Name, Value, Variables,
    parser::types::{Field, Type},
};

use super::Limits;
use crate::registry::named;

/// Tenths of a point.
pub(super) const LEAF: u64 = 1;
pub(super) const OBJECT: u64 = 10;
/// A leaf without a small bound: JSON, and whole documents.
const LARGE: u64 = 20;
/// The leaf fields of text that hold whole documents.
const DOCUMENTS: [&str; 5] = ["markdown", "body", "exampleOperation", "exampleCurl", "responseExcerpt"];

/// A cost that may depend on variables.
#[derive(Debug, Clone, Default)]
pub(super) struct Cost {
    tenths: u64,
    pages: Vec<VariablePage>,
}

#[derive(Debug, Clone)]
struct VariablePage {
    times: u64,
    size: Page,
    each: Cost,
}

/// How many entries a list field may answer.
#[derive(Debug, Clone)]
pub(super) enum Page {
    /// A number known from the text.
    Fixed(u64),
    /// The value of a variable, a number or a list, and what applies without it.
    Variable {
        /// The variable's name.
        name: Name,
        /// The size if the variable is absent.
        default: u64,
        /// The largest page that any field answers.
        maximum: u64,
    },
}

impl Cost {
    /// A leaf field of that name, which answers that type.
    pub(super) fn leaf(name: &str, ty: Option<&Type>) -> Self {
        let is_large = DOCUMENTS.contains(&name) || ty.is_some_and(|ty| named(ty) == "JSON");
        Self {
            tenths: if is_large { LARGE } else { LEAF },
            pages: Vec::new(),
        }
    }

    pub(super) fn object() -> Self {
        Self {
            tenths: OBJECT,
            pages: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.tenths = self.tenths.saturating_add(other.tenths);
        self.pages.extend(other.pages);
    }

    pub(super) fn times(mut self, page: Page) -> Self {
        let Page::Fixed(size) = page else {
            return Self {
                tenths: 0,
                pages: vec![VariablePage {
                    times: 1,
                    size: page,
                    each: self,
                }],
            };
        };
        self.tenths = self.tenths.saturating_mul(size);
        for page in &mut self.pages {
            page.times = page.times.saturating_mul(size);
        }
        self
    }

    /// The cost in points with these variables.
    pub(super) fn points(&self, variables: &Variables) -> u64 {
        self.tenths(variables).div_ceil(OBJECT)
    }

    fn tenths(&self, variables: &Variables) -> u64 {
        let pages = self.pages.iter().map(|page| {
            page.times
                .saturating_mul(page.size.with(variables))
                .saturating_mul(page.each.tenths(variables))
        });
        pages.fold(self.tenths, u64::saturating_add)
    }
}

impl Page {
    fn with(&self, variables: &Variables) -> u64 {
        match self {
            Self::Fixed(size) => *size,
            Self::Variable { name, default, maximum } => variables
                .get(name)
                .and_then(size_of)
                .map_or(*default, |size| size.min(*maximum)),
        }
    }
}

fn size_of(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::List(items) => Some(items.len() as u64),
        _ => None,
    }
}

impl Limits {
    /// The page that `field` answers, if it is one; `entries` says that it selects `edges` or `nodes`. A size above the
    /// maximum counts as the maximum: the field itself refuses it, with a better message.
    pub(super) fn page_of(&self, field: &Field, entries: bool) -> Option<Page> {
        let bounded = |argument: &str| {
            let mut variable = None;
            let literal = field.get_argument(argument)?.node.clone().into_const_with(|name| {
                variable = Some(name);
                Err(())
            });
            let size = literal.ok().as_ref().and_then(size_of).unwrap_or(self.default_page);
            Some(match variable {
                Some(name) => Page::Variable {
                    name,
                    default: self.default_page,
                    maximum: self.largest_page,
                },
                None => Page::Fixed(size.min(self.largest_page)),
            })
        };
        let named = ["first", "last", "ids"].into_iter().find_map(bounded);
        named.or_else(|| entries.then_some(Page::Fixed(self.default_page)))
    }
}
