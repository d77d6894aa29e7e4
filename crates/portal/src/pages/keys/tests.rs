//! Pages of keys over an API that answers as it is told.

use serde_json::{Value, json};

use crate::fake::Fake;

const PATH: &str = "GET /v1/api-keys/dw_one?names=true";

/// A key of the visitor's, as the API tells it.
fn key(change: Value) -> Value {
    let mut key = json!({
        "id": "dw_one", "name": "one", "description": "", "kind": "user", "status": "active",
        "fingerprint": "dw_one…abcd", "owner": "usr_me", "owner_name": "Ada L",
        "created_by": "usr_ben", "created_by_name": "Ben B", "project": "prj_1",
        "project_name": "website", "scopes": ["inference:write"], "models": null,
        "ip_allow": null, "ip_deny": [], "limits": {}, "model_limits": [], "budgets": [],
        "increase": null, "allowed_origins": null, "spent": [],
        "spent_this_month": { "period": "month", "usd": "1.92", "tokens": 7 },
        "created_at": "2026-11-01T00:00:00Z", "last_used_at": null, "last_used_ip": null,
        "expires_at": null, "rotated_at": null, "previous_secrets": [],
    });
    let Value::Object(change) = change else { panic!("{change}") };
    key.as_object_mut().unwrap().extend(change);
    key
}

fn list(data: Value) -> Value {
    let mut list = json!({ "next": null });
    list["data"] = data;
    list
}

/// The page of one key.
async fn page(role: &str, change: Value) -> String {
    let shown = Fake::new(role, &[(PATH, 200, key(change))]).get("/keys/dw_one").await;
    assert_eq!(shown.status, 200, "{}", shown.text);
    shown.text
}

#[tokio::test]
async fn a_member_reads_names_and_an_administrator_follows_them() {
    let member = page("member", json!({})).await;
    for words in ["Ada L", "website", "by Ben B"] {
        assert!(member.contains(words), "{words}: {member}");
    }
    assert!(!member.contains("prj_1") && !member.contains("usr_ben"), "{member}");
    let admin = page("admin", json!({})).await;
    assert!(admin.contains("<a href=\"/projects/prj_1\">website</a>"), "{admin}");
    assert!(admin.contains("<a href=\"/people/usr_me\">Ada L</a>"), "{admin}");
}

#[tokio::test]
async fn only_what_can_be_done_to_a_key_is_offered() {
    let offered = async |role: &str, change: Value| {
        let page = page(role, change).await;
        let ways = [
            ("try", "/playground?key=dw_one"),
            ("edit", "/keys/dw_one/edit"),
            ("like", "/keys/new?like=dw%5Fone"),
            ("delete", "/keys/dw_one/delete"),
        ];
        ways.into_iter().filter(|(_, path)| page.contains(path)).map(|(way, _)| way).collect()
    };
    #[rustfmt::skip]
    let cases: [(&str, Value, Vec<&str>); 7] = [
        ("member", json!({}),                                   vec!["try", "edit", "delete"]),
        ("member", json!({"status": "disabled"}),               vec!["edit", "delete"]),
        ("member", json!({"scopes": ["keys:read"]}),            vec!["edit", "delete"]),
        ("admin",  json!({"owner": "usr_ben"}),                 vec!["edit", "delete"]),
        ("member", json!({"status": "expired"}),                vec!["like", "delete"]),
        ("member", json!({"status": "revoked"}),                vec!["like"]),
        ("viewer", json!({}),                                   vec![]),
    ];
    for (role, change, expected) in cases {
        let told: Vec<&str> = offered(role, change.clone()).await;
        assert_eq!(told, expected, "{role} {change}");
    }
}

#[tokio::test]
async fn a_member_reads_what_was_done_to_their_key_and_by_whom() {
    let entry = |actor: &str, name: Value| json!({ "at": "2026-11-22T11:00:00Z", "actor": actor, "actor_name": name, "action": "key.disable" });
    let entries = list(json!([entry("dw_hand", json!("Ben's key")), entry("system", Value::Null)]));
    let answers =
        [(PATH, 200, key(json!({}))), ("GET /v1/api-keys/dw_one/audit?limit=20", 200, entries)];
    let shown = Fake::new("member", &answers).get("/keys/dw_one").await.text;
    assert!(shown.contains("Ben&#39;s key") && !shown.contains("dw_hand"), "{shown}");
    assert!(shown.contains("The server"), "{shown}");
    assert!(!shown.contains("/audit?subject"), "{shown}");
}

