//! Signing in and out, links, and the first administrator.

use serde_json::{Value, json};

use crate::fake::{Asked, Fake, me, session};

/// An installation where people can sign in, and ada does.
fn answers(seen: &Asked) -> (u16, Value) {
    let link = |purpose: &str, email: Option<&str>| {
        let expires_at = "2026-11-29T12:00:00Z";
        (
            200,
            json!({"purpose": purpose, "name": "ada", "email": email, "organization": "acme",
                "expires_at": expires_at}),
        )
    };
    match seen.what.as_str() {
        "GET /v1/sign-in" => {
            (200, json!({"is_set_up": true, "has_organizations": false, "can_mail": true}))
        }
        "GET /v1/users/me" if seen.credential.as_deref() == Some("Bearer dw_wrong") => {
            (401, json!({"code": "invalid_api_key", "detail": "Wrong."}))
        }
        "GET /v1/users/me" => (200, me("member")),
        "GET /v1/sessions" => (200, json!({"data": [], "next": null})),
        "POST /v1/sessions" if seen.body["password"] == "wrong" => {
            (429, json!({"code": "too_many_attempts", "detail": "In 200 s.", "retry_after": 200}))
        }
        "POST /v1/sessions" => (201, json!({"token": session(2)})),
        "POST /v1/password-links/show" => match seen.body["token"].as_str().unwrap() {
            "dwl_new" => link("invitation", None),
            "dwl_known" => link("reset", Some("ada@example.com")),
            _ => (400, json!({"code": "invalid_link", "detail": "This link is over."})),
        },
        "POST /v1/invitations/accept" if seen.body["password"] == "short" => (
            400,
            json!({"code": "invalid_request", "detail": "x",
                "errors": [{"field": "password", "detail": "is too short"}]}),
        ),
        "POST /v1/users/usr_me/invitation" => (201, json!({"token": "dwl_new"})),
        "POST /v1/password-resets" => (202, Value::Null),
        "POST /v1/invitations/accept"
        | "POST /v1/password-resets/accept"
        | "DELETE /v1/sessions/current" => (204, Value::Null),
        other => panic!("nobody asks {other}"),
    }
}

fn over(seen: &Asked) -> (u16, Value) {
    match seen.what.as_str() {
        "GET /v1/users/me" => (401, json!({"code": "invalid_session", "detail": "Over."})),
        _ => answers(seen),
    }
}

fn fresh(seen: &Asked) -> (u16, Value) {
    match seen.what.as_str() {
        "GET /v1/sign-in" => {
            (200, json!({"is_set_up": false, "has_organizations": false, "can_mail": false}))
        }
        _ => answers(seen),
    }
}

#[tokio::test]
async fn signing_in_gives_another_session_and_ends_the_one_before() {
    let fake = Fake::answering(answers);
    let form = "email=ada%40example.com&password=right&next=%2Fkeys%3Fq%3Da";
    let page = fake.post_as("/sign-in", &session(1), form).await;
    assert_eq!((page.status.as_u16(), page.header("location")), (303, "/keys?q=a"));
    let cookie =
        format!("doorward={}; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax", session(2));
    assert_eq!(page.cookies(), [cookie]);
    let seen = fake.seen();
    let ended = seen.iter().find(|seen| seen.what == "DELETE /v1/sessions/current").unwrap();
    assert_eq!(ended.credential, Some(format!("Bearer {}", session(1))));
    let begun = seen.iter().find(|seen| seen.what == "POST /v1/sessions").unwrap();
    assert_eq!(begun.credential, None, "what the browser had says nothing of who signs in");

    let away = "email=ada%40example.com&password=right&next=%2F%2Fevil.example";
    assert_eq!(fake.post_as("/sign-in", "", away).await.header("location"), "/");
}

