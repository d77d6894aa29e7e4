//! What people change about how they sign in.

use serde_json::{Value, json};

use crate::fake::{Asked, Fake, Shown, me, session};

const SECRET: &str = "M6UEIC6DPB6SCU7MJZ6TWJ4RJR27QILA";
const URL: &str = "otpauth://totp/Doorward:ada?secret=M6UEIC6DPB6SCU7MJZ6TWJ4RJR27QILA";

fn wrong(status: u16, field: &str) -> (u16, Value) {
    (
        status,
        json!({"code": "x", "detail": "It is wrong.",
        "errors": [{"field": field, "detail": "It is wrong."}]}),
    )
}

fn answers(seen: &Asked) -> (u16, Value) {
    let is_known = seen.body["current_password"] == "right";
    match seen.what.as_str() {
        "GET /v1/users/me" => (200, me("member")),
        "GET /v1/sessions" => {
            let session = |id: &str, is_current: bool| {
                json!({"id": id, "address": "192.0.2.7", "user_agent": "<b>x</b>",
                    "created_at": "2026-11-22T11:00:00Z", "last_seen_at": "2026-11-22T11:30:00Z",
                    "ends_at": "2026-11-22T12:00:00Z",
                    "is_current": is_current})
            };
            (200, json!({"data": [session("ses_a", true), session("ses_b", false)], "next": null}))
        }
        "POST /v1/users/me/password"
        | "POST /v1/users/me/second-factor"
        | "DELETE /v1/users/me/second-factor"
            if !is_known =>
        {
            wrong(403, "current_password")
        }
        "POST /v1/users/me/second-factor" => (201, json!({"secret": SECRET, "otpauth_url": URL})),
        "POST /v1/users/me/second-factor/confirm" if seen.body["code"] == "123456" => {
            (200, json!({"recovery_codes": ["aaaaa-bbbbb-ccccc", "ddddd-eeeee-fffff"]}))
        }
        "POST /v1/users/me/second-factor/confirm" => wrong(400, "code"),
        "POST /v1/users/me/password"
        | "DELETE /v1/users/me/second-factor"
        | "DELETE /v1/sessions"
        | "DELETE /v1/sessions/ses_b" => (204, Value::Null),
        other => panic!("nobody asks {other}"),
    }
}

/// Sends a form of the session.
async fn send(fake: &Fake, path: &str, form: &str) -> Shown {
    let csrf = fake.get_as("/account", &session(1)).await.hidden("csrf").to_owned();
    fake.post_as(path, &session(1), &format!("csrf={csrf}&{form}")).await
}

#[tokio::test]
async fn a_password_is_changed_by_whoever_knows_it_and_shown_to_nobody() {
    let fake = Fake::answering(answers);
    let (path, form) = ("/account/password", "password=another+one&current_password=");
    let page = send(&fake, path, &format!("{form}guess")).await;
    assert_eq!(page.status, 422);
    assert!(page.text.contains("id=\"current_password-wrong\">It is wrong."), "{}", page.text);
    assert!(!page.text.contains("guess") && !page.text.contains("another one"));
    let page = send(&fake, path, &format!("{form}right")).await;
    assert_eq!(page.header("location"), "/account?done=password-changed");
    let said = json!({"current_password": "right", "password": "another one"});
    assert_eq!(fake.seen().last().unwrap().body, said);
}

#[tokio::test]
async fn a_second_factor_is_drawn_until_a_code_confirms_it() {
    let fake = Fake::answering(answers);
    let path = "/account/second-factor";
    assert_eq!(send(&fake, path, "current_password=guess").await.status, 422);
    let page = send(&fake, path, "current_password=right").await;
    assert_eq!((page.hidden("secret"), page.header("cache-control")), (SECRET, "no-store"));
    let drawn = |page: &Shown| {
        let (_, rest) = page.text.split_once("<path d=\"M4 4h7").unwrap();
        rest.split('"').next().unwrap().to_owned()
    };
    let first = drawn(&page);
    assert!(page.text.contains("M6UE IC6D PB6S"), "it can be typed, too");

    let confirm = "/account/second-factor/confirm";
    let kept = format!("secret={SECRET}&otpauth_url={}", URL.replace('?', "%3F"));
    let page = send(&fake, confirm, &format!("{kept}&code=000000")).await;
    assert_eq!((page.status.as_u16(), drawn(&page)), (422, first));
    let page = send(&fake, confirm, &format!("{kept}&code=123456")).await;
    assert!(page.text.contains("aaaaa-bbbbb-ccccc\nddddd-eeeee-fffff"), "{}", page.text);
    assert_eq!(page.header("cache-control"), "no-store");

    let other = send(&fake, confirm, "otpauth_url=https%3A%2F%2Fevil.example&code=0").await;
    assert!(!other.text.contains("class=\"qr\""), "nothing else is drawn for a camera");

    let page = send(&fake, "/account/second-factor/remove", "current_password=right").await;
    assert_eq!(page.header("location"), "/account?done=second-factor-off");
    assert_eq!(fake.seen().last().unwrap().what, "DELETE /v1/users/me/second-factor");
}

#[tokio::test]
async fn sessions_are_seen_and_ended_one_by_one_or_all_others() {
    let fake = Fake::answering(answers);
    let page = fake.get_as("/account", &session(1)).await;
    assert!(page.text.contains("&#60;b&#62;x&#60;/b&#62;"), "{}", page.text);
    assert!(page.text.contains("action=\"/account/sessions/ses_b/end\""));
    assert!(!page.text.contains("/ses_a/end"), "whoever leaves here signs out");
    for (path, asked, done) in [
        ("/account/sessions/ses_b/end", "DELETE /v1/sessions/ses_b", "session-ended"),
        ("/account/sessions/end", "DELETE /v1/sessions", "sessions-ended"),
    ] {
        let page = send(&fake, path, "").await;
        assert_eq!(page.header("location"), format!("/account?done={done}"));
        assert_eq!(fake.seen().last().unwrap().what, asked);
    }
}