#[tokio::test]
async fn what_a_key_used_is_drawn_as_on_the_page_of_usage() {
    const USAGE: &str = "GET /v1/usage?group_by=day&from=2026%2D10%2D24T00%3A00%3A00Z\
        &to=2026%2D11%2D22T12%3A00%3A00Z&key=dw%5Fone";
    let row = json!({
        "day": "2026-11-20", "requests": 5, "errors": 1, "input_tokens": 1, "output_tokens": 1,
        "cost_usd": "0.50", "duration_us": 5, "first_byte_us": 1, "attempts": 5,
    });
    let answers = [(PATH, 200, key(json!({}))), (USAGE, 200, list(json!([row])))];
    let shown = Fake::new("member", &answers).get("/keys/dw_one").await.text;
    assert_eq!(shown.matches("class=\"bars\"").count(), 2, "{shown}");
    assert!(shown.contains("<td>20 Nov 2026</td>"), "{shown}");
    assert!(!page("member", json!({})).await.contains("class=\"bars\""));
}

#[tokio::test]
async fn many_models_are_folded() {
    let models: Vec<String> = (1..=10).map(|n| format!("model-{n}")).collect();
    let shown = page("member", json!({ "models": models })).await;
    let (before, folded) = shown.split_once("<summary>2 more</summary>").unwrap();
    assert!(before.contains("model-8<") && folded.contains("model-9<"), "{shown}");
    assert!(!page("member", json!({ "models": models[..8] })).await.contains(" more</summary>"));
}

const OWN: &str = "GET /v1/api-keys?kind=user&limit=50&names=true&owner=usr%5Fme";

#[tokio::test]
async fn the_list_says_what_was_spent_where_there_is_no_budget_and_counts_what_it_shows() {
    let keys = list(json!([key(json!({})), key(json!({ "spent_this_month": null }))]));
    let shown = Fake::new("member", &[(OWN, 200, keys)]).get("/keys").await.text;
    assert!(shown.contains("$1.92<span class=\"sub\">this month, no budget"), "{shown}");
    assert_eq!(shown.matches("No budget").count(), 1, "{shown}");
    assert!(shown.contains("2 keys shown · you have 1 of the 20"), "{shown}");
    assert!(shown.contains("website") && !shown.contains("prj_1"), "{shown}");
}

#[tokio::test]
async fn an_owner_whom_nobody_knows_is_said_and_filters_are_taken_away_by_one_link() {
    let problem = json!({
        "code": "invalid_request", "detail": "no",
        "errors": [{ "field": "owner", "detail": "there is no such user or service account" }],
    });
    let path = "GET /v1/api-keys?owner=nobody&kind=user&limit=50&names=true";
    let fake = Fake::new("admin", &[(path, 400, problem)]);
    let shown = fake.get("/keys?of=all&owner=nobody").await;
    assert_eq!(shown.status, 422);
    assert!(shown.text.contains("There is nobody of that name."), "{}", shown.text);
    assert!(shown.text.contains("value=\"nobody\""), "{}", shown.text);
    assert!(shown.text.contains("href=\"/keys?of=all\">Show all</a>"), "{}", shown.text);
    // Members have nobody else's keys to look for.
    let fake = Fake::new("member", &[(OWN, 200, list(json!([])))]);
    let shown = fake.get("/keys?of=all&owner=nobody").await.text;
    assert!(!shown.contains("name=\"owner\"") && !shown.contains(">Owner<"), "{shown}");
}

#[tokio::test]
async fn whoever_may_not_is_told_so_before_a_form_is_filled_in() {
    for (role, path, status) in [
        ("viewer", "/keys/new", 403),
        ("viewer", "/keys/dw_one/edit", 403),
        ("viewer", "/keys/dw_one/rotate", 403),
        ("viewer", "/keys/dw_one/delete", 403),
        ("viewer", "/keys/dw_one/end-overlap", 403),
        ("member", "/agent-keys", 403),
        ("member", "/agent-keys/new", 403),
        ("member", "/keys/new", 200),
        ("admin", "/agent-keys/new", 200),
    ] {
        let fake = Fake::new(role, &[("GET /v1/api-keys/dw_one", 200, key(json!({})))]);
        assert_eq!(fake.get(path).await.status, status, "{role} {path}");
    }
    let fake = Fake::new("viewer", &[(OWN, 200, list(json!([])))]);
    let shown = fake.get("/keys").await.text;
    assert!(shown.contains("Your role makes none") && !shown.contains("/keys/new"), "{shown}");
}

