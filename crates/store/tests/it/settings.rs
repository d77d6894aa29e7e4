use doorward_store::{KeyCaps, StoreError};

use crate::harness::{Setup, every_store, every_store_with};

#[tokio::test]
async fn what_is_not_set_has_its_default() {
    for store in every_store().await {
        let settings = store.settings(store.first.organization).await.unwrap();
        assert_eq!(settings.ttl_minutes_max, 129_600);
        assert_eq!(settings.keys_per_user_max, 20);
        assert_eq!(settings.key_prefix.as_str(), "dw");
    }
}

#[tokio::test]
async fn what_is_not_set_is_as_the_program_was_started() {
    let key_caps = KeyCaps { ttl_minutes_max: 60, per_user_max: 2 };
    for store in every_store_with(Setup { key_caps, ..Setup::default() }).await {
        let organization = store.first.organization;
        let settings = store.settings(organization).await.unwrap();
        assert_eq!((settings.ttl_minutes_max, settings.keys_per_user_max), (60, 2));
        store
            .tamper(&format!(
                "INSERT INTO settings (organization_id, name, value, updated_at_us)
                VALUES ('{organization}', 'keys-per-user-max', '3', 1)"
            ))
            .await;
        let settings = store.settings(organization).await.unwrap();
        assert_eq!((settings.ttl_minutes_max, settings.keys_per_user_max), (60, 3));
    }
}

#[tokio::test]
async fn settings_belong_to_one_organization() {
    for store in every_store().await {
        let organization = store.first.organization;
        store
            .tamper(&format!(
                "INSERT INTO settings (organization_id, name, value, updated_at_us) VALUES
                ('{organization}', 'auth-token-max-ttl-minutes', '0', 1),
                ('{organization}', 'keys-per-user-max', '3', 1),
                ('{organization}', 'key-prefix', 'sk-acme', 1),
                ('{organization}', 'of-a-later-version', 'x', 1)"
            ))
            .await;
        let settings = store.settings(organization).await.unwrap();
        assert_eq!((settings.ttl_minutes_max, settings.keys_per_user_max), (0, 3));
        assert_eq!(settings.key_prefix.as_str(), "sk-acme");
        let (key, _) = store.make_key("branded").await;
        assert!(key.id.as_str().starts_with("sk-acme_"), "{}", store.engine());

        let second = store.second_organization().await;
        assert_eq!(store.settings(second.organization).await.unwrap().keys_per_user_max, 20);
    }
}

#[tokio::test]
async fn a_setting_that_does_not_read_is_no_setting() {
    for store in every_store().await {
        let organization = store.first.organization;
        store
            .tamper(&format!(
                "INSERT INTO settings (organization_id, name, value, updated_at_us)
                VALUES ('{organization}', 'keys-per-user-max', '-1', 1)"
            ))
            .await;
        let error = store.settings(organization).await.unwrap_err();
        assert!(matches!(error, StoreError::Corrupt(_)), "{}", store.engine());
    }
}
