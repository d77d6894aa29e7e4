//! The shape of every list.

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct List<T> {
    #[schema(pattern = "^list$")]
    object: &'static str,
    data: Vec<T>,
    has_more: bool,
    /// What `after` must say to get the next page.
    #[schema(required)]
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
}

impl<T: Serialize> IntoResponse for List<T> {
    fn into_response(self) -> Response {
        Json(self).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::List;

    #[test]
    fn a_page_says_that_more_follows_exactly_when_it_does() {
        for (rows, data, next) in [
            (vec![], vec![], None),
            (vec!["a"], vec!["a"], None),
            (vec!["a", "b"], vec!["a", "b"], None),
            (vec!["a", "b", "c"], vec!["a", "b"], Some("b".to_owned())),
        ] {
            let page = List::cut(rows, 2, |row| (*row).to_owned());
            assert_eq!((page.data, page.has_more, page.next.clone()), (data, next.is_some(), next));
        }
    }
}
