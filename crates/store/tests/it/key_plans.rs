//! How the list of keys is read: how many statements a page takes, and by which way the database finds
//! its keys. Both are taken from what sqlx tells of the statements that were really run.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use doorward_domain::budget::{Amount, Budget, Overrun, Period};
use doorward_domain::key::{KeyStatus, Owner};
use doorward_store::{KeyCursor, KeyFilter};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::harness::{TestStore, every_store};

/// Keys of which a list is read: enough that reading them all is the dearer way.
const KEYS: usize = 4_000;

/// Keeps the text of each statement that sqlx runs.
#[derive(Clone, Default)]
struct Statements(Arc<Mutex<Vec<String>>>);

/// The text of one statement: all of it, or its summary where that is all.
#[derive(Default)]
struct Text {
    summary: String,
    statement: String,
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "summary" => value.clone_into(&mut self.summary),
            "db.statement" => value.clone_into(&mut self.statement),
            _ => {}
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

impl Subscriber for Statements {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "sqlx::query"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        let text = if text.statement.trim().is_empty() { text.summary } else { text.statement };
        // Once a second the lock on the database is looked at beside it: that reads no table.
        if text.trim_start().starts_with("SELECT") && text.contains("FROM") {
            self.0.lock().unwrap().push(text);
        }
    }
}

impl Statements {
    /// The statements of one page.
    async fn of_page(&self, store: &TestStore, filter: &KeyFilter, limit: u32) -> Vec<String> {
        let after = middle(store, filter);
        let page = store.list_keys(store.first.organization, filter, Some(&after), limit);
        self.of(Box::pin(page)).await
    }

    /// The statements of whatever is asked.
    async fn of<T, E: Debug>(&self, asked: impl Future<Output = Result<T, E>>) -> Vec<String> {
        self.0.lock().unwrap().clear();
        asked.await.unwrap();
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

/// A place in the middle of the list.
fn middle(store: &TestStore, filter: &KeyFilter) -> KeyCursor {
    let by = filter.sort.by.as_str();
    let place = match by {
        "name" => "k2000".to_owned(),
        _ => (store.now().as_microsecond() - 1_000_000).to_string(),
    };
    let text = format!("{by} dw_zzzzzzzzzzzzzzzz {place}");
    URL_SAFE_NO_PAD.encode(text).parse().unwrap()
}

/// Copies of one key, made by the database itself, with budgets and a rotation of their own.
async fn fill(store: &TestStore) {
    let mut new = store.new_key("first");
    let amount = Amount::Tokens(5);
    new.rights.budgets = vec![Budget { amount, period: Period::Day, overrun: Overrun::Deny }];
    let (key, _) = store.create_key(&store.act(), new).await.unwrap();
    let number = "(WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ";
    let padded = "substr('0000000000000000' || CAST(n AS TEXT), length(CAST(n AS TEXT)) + 1)";
    store
        .tamper(&format!(
            "INSERT INTO api_keys (id, organization_id, project_id, owner_kind, owner_id, name, name_look,
                description, search_text, tail, rights, metadata, created_by, created_at_us,
                updated_at_us, expires_at_us, rotated_at_us)
             SELECT 'dw_' || {padded}, organization_id, project_id, owner_kind, owner_id,
                'k' || n, 'k' || n, '', 'k' || n, tail, rights, metadata, created_by,
                created_at_us - n * 1000, updated_at_us, expires_at_us, created_at_us
             FROM api_keys CROSS JOIN {number}{KEYS}) SELECT n FROM n) AS numbers
             WHERE id = '{}'; ANALYZE;",
            key.id
        ))
        .await;
}

