use doorward_domain::credential::PlainKey;
use doorward_store::{Claim, FirstAnswer, IdempotentRequest};
use jiff::SignedDuration;
use secrecy::{ExposeSecret, SecretString};

use crate::harness::{TestStore, every_store};

fn asked(store: &TestStore, caller: &PlainKey, name: &str, body: &str) -> IdempotentRequest {
    let organization = store.first.organization;
    let mac = |purpose: &str, parts: &[&[u8]]| caller.mac(purpose, parts);
    IdempotentRequest::new(organization, mac, name.as_bytes(), &[b"/v1/x", body.as_bytes()])
}

async fn claim(store: &TestStore, caller: &PlainKey, body: &str) -> Claim {
    store.claim_request(&asked(store, caller, "one", body), store.now()).await.unwrap()
}

fn answer() -> FirstAnswer {
    FirstAnswer {
        status: 201,
        etag: Some("\"7\"".to_owned()),
        body: "{\"key\":null}".to_owned(),
        whole: Some(SecretString::from("{\"key\":\"canary-5f2a\"}")),
    }
}

#[tokio::test]
async fn a_request_is_claimed_once_and_answered_as_before() {
    for store in every_store().await {
        let (_, caller) = store.make_key("ci").await;
        let (_, other) = store.make_key("other").await;
        assert!(matches!(claim(&store, &caller, "{}").await, Claim::New), "{}", store.engine());
        assert!(matches!(claim(&store, &caller, "{}").await, Claim::Running));
        assert!(matches!(claim(&store, &caller, "{ }").await, Claim::Reused));
        store.keep_answer(&asked(&store, &caller, "one", "{}"), &answer()).await.unwrap();
        let Claim::Done(found) = claim(&store, &caller, "{}").await else { panic!("not done") };
        assert_eq!((found.status, found.etag, found.body), (201, answer().etag, answer().body));
        let whole = found.whole.unwrap();
        assert_eq!(whole.expose_secret(), answer().whole.unwrap().expose_secret());
        assert!(matches!(claim(&store, &caller, "{ }").await, Claim::Reused));
        assert!(matches!(claim(&store, &other, "{}").await, Claim::New), "{}", store.engine());
    }
}

#[tokio::test]
async fn a_secret_is_gone_after_ten_minutes_and_the_answer_after_a_day() {
    for store in every_store().await {
        let (_, caller) = store.make_key("ci").await;
        let asked = asked(&store, &caller, "one", "{}");
        assert!(matches!(claim(&store, &caller, "{}").await, Claim::New));
        store.keep_answer(&asked, &answer()).await.unwrap();
        store.pass(SignedDuration::from_mins(10));
        let Claim::Done(found) = claim(&store, &caller, "{}").await else { panic!("not done") };
        assert!(found.whole.is_none(), "{}", store.engine());
        let sql = "SELECT answer FROM idempotent_requests WHERE sealed IS NULL";
        assert_eq!(store.read(sql, sql).await, [answer().body]);
        store.pass(SignedDuration::from_hours(24));
        assert!(matches!(claim(&store, &caller, "{}").await, Claim::New), "{}", store.engine());
    }
}

#[tokio::test]
async fn a_request_whose_process_died_can_be_sent_again_after_a_minute() {
    for store in every_store().await {
        let (_, caller) = store.make_key("ci").await;
        assert!(matches!(claim(&store, &caller, "{}").await, Claim::New));
        store.pass(SignedDuration::from_secs(59));
        assert!(matches!(claim(&store, &caller, "{}").await, Claim::Running));
        store.pass(SignedDuration::from_secs(1));
        assert!(matches!(claim(&store, &caller, "{ }").await, Claim::Reused));
        assert!(matches!(claim(&store, &caller, "{}").await, Claim::New), "{}", store.engine());
        assert!(matches!(claim(&store, &caller, "{}").await, Claim::Running), "{}", store.engine());
    }
}

#[tokio::test]
async fn a_refused_request_is_forgotten_and_a_done_one_is_not() {
    for store in every_store().await {
        let (_, caller) = store.make_key("ci").await;
        let asked = asked(&store, &caller, "one", "{}");
        assert!(matches!(claim(&store, &caller, "{}").await, Claim::New));
        store.release_request(&asked).await.unwrap();
        assert!(matches!(claim(&store, &caller, "{}").await, Claim::New), "{}", store.engine());
        store.keep_answer(&asked, &answer()).await.unwrap();
        store.release_request(&asked).await.unwrap();
        assert!(matches!(claim(&store, &caller, "{}").await, Claim::Done(_)), "{}", store.engine());
    }
}

#[tokio::test]
async fn an_organization_has_ten_thousand_answers_kept_at_most() {
    for store in every_store().await {
        let (_, caller) = store.make_key("ci").await;
        let organization = store.first.organization;
        let old = store.now().as_microsecond() - 1_000_000;
        let (id, blob) = if store.database_url.is_some() {
            ("decode(lpad(to_hex(n), 64, '0'), 'hex')", "decode('00', 'hex')")
        } else {
            ("CAST(printf('%032d', n) AS BLOB)", "x'00'")
        };
        store
            .tamper(&format!(
                "WITH RECURSIVE counted(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < 10001)
                INSERT INTO idempotent_requests (id, organization_id, request, begun_at_us, status)
                SELECT {id}, '{organization}', {blob}, {old} + n, 200 FROM counted"
            ))
            .await;
        let asked = asked(&store, &caller, "one", "{}");
        assert!(matches!(store.claim_request(&asked, store.now()).await.unwrap(), Claim::New));
        let sql = "SELECT CAST(COUNT(*) AS TEXT) || ' ' || CAST(MIN(begun_at_us) AS TEXT)
            FROM idempotent_requests";
        let left = format!("10000 {}", old + 3);
        assert_eq!(store.read(sql, sql).await, [left], "{}", store.engine());
    }
}

#[tokio::test]
async fn no_secret_and_no_name_of_a_request_is_at_rest() {
    for store in every_store().await {
        let (_, caller) = store.make_key("ci").await;
        let asked = asked(&store, &caller, "canary-name", "{\"value\": \"canary-body\"}");
        store.claim_request(&asked, store.now()).await.unwrap();
        store.keep_answer(&asked, &answer()).await.unwrap();
        let row = store
            .read(
                "SELECT hex(id) || hex(request) || etag || answer || hex(sealed) FROM idempotent_requests",
                "SELECT upper(encode(id, 'hex') || encode(request, 'hex')) || etag || answer
                    || upper(encode(sealed, 'hex')) FROM idempotent_requests",
            )
            .await
            .remove(0);
        for canary in ["canary-5f2a", "canary-name", "canary-body"] {
            let hex = canary.bytes().fold(String::new(), |hex, byte| format!("{hex}{byte:02X}"));
            assert!(!row.contains(canary) && !row.contains(&hex), "{} {canary}", store.engine());
        }
        assert!(!format!("{asked:?} {:?}", answer()).contains("canary-5f2a"));
    }
}