#[tokio::test]
async fn an_agent_key_and_its_account_are_one_act_and_each_fault_stands_at_its_field() {
    let problem = json!({
        "code": "invalid_request", "detail": "no", "errors": [
            { "field": "new_service_account.name", "detail": "is taken" },
            { "field": "ip_allow[0]", "detail": "is no address" },
        ],
    });
    let fake = Fake::new("admin", &[("POST /v1/api-keys", 400, problem)]);
    let typed = "name=nightly&scopes=inference:write&project=prj_1&ip_allow=nowhere";
    for (account, expected) in [("", "nightly"), ("&account=+bot+", "bot")] {
        let page = fake.post("/agent-keys/new", &format!("{typed}{account}")).await;
        assert_eq!(page.status, 422);
        for wrong in ["id=\"account-wrong\">is taken", "id=\"ip_allow-wrong\">is no address"] {
            assert!(page.text.contains(wrong), "{wrong}: {}", page.text);
        }
        let sent = fake.changes().pop().unwrap().body;
        assert_eq!(sent["new_service_account"], json!({ "name": expected }));
        assert_eq!((&sent["kind"], &sent["project"]), (&json!("service"), &json!("prj_1")));
    }
    assert_eq!(fake.changes().len(), 2, "nothing else is asked for");
    fake.post("/agent-keys/new", &format!("{typed}&owner=sva_1")).await;
    let sent = fake.changes().pop().unwrap().body;
    assert_eq!((sent.get("new_service_account"), sent.get("project")), (None, None));
}

#[tokio::test]
async fn an_administrator_chooses_owners_by_their_ids_and_the_kind_above() {
    let people = list(json!([
        { "id": "usr_me", "name": "Ada L" }, { "id": "usr_ben", "name": "Ben B" },
    ]));
    let fake =
        Fake::new("admin", &[("GET /v1/users?limit=200&presence=false", 200, people.clone())]);
    let shown = fake.get("/keys/new?owner=Ben%20B").await.text;
    assert!(shown.contains("<option value=\"\">Ada L (you)</option>"), "{shown}");
    assert!(shown.contains("<option value=\"usr_ben\" selected>Ben B</option>"), "{shown}");
    assert!(shown.contains("href=\"/agent-keys/new\""), "{shown}");
    // Of more than a list has on one page, nobody can be left out.
    let mut more = people;
    more["next"] = "Ben B".into();
    let fake = Fake::new("admin", &[("GET /v1/users?limit=200&presence=false", 200, more)]);
    let shown = fake.get("/keys/new").await.text;
    assert!(shown.contains("name=\"owner\" value=\"\" list=\"owners\""), "{shown}");
}

