//! `/v1/usage`.

use doorward_domain::id::{CallId, DeploymentId, ProviderId};
use doorward_domain::key::{ApiKey, Owner};
use doorward_domain::price::Price;
use doorward_domain::rotation::SecretNumber;
use doorward_domain::scope::Scope;
use doorward_domain::usage::Usage;
use doorward_store::CallRequest;
use serde_json::{Value, json};

use crate::app::{TestApp, only, request};

#[tokio::test]
async fn a_report_of_nothing_has_no_rows() {
    let app = TestApp::new().await;
    let report = app.get("/v1/usage?group_by=key,model,day").await.expect(200);
    assert_eq!(report, json!({"object": "list", "data": [], "has_more": false, "next": null}));
}

#[tokio::test]
async fn a_wrong_report_is_refused_by_name() {
    let app = TestApp::new().await;
    for (query, field) in [
        ("group_by=users", "group_by"),
        ("group_by=Key", "group_by"),
        ("key=", "key"),
        ("key=ci", "key"),
        ("user=", "user"),
        ("user=nobody", "user"),
        ("service_account=nobody", "service_account"),
        ("project=nowhere", "project"),
        ("provider=none", "provider"),
        ("model=", "model"),
        ("format=xml", "format"),
        ("format=", "format"),
        ("group_by=key,colour", "group_by"),
        ("group_by=key,", "group_by"),
        ("from=yesterday", "from"),
        ("to=", "to"), // left out, it would widen the report
        ("from=2026-01-02&to=2026-01-02", "from"),
        ("from=2026-01-02&to=2026-01-01T00:00:00Z", "from"),
        ("to=2026-01-01T00:00:00", "to"), // without a zone it could be any instant of 26 hours
        ("limit=0", "limit"),
        ("limit=10001", "limit"),
        ("limit=", "limit"),
        ("limit=5&format=csv", "limit"),
        ("names=yes", "names"),
        ("after=5", "after"),
    ] {
        let answer = app.get(&format!("/v1/usage?{query}")).await;
        assert_eq!(answer.problem(400), "invalid_request", "{query}");
        assert_eq!(answer.fields(), [field], "{query}");
    }
}

/// One call with a key: 10 tokens in.
async fn call(app: &TestApp, key: &ApiKey, n: u128) {
    call_model(app, key, n, "m").await;
}

async fn call_model(app: &TestApp, key: &ApiKey, n: u128, model: &str) {
    let loaded = app.store.call_key(&key.id).await.unwrap().unwrap();
    let request = CallRequest {
        call: CallId::new(1, n),
        secret: SecretNumber::FIRST,
        model: &model.into(),
        provider: ProviderId::new(1, 1),
        deployment: DeploymentId::new(1, 1),
        price: &Price::FREE,
        most: Usage::of_tokens(10, 0),
        fixed_output_tokens: 0,
        average: None,
        address: [192, 0, 2, 7].into(),
    };
    // Dropped unsettled, a call is booked at its estimate.
    drop(app.store.admit(&loaded, &request).unwrap().unwrap());
}

#[tokio::test]
async fn a_key_without_an_administrator_behind_it_sees_the_usage_of_its_owner_only() {
    let app = TestApp::new().await;
    let (agent, other) = (app.service_account("agent").await, app.service_account("other").await);
    let administrator = Owner::User(app.first.administrator);
    let rights = || only(&[Scope::AnalyticsRead, Scope::InferenceWrite]);
    let (first, first_key) = app.key(agent, "first", rights()).await;
    let (second, _) = app.key(agent, "second", rights()).await;
    let (foreign, _) = app.key(other, "foreign", rights()).await;
    let (admins, _) = app.key(administrator, "admin's", rights()).await;
    let (idle, idle_key) = app.key(app.service_account("idle").await, "idle", rights()).await;
    for (n, key) in [&first, &second, &second, &foreign, &admins].into_iter().enumerate() {
        call(&app, key, n as u128).await;
    }
    app.pass(1);

    let report = app.call(&first_key, "GET /v1/usage?group_by=key", None).await.expect(200);
    let rows = report["data"].as_array().unwrap();
    let requests = |key: &ApiKey| {
        let row = rows.iter().find(|row| row["key"] == key.id.as_str());
        row.map_or(0, |row| row["requests"].as_u64().unwrap())
    };
    assert_eq!((rows.len(), requests(&first), requests(&second)), (2, 1, 2));

    // Dropped before anything came of it, a call has failed.
    let failures = |list: &Value| list["data"][0]["requests"].as_u64();
    let own = app.call(&first_key, "GET /v1/usage/failures", None).await.expect(200);
    assert_eq!(failures(&own), Some(3), "{own}");
    let report = app.call(&idle_key, "GET /v1/usage", None).await.expect(200);
    assert_eq!(report["data"], json!([]), "{}", idle.id);
    let report = app.get("/v1/usage").await.expect(200);
    assert_eq!(report["data"][0]["requests"], 5);
}

