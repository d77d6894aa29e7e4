//! What keys share, raised for a while: of a user, a project and an organization.

use doorward_domain::bounds::{BoundOf, Bounds, Subject};
use doorward_domain::budget::{Amount, Budget, Overrun, Period};
use doorward_domain::denial::Denial;
use doorward_domain::increase::{IncreaseState, Raise};
use doorward_domain::limit::Limits;
use doorward_domain::notice::NoticeKind;
use doorward_domain::project_role::ProjectRole;
use doorward_domain::role::OrganizationRole;
use doorward_domain::setting::{Setting, SettingValue};
use doorward_store::{
    Act, Actor, HeldIncrease, Increase, IncreaseFilter, NewRaise, SettingsEdit, StoreError,
};
use jiff::{SignedDuration, Timestamp};

use crate::harness::{TestStore, every_store};
use crate::increases::{call, call_key, person, told};
use crate::shared_bounds::{WHO, bound, subject};

const DAY: SignedDuration = SignedDuration::from_hours(24);
const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// So many requests a minute, and so many tokens a month.
fn bounds(requests_per_minute: u32, tokens: u64) -> Bounds {
    let (amount, period) = (Amount::Tokens(tokens), Period::Month);
    Bounds {
        limits: Limits { requests_per_minute: requests_per_minute.try_into().ok(), ..Limits::NONE },
        budgets: vec![Budget { amount, period, overrun: Overrun::Deny }],
    }
}

fn own() -> Bounds {
    bounds(2, 1_000)
}

fn four() -> Raise {
    let Bounds { limits, budgets } = bounds(4, 2_000);
    Raise { limits, budgets }
}

/// When a subject was last edited.
async fn version(store: &TestStore, whose: BoundOf) -> Timestamp {
    let organization = store.first.organization;
    match subject(store, whose) {
        Subject::Organization(id) => store.get_organization(id).await.unwrap().updated_at,
        Subject::Project(id) => {
            store.find_project(organization, id).await.unwrap().unwrap().updated_at
        }
        Subject::User(id) => store.find_user(organization, id).await.unwrap().unwrap().updated_at,
        Subject::Key(_) => panic!("{whose:?} is not shared"),
    }
}

async fn wish(store: &TestStore, whose: BoundOf, ends_at: Timestamp) -> NewRaise {
    NewRaise {
        subject: subject(store, whose),
        name: "web".to_owned(),
        raise: four(),
        ends_at,
        note: "the launch".to_owned(),
        updated_at: version(store, whose).await,
    }
}

async fn raise(store: &TestStore, whose: BoundOf, ends_at: Timestamp) -> Increase {
    let wish = wish(store, whose, ends_at).await;
    store.raise_bounds(&store.act(), wish, true).await.unwrap()
}

async fn held(store: &TestStore, whose: BoundOf) -> Option<HeldIncrease> {
    let (subject, own) = (subject(store, whose), own());
    let bounded = [(subject, &own)].into_iter();
    let standing = store.shared_standing(store.first.organization, bounded).await.unwrap();
    standing.increase(&subject).cloned()
}

fn is_limited(answer: Result<(), Denial>, whose: BoundOf) -> bool {
    matches!(answer, Err(Denial::RateLimited { of, .. }) if of == whose)
}