fn filters(store: &TestStore) -> Vec<(&'static str, KeyFilter)> {
    let any = KeyFilter::default;
    let status = |status| KeyFilter { status: Some(status), ..any() };
    let text = |text: &str| Some(text.to_owned());
    let sort = |sort: &str| KeyFilter { sort: sort.parse().unwrap(), ..any() };
    vec![
        ("by creation, oldest first", sort("created")),
        ("by name", sort("name")),
        ("by name, backwards", sort("-name")),
        ("by use", sort("last_used")),
        ("by use, latest first", sort("-last_used")),
        ("by end", sort("expires")),
        ("by end, latest first", sort("-expires")),
        ("by name, of a kind", KeyFilter { kind: text("service"), ..sort("name") }),
        ("none", any()),
        ("active", status(KeyStatus::Active)),
        ("disabled", status(KeyStatus::Disabled)),
        ("expired", status(KeyStatus::Expired)),
        ("revoked", status(KeyStatus::Revoked)),
        ("owner", KeyFilter { owner: Some(Owner::User(store.first.administrator)), ..any() }),
        ("project", KeyFilter { project: Some(store.first.project), ..any() }),
        ("kind", KeyFilter { kind: text("service"), ..any() }),
        ("created_by", KeyFilter { created_by: Some(store.first.administrator), ..any() }),
        ("expires_before", KeyFilter { expires_before: Some(store.now()), ..any() }),
        ("unused_since", KeyFilter { unused_since: Some(store.now()), ..any() }),
        ("text", KeyFilter { search: text("nowhere"), ..any() }),
    ]
}

/// How the database would run a statement, a line for each step.
async fn plan(store: &TestStore, sql: &str) -> Vec<String> {
    // SQLite takes values that are not given for NULL. PostgreSQL plans without them where it is told to.
    let sqlite = format!("EXPLAIN QUERY PLAN {sql}");
    let count = (1..100).take_while(|n| sql.contains(&format!("${n}"))).count();
    let nulls = vec!["NULL"; count].join(", ");
    let postgres = format!(
        "SET plan_cache_mode = force_generic_plan; SET random_page_cost = 1.1;
         PREPARE page AS {sql}; EXPLAIN EXECUTE page({nulls})"
    );
    store.explain(&sqlite, &postgres).await
}

#[tokio::test]
async fn a_page_takes_the_same_few_statements_and_no_key_is_looked_at_that_is_not_shown() {
    let statements = Statements::default();
    tracing::subscriber::set_global_default(statements.clone()).unwrap();
    for store in every_store().await {
        fill(&store).await;
        for (name, filter) in filters(&store) {
            let few = statements.of_page(&store, &filter, 2).await;
            let many = statements.of_page(&store, &filter, 100).await;
            let place = format!("{} {name}", store.engine());
            assert_eq!(few.len(), many.len(), "{place}: {many:#?}");
            assert!((1..=4).contains(&many.len()), "{place}: {many:#?}");
            let steps = plan(&store, &many[0]).await;
            let told = steps.join("\n");
            for never in ["SCAN k", "SCAN s", "Seq Scan", "TEMP B-TREE", "Sort"] {
                assert!(!told.contains(never), "{place}: {never}\n{told}\n{}", many[0]);
            }
            assert!(told.contains("USING") || told.contains("Index"), "{place}: {told}");
        }
        what_is_few_among_many_is_not_searched(&statements, &store).await;
        keys_are_counted_in_an_index_alone(&statements, &store).await;
    }
}

/// The keys of service accounts are found in indexes of theirs, however many others there are.
async fn what_is_few_among_many_is_not_searched(statements: &Statements, store: &TestStore) {
    for sort in ["-created", "created", "name", "-last_used", "expires"] {
        for search in [None, Some("nowhere".to_owned())] {
            let (kind, sort) = (Some("service".to_owned()), sort.parse().unwrap());
            let filter = KeyFilter { kind, sort, search, ..KeyFilter::default() };
            let asked = statements.of_page(store, &filter, 50).await;
            let told = plan(store, &asked[0]).await.join("\n");
            assert!(told.contains("api_keys_service_"), "{}: {told}\n{}", store.engine(), asked[0]);
        }
    }
}

/// However many keys a project has, none is looked at to count them.
async fn keys_are_counted_in_an_index_alone(statements: &Statements, store: &TestStore) {
    // Until it has looked after its pages, PostgreSQL reads rows to know whether they are seen.
    store.tamper("VACUUM").await;
    let first = &store.first;
    let projects = [first.project];
    let counts = store.populations(first.organization, &projects);
    let asked = statements.of(Box::pin(counts)).await;
    assert_eq!(asked.len(), 1, "{asked:#?}");
    let told = plan(store, &asked[0]).await.join("\n");
    let ways = ["COVERING INDEX api_keys_living", "Index Only Scan using api_keys_living"];
    assert!(ways.iter().any(|way| told.contains(way)), "{}: {told}", store.engine());
    for never in ["SCAN k", "Seq Scan on api_keys"] {
        assert!(!told.contains(never), "{}: {told}", store.engine());
    }
}
