//! The columns of what calls consumed: one for each figure, by its name.

use doorward_domain::usage::Usage;
use sqlx::{ColumnIndex, Decode, FromRow, Row, Type};

use crate::db::unsigned;

/// The names of the columns, separated, each with this in front.
pub(super) fn columns(prefix: &str) -> String {
    Usage::NAMES.map(|name| format!("{prefix}{name}")).join(", ")
}

/// Something said of each column in turn, separated.
pub(super) fn each(say: impl FnMut(&'static str) -> String) -> String {
    Usage::NAMES.map(say).join(", ")
}

/// The figures of a row.
pub(super) struct Figures(pub(super) Usage);

impl<'r, R: Row> FromRow<'r, R> for Figures
where
    &'static str: ColumnIndex<R>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
{
    fn from_row(row: &'r R) -> sqlx::Result<Self> {
        let mut figures = [0; Usage::COUNT];
        for (figure, name) in figures.iter_mut().zip(Usage::NAMES) {
            *figure = unsigned(row.try_get(name)?);
        }
        Ok(Self(Usage::from_figures(figures)))
    }
}
