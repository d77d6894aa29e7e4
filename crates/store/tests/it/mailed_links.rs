use doorward_domain::bounds::Bounds;
use doorward_domain::notice::{DeliveryFault, NoticeKind, NoticeState};
use doorward_domain::role::OrganizationRole;
use doorward_domain::sign_in_token::{SignInToken, TokenKind};
use doorward_store::{
    Delivery, LinkPurpose, NewUser, NoticeFilter, NoticeTarget, Outcome, StoreError, User,
};
use jiff::SignedDuration;
use secrecy::ExposeSecret;

use crate::harness::{TestStore, every_store};

async fn ada(store: &TestStore) -> User {
    let email = Some("ada@example.com".parse().unwrap());
    let new = NewUser {
        name: "ada".to_owned(),
        email,
        role: OrganizationRole::Member,
        bounds: Bounds::NONE,
    };
    store.create_user(&store.act(), new).await.unwrap()
}

pub(crate) async fn mail(store: &TestStore, user: &User, purpose: LinkPurpose) {
    let mailed = store.mail_password_link(&store.act(), user, purpose).await.unwrap();
    assert_eq!((mailed.purpose, Some(&mailed.to)), (purpose, user.email.as_ref()));
}

async fn take(store: &TestStore) -> Delivery {
    let target = NoticeTarget { organization: store.first.organization, webhook: None };
    store.take_notice(target).await.unwrap().unwrap()
}

fn token_of(delivery: &Delivery) -> SignInToken {
    let secret = delivery.secret.as_ref().unwrap();
    SignInToken::parse(TokenKind::Link, secret.expose_secret().as_bytes()).unwrap()
}

/// State and whether a secret is there, of each notice, the oldest first.
async fn rows(store: &TestStore) -> Vec<String> {
    let sql = "SELECT state || CASE WHEN sealed IS NULL THEN '' ELSE ' sealed' END
        FROM notices ORDER BY id";
    store.read(sql, sql).await
}

#[tokio::test]
async fn a_mail_carries_a_token_that_works_and_is_forgotten_once_it_is_out() {
    for store in every_store().await {
        let user = ada(&store).await;
        mail(&store, &user, LinkPurpose::Invitation).await;
        assert_eq!(rows(&store).await, ["waiting sealed"], "{}", store.engine());
        let delivery = take(&store).await;
        assert!(delivery.is_current && delivery.notice.kind == NoticeKind::UserInvitation);
        assert!(!format!("{delivery:?}").contains("dwl_"));
        let linked = store.find_password_link(&token_of(&delivery)).await.unwrap().unwrap();
        assert_eq!((linked.user.id, linked.purpose), (user.id, LinkPurpose::Invitation));
        let failed = Outcome::Failed(DeliveryFault::MailDeferred);
        store.finish_notice(&delivery.notice, failed).await.unwrap();
        assert_eq!(rows(&store).await, ["waiting sealed"], "it is tried again");
        store.pass(SignedDuration::from_mins(5));
        let delivery = take(&store).await;
        store.finish_notice(&delivery.notice, Outcome::Sent).await.unwrap();
        assert_eq!(rows(&store).await, ["sent"], "{}", store.engine());
    }
}

#[tokio::test]
async fn a_secret_goes_with_whatever_ends_its_mail() {
    for store in every_store().await {
        let user = ada(&store).await;
        mail(&store, &user, LinkPurpose::Invitation).await;
        let refused = Outcome::Failed(DeliveryFault::MailRefused);
        store.finish_notice(&take(&store).await.notice, refused).await.unwrap();
        assert_eq!(rows(&store).await, ["dead"], "{}", store.engine());

        // One of another purpose goes on; the one before for the same does not.
        store.pass(SignedDuration::from_millis(2));
        mail(&store, &user, LinkPurpose::RequestedReset).await;
        store.pass(SignedDuration::from_millis(2));
        mail(&store, &user, LinkPurpose::Reset).await;
        store.pass(SignedDuration::from_millis(2));
        mail(&store, &user, LinkPurpose::Reset).await;
        let expected = ["dead", "waiting sealed", "obsolete", "waiting sealed"];
        assert_eq!(rows(&store).await, expected, "{}", store.engine());
        store.make_password_link(&store.act(), user.id, LinkPurpose::Reset).await.unwrap();
        let expected = ["dead", "waiting sealed", "obsolete", "obsolete"];
        assert_eq!(rows(&store).await, expected, "one that is handed over replaces it too");

        let token = token_of(&take(&store).await);
        let linked = store.find_password_link(&token).await.unwrap().unwrap();
        let hashed = store.hash_password(&"a strange engine 42".into()).await.unwrap();
        assert!(store.use_password_link(&token, &linked, &hashed, None).await.unwrap());
        assert_eq!(rows(&store).await[1], "obsolete", "{}", store.engine());

        mail(&store, &user, LinkPurpose::Reset).await;
        store.pass(SignedDuration::from_hours(24));
        assert!(!take(&store).await.is_current, "it is over by the clock");
        store.sweep_sign_ins().await.unwrap();
        assert_eq!(rows(&store).await[4], "obsolete");
        store.pass(SignedDuration::from_millis(2));
        mail(&store, &user, LinkPurpose::Reset).await;
        store.remove_user(&store.act(), user.id).await.unwrap();
        assert_eq!(rows(&store).await[5], "obsolete");
        let waiting = NoticeFilter { state: Some(NoticeState::Waiting), ..NoticeFilter::default() };
        let left = store.list_notices(store.first.organization, &waiting, None, 9).await.unwrap();
        assert!(left.rows.is_empty());
    }
}

#[tokio::test]
async fn a_secret_opens_in_its_own_row_only_and_stands_in_mails_only() {
    for store in every_store().await {
        let user = ada(&store).await;
        mail(&store, &user, LinkPurpose::Invitation).await;
        store.pass(SignedDuration::from_millis(2));
        mail(&store, &user, LinkPurpose::Reset).await;
        let refused =
            store.refusal("UPDATE notices SET state = 'sent', next_attempt_at_us = NULL").await;
        assert!(refused.to_lowercase().contains("check"), "{refused}");
        store
            .tamper(
                "UPDATE notices SET sealed = (SELECT n.sealed FROM notices n
                     WHERE n.kind = 'user.reset') WHERE kind = 'user.invitation'",
            )
            .await;
        let target = NoticeTarget { organization: store.first.organization, webhook: None };
        let opened = store.take_notice(target).await;
        assert!(matches!(opened, Err(StoreError::Integrity)), "{opened:?} on {}", store.engine());
    }
}