#[tokio::test]
async fn a_page_of_another_site_signs_nobody_in_or_out() {
    let fake = Fake::answering(answers);
    let csrf = fake.get_as("/account", &session(1)).await.hidden("csrf").to_owned();
    let before = fake.asked().len();
    for site in [("sec-fetch-site", "cross-site"), ("origin", "http://evil.localhost")] {
        let cookie = format!("doorward={}", session(1));
        let headers = [("cookie", &*cookie), site];
        for (path, form) in [
            ("/sign-in", "email=ada%40example.com&password=right".to_owned()),
            ("/sign-out", format!("csrf={csrf}")),
            ("/welcome", "key=dw_right&email=a%40b.example&password=right".to_owned()),
        ] {
            let page = fake.send("POST", path, &headers, &form).await;
            assert_eq!((page.status.as_u16(), page.cookies().len()), (403, 0), "{path} {site:?}");
        }
    }
    assert_eq!(fake.asked().len(), before, "nothing was asked of the API");
}

#[tokio::test]
async fn signing_out_takes_the_form_of_this_session_and_forgets_its_cookie() {
    let fake = Fake::answering(answers);
    let csrf = fake.get_as("/account", &session(1)).await.hidden("csrf").to_owned();
    for (session, csrf) in [(session(1), ""), (session(3), &*csrf)] {
        let page = fake.post_as("/sign-out", &session, &format!("csrf={csrf}")).await;
        assert_eq!((page.status.as_u16(), page.cookies().len()), (403, 0));
    }
    assert!(!fake.asked().iter().any(|call| call.starts_with("DELETE")));
    let page = fake.post_as("/sign-out", &session(1), &format!("csrf={csrf}")).await;
    assert_eq!(page.header("location"), "/sign-in?done=signed-out");
    assert_eq!(page.cookies().len(), 2);
    assert!(page.cookies().iter().all(|cookie| cookie.contains("=; Path=/; Max-Age=0")));
    assert!(fake.asked().contains(&"DELETE /v1/sessions/current".to_owned()));
}

#[tokio::test]
async fn a_session_that_is_over_is_forgotten_and_the_way_back_kept() {
    let fake = Fake::answering(over);
    let page = fake.get_as("/keys?q=a", &session(1)).await;
    assert_eq!(page.header("location"), "/sign-in?next=%2Fkeys%3Fq%3Da&done=session%2Dover");
    let names: Vec<_> =
        page.cookies().iter().filter_map(|cookie| cookie.split('=').next()).collect();
    assert_eq!(names, ["__Host-doorward", "doorward"]);
    assert!(page.cookies().iter().all(|cookie| cookie.contains("Max-Age=0")));
    let page = fake.get_as(page.header("location"), "").await;
    assert!(page.text.contains("Your session is over. Sign in again."), "{}", page.text);
    assert_eq!(page.hidden("next"), "/keys?q=a");
}

#[tokio::test]
async fn the_cookie_is_no_credential_of_the_api_behind_the_pages() {
    let fake = Fake::answering(answers);
    assert_eq!(fake.get_as("/v1/users/me", &session(1)).await.status, 200);
    assert_eq!(fake.seen()[0].credential, None);
}

#[tokio::test]
async fn whoever_tries_too_often_is_told_when_to_try_again() {
    let fake = Fake::answering(answers);
    let page = fake.post_as("/sign-in", "", "email=ada%40example.com&password=wrong").await;
    assert_eq!((page.status.as_u16(), page.cookies().len()), (422, 0));
    assert!(page.text.contains("Too many attempts. Try again in 4 minutes."), "{}", page.text);
    assert!(page.text.contains("value=\"ada@example.com\"") && !page.text.contains("wrong\""));
}

#[tokio::test]
async fn where_nobody_can_sign_in_yet_the_way_leads_to_the_first_steps() {
    let fake = Fake::answering(fresh);
    assert_eq!(fake.get_as("/sign-in", "").await.header("location"), "/welcome");
    assert!(fake.get_as("/welcome", "").await.text.contains("Administrator&#39;s key"));
}

