use std::collections::BTreeSet;
use std::path::Path;

use crate::harness::{TestStore, every_store};

/// `table.column` and `index name` of the whole schema.
async fn names(store: &TestStore) -> BTreeSet<String> {
    let columns = store
        .read(
            "SELECT m.name || '.' || c.name FROM sqlite_schema m, pragma_table_xinfo(m.name) c
            WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name <> '_sqlx_migrations'",
            "SELECT table_name || '.' || column_name FROM information_schema.columns
            WHERE table_schema = 'public' AND table_name <> '_sqlx_migrations'",
        )
        .await;
    let indexes = store
        .read(
            "SELECT 'index ' || name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL",
            // What a constraint made has a name that only this engine knows.
            "SELECT 'index ' || c.relname FROM pg_index i
            JOIN pg_class c ON c.oid = i.indexrelid
            JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public'
            WHERE c.relname <> '_sqlx_migrations_pkey' AND NOT EXISTS
                (SELECT 1 FROM pg_constraint k WHERE k.conindid = i.indexrelid)",
        )
        .await;
    columns.into_iter().chain(indexes).collect()
}

fn files(engine: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(engine);
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn both_engines_have_the_same_tables_columns_and_indexes() {
    let [sqlite, postgres] = every_store().await;
    let (of_sqlite, of_postgres) = (names(&sqlite).await, names(&postgres).await);
    assert!(of_sqlite.contains("key_secrets.digest") && of_sqlite.contains("index api_keys_name"));
    let only_sqlite: Vec<_> = of_sqlite.difference(&of_postgres).collect();
    let only_postgres: Vec<_> = of_postgres.difference(&of_sqlite).collect();
    assert!(
        only_sqlite.is_empty() && only_postgres.is_empty(),
        "{only_sqlite:?} {only_postgres:?}"
    );
}

#[tokio::test]
async fn every_migration_has_a_twin_and_was_run() {
    assert_eq!(files("sqlite"), files("postgres"));
    for store in every_store().await {
        let sql = "SELECT CAST(COUNT(*) AS TEXT) FROM _sqlx_migrations";
        let run = store.read(sql, sql).await;
        assert_eq!(run, [files("sqlite").len().to_string()], "{}", store.engine());
    }
}

#[tokio::test]
async fn sqlite_tables_are_strict() {
    let [sqlite, _] = every_store().await;
    let sql = "SELECT name FROM pragma_table_list
        WHERE schema = 'main' AND strict = 0 AND name NOT LIKE 'sqlite_%'
            AND name <> '_sqlx_migrations'";
    assert_eq!(sqlite.read(sql, "").await, Vec::<String>::new());
}

/// Cursors of lists are compared here and there: both must agree on what comes next.
#[tokio::test]
async fn text_sorts_by_byte() {
    let [_, postgres] = every_store().await;
    let sql = "SELECT table_name || '.' || column_name FROM information_schema.columns
        WHERE table_schema = 'public' AND table_name <> '_sqlx_migrations'
            AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C'";
    assert_eq!(postgres.read("", sql).await, Vec::<String>::new());
}

/// Earlier ones can corrupt a database in WAL mode when a reader resets it.
#[tokio::test]
async fn the_bundled_sqlite_is_safe_with_wal() {
    let [sqlite, _] = every_store().await;
    let version = sqlite.read("SELECT sqlite_version()", "").await.remove(0);
    let parts: Vec<u32> = version.split('.').map(|part| part.parse().unwrap()).collect();
    assert!(parts >= vec![3, 51, 3], "{version}");
    let mode = sqlite.read("SELECT journal_mode FROM pragma_journal_mode", "").await;
    assert_eq!(mode, ["wal"]);
}
