//! The playground of the portal without scripts: a form, and the answer of a model in the page.

use serde_json::{Value, json};

use crate::program::{Answer, Program, id_of};

const PASSWORD: &str = "a strange engine 42";

/// A browser of ada's, as far as forms need one.
struct Browser<'a> {
    program: &'a Program,
    cookie: String,
}

impl<'a> Browser<'a> {
    /// Makes ada, and signs her in.
    fn of_ada(program: &'a Program) -> Self {
        let ada = json!({
            "name": "ada", "email": "ada@example.com", "role": "member", "invite": true,
        });
        let made = program.ask("POST", "/v1/users", &program.admin_key(), Some(&ada)).json();
        let accept = json!({ "token": made["invitation"]["token"], "password": PASSWORD });
        let accept = accept.to_string();
        program.send("POST", "/v1/invitations/accept", &[], Some(accept.as_bytes()));
        let mut browser = Self { program, cookie: String::new() };
        let form = "email=ada%40example.com&password=a+strange+engine+42";
        let answer = browser.post("/sign-in", form);
        assert_eq!(answer.status, 303, "{}", answer.body);
        let cookie = answer.header("set-cookie").split(';').next().unwrap();
        browser.cookie = cookie.to_owned();
        browser
    }

    fn headers(&self) -> Vec<(&'static str, String)> {
        let origin = self.program.url.clone();
        let kind = "application/x-www-form-urlencoded".to_owned();
        vec![("cookie", self.cookie.clone()), ("origin", origin), ("content-type", kind)]
    }

    fn get(&self, path: &str) -> Answer {
        self.program.send("GET", path, &self.headers()[..1], None)
    }

    fn post(&self, path: &str, form: &str) -> Answer {
        self.program.send_as(path, &self.headers(), form.as_bytes())
    }
}

#[test]
fn a_form_of_the_playground_is_a_call_of_the_chosen_key_and_stands_in_the_usage() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let browser = Browser::of_ada(&program);
    let wish = json!({ "name": "mine", "owner": "ada", "scopes": ["inference:write"] });
    let key = program.make_key(&wish);
    let page = browser.get("/playground").body;
    let csrf = page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    assert!(page.contains(">mine</option>") && page.contains(">doorward/echo</option>"), "{page}");

    let id = id_of(&key);
    let form = format!("csrf={csrf}&act=send&key={id}&model=doorward%2Fecho&prompt=a+small+canary");
    let answer = browser.post("/playground", &form);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let said = answer.body.split("id=\"answer\"").nth(1).unwrap().split("</div>").next().unwrap();
    assert!(said.contains("a small canary"), "{said}");
    let path = format!("/v1/usage?group_by=key,model&key={id}");
    let report = program.ask("GET", &path, &program.admin_key(), None).json();
    let row = &report["data"][0];
    assert_eq!((&row["requests"], &row["errors"]), (&json!(1), &json!(0)), "{report}");
    assert!(row["first_byte_us"].as_u64() <= row["duration_us"].as_u64(), "{row}");
    let usage = browser.get("/usage?by=key").body;
    assert!(usage.contains(">mine</a>") && usage.contains("<svg"), "{usage}");
    let csv = browser.get("/usage/export?by=key&format=csv");
    assert!(csv.header("content-disposition").contains("usage.csv"), "{:?}", csv.headers);
    assert!(csv.body.contains(&format!("{id},mine,1,")), "{}", csv.body);

    // The token that a script gets is good for calls, and for nothing else.
    let told = browser.post("/playground/token", &format!("csrf={csrf}&key={id}"));
    let told: Value = told.json();
    let token = told["token"].as_str().unwrap();
    assert_eq!(program.chat(token, "doorward/echo").status, 200);
    assert_eq!(program.ask("GET", "/v1/api-keys", token, None).status, 403);
    let edit = json!({ "models": ["gpt-*"] });
    program.ask("PATCH", &format!("/v1/api-keys/{id}"), &program.admin_key(), Some(&edit));
    assert_eq!(program.chat(token, "doorward/echo").status, 404, "it is no stronger than its key");
    assert!(!program.log().contains(token), "no log has it");
}