#[tokio::test]
async fn one_like_another_begins_with_what_that_has() {
    let old = key(json!({
        "status": "expired", "description": "for CI", "scopes": ["analytics:read"],
        "limits": { "concurrency": 5 }, "project": "prj_1",
    }));
    let fake = Fake::new("member", &[("GET /v1/api-keys/dw_one", 200, old)]);
    let shown = fake.get("/keys/new?like=dw_one").await.text;
    for part in [
        "name=\"name\" value=\"one\"",
        "name=\"description\" value=\"for CI\"",
        "name=\"limits.concurrency\" value=\"5\"",
        "value=\"analytics:read\" checked",
        "name=\"ends\" value=\"90\" checked",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(!shown.contains("value=\"inference:write\" checked"), "{shown}");
}

#[tokio::test]
async fn a_list_of_addresses_that_locks_out_asks_once_and_nothing_else_does() {
    let fake = Fake::new("member", &[("POST /v1/api-keys", 409, json!({ "detail": "taken" }))]);
    let typed = "name=a&scopes=keys:read&ends=30";
    let locked = fake.post("/keys/new", &format!("{typed}&ip_allow=10.0.0.0/8")).await;
    assert!(locked.text.contains("Do it although 192.0.2.7 is left out"), "{}", locked.text);
    assert_eq!(fake.changes(), []);
    // What was ticked stays ticked while something else is mended.
    let meant = format!("{typed}&ip_allow=10.0.0.0/8&anyway=yes");
    let again = fake.post("/keys/new", &meant).await;
    assert!(again.text.contains("name=\"anyway\" value=\"yes\" checked"), "{}", again.text);
    assert_eq!(fake.changes().len(), 1);
    // A text that is no address is no lock.
    let wrong = fake.post("/keys/new", &format!("{typed}&ip_allow=what")).await;
    assert!(!wrong.text.contains("name=\"anyway\""), "{}", wrong.text);
}

#[tokio::test]
async fn old_secrets_are_asked_about_with_their_own_last_use_and_only_where_there_are_some() {
    let secret = json!({
        "fingerprint": "dw_one…old1", "ends_at": null,
        "last_used_at": "2026-11-22T10:00:00Z", "last_used_ip": "10.4.1.17",
    });
    let used = key(json!({ "last_used_at": "2026-11-22T11:59:30Z", "previous_secrets": [secret] }));
    let fake = Fake::new("member", &[("GET /v1/api-keys/dw_one", 200, used)]);
    let shown = fake.get("/keys/dw_one/end-overlap").await.text;
    assert!(shown.contains("dw_one…old1 was last used 2 hours ago from 10.4.1.17."), "{shown}");
    assert!(!shown.contains("just now"), "{shown}");
    let fake = Fake::new("member", &[("GET /v1/api-keys/dw_one", 200, key(json!({})))]);
    let shown = fake.get("/keys/dw_one/end-overlap").await.text;
    assert!(shown.contains("None of them works any more"), "{shown}");
    assert!(!shown.contains("button danger"), "{shown}");
}

#[tokio::test]
async fn a_new_key_is_called_at_once_where_it_can_be_and_its_end_is_explained() {
    let made = |change: Value| {
        let mut made = key(change);
        let secret = "dw_0123456789abcdef_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLM";
        made["key"] = secret.into();
        made["expires_clamped"] = true.into();
        made
    };
    let typed = "name=a&scopes=inference:write&ends=30";
    let fake = Fake::new("member", &[("POST /v1/api-keys", 201, made(json!({})))]);
    let shown = fake.post("/keys/new", typed).await.text;
    assert!(shown.contains("Make a first call"), "{shown}");
    assert!(shown.contains("It ends as late as keys may end here."), "{shown}");
    assert!(shown.contains("export DOORWARD_API_KEY="), "{shown}");
    for change in [json!({ "owner": "usr_ben" }), json!({ "scopes": ["keys:read"] })] {
        let fake = Fake::new("member", &[("POST /v1/api-keys", 201, made(change))]);
        assert!(!fake.post("/keys/new", typed).await.text.contains("Make a first call"));
    }
}

#[tokio::test]
async fn in_the_list_of_all_keys_owner_and_project_are_a_click_away() {
    let path = "GET /v1/api-keys?kind=user&limit=50&names=true";
    let known = [(path, 200, list(json!([key(json!({}))])))];
    let shown = Fake::new("admin", &known).get("/keys?of=all").await.text;
    for link in ["<a href=\"/people/usr_me\">Ada L</a>", "<a href=\"/projects/prj_1\">website</a>"]
    {
        assert!(shown.contains(link), "{link}: {shown}");
    }
}

#[tokio::test]
async fn each_row_of_the_list_offers_what_can_be_done_with_its_key() {
    let ways = [
        ("edit", "/keys/dw_one/edit"),
        ("rotate", "/keys/dw_one/rotate"),
        ("disable", "/keys/dw_one/disable"),
        ("enable", "action=\"/keys/dw_one/enable\""),
        ("like", "/keys/new?like=dw%5Fone"),
        ("delete", "/keys/dw_one/delete"),
    ];
    let offered = async |role: &str, status: &str| {
        let path = "GET /v1/api-keys?kind=user&limit=50&names=true&owner=usr%5Fme";
        let keys = list(json!([key(json!({ "status": status }))]));
        let shown = Fake::new(role, &[(path, 200, keys)]).get("/keys").await.text;
        let menu = shown.split_once(" popover>").map_or("", |(_, menu)| menu);
        let menu = menu.split_once("</div>").map_or("", |(menu, _)| menu);
        let found = ways.into_iter().filter(|(_, way)| menu.contains(way));
        found.map(|(name, _)| name).collect::<Vec<_>>().join(" ")
    };
    for (role, status, expected) in [
        ("member", "active", "edit rotate disable delete"),
        ("member", "disabled", "edit rotate enable delete"),
        ("member", "expired", "like delete"),
        ("member", "revoked", "like"),
        ("viewer", "active", ""),
    ] {
        assert_eq!(offered(role, status).await, expected, "{role} {status}");
    }
}

#[tokio::test]
async fn whoever_may_not_do_it_is_told_before_a_form_is_filled_in() {
    let known = [(PATH, 200, key(json!({})))];
    for path in ["/keys/new", "/keys/dw_one/edit", "/keys/dw_one/rotate", "/keys/dw_one/ask"] {
        assert_eq!(Fake::new("viewer", &known).get(path).await.status, 403, "{path}");
    }
    for path in [
        "/agent-keys",
        "/agent-keys/new",
        "/people/new",
        "/projects/new",
        "/providers/new",
        "/providers/new?preset=openai",
        "/models/new",
        "/general-keys/new",
        "/notifications/webhooks/new",
        "/service-accounts/new",
    ] {
        let lists = "GET /v1/api-keys?kind=service&limit=50&names=true";
        let known = [(lists, 200, list(json!([])))];
        assert_eq!(Fake::new("member", &known).get(path).await.status, 403, "{path}");
    }
    let limited = json!({ "limits": { "requests_per_minute": 5 } });
    let asks = "/keys/dw_one/ask\"";
    assert!(page("member", limited.clone()).await.contains(asks));
    assert!(!page("viewer", limited).await.contains(asks));
}
