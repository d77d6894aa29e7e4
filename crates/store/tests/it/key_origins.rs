use doorward_domain::origin::{Origin, Origins};
use doorward_store::KeyEdit;
use jiff::SignedDuration;

use crate::harness::{TestStore, every_store};

const A: &str = "https://a.example";
const B: &str = "http://localhost:3000";

fn origins(texts: &[&str]) -> Origins {
    texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<Origin>>().into()
}

async fn allowed(store: &TestStore) -> [bool; 2] {
    let ask = async |text: &str| store.is_origin_allowed(&text.parse().unwrap()).await.unwrap();
    [ask(A).await, ask(B).await]
}

#[tokio::test]
async fn an_origin_is_allowed_while_any_active_key_is_for_it() {
    for store in every_store().await {
        store.make_key("for no page").await;
        assert_eq!(allowed(&store).await, [false, false], "{}", store.engine());

        let mut new = store.new_key("for both");
        new.rights.allowed_origins = Some(origins(&[A, B]));
        let (both, _) = store.create_key(&store.act(), new.clone()).await.unwrap();
        new.name = "for one".to_owned();
        new.rights.allowed_origins = Some(origins(&[A]));
        new.rights.expires_at = Some(store.now() + SignedDuration::from_hours(1));
        let (one, _) = store.create_key(&store.act(), new).await.unwrap();
        assert_eq!(one.rights.allowed_origins, Some(origins(&[A])));
        assert_eq!(allowed(&store).await, [true, true], "{}", store.engine());

        store.set_key_disabled(&store.act(), &both.id, true).await.unwrap();
        assert_eq!(allowed(&store).await, [true, false], "disabled, {}", store.engine());
        store.pass(SignedDuration::from_hours(1));
        assert_eq!(allowed(&store).await, [false, false], "expired, {}", store.engine());
        store.set_key_disabled(&store.act(), &both.id, false).await.unwrap();
        assert_eq!(allowed(&store).await, [true, true], "{}", store.engine());
        store.revoke_key(&store.act(), &both.id).await.unwrap();
        assert_eq!(allowed(&store).await, [false, false], "revoked, {}", store.engine());
    }
}

#[tokio::test]
async fn an_edit_of_origins_is_found_by_the_page_and_read_back() {
    for store in every_store().await {
        let (key, _) = store.make_key("k").await;
        #[rustfmt::skip]
        let edits = [
            (Some(origins(&[A])),    [true, false]),
            (Some(origins(&[A, B])), [true, true]),
            (Some(origins(&[B])),    [false, true]),
            (Some(origins(&[])),     [false, false]),
            (Some(origins(&[A])),    [true, false]),
            (None,             [false, false]),
        ];
        for (given, expected) in edits {
            let mut rights = key.rights.clone();
            rights.allowed_origins.clone_from(&given);
            let edit = KeyEdit { rights: Some(rights), ..KeyEdit::default() };
            let edited = store.edit_key(&store.act(), &key.id, edit).await.unwrap();
            assert_eq!(edited.rights.allowed_origins, given);
            let stored = store.find_key(store.first.organization, &key.id).await.unwrap().unwrap();
            assert_eq!(stored.key.rights.allowed_origins, given, "{}", store.engine());
            let call = store.call_key(&key.id).await.unwrap().unwrap();
            assert_eq!(call.key.rights.allowed_origins, given, "{}", store.engine());
            assert_eq!(allowed(&store).await, expected, "{given:?}, {}", store.engine());
            let entry = &store.list_audit(store.first.organization, None, 1).await.unwrap()[0];
            assert!(entry.detail.contains("allowed_origins"), "{}", entry.detail);
        }
    }
}