#[tokio::test]
async fn a_raise_of_what_keys_share_holds_for_all_of_them_until_its_end() {
    for whose in WHO {
        for store in every_store().await {
            bound(&store, whose, own()).await;
            let first = store.make_key("first").await.0.id;
            let second = store.make_key("second").await.0.id;
            let loaded = call_key(&store, &first).await;
            call(&store, &loaded, 1, 1).unwrap();
            call(&store, &loaded, 2, 1).unwrap();
            assert!(is_limited(call(&store, &loaded, 3, 1), whose), "{whose:?} {}", store.engine());

            let end = store.now() + SignedDuration::from_secs(30);
            let raised = raise(&store, whose, end).await;
            assert_eq!((raised.state, raised.ends_at), (IncreaseState::Granted, Some(end)));
            assert_eq!((raised.granted.as_ref(), &raised.asked), (Some(&four()), &four()));
            assert_eq!(raised.subject, subject(&store, whose));
            assert!(store.cached_call_key(&first).is_none(), "the data plane is told");

            // What was taken before counts, whoever took it: two of four are left.
            let (first, second) = (call_key(&store, &first).await, call_key(&store, &second).await);
            call(&store, &first, 4, 1).unwrap();
            call(&store, &second, 5, 1).unwrap();
            for key in [&first, &second] {
                assert!(is_limited(call(&store, key, 6, 1), whose), "{}", store.engine());
            }
            let held = held(&store, whose).await.unwrap();
            assert_eq!((held.id, &held.raise, held.ends_at), (raised.id, &four(), end));
            let limit = |at: &TestStore| at.standing(&first, None).limits[0].quota.limit;
            store.pass(SignedDuration::from_secs(30) - SignedDuration::from_micros(1));
            assert_eq!(limit(&store), 4);
            store.pass(SignedDuration::from_micros(1));
            assert_eq!(limit(&store), 2, "the same key in memory");
            assert!(is_limited(call(&store, &second, 7, 1), whose), "four of two are taken");
            assert_eq!(self::held(&store, whose).await, None);
        }
    }
}

#[tokio::test]
async fn a_raised_budget_and_its_end_outlive_a_restart() {
    for whose in WHO {
        for mut store in every_store().await {
            bound(&store, whose, own()).await;
            let key = store.make_key("ci").await.0.id;
            raise(&store, whose, store.now() + DAY).await;
            store.reopen().await;
            let raised = call_key(&store, &key).await;
            call(&store, &raised, 1, 1_500).unwrap();
            store.pass(DAY);
            let spent = call(&store, &raised, 2, 1).unwrap_err();
            assert_eq!(spent, Denial::BudgetSpent(whose), "{}", store.engine());
            store.reopen().await;
            let spent = call(&store, &call_key(&store, &key).await, 3, 1).unwrap_err();
            assert_eq!(spent, Denial::BudgetSpent(whose), "{}", store.engine());
        }
    }
}

#[tokio::test]
async fn shares_are_told_of_a_budget_as_it_is_raised() {
    for store in every_store().await {
        bound(&store, BoundOf::Project, own()).await;
        raise(&store, BoundOf::Project, store.now() + DAY).await;
        let key = store.make_key("ci").await.0.id;
        call(&store, &call_key(&store, &key).await, 1, 1_700).unwrap();
        held(&store, BoundOf::Project).await;
        let sql = "SELECT CAST(MAX(amount) AS TEXT) || ' of ' || CAST(COUNT(*) AS TEXT) \
                           FROM budget_alerts WHERE percent = 80";
        assert_eq!(store.read(sql, sql).await, ["2000 of 1"], "{}", store.engine());
    }
}

#[tokio::test]
async fn an_edit_of_what_keys_share_ends_what_raises_it_and_another_edit_does_not() {
    for whose in WHO {
        for store in every_store().await {
            bound(&store, whose, own()).await;
            let raised = raise(&store, whose, store.now() + DAY).await;
            store.pass(SECOND);
            // The others have a name or a description to edit; of an organization there is nothing else.
            let organization = store.first.organization;
            match subject(&store, whose) {
                Subject::Project(id) => {
                    let mut found = store.find_project(organization, id).await.unwrap().unwrap();
                    found.description = "x".to_owned();
                    store.edit_project(&store.act(), &found).await.unwrap();
                }
                Subject::User(id) => {
                    let mut found = store.find_user(organization, id).await.unwrap().unwrap();
                    found.name = "x".to_owned();
                    store.edit_user(&store.act(), &found).await.unwrap();
                }
                Subject::Organization(_) | Subject::Key(_) => {}
            }
            assert!(held(&store, whose).await.is_some(), "{whose:?} {}", store.engine());
            bound(&store, whose, bounds(3, 1_000)).await;
            assert_eq!(held(&store, whose).await, None, "{whose:?} {}", store.engine());
            let key = store.make_key("ci").await.0.id;
            let loaded = call_key(&store, &key).await;
            assert_eq!(store.standing(&loaded, None).limits[0].quota.limit, 3);
            let ended = store.find_increase(organization, raised.id).await.unwrap().unwrap();
            assert_eq!((ended.state, ended.ends_at), (IncreaseState::Granted, Some(store.now())));
            let audit = store.list_audit(organization, None, 4).await.unwrap();
            let end = audit.iter().find(|entry| entry.action == "limit_increase.end").unwrap();
            assert_eq!(end.subject, raised.id.to_string());
            assert!(end.detail.contains(&subject(&store, whose).id()), "{}", end.detail);
        }
    }
}

