//! Which keys stand on a page of the list.
//!
//! Only the conditions that are given are in the query, so that the database sees which index serves
//! it. The page's keys are found by what stands in an index alone; their rows are read afterwards.

use doorward_domain::id::OrganizationId;
use doorward_domain::key::KeyStatus;
use jiff::Timestamp;
use sqlx::{Database, Encode, QueryBuilder, Type};

use super::cursor::Place;
use super::row::key_columns;
use super::{KeyCursor, KeyFilter, KeySort, KeySortBy};
use crate::search::Holding;

/// A part of a query: its text, or a value.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Sql(&'static str),
    Text(String),
    Number(i64),
}

/// The query of one page. It gives the rows of its keys in no order.
#[derive(Debug)]
pub(super) struct PageQuery(Vec<Piece>);

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) organization: OrganizationId,
    pub(super) filter: &'a KeyFilter,
    pub(super) after: Option<&'a KeyCursor>,
    pub(super) rows: u32,
    pub(super) now: Timestamp,
    /// What the texts contain that fit. `None`: every text fits.
    pub(super) holding: Option<&'a Holding>,
}

const ROWS: &str =
    concat!("SELECT ", key_columns!(), ", k.last_used_at_us, k.last_used_address FROM (");
/// Every key of the organization, or of one owner.
const KEYS: &str = "SELECT k.id FROM api_keys k WHERE k.organization_id = ";
/// The same by their texts. What else a key must be is asked of those alone whose text fits, which a
/// join would not promise.
const TEXTS: &str = "SELECT s.id FROM api_keys s WHERE s.organization_id = ";
const TEXT_FITS: &str = " AND (
    SELECT 1 FROM api_keys k
    WHERE k.organization_id = s.organization_id AND k.created_at_us = s.created_at_us
      AND k.id = s.id";
/// The kind that has indexes of its own. It is spelled in the query: of a value that is given apart, a
/// database does not know that they serve.
const SERVICE: &str = "service";

impl PageQuery {
    pub(super) fn new(wanted: &Wanted<'_>) -> Self {
        let filter = wanted.filter;
        let mut query = Self(vec![Piece::Sql(ROWS)]);
        match wanted.holding {
            // The texts stand in one order.
            Some(holding) if !has_few(filter) && filter.sort.by == KeySortBy::Created => {
                query.by_text(wanted, holding);
            }
            Some(_) | None => query.by_key(wanted),
        }
        query.number(i64::from(wanted.rows));
        query.sql(") page JOIN api_keys k ON k.id = page.id AND k.organization_id = ");
        query.text(&wanted.organization);
        query
    }

    fn by_key(&mut self, wanted: &Wanted<'_>) {
        self.sql(KEYS).text(&wanted.organization);
        if let Some(owner) = wanted.filter.owner {
            self.sql(" AND k.owner_id = ").text(&owner);
        }
        if let Some(holding) = wanted.holding {
            self.sql(" AND ").holds("k.search_text", holding);
        }
        self.narrow(wanted.filter, wanted.now);
        let [before, order] = order(wanted.filter.sort);
        if let Some(after) = wanted.after {
            self.sql(before).place(after);
        }
        self.sql(order);
    }

    fn by_text(&mut self, wanted: &Wanted<'_>, holding: &Holding) {
        self.sql(TEXTS).text(&wanted.organization);
        self.sql(" AND ").holds("s.search_text", holding);
        if wanted.filter.kind.as_deref() == Some(SERVICE) {
            self.sql(" AND s.owner_kind = 'service'");
        }
        let is_descending = wanted.filter.sort.is_descending;
        if let Some(after) = wanted.after {
            let side = if is_descending { "<" } else { ">" };
            self.sql(" AND (s.created_at_us, s.id) ").sql(side).sql(" (").place(after);
        }
        self.sql(TEXT_FITS).narrow(wanted.filter, wanted.now);
        self.sql(if is_descending {
            ") = 1 ORDER BY s.created_at_us DESC, s.id DESC LIMIT "
        } else {
            ") = 1 ORDER BY s.created_at_us, s.id LIMIT "
        });
    }

    fn holds(&mut self, column: &'static str, holding: &Holding) -> &mut Self {
        match holding {
            Holding::Like(pattern) => {
                self.sql(column).sql(" LIKE ").text(pattern).sql(" ESCAPE '\\'")
            }
            Holding::Strpos(text) => {
                self.sql("strpos(").sql(column).sql(", ").text(text).sql(") > 0")
            }
        }
    }

    fn place(&mut self, after: &KeyCursor) {
        match &after.place {
            Place::Number(number) => self.number(*number),
            Place::Text(text) => self.text(text),
        };
        self.sql(", ").text(&after.id).sql(")");
    }

