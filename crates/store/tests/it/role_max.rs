//! A key that somebody else made gains nothing by its user's promotion.

use doorward_domain::credential::PlainKey;
use doorward_domain::key::Owner;
use doorward_domain::role::OrganizationRole::{self, Admin, Member, Viewer};
use doorward_domain::rotation::Overlap;
use doorward_store::{Act, Actor, NewKey, Rotation, User};

use crate::harness::{TestStore, every_store};

fn by(store: &TestStore, user: &User) -> Act {
    Act { actor: Actor::User(user.id), ..store.act() }
}

async fn role(store: &TestStore, plain: &PlainKey) -> OrganizationRole {
    store.identify(plain).await.unwrap().unwrap().role()
}

async fn promote(store: &TestStore, user: &User, role: OrganizationRole) {
    let user = store.find_user(user.organization, user.id).await.unwrap().unwrap();
    store.edit_user(&store.act(), &User { role, ..user }).await.unwrap();
}

fn rotation(overlap: Overlap) -> Rotation {
    Rotation { overlap, expires_at: None, if_updated_at: None }
}

#[tokio::test]
async fn a_kept_secret_stays_as_weak_as_it_was_made() {
    for store in every_store().await {
        let (admin, ada) =
            (store.make_user("admin", Admin).await, store.make_user("ada", Member).await);
        let owner = Owner::User(ada.id);
        let wish = |name: &str| NewKey { owner, ..store.new_key(name) };
        let (_, kept) = store.create_key(&by(&store, &admin), wish("kept")).await.unwrap();
        let (_, own) = store.create_key(&by(&store, &ada), wish("own")).await.unwrap();
        promote(&store, &ada, Admin).await;
        assert_eq!((role(&store, &kept).await, role(&store, &own).await), (Member, Admin));

        // What the kept one makes, or rotates, is bound as it is.
        let identity = store.identify(&kept).await.unwrap().unwrap();
        let actor = Actor::Key {
            id: identity.key.id,
            updated_at: identity.key.life.updated_at,
            secret_ends_at: None,
            token: None,
            owner,
            user_role: identity.user_role,
            role_max: identity.role_max,
        };
        let act = Act { actor, ..store.act() };
        let (_, child) = store.create_key(&act, wish("child")).await.unwrap();
        assert_eq!(role(&store, &child).await, Member, "{}", store.engine());
        let none = Overlap::from_seconds(0).unwrap();
        let (_, kept) = store.rotate_key(&act, &kept.id(), rotation(none)).await.unwrap();
        assert_eq!(role(&store, &kept).await, Member);

        // The data plane sees the same.
        promote(&store, &ada, Viewer).await;
        promote(&store, &ada, Admin).await;
        let called = store.call_key(&kept.id()).await.unwrap().unwrap();
        assert!(Member.scopes().covers(called.scopes), "{:?}", called.scopes);

        // Its user is rid of the bound by a new secret, once the old ones are over.
        let overlap = Overlap::from_seconds(60).unwrap();
        let (_, new) =
            store.rotate_key(&by(&store, &ada), &kept.id(), rotation(overlap)).await.unwrap();
        assert_eq!(role(&store, &new).await, Member, "the kept one still works");
        let (_, new) =
            store.rotate_key(&by(&store, &ada), &kept.id(), rotation(none)).await.unwrap();
        assert_eq!(role(&store, &new).await, Admin);
    }
}

#[tokio::test]
async fn whoever_rotates_for_somebody_else_bounds_the_key() {
    for store in every_store().await {
        let (admin, ada) =
            (store.make_user("admin", Admin).await, store.make_user("ada", Viewer).await);
        let wish = NewKey { owner: Owner::User(ada.id), ..store.new_key("own") };
        let (_, own) = store.create_key(&by(&store, &ada), wish).await.unwrap();
        let overlap = Overlap::from_seconds(60).unwrap();
        let act = by(&store, &admin);
        let (_, rotated) = store.rotate_key(&act, &own.id(), rotation(overlap)).await.unwrap();
        promote(&store, &ada, Member).await;
        assert_eq!(role(&store, &rotated).await, Viewer, "{}", store.engine());
        let (_, again) = store.rotate_key(&act, &own.id(), rotation(overlap)).await.unwrap();
        assert_eq!(role(&store, &again).await, Viewer, "the earlier secret still works");
        let none = Overlap::from_seconds(0).unwrap();
        let (_, again) = store.rotate_key(&act, &own.id(), rotation(none)).await.unwrap();
        assert_eq!(role(&store, &again).await, Member);
    }
}