#[tokio::test]
async fn a_report_that_would_be_cut_short_is_refused_with_what_to_do() {
    let app = TestApp::new().await;
    let owner = Owner::User(app.first.administrator);
    let (key, _) = app.key(owner, "busy", only(&[Scope::InferenceWrite])).await;
    for n in 0..10_000 {
        call_model(&app, &key, n, &format!("model-{n}")).await;
        // A report waits for some thousand calls to be written, not for all of these at once.
        if n % 2_000 == 0 {
            app.get("/v1/usage").await.expect(200);
        }
    }
    app.pass(1);
    let report = app.get("/v1/usage?group_by=model").await.expect(200);
    assert_eq!(report["data"].as_array().unwrap().len(), 10_000);
    assert_eq!(report["has_more"], false);

    call_model(&app, &key, 10_000, "one-more").await;
    app.pass(1);
    let refused = app.get("/v1/usage?group_by=model").await;
    assert_eq!(refused.problem(400), "invalid_request");
    assert_eq!(refused.json()["errors"][0]["code"], "too_many_rows");
    assert!(refused.json()["detail"].as_str().unwrap().contains("narrow the time"));
    assert_eq!(app.get("/v1/usage").await.expect(200)["data"][0]["requests"], 10_001);
    for (format, head) in [("csv", 1), ("jsonl", 0)] {
        let whole = app.get(&format!("/v1/usage?group_by=model&format={format}")).await;
        assert_eq!(whole.text.lines().count(), 10_001 + head, "row by row it has no end");
    }
}

/// Calls of four keys: of the administrator and of an agent, in two projects, of two models.
async fn some_calls(app: &TestApp) -> [ApiKey; 2] {
    let agent = app.service_account("agent").await;
    let administrator = Owner::User(app.first.administrator);
    let (admins, _) = app.key(administrator, "admin's", only(&[Scope::InferenceWrite])).await;
    let (agents, _) = app.key(agent, "agent's", only(&[Scope::InferenceWrite])).await;
    call_model(app, &admins, 1, "gpt-4o").await;
    call_model(app, &agents, 2, "gpt-4o").await;
    call_model(app, &agents, 3, "=1+1, \"dear\"").await;
    app.pass(3_600);
    call_model(app, &admins, 4, "gpt-4o").await;
    app.pass(1);
    [admins, agents]
}

#[tokio::test]
async fn a_report_is_narrowed_by_everything_that_it_is_grouped_by() {
    let app = TestApp::new().await;
    let [admins, agents] = some_calls(&app).await;
    let administrator = app.first.administrator.to_string();
    let (admins, agents, agent) = (&admins.id, &agents.id, agents.owner.to_string());
    let (project, provider) = (app.first.project, ProviderId::new(1, 1));
    let nobody = "usr_00000000000000000000000000";
    for (query, requests) in [
        (String::new(), vec![4]),
        (format!("key={admins}"), vec![2]),
        (format!("key={agents}&group_by=model"), vec![1, 1]),
        (format!("user={administrator}"), vec![2]),
        ("user=administrator".to_owned(), vec![2]),
        (format!("user={nobody}"), vec![]),
        (format!("service_account={agent}"), vec![2]),
        ("service_account=agent&model=gpt-4o".to_owned(), vec![1]),
        (format!("user={administrator}&service_account={agent}"), vec![]),
        (format!("project={project}"), vec![4]),
        ("project=default&group_by=project".to_owned(), vec![4]),
        (format!("provider={provider}&group_by=provider"), vec![4]),
        ("model=gpt-4o&group_by=hour".to_owned(), vec![1, 2]),
        ("group_by=day".to_owned(), vec![4]),
        ("from=2026-01-01T01:00:00Z".to_owned(), vec![1]),
        ("to=2026-01-01T01:00:00Z&group_by=user,service_account".to_owned(), vec![2, 1]),
    ] {
        let report = app.get(&format!("/v1/usage?{query}")).await.expect(200);
        let rows = report["data"].as_array().unwrap();
        let found: Vec<u64> = rows.iter().map(|row| row["requests"].as_u64().unwrap()).collect();
        assert_eq!(found, requests, "{query}: {report}");
    }
}