    fn narrow(&mut self, filter: &KeyFilter, now: Timestamp) {
        if let Some(project) = filter.project {
            self.sql(" AND k.project_id = ").text(&project);
        }
        match filter.kind.as_deref() {
            Some(SERVICE) => self.sql(" AND k.owner_kind = 'service'"),
            Some(kind) => self.sql(" AND k.owner_kind = ").text(&kind),
            None => self,
        };
        if let Some(user) = filter.created_by {
            self.sql(" AND k.created_by = ").text(&user);
        }
        if let Some(at) = filter.expires_before {
            self.sql(" AND k.expires_at_us < ").number(at.as_microsecond());
        }
        if let Some(at) = filter.unused_since {
            self.sql(" AND COALESCE(k.last_used_at_us, k.created_at_us) < ");
            self.number(at.as_microsecond());
        }
        self.narrow_status(filter.status, now);
    }

    /// The status of a key is what [`ApiKey::status`](doorward_domain::key::ApiKey::status) says.
    fn narrow_status(&mut self, status: Option<KeyStatus>, now: Timestamp) {
        let now_us = now.as_microsecond();
        match status {
            None => self.sql(" AND k.revoked_at_us IS NULL AND k.swept_at_us IS NULL"),
            Some(KeyStatus::Revoked) => self.sql(" AND k.revoked_at_us IS NOT NULL"),
            Some(KeyStatus::Expired) => {
                self.sql(" AND k.revoked_at_us IS NULL AND k.expires_at_us <= ").number(now_us)
            }
            Some(KeyStatus::Disabled) => self
                .sql(" AND k.revoked_at_us IS NULL AND k.disabled_at_us IS NOT NULL")
                .sql(" AND (k.expires_at_us IS NULL OR k.expires_at_us > ")
                .number(now_us)
                .sql(")"),
            Some(KeyStatus::Active) => self
                .sql(" AND k.revoked_at_us IS NULL AND k.disabled_at_us IS NULL")
                .sql(" AND (k.expires_at_us IS NULL OR k.expires_at_us > ")
                .number(now_us)
                .sql(")"),
        };
    }

    fn sql(&mut self, sql: &'static str) -> &mut Self {
        self.0.push(Piece::Sql(sql));
        self
    }

    fn text(&mut self, value: &impl ToString) -> &mut Self {
        self.0.push(Piece::Text(value.to_string()));
        self
    }

    fn number(&mut self, value: i64) -> &mut Self {
        self.0.push(Piece::Number(value));
        self
    }

    /// The query for one engine.
    pub(super) fn build<DB: Database>(self) -> QueryBuilder<DB>
    where
        String: for<'q> Encode<'q, DB> + Type<DB>,
        i64: for<'q> Encode<'q, DB> + Type<DB>,
    {
        let mut query = QueryBuilder::default();
        for piece in self.0 {
            match piece {
                Piece::Sql(sql) => query.push(sql),
                Piece::Text(text) => query.push_bind(text),
                Piece::Number(number) => query.push_bind(number),
            };
        }
        query
    }
}

/// What stands before the place that a page begins after, and its order.
#[rustfmt::skip]
const fn order(sort: KeySort) -> [&'static str; 2] {
    use KeySortBy::{Created, Expires, LastUsed, Name};
    match (sort.by, sort.is_descending) {
        (Created, true)   => [" AND (k.created_at_us, k.id) < (",      " ORDER BY k.created_at_us DESC, k.id DESC LIMIT "],
        (Created, false)  => [" AND (k.created_at_us, k.id) > (",      " ORDER BY k.created_at_us, k.id LIMIT "],
        (Name, true)      => [" AND (k.name_order, k.id) < (",         " ORDER BY k.name_order DESC, k.id DESC LIMIT "],
        (Name, false)     => [" AND (k.name_order, k.id) > (",         " ORDER BY k.name_order, k.id LIMIT "],
        (LastUsed, true)  => [" AND (k.last_used_order_us, k.id) < (", " ORDER BY k.last_used_order_us DESC, k.id DESC LIMIT "],
        (LastUsed, false) => [" AND (k.last_used_order_us, k.id) > (", " ORDER BY k.last_used_order_us, k.id LIMIT "],
        (Expires, true)   => [" AND (k.end_order_us, k.id) < (",       " ORDER BY k.end_order_us DESC, k.id DESC LIMIT "],
        (Expires, false)  => [" AND (k.end_order_us, k.id) > (",       " ORDER BY k.end_order_us, k.id LIMIT "],
    }
}

/// Whether few keys fit, whatever their texts: then these are looked at, not everybody's. A user or
/// service account has few, and few are switched off or over and still there.
fn has_few(filter: &KeyFilter) -> bool {
    filter.owner.is_some()
        || match filter.status {
            Some(KeyStatus::Disabled | KeyStatus::Revoked | KeyStatus::Expired) => true,
            Some(KeyStatus::Active) | None => false,
        }
}