#[tokio::test]
async fn a_second_raise_takes_the_place_of_the_first_and_ends_before_its_time() {
    for whose in WHO {
        for store in every_store().await {
            bound(&store, whose, own()).await;
            let key = store.make_key("ci").await.0.id;
            let first = raise(&store, whose, store.now() + DAY).await;
            store.pass(SECOND);
            let second = raise(&store, whose, store.now() + DAY * 2).await;
            assert_eq!(held(&store, whose).await.unwrap().id, second.id, "{}", store.engine());
            let first = store.find_increase(first.organization, first.id).await.unwrap().unwrap();
            assert_eq!(first.ends_at, Some(store.now()));

            let loaded = call_key(&store, &key).await;
            assert_eq!(store.standing(&loaded, None).limits[0].quota.limit, 4);
            store.pass(SECOND);
            let ended = store.end_increase(&store.act(), &second, true).await.unwrap();
            assert_eq!(ended.ends_at, Some(store.now()), "{whose:?} {}", store.engine());
            let loaded = call_key(&store, &key).await;
            assert_eq!(store.standing(&loaded, None).limits[0].quota.limit, 2, "it is told");
            let again = store.end_increase(&store.act(), &second, true).await;
            assert!(matches!(again, Err(StoreError::Stale)), "{again:?}");
        }
    }
}

#[tokio::test]
async fn a_raise_of_what_was_edited_since_leaves_nothing() {
    for whose in WHO {
        for store in every_store().await {
            bound(&store, whose, own()).await;
            let wish = wish(&store, whose, store.now() + DAY).await;
            store.pass(SECOND);
            bound(&store, whose, bounds(9, 9_000)).await;
            let stale = store.raise_bounds(&store.act(), wish, true).await;
            assert!(matches!(stale, Err(StoreError::Stale)), "{whose:?} {stale:?}");
            assert_eq!(held(&store, whose).await, None, "{}", store.engine());
            let any = IncreaseFilter::default();
            let rows = store.list_increases(store.first.organization, &any, None, 9).await.unwrap();
            assert!(rows.rows.is_empty());
            // And whoever edits by the version from before the raise has to look again.
            let before = version(&store, whose).await;
            store.pass(SECOND);
            raise(&store, whose, store.now() + DAY).await;
            assert!(version(&store, whose).await > before, "{whose:?} {}", store.engine());
        }
    }
}

#[tokio::test]
async fn nobody_raises_or_lowers_who_is_above_them() {
    for store in every_store().await {
        bound(&store, BoundOf::User, own()).await;
        let grace = store.make_user("grace", OrganizationRole::Admin).await.id;
        let by_grace = Act { actor: Actor::User(grace), ..store.act() };
        let wish = wish(&store, BoundOf::User, store.now() + DAY).await;
        let refused = store.raise_bounds(&by_grace, wish, true).await;
        assert!(matches!(refused, Err(StoreError::AboveOwnRole)), "{refused:?}");
        let raised = raise(&store, BoundOf::User, store.now() + DAY).await;
        let refused = store.end_increase(&by_grace, &raised, true).await;
        assert!(matches!(refused, Err(StoreError::AboveOwnRole)), "{refused:?}");
        assert!(held(&store, BoundOf::User).await.is_some(), "{}", store.engine());
    }
}

