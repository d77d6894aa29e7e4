use doorward_domain::webhook::WebhookSecret;
use doorward_store::{
    Act, AuditVerdict, NewWebhook, NoticeFilter, Removed, StoreError, WEBHOOKS_MAX, Webhook,
    WebhookEdit,
};
use jiff::SignedDuration;

use crate::harness::{TestStore, every_store};

fn new(name: &str) -> NewWebhook {
    NewWebhook { name: name.to_owned(), url: "https://hooks.example/a".to_owned() }
}

async fn make(store: &TestStore, name: &str) -> (Webhook, WebhookSecret) {
    store.create_webhook(&store.act(), new(name)).await.unwrap()
}

/// What the messages of a webhook are signed with, as its receivers know it.
async fn secrets(store: &TestStore, webhook: &Webhook) -> Vec<String> {
    let found = store.webhook_secrets(webhook.organization, webhook.id).await.unwrap().unwrap();
    found.secrets.iter().map(|secret| secret.expose().to_string()).collect()
}

#[tokio::test]
async fn a_secret_is_stored_sealed_and_signs_on_after_a_restart() {
    for mut store in every_store().await {
        let (webhook, secret) = make(&store, "ops").await;
        store.reopen().await;
        let text = secret.expose().to_string();
        assert_eq!(secrets(&store, &webhook).await, [text], "{}", store.engine());
        let stored = store
            .read(
                "SELECT hex(secret) FROM webhooks",
                "SELECT upper(encode(secret, 'hex')) FROM webhooks",
            )
            .await;
        let hex = secret.as_bytes().map(|byte| format!("{byte:02X}")).concat();
        assert!(!stored[0].contains(&hex));
    }
}

#[tokio::test]
async fn the_secret_before_signs_for_another_day() {
    for store in every_store().await {
        let (webhook, first) = make(&store, "ops").await;
        store.pass(SignedDuration::from_secs(1));
        let (rotated, second) = store.rotate_webhook(&store.act(), webhook.id).await.unwrap();
        assert!(rotated.updated_at > webhook.updated_at);
        let texts = [second.expose().to_string(), first.expose().to_string()];
        assert_ne!(texts[0], texts[1]);
        assert_eq!(secrets(&store, &webhook).await, texts, "{}", store.engine());
        store.pass(SignedDuration::from_hours(24));
        assert_eq!(secrets(&store, &webhook).await, texts[..1]);
    }
}

#[tokio::test]
async fn a_secret_that_was_moved_to_another_webhook_does_not_open() {
    for store in every_store().await {
        let (webhook, _) = make(&store, "ops").await;
        make(&store, "other").await;
        store
            .tamper(
                "UPDATE webhooks SET secret = (SELECT secret FROM webhooks WHERE name = 'other')
                WHERE name = 'ops'",
            )
            .await;
        let opened = store.webhook_secrets(webhook.organization, webhook.id).await;
        assert!(matches!(opened, Err(StoreError::Integrity)), "{}", store.engine());
    }
}

#[tokio::test]
async fn webhooks_are_found_listed_edited_and_deleted() {
    for store in every_store().await {
        let (ops, _) = make(&store, "ops").await;
        let (alerts, _) = make(&store, "alerts").await;
        let organization = store.first.organization;
        let list = store.list_webhooks(organization, None, 10).await.unwrap();
        assert_eq!(list, [alerts.clone(), ops.clone()]);
        let after = store.list_webhooks(organization, Some("alerts"), 10).await.unwrap();
        assert_eq!(after, list[1..]);
        let found = store.find_webhook_by_name(organization, "ops").await.unwrap();
        assert_eq!(found.as_ref(), Some(&ops));

        let rename = WebhookEdit { name: Some("alerts".to_owned()), ..WebhookEdit::default() };
        let taken = store.edit_webhook(&store.act(), ops.id, rename).await;
        assert!(matches!(taken, Err(StoreError::Taken { field: "name" })));
        let url = Some("https://b.example/".to_owned());
        let edit = WebhookEdit { url, if_updated_at: Some(ops.updated_at), name: None };
        let edited = store.edit_webhook(&store.act(), ops.id, edit.clone()).await.unwrap();
        assert_eq!(edited.url, "https://b.example/");
        let stale = store.edit_webhook(&store.act(), ops.id, edit.clone()).await;
        assert!(matches!(stale, Err(StoreError::Stale)), "{}", store.engine());

        store.test_webhook(&store.act(), &edited).await.unwrap();
        assert_eq!(store.delete_webhook(&store.act(), ops.id).await.unwrap(), Removed::Yes);
        assert_eq!(store.delete_webhook(&store.act(), ops.id).await.unwrap(), Removed::NotFound);
        let filter = NoticeFilter::default();
        let left = store.list_notices(organization, &filter, None, 10).await.unwrap().rows;
        assert!(left.is_empty(), "its notices went with it");
        let gone = store.test_webhook(&store.act(), &edited).await;
        assert!(matches!(gone, Err(StoreError::Missing("webhook"))));
        let actions: Vec<String> = store
            .list_audit(organization, None, 5)
            .await
            .unwrap()
            .into_iter()
            .map(|entry| entry.action)
            .collect();
        let expected =
            ["webhook.delete", "webhook.test", "webhook.edit", "webhook.create", "webhook.create"];
        assert_eq!(actions, expected);
        assert!(matches!(store.verify_audit().await.unwrap(), AuditVerdict::Whole(_)));
    }
}

#[tokio::test]
async fn webhooks_belong_to_one_organization_and_are_bounded() {
    for store in every_store().await {
        let (webhook, _) = make(&store, "ops").await;
        let second = store.second_organization().await.organization;
        assert!(store.find_webhook(second, webhook.id).await.unwrap().is_none());
        assert!(store.webhook_secrets(second, webhook.id).await.unwrap().is_none());
        let act = Act { organization: second, ..store.act() };
        assert_eq!(store.delete_webhook(&act, webhook.id).await.unwrap(), Removed::NotFound);
        let refused = store.rotate_webhook(&act, webhook.id).await;
        assert!(matches!(refused, Err(StoreError::Missing("webhook"))));
        for n in 1..WEBHOOKS_MAX {
            make(&store, &format!("hook {n}")).await;
        }
        let full = store.create_webhook(&store.act(), new("one more")).await;
        assert!(matches!(full, Err(StoreError::Full("webhooks"))), "{}", store.engine());
        assert!(store.create_webhook(&act, new("ops")).await.is_ok(), "another organization");
    }
}
