//! The shape of every list.

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// One page of a list.
#[derive(Debug, Serialize)]
pub(crate) struct List<T> {
    object: &'static str,
    data: Vec<T>,
    has_more: bool,
    /// What `after` must say to get the next page.
    next: Option<String>,
}

impl<T: Serialize> List<T> {
    /// A page; `cursor` names its last row.
    pub(crate) fn page(data: Vec<T>, has_more: bool, cursor: Option<String>) -> Self {
        Self { object: "list", data, has_more, next: cursor.filter(|_| has_more) }
    }

    /// A page out of rows of which one more than `limit` was asked for.
    pub(crate) fn cut(mut rows: Vec<T>, limit: u32, cursor: impl Fn(&T) -> String) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().map(cursor);
        Self::page(rows, has_more, next)
    }

    /// A page of what is ordered by name, out of all rows there are.
    pub(crate) fn by_name(
        all: Vec<T>,
        after: Option<&str>,
        limit: u32,
        name: impl Fn(&T) -> &str,
    ) -> Self {
        Self::cut(after_name(all, after, &name), limit, |row| name(row).to_owned())
    }
}

impl<T: Serialize> IntoResponse for List<T> {
    fn into_response(self) -> Response {
        Json(self).into_response()
    }
}

/// The rows after the name `after`, in the order of names. The cursor may be gone by now: what
/// would come after it still does.
fn after_name<T>(mut rows: Vec<T>, after: Option<&str>, name: impl Fn(&T) -> &str) -> Vec<T> {
    rows.sort_by(|a, b| name(a).cmp(name(b)));
    let skipped = rows.partition_point(|row| after.is_some_and(|after| name(row) <= after));
    rows.split_off(skipped)
}

#[cfg(test)]
mod tests {
    use super::{List, after_name};

    #[test]
    fn pages_by_name_cover_every_row_once() {
        let rows = || ["b", "a", "d", "c", "e"].map(str::to_owned).to_vec();
        let (mut seen, mut after) = (Vec::new(), None::<String>);
        loop {
            let page = List::by_name(rows(), after.as_deref(), 2, |name| name);
            seen.extend(page.data);
            assert_eq!(page.has_more, page.next.is_some());
            let Some(next) = page.next else { break };
            after = Some(next);
        }
        assert_eq!(seen, ["a", "b", "c", "d", "e"]);
    }

    #[test]
    fn a_cursor_that_is_gone_still_has_a_place() {
        let rows = ["a", "c"].map(str::to_owned).to_vec();
        assert_eq!(after_name(rows, Some("b"), |name| name), ["c"]);
    }
}