#[tokio::test]
async fn another_organization_raises_and_sees_nothing_of_it() {
    for whose in WHO {
        for store in every_store().await {
            bound(&store, whose, own()).await;
            let second = store.second_organization().await;
            let act = store.act_in(second.organization);
            let wish = wish(&store, whose, store.now() + DAY).await;
            let refused = store.raise_bounds(&act, wish, true).await;
            assert!(
                matches!(refused, Err(StoreError::Missing(_) | StoreError::Stale)),
                "{refused:?}"
            );
            let raised = raise(&store, whose, store.now() + DAY).await;
            let found = store.find_increase(second.organization, raised.id).await.unwrap();
            assert!(found.is_none(), "{}", store.engine());
            assert!(store.end_increase(&act, &raised, true).await.is_err());
            let (subject, own) = (subject(&store, whose), own());
            let bounded = [(subject, &own)].into_iter();
            let theirs = store.shared_standing(second.organization, bounded).await.unwrap();
            assert_eq!(theirs.increase(&subject), None, "{}", store.engine());
            assert!(held(&store, whose).await.is_some());
        }
    }
}

#[tokio::test]
async fn those_whom_a_raise_concerns_are_told_when_it_begins_and_when_it_is_cut_short() {
    for store in every_store().await {
        let from = SettingValue::Text("doorward@example.com".to_owned());
        let changes = vec![(Setting::MailFrom, Some(from))];
        let edit =
            SettingsEdit { changes, if_updated_at: None, may_forget: true, is_preview: false };
        store.change_settings(&store.act(), &edit).await.unwrap();
        let ada = person(&store, "ada", OrganizationRole::Member).await;
        person(&store, "olga", OrganizationRole::Owner).await;
        let (organization, project) = (store.first.organization, store.first.project);
        let doorward_domain::key::Owner::User(ada) = ada else { panic!("a user") };
        store.set_project_member(&store.act(), project, ada, ProjectRole::Admin).await.unwrap();
        let mut user = store.find_user(organization, ada).await.unwrap().unwrap();
        user.bounds = own();
        let user = store.edit_user(&store.act(), &user).await.unwrap();
        let of_ada = NewRaise {
            subject: Subject::User(ada),
            updated_at: user.updated_at,
            ..wish(&store, BoundOf::Organization, store.now() + DAY).await
        };
        let mut raised = vec![store.raise_bounds(&store.act(), of_ada, true).await.unwrap()];
        assert_eq!(told(&store, NoticeKind::IncreaseGranted).await, ["ada@example.com"]);
        for whose in [BoundOf::Project, BoundOf::Organization] {
            bound(&store, whose, own()).await;
            raised.push(raise(&store, whose, store.now() + DAY).await);
        }
        let all = ["ada@example.com", "ada@example.com", "olga@example.com"];
        assert_eq!(told(&store, NoticeKind::IncreaseGranted).await, all, "{}", store.engine());
        assert!(told(&store, NoticeKind::IncreaseEnded).await.is_empty());
        for one in &raised {
            store.end_increase(&store.act(), one, true).await.unwrap();
        }
        assert_eq!(told(&store, NoticeKind::IncreaseEnded).await, all, "{}", store.engine());
    }
}

#[tokio::test]
async fn a_list_of_keys_increases_has_none_of_what_keys_share() {
    for store in every_store().await {
        let key = crate::increases::key(&store, "ci").await;
        let asked = crate::increases::ask(&store, &key).await.unwrap();
        let mut all = vec![asked.id];
        for whose in WHO {
            bound(&store, whose, own()).await;
            store.pass(SignedDuration::from_millis(2));
            all.insert(0, raise(&store, whose, store.now() + DAY).await.id);
        }
        let listed = async |is_of_keys| {
            let filter = IncreaseFilter { is_of_keys, ..IncreaseFilter::default() };
            let page = store.list_increases(store.first.organization, &filter, None, 9).await;
            page.unwrap().rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
        };
        assert_eq!(listed(false).await, all, "{}", store.engine());
        assert_eq!(listed(true).await, [asked.id], "{}", store.engine());
    }
}
