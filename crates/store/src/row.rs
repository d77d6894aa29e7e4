//! Structs that are read from rows.

/// A struct that is read from a row of either engine, each field from the column of its name; one
/// that begins with `..` is itself such a struct, read from the same row.
///
/// sqlx has a derive for this, which makes the compiler build a second SQLite and a second TLS
/// library for its own use: a third of a build from nothing.
macro_rules! row {
    ($visibility:vis struct $name:ident {
        $(..$part:ident: $part_type:ty,)*
        $($field:ident: $type:ty,)*
    }) => {
        $visibility struct $name {
            $($part: $part_type,)*
            $($field: $type,)*
        }

        impl<'r, R: sqlx::Row> sqlx::FromRow<'r, R> for $name
        where
            &'static str: sqlx::ColumnIndex<R>,
            $($part_type: sqlx::FromRow<'r, R>,)*
            $($type: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,)*
        {
            fn from_row(row: &'r R) -> sqlx::Result<Self> {
                Ok(Self {
                    $($part: sqlx::FromRow::from_row(row)?,)*
                    $($field: row.try_get(stringify!($field))?,)*
                })
            }
        }
    };
}
pub(crate) use row;
