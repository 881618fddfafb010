//! Pages by the Relay cursor connections specification: by key set, newest first, in both directions. A cursor is the
//! row's identifier, so a page stays stable while rows come and go.

use async_graphql::{InputObject, SimpleObject};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect, Select,
};
use uuid::Uuid;

use leadmesh_core::error::{Error, Result};

/// The default size of a page.
pub const DEFAULT_PAGE: i32 = 20;
/// The largest page.
pub const MAX_PAGE: i32 = 100;

/// Position of a page in its list.
#[derive(Clone, Debug, PartialEq, Eq, SimpleObject)]
pub struct PageInfo {
    /// Whether there are entries after this page. Always false when paging backwards.
    pub has_next_page: bool,
    /// Whether there are entries before this page. Always false when paging forwards.
    pub has_previous_page: bool,
    /// Cursor of the first entry.
    pub start_cursor: Option<String>,
    /// Cursor of the last entry.
    pub end_cursor: Option<String>,
}

/// The four arguments of a page.
#[derive(Clone, Debug, Default, InputObject)]
pub struct PageArgs {
    /// Returns the first n entries (1–100). 20 if neither `first` nor `last` is given.
    pub first: Option<i32>,
    /// Returns only entries after this cursor.
    pub after: Option<String>,
    /// Returns the last n entries (1–100).
    pub last: Option<i32>,
    /// Returns only entries before this cursor.
    pub before: Option<String>,
}

impl PageArgs {
    /// The arguments of a field.
    pub fn new(first: Option<i32>, after: Option<String>, last: Option<i32>, before: Option<String>) -> Self {
        Self {
            first,
            after,
            last,
            before,
        }
    }

    fn size(&self) -> Result<(u64, bool)> {
        let (size, forwards) = match (self.first, self.last) {
            (Some(_), Some(_)) => return Err(Error::BadInput("Give `first` or `last`, not both.".into())),
            (None, Some(last)) => (last, false),
            (first, None) => (first.unwrap_or(DEFAULT_PAGE), true),
        };
        match u64::try_from(size) {
            Ok(entries @ 1..) if size <= MAX_PAGE => Ok((entries, forwards)),
            _ => Err(Error::BadInput(format!("A page has 1 to {MAX_PAGE} entries."))),
        }
    }
}

/// A page of rows, newest first.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// Rows with their cursors.
    pub entries: Vec<(String, T)>,
    /// Where the page stands.
    pub info: PageInfo,
}

/// One page of a scoped selection, ordered by its identifier.
pub async fn page<E, C, D>(
    db: &D,
    select: Select<E>,
    id: C,
    of: impl Fn(&E::Model) -> Uuid,
    args: PageArgs,
) -> Result<Page<E::Model>>
where
    E: EntityTrait,
    C: ColumnTrait,
    D: ConnectionTrait,
{
    page_as(db, select, id, of, args).await
}

/// Like [`page`], for a selection of some columns.
pub async fn page_as<M, E, C, D>(
    db: &D,
    select: Select<E>,
    id: C,
    of: impl Fn(&M) -> Uuid,
    args: PageArgs,
) -> Result<Page<M>>
where
    M: FromQueryResult,
    E: EntityTrait,
    C: ColumnTrait,
    D: ConnectionTrait,
{
    let (size, forwards) = args.size()?;
    let select = one_more(select, id, &args)?;
    let mut rows = select.into_model::<M>().all(db).await?;
    let more = u64::try_from(rows.len()).is_ok_and(|rows| rows > size);
    rows.truncate(usize::try_from(size).unwrap_or(usize::MAX));
    if !forwards {
        rows.reverse();
    }
    let entries: Vec<(String, M)> = rows.into_iter().map(|row| (cursor(of(&row)), row)).collect();
    let info = PageInfo {
        has_next_page: forwards && more,
        has_previous_page: !forwards && more,
        start_cursor: entries.first().map(|(cursor, _)| cursor.clone()),
        end_cursor: entries.last().map(|(cursor, _)| cursor.clone()),
    };
    Ok(Page { entries, info })
}

/// The most bytes of large columns on a page of whole rows.
const PAGE_BYTES: u64 = 16 * 1024 * 1024;

/// Refuses a page of whole rows whose large columns hold too many bytes, before reading it.
pub async fn check_page<E, C, D>(db: &D, select: &Select<E>, id: C, args: &PageArgs, large: &[E::Column]) -> Result<()>
where
    E: EntityTrait,
    C: ColumnTrait,
    D: ConnectionTrait,
{
    let rows = one_more(select.clone(), id, args)?;
    if entity::large::bytes(db, rows, large).await? > PAGE_BYTES {
        return Err(Error::AnswerTooLarge(format!(
            "The entries of this page hold more than {PAGE_BYTES} bytes together. Ask for a smaller page."
        )));
    }
    Ok(())
}

/// The rows of a page and, if there is one, the next row.
fn one_more<E, C>(select: Select<E>, id: C, args: &PageArgs) -> Result<Select<E>>
where
    E: EntityTrait,
    C: ColumnTrait,
{
    let (size, forwards) = args.size()?;
    let mut select = select;
    if let Some(after) = &args.after {
        select = select.filter(id.lt(read_cursor(after)?));
    }
    if let Some(before) = &args.before {
        select = select.filter(id.gt(read_cursor(before)?));
    }
    let select = if forwards {
        select.order_by_desc(id)
    } else {
        select.order_by_asc(id)
    };
    Ok(select.limit(size + 1))
}

fn cursor(id: Uuid) -> String {
    URL_SAFE_NO_PAD.encode(id.as_bytes())
}

fn read_cursor(text: &str) -> Result<Uuid> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok();
    let id = bytes.and_then(|bytes| Uuid::from_slice(&bytes).ok());
    id.ok_or_else(|| {
        Error::BadInput(
            "This cursor is not from this list. Take it, unchanged, from an earlier page of the same list.".into(),
        )
    })
}

/// The connection and edge types of one kind of node, with descriptions, which the library's generic ones lack.
macro_rules! connection {
    ($connection:ident, $edge:ident, $node:ty, $model:ty, $of:literal) => {
        #[doc = concat!("A page of ", $of, ", newest first.")]
        #[derive(async_graphql::SimpleObject)]
        pub struct $connection {
            /// Entries with their cursors.
            pub edges: Vec<$edge>,
            /// Entries without cursors.
            pub nodes: Vec<$node>,
            /// Position of the page in the list.
            pub page_info: $crate::relay::PageInfo,
        }

        #[doc = concat!("One of the ", $of, " of a page.")]
        #[derive(async_graphql::SimpleObject)]
        pub struct $edge {
            /// Position of the entry; pass it as `after` or `before`.
            pub cursor: String,
            /// The entry.
            pub node: $node,
        }

        impl From<$crate::relay::Page<$model>> for $connection {
            fn from(page: $crate::relay::Page<$model>) -> Self {
                let nodes = page.entries.iter().map(|(_, row)| row.clone().into()).collect();
                let edges = page
                    .entries
                    .into_iter()
                    .map(|(cursor, row)| $edge {
                        cursor,
                        node: row.into(),
                    })
                    .collect();
                Self {
                    edges,
                    nodes,
                    page_info: page.info,
                }
            }
        }
    };
}
pub(crate) use connection;
