//! Owners and projects of keys by their names.

use doorward_domain::key::Owner;
use doorward_domain::role::OrganizationRole;
use doorward_domain::scope::Scope;
use serde_json::{Value, json};

use crate::app::{Answer, TestApp, all_rights, only};

fn names(list: &Value) -> Vec<&str> {
    list["data"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect()
}

/// The field that is refused, and why.
fn fault(answer: &Answer) -> (String, String) {
    assert_eq!(answer.problem(400), "invalid_request");
    let errors: Value = serde_json::from_str(&answer.text).unwrap();
    let text = |name: &str| errors["errors"][0][name].as_str().unwrap().to_owned();
    (text("field"), text("code"))
}

#[tokio::test]
async fn an_administrator_names_an_owner_and_a_project_as_they_are_called() {
    let app = TestApp::new().await;
    app.user("ada", OrganizationRole::Member).await;
    let web = app.post("/v1/projects", json!({"name": "web"})).await.expect(201);
    let wish = json!({"name": "ci", "owner": "ada", "project": "web"});
    let made = app.post("/v1/api-keys", wish).await.expect(201);
    assert_eq!(made["project"], web["id"]);
    assert_eq!(made["owner"], app.get("/v1/users/ada").await.expect(200)["id"]);
    for filter in ["owner=ada", "project=web", "owner=ada&project=web"] {
        let list = app.get(&format!("/v1/api-keys?{filter}")).await.expect(200);
        assert_eq!(names(&list), ["ci"], "{filter}");
    }
    let list = app.get("/v1/api-keys?owner=ada&project=default").await.expect(200);
    assert_eq!(names(&list), [""; 0]);
    for filter in ["owner=bob", "project=app"] {
        let refused = app.get(&format!("/v1/api-keys?{filter}")).await;
        let field = filter.split('=').next().unwrap().to_owned();
        assert_eq!(fault(&refused), (field, "invalid".to_owned()), "{filter}");
    }
}

#[tokio::test]
async fn a_name_that_two_have_needs_the_kind() {
    let app = TestApp::new().await;
    app.user("bot", OrganizationRole::Member).await;
    app.service_account("bot").await;
    let refused = app.post("/v1/api-keys", json!({"name": "ci", "owner": "bot"})).await;
    assert_eq!(fault(&refused), ("owner".to_owned(), "ambiguous".to_owned()));
    assert_eq!(fault(&app.get("/v1/api-keys?owner=bot").await).0, "owner");
    for kind in ["user", "service"] {
        let wish = json!({"name": "ci", "owner": "bot", "kind": kind});
        assert_eq!(app.post("/v1/api-keys", wish).await.expect(201)["kind"], kind);
    }
}

#[tokio::test]
async fn whoever_manages_only_their_own_learns_no_names() {
    let app = TestApp::new().await;
    app.user("ada", OrganizationRole::Member).await;
    app.post("/v1/projects", json!({"name": "web"})).await.expect(201);
    let member = app.user("bob", OrganizationRole::Member).await;
    let (_, key) = app.key(member, "bob", all_rights()).await;
    for (there, not_there) in [
        (json!({"owner": "ada"}), json!({"owner": "eve"})),
        (json!({"project": "web"}), json!({"project": "app"})),
    ] {
        let ask = async |named: Value| {
            let mut wish = json!({"name": "ci"});
            wish.as_object_mut().unwrap().extend(named.as_object().unwrap().clone());
            let answer = app.call(&key, "POST /v1/api-keys", Some(wish)).await;
            (fault(&answer), answer.text)
        };
        assert_eq!(ask(there.clone()).await, ask(not_there).await, "{there}");
    }
    for (there, not_there) in [("owner=ada", "owner=eve"), ("project=web", "project=app")] {
        let ask = async |filter: &str| {
            let answer = app.call(&key, &format!("GET /v1/api-keys?{filter}"), None).await;
            (fault(&answer), answer.text)
        };
        assert_eq!(ask(there).await, ask(not_there).await, "{there}");
    }
}

#[tokio::test]
async fn a_key_says_what_its_ids_are_called_where_that_is_asked_for() {
    let app = TestApp::new().await;
    let member = app.post("/v1/users", json!({"name": "ada", "role": "member"})).await.expect(201);
    let owner = Owner::User(member["id"].as_str().unwrap().parse().unwrap());
    let (own, secret) = app.key(owner, "own", only(&[Scope::KeysRead])).await;
    // Whoever owns the key may know, without a right to look at people and projects.
    let path = format!("GET /v1/api-keys/{}", own.id);
    let shown = app.call(&secret, &format!("{path}?names=true"), None).await.expect(200);
    let listed = app.call(&secret, "GET /v1/api-keys?names=true", None).await.expect(200);
    for key in [&shown, &listed["data"][0]] {
        let told = ["owner_name", "created_by_name", "project_name"].map(|name| key[name].clone());
        assert_eq!(told, ["ada", "administrator", "default"]);
    }
    let unasked = app.call(&secret, &path, None).await.expect(200);
    assert_eq!(unasked.get("owner_name"), None);
}