#[tokio::test]
async fn a_row_says_what_it_is_of_and_nothing_else() {
    let app = TestApp::new().await;
    let [admins, agents] = some_calls(&app).await;
    let all = "key,user,service_account,project,model,provider,day,hour";
    let report = app.get(&format!("/v1/usage?group_by={all}&model=gpt-4o")).await.expect(200);
    let sums = |row: &mut Value, requests: u64| {
        row["requests"] = json!(requests);
        row["errors"] = json!(requests);
        row["attempts"] = json!(requests);
        row["duration_us"] = json!(0); // all of them were broken off
        row["first_byte_us"] = json!(0);
        row["input_tokens"] = json!(10 * requests);
        for nothing in Usage::NAMES.iter().filter(|name| **name != "input_tokens") {
            row[nothing] = json!(0);
        }
        row["cost_usd"] = json!("0.00");
    };
    let mut row = json!({
        "key": admins.id.as_str(), "user": app.first.administrator, "project": app.first.project,
        "model": "gpt-4o", "provider": ProviderId::new(1, 1), "day": "2026-01-01",
        "hour": "2026-01-01T01:00:00Z",
    });
    sums(&mut row, 1);
    assert_eq!(report["data"][0], row);
    let report = app.get("/v1/usage?group_by=service_account").await.expect(200);
    let (mut none, mut agent) = (json!({}), json!({ "service_account": agents.owner.to_string() }));
    sums(&mut none, 2);
    sums(&mut agent, 2);
    assert_eq!(report["data"], json!([none, agent]));
}

#[tokio::test]
async fn a_report_is_told_as_csv_and_as_json_lines() {
    let app = TestApp::new().await;
    some_calls(&app).await;
    let (names, rest) = (Usage::NAMES.join(","), ",0".repeat(Usage::COUNT - 1));
    let csv = format!(
        "model,day,requests,errors,attempts,duration_us,first_byte_us,{names},cost_usd\r\n\
        gpt-4o,2026-01-01,3,3,3,0,0,30{rest},0.00\r\n\
        \"'=1+1, \"\"dear\"\"\",2026-01-01,1,1,1,0,0,10{rest},0.00\r\n"
    );
    let path = "/v1/usage?group_by=model,day";
    let asked = app.get(&format!("{path}&format=csv")).await;
    assert_eq!((asked.status.as_u16(), asked.text.as_str()), (200, csv.as_str()));
    assert_eq!(asked.header("content-type"), "text/csv; charset=utf-8; header=present");
    assert_eq!(asked.header("content-disposition"), "attachment; filename=\"usage.csv\"");

    let mut request = request(&app.admin, &format!("GET {path}"), None);
    request.headers_mut().insert("accept", "text/csv".parse().unwrap());
    assert_eq!(app.send(request).await.text, csv);

    let lines = app.get(&format!("{path}&format=jsonl")).await;
    assert_eq!(lines.header("content-type"), "application/jsonl");
    let lines: Vec<Value> =
        lines.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(json!(lines), app.get(path).await.expect(200)["data"]);

    let nothing = app.get("/v1/usage?group_by=model&to=2025-01-01&format=csv").await.text;
    assert_eq!(nothing.lines().count(), 1, "{nothing}");
}

/// Whoever sees their own calls only sees no more by naming others, and learns no names.
#[tokio::test]
async fn no_filter_shows_a_member_what_is_not_theirs() {
    let app = TestApp::new().await;
    let [admins, agents] = some_calls(&app).await;
    let (_, agents_key) = app.key(agents.owner, "reports", only(&[Scope::AnalyticsRead])).await;
    let administrator = app.first.administrator;
    for (query, requests) in [
        (String::new(), 2),
        (format!("key={}", admins.id), 0),
        (format!("key={}", agents.id), 2),
        (format!("user={administrator}"), 0),
        (format!("service_account={}", agents.owner), 2),
        (format!("project={}", app.first.project), 2),
    ] {
        for format in ["json", "jsonl"] {
            let path = format!("GET /v1/usage?format={format}&{query}");
            let answer = app.call(&agents_key, &path, None).await;
            let row = match format {
                "json" => answer.expect(200)["data"].get(0).cloned().unwrap_or_default(),
                _ => serde_json::from_str(&answer.text).unwrap_or_default(),
            };
            assert_eq!(row["requests"].as_u64().unwrap_or(0), requests, "{path}");
        }
    }
    for query in ["user=administrator", "service_account=agent", "project=default"] {
        let refused = app.call(&agents_key, &format!("GET /v1/usage?{query}"), None).await;
        assert_eq!(refused.problem(400), "invalid_request", "{query}");
    }
}