#[tokio::test]
async fn a_token_in_an_address_is_told_to_no_other_site_and_leaves_it() {
    let fake = Fake::answering(answers);
    for (path, token) in
        [("/welcome", "dwl_new"), ("/invitation", "dwl_new"), ("/password-reset", "dwl_known")]
    {
        let page = fake.get_as(&format!("{path}?token={token}"), "").await;
        assert_eq!((page.status.as_u16(), page.hidden("token")), (200, token), "{path}");
        assert_eq!(page.header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(page.header("cache-control"), "no-store", "{path}");
        assert!(page.text.contains(&format!("action=\"{path}\" data-forget-query")), "{path}");
        let over = fake.get_as(&format!("{path}?token=dwl_over"), "").await;
        assert!(over.text.contains("This link is over.") && !over.text.contains("dwl_over"));
        assert_eq!((over.status.as_u16(), over.header("referrer-policy")), (422, "no-referrer"));
    }
    assert_eq!(fake.get_as("/sign-in", "").await.header("referrer-policy"), "same-origin");
}

#[tokio::test]
async fn a_link_sets_a_password_and_lets_in() {
    let fake = Fake::answering(answers);
    let form = "step=set&token=dwl_new&email=new%40example.com&password=";
    let page = fake.post_as("/invitation", "", &format!("{form}short")).await;
    assert_eq!(page.status, 422);
    assert!(page.text.contains("is too short") && page.text.contains("new@example.com"));
    assert!(!page.text.contains("value=\"short\""), "a password is not shown again");

    let before = fake.seen().len();
    let page = fake.post_as("/invitation", "", &format!("{form}long+enough")).await;
    assert_eq!(page.header("location"), "/keys?done=password-set");
    assert!(page.cookies()[0].contains(&session(2)));
    let asked: Vec<_> =
        fake.seen().split_off(before).into_iter().map(|s| (s.what, s.body)).collect();
    let token = "dwl_new";
    let (email, password) = ("new@example.com", "long enough");
    let expected = [
        ("POST /v1/password-links/show", json!({"token": token})),
        (
            "POST /v1/invitations/accept",
            json!({"token": token, "password": password, "email": email}),
        ),
        (
            "POST /v1/sessions",
            json!({"email": email, "password": password, "organization": "acme"}),
        ),
    ];
    assert_eq!(asked, expected.map(|(call, body)| (call.to_owned(), body)));

    // A reset is accepted as one, whichever page its token came to; nobody changes the address by it.
    let form = "step=set&token=dwl_known&email=other%40example.com&password=long+enough";
    fake.post_as("/invitation", "", form).await;
    let seen = fake.seen();
    let reset = seen.iter().find(|seen| seen.what == "POST /v1/password-resets/accept").unwrap();
    assert_eq!(reset.body, json!({"token": "dwl_known", "password": "long enough"}));
    assert_eq!(seen.last().unwrap().body["email"], "ada@example.com");
}

#[tokio::test]
async fn a_letter_is_asked_for_where_letters_are_sent() {
    let fake = Fake::answering(answers);
    assert!(fake.get_as("/password-reset", "").await.text.contains("name=\"email\""));
    let page = fake.post_as("/password-reset", "", "email=ada%40example.com&organization=").await;
    assert_eq!(page.header("location"), "/sign-in?done=reset-asked");
    let asked = fake.seen().pop().unwrap();
    assert_eq!(asked.what, "POST /v1/password-resets");
    assert_eq!(asked.body, json!({"email": "ada@example.com"}));

    let mute = Fake::answering(fresh);
    let page = mute.get_as("/password-reset", "").await;
    assert!(page.text.contains("This server sends no mail.") && !page.text.contains("<form"));
}

#[tokio::test]
async fn the_key_of_an_administrator_lets_in_and_is_never_shown_again() {
    let fake = Fake::answering(answers);
    let form =
        |key: &str, email: &str| format!("key={key}&email={email}&password=quite+long+enough");
    for (key, email, said) in [
        ("dw_wrong", "ada%40example.com", "is no key of an administrator"),
        ("a+b", "ada%40example.com", "is no key of an administrator"),
        ("dw_right", "eve%40example.com", "signs in as ada@example.com"),
    ] {
        let page = fake.post_as("/welcome", "", &form(key, email)).await;
        assert_eq!((page.status.as_u16(), page.cookies().len()), (422, 0), "{key}");
        assert!(page.text.contains(said), "{}", page.text);
        assert!(!page.text.contains("dw_") && !page.text.contains("long enough"), "{}", page.text);
    }
    assert!(!fake.asked().iter().any(|call| call.contains("invitation")), "{:?}", fake.asked());
    let page = fake.post_as("/welcome", "", &form("dw_right", "ADA%40example.com")).await;
    assert_eq!(page.header("location"), "/keys?done=password-set");
    assert!(page.cookies()[0].contains(&session(2)));
}