#[tokio::test]
async fn another_organization_is_in_no_report() {
    let app = TestApp::new().await;
    let [admins, agents] = some_calls(&app).await;
    let foreign = app.foreign_key().await;
    for query in [
        String::new(),
        format!("key={}", admins.id),
        format!("user={}", app.first.administrator),
        format!("service_account={}", agents.owner),
        format!("project={}", app.first.project),
        "model=gpt-4o".to_owned(),
        "from=2026-01-01T00:00:00Z&to=2026-01-01T02:00:00Z".to_owned(),
    ] {
        for format in ["json", "jsonl"] {
            let path = format!("GET /v1/usage?format={format}&{query}");
            let answer = app.call(&foreign, &path, None).await;
            let is_empty = match format {
                "json" => answer.expect(200)["data"] == json!([]),
                _ => answer.text.is_empty(),
            };
            assert!(is_empty, "{path}");
        }
    }
    let refused = app.call(&foreign, "GET /v1/usage?service_account=agent", None).await;
    assert_eq!(refused.fields(), ["service_account"]);
}

#[tokio::test]
async fn the_first_rows_are_told_with_what_things_are_called() {
    let app = TestApp::new().await;
    let [admins, agents] = some_calls(&app).await;
    let path = "/v1/usage?group_by=key,service_account,model&names=true";
    let report = app.get(&format!("{path}&limit=1")).await.expect(200);
    assert_eq!((&report["has_more"], report["data"].as_array().unwrap().len()), (&json!(true), 1));
    let row = &report["data"][0];
    assert_eq!((&row["key"], &row["key_name"]), (&json!(admins.id), &json!("admin's")));
    assert_eq!((&row["service_account_name"], &row["model_name"]), (&json!(null), &json!(null)));
    let whole = app.get(&format!("{path}&limit=3")).await.expect(200);
    assert_eq!((&whole["has_more"], whole["data"].as_array().unwrap().len()), (&json!(false), 3));

    let csv = app.get(&format!("{path}&format=csv&key={}", agents.id)).await.text;
    let mut lines = csv.lines();
    let head = "key,key_name,service_account,service_account_name,model,requests,";
    assert!(lines.next().unwrap().starts_with(head), "{csv}");
    let row = format!("{},agent's,{},agent,gpt-4o,1,", agents.id, agents.owner);
    assert!(lines.any(|line| line.starts_with(&row)), "{csv}");
}

#[tokio::test]
async fn a_call_is_told_to_whoever_may_see_it() {
    let app = TestApp::new().await;
    let [admins, agents] = some_calls(&app).await;
    let (_, agents_key) = app.key(agents.owner, "reports", only(&[Scope::AnalyticsRead])).await;
    let path = |n: u128| format!("GET /v1/calls/{}", CallId::new(1, n));
    let told = app.call(&app.admin, &path(3), None).await.expect(200);
    assert_eq!((&told["key"], &told["object"]), (&json!(agents.id), &json!("call")));
    assert_eq!((&told["outcome"], &told["status"]), (&json!("interrupted"), &json!(null)));
    assert_eq!((&told["input_tokens"], &told["cost_usd"]), (&json!(10), &json!("0.00")));
    assert_eq!(app.call(&agents_key, &path(3), None).await.expect(200), told);
    assert_eq!(
        app.call(&agents_key, &path(1), None).await.problem(404),
        "not_found",
        "{}",
        admins.id
    );
    assert_eq!(app.call(&app.admin, &path(9), None).await.problem(404), "not_found");
    assert_eq!(app.get("/v1/calls/mine").await.problem(404), "not_found");
}

#[tokio::test]
async fn failures_are_narrowed_as_reports_are() {
    let app = TestApp::new().await;
    let owner = Owner::User(app.first.administrator);
    let (key, _) = app.key(owner, "one", only(&[Scope::InferenceWrite])).await;
    let (other, _) = app.key(owner, "other", only(&[Scope::InferenceWrite])).await;
    for (n, key) in [&key, &key, &other].into_iter().enumerate() {
        call(&app, key, n as u128).await;
    }
    app.pass(1);
    let of = async |query: String| app.get(&format!("/v1/usage/failures?{query}")).await;
    let all = of(String::new()).await.expect(200);
    let failed = json!({"outcome": "interrupted", "status": null, "requests": 3});
    assert_eq!(all["data"], json!([failed]));
    assert_eq!(of(format!("key={}", key.id)).await.expect(200)["data"][0]["requests"], 2);
    assert_eq!(of("model=n".to_owned()).await.expect(200)["data"], json!([]));
    assert_eq!(of("to=2025-01-01".to_owned()).await.expect(200)["data"], json!([]));
    for (query, field) in
        [("group_by=key", "group_by"), ("provider=none", "provider"), ("from=x", "from")]
    {
        let refused = of(query.to_owned()).await;
        assert_eq!(
            (refused.problem(400), refused.fields()),
            ("invalid_request".to_owned(), vec![field.to_owned()])
        );
    }
}
