//! Projects and who belongs to them.

use doorward_domain::bounds::Bounds;
use doorward_domain::id::{OrganizationId, ProjectId, UserId};
use doorward_domain::key::Owner;
use doorward_domain::project_role::ProjectRole;
use doorward_domain::role::OrganizationRole;
use doorward_store::{
    NewKey, NewProject, NewServiceAccount, Population, Project, Removed, StoreError,
};
use jiff::SignedDuration;

use crate::harness::{TestStore, every_store};

fn new(name: &str) -> NewProject {
    NewProject { name: name.to_owned(), description: "for tests".to_owned(), bounds: Bounds::NONE }
}

async fn make(store: &TestStore, name: &str) -> ProjectId {
    store.create_project(&store.act(), new(name)).await.unwrap().id
}

async fn actions(store: &TestStore, limit: u32) -> Vec<String> {
    let entries = store.list_audit(store.first.organization, None, limit).await.unwrap();
    entries.into_iter().map(|entry| entry.action).collect()
}

#[tokio::test]
async fn a_project_reads_back_as_made_and_edited() {
    for store in every_store().await {
        let organization = store.first.organization;
        let made = store.create_project(&store.act(), new("web")).await.unwrap();
        let found = store.find_project(organization, made.id).await.unwrap();
        assert_eq!(found, Some(made.clone()), "{}", store.engine());
        store.pass(SignedDuration::from_secs(1));
        let wish = Project { name: "www".to_owned(), description: String::new(), ..made.clone() };
        let edited = store.edit_project(&store.act(), &wish).await.unwrap();
        assert_eq!(edited, Project { updated_at: store.now(), ..wish });
        store.edit_project(&store.act(), &edited).await.unwrap();
        assert_eq!(actions(&store, 2).await, ["project.edit", "project.create"]);
        let stale = store.edit_project(&store.act(), &made).await.unwrap_err();
        assert!(matches!(stale, StoreError::Stale));
        let rows = store.list_projects(organization, Some("default"), 5).await.unwrap();
        assert_eq!(rows, [edited]);
    }
}

#[tokio::test]
async fn a_search_finds_a_part_of_a_name_a_description_or_an_id_in_whatever_case() {
    for store in every_store().await {
        let organization = store.first.organization;
        let web = store.create_project(&store.act(), new("Web")).await.unwrap();
        let found = async |text: &str| -> Vec<String> {
            let found = store.search_projects(organization, text, None, 9).await.unwrap();
            found.into_iter().map(|project| project.name).collect()
        };
        for text in ["wEB", "For Tests", &web.id.to_string()] {
            assert_eq!(found(text).await, ["Web"], "{text} {}", store.engine());
        }
        assert_eq!(found("defau").await, ["default"], "that of the first start");
        assert_eq!(found(&store.first.project.to_string()).await, ["default"]);
        let wish = Project { name: "Shop".to_owned(), ..web };
        store.edit_project(&store.act(), &wish).await.unwrap();
        assert_eq!((found("web").await.len(), found("shop").await.len()), (0, 1));
        let rest = store.search_projects(organization, "", Some("Shop"), 1).await.unwrap();
        assert_eq!(rest[0].name, "default");
        let other = store.second_organization().await.organization;
        assert!(store.search_projects(other, "shop", None, 9).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn the_name_of_a_project_is_unique_among_those_that_are_there() {
    for store in every_store().await {
        let (act, web) = (store.act(), make(&store, "web").await);
        let other = store.create_project(&act, new("other")).await.unwrap();
        let renamed = Project { name: "web".to_owned(), ..other };
        for error in [
            store.create_project(&act, new("web")).await.unwrap_err(),
            store.edit_project(&act, &renamed).await.unwrap_err(),
        ] {
            assert!(matches!(error, StoreError::Taken { field: "name" }), "{}", store.engine());
        }
        assert_eq!(store.remove_project(&act, web).await.unwrap(), Removed::Yes);
        make(&store, "web").await;
    }
}

#[tokio::test]
async fn a_project_with_keys_or_service_accounts_stays() {
    for store in every_store().await {
        let (act, web) = (store.act(), make(&store, "web").await);
        let bot =
            NewServiceAccount { project: web, name: "bot".to_owned(), description: String::new() };
        let bot = store.create_service_account(&act, bot).await.unwrap().id;
        let of_web = |name: &str| NewKey { project: web, ..store.new_key(name) };
        let (ci, _) = store.create_key(&act, of_web("ci")).await.unwrap();
        let mut soon = of_web("soon");
        soon.rights.expires_at = Some(store.now() + SignedDuration::from_secs(1));
        let (soon, _) = store.create_key(&act, soon).await.unwrap();
        store.pass(SignedDuration::from_secs(2));

        let uses = async || match store.remove_project(&act, web).await {
            Err(StoreError::InUse(names)) => names,
            done => panic!("{done:?} on {}", store.engine()),
        };
        let expected = ["the key ci", "the key soon", "the service account bot"];
        assert_eq!(uses().await, expected);
        store.revoke_key(&act, &ci.id).await.unwrap();
        store.remove_service_account(&act, bot).await.unwrap();
        assert_eq!(uses().await, ["the key soon"], "it has expired, and can be made longer");
        store.revoke_key(&act, &soon.id).await.unwrap();
        assert_eq!(store.remove_project(&act, web).await.unwrap(), Removed::Yes);
        assert_eq!(store.remove_project(&act, web).await.unwrap(), Removed::NotFound);
    }
}

#[tokio::test]
async fn nothing_new_comes_into_a_removed_project() {
    for store in every_store().await {
        let (act, web) = (store.act(), make(&store, "web").await);
        let user = store.make_user("ada", OrganizationRole::Member).await.id;
        store.set_project_member(&act, web, user, ProjectRole::Admin).await.unwrap();
        store.remove_project(&act, web).await.unwrap();
        assert!(store.find_project(store.first.organization, web).await.unwrap().is_none());
        let key = NewKey { project: web, ..store.new_key("ci") };
        let bot =
            NewServiceAccount { project: web, name: "bot".to_owned(), description: String::new() };
        for error in [
            store.create_key(&act, key).await.map(drop).unwrap_err(),
            store.create_service_account(&act, bot).await.map(drop).unwrap_err(),
            store.set_project_member(&act, web, user, ProjectRole::Viewer).await.unwrap_err(),
        ] {
            assert!(matches!(error, StoreError::Missing("project")), "{}", store.engine());
        }
        let role = store.project_role(store.first.organization, web, user).await.unwrap();
        assert_eq!(role, None);
    }
}

#[tokio::test]
async fn the_default_project_keeps_its_name_and_its_place() {
    for store in every_store().await {
        let (organization, id) = (store.first.organization, store.first.project);
        let project = store.find_project(organization, id).await.unwrap().unwrap();
        let renamed = Project { name: "first".to_owned(), ..project.clone() };
        for done in [
            store.edit_project(&store.act(), &renamed).await.map(drop),
            store.remove_project(&store.act(), id).await.map(drop),
        ] {
            assert!(matches!(done, Err(StoreError::DefaultProject)), "{}", store.engine());
        }
        let told = Project { description: "where keys go".to_owned(), ..project };
        store.edit_project(&store.act(), &told).await.unwrap();
        assert_eq!(store.default_project(organization).await.unwrap(), id);
    }
}

async fn members(store: &TestStore, project: ProjectId) -> Vec<(String, ProjectRole)> {
    let organization = store.first.organization;
    let rows = store.list_project_members(organization, project, None, 10).await.unwrap();
    rows.into_iter().map(|member| (member.name, member.role)).collect()
}

#[tokio::test]
async fn members_come_change_and_go() {
    for store in every_store().await {
        let (act, organization) = (store.act(), store.first.organization);
        let web = make(&store, "web").await;
        let ada = store.make_user("ada", OrganizationRole::Member).await.id;
        let bob = store.make_user("bob", OrganizationRole::Viewer).await.id;
        store.set_project_member(&act, web, bob, ProjectRole::Viewer).await.unwrap();
        store.set_project_member(&act, web, ada, ProjectRole::Member).await.unwrap();
        store.set_project_member(&act, web, bob, ProjectRole::Admin).await.unwrap();
        store.set_project_member(&act, web, bob, ProjectRole::Admin).await.unwrap();
        let expected =
            [("ada".to_owned(), ProjectRole::Member), ("bob".to_owned(), ProjectRole::Admin)];
        assert_eq!(members(&store, web).await, expected, "{}", store.engine());
        let after = store.list_project_members(organization, web, Some("ada"), 10).await.unwrap();
        assert_eq!(after.iter().map(|member| member.user).collect::<Vec<_>>(), [bob]);
        let of_ada = store.list_memberships(organization, ada).await.unwrap();
        let [of_ada] = of_ada.as_slice() else { panic!("{of_ada:?}") };
        assert_eq!((of_ada.project, of_ada.role), (web, ProjectRole::Member));
        assert_eq!(of_ada.name, "web");

        assert_eq!(store.remove_project_member(&act, web, ada).await.unwrap(), Removed::Yes);
        assert_eq!(store.remove_project_member(&act, web, ada).await.unwrap(), Removed::NotFound);
        assert_eq!(store.project_role(organization, web, ada).await.unwrap(), None);
        let role = store.project_role(organization, web, bob).await.unwrap();
        assert_eq!(role, Some(ProjectRole::Admin));
        let set = "project_member.set";
        assert_eq!(actions(&store, 4).await, ["project_member.remove", set, set, set]);
    }
}

#[tokio::test]
async fn only_those_of_the_same_organization_become_members() {
    for store in every_store().await {
        let (first, second) = (&store.first, store.second_organization().await);
        let act = store.act();
        let role = ProjectRole::Member;
        let foreign = second.administrator;
        let error = store.set_project_member(&act, first.project, foreign, role).await.unwrap_err();
        assert!(matches!(error, StoreError::Missing("user")), "{}", store.engine());
        let user = first.administrator;
        let error = store.set_project_member(&act, second.project, user, role).await.unwrap_err();
        assert!(matches!(error, StoreError::Missing("project")));
        let nobody = UserId::new(9, 9);
        let error = store.set_project_member(&act, first.project, nobody, role).await.unwrap_err();
        assert!(matches!(error, StoreError::Missing("user")));

        store.set_project_member(&act, first.project, user, role).await.unwrap();
        let abroad = store.act_in(second.organization);
        let removed = store.remove_project_member(&abroad, first.project, user).await.unwrap();
        assert_eq!(removed, Removed::NotFound);
        let seen =
            store.list_project_members(second.organization, first.project, None, 9).await.unwrap();
        assert_eq!(seen, []);
        assert_eq!(members(&store, first.project).await.len(), 1);
    }
}

#[tokio::test]
async fn another_organization_changes_no_project() {
    for store in every_store().await {
        let web = store.create_project(&store.act(), new("web")).await.unwrap();
        let abroad = store.act_in(store.second_organization().await.organization);
        let missing = store.edit_project(&abroad, &web).await.unwrap_err();
        assert!(matches!(missing, StoreError::Missing("project")), "{}", store.engine());
        assert_eq!(store.remove_project(&abroad, web.id).await.unwrap(), Removed::NotFound);
        let owner = Owner::User(store.first.administrator);
        assert!(store.is_owner_active(store.first.organization, owner).await.unwrap());
        let found = store.find_project(store.first.organization, web.id).await.unwrap();
        assert_eq!(found, Some(web));
    }
}

#[tokio::test]
async fn the_keys_that_live_and_the_members_of_a_project_are_counted() {
    for store in every_store().await {
        let (act, web) = (store.act(), make(&store, "web").await);
        let (organization, empty) = (store.first.organization, make(&store, "empty").await);
        for name in ["ada", "bob"] {
            let user = store.make_user(name, OrganizationRole::Member).await.id;
            store.set_project_member(&act, web, user, ProjectRole::Member).await.unwrap();
        }
        let of_web = |name: &str| NewKey { project: web, ..store.new_key(name) };
        for name in ["active", "disabled", "revoked"] {
            let (key, _) = store.create_key(&act, of_web(name)).await.unwrap();
            match name {
                "disabled" => drop(store.set_key_disabled(&act, &key.id, true).await.unwrap()),
                "revoked" => drop(store.revoke_key(&act, &key.id).await.unwrap()),
                _ => {}
            }
        }
        for (name, ends_in) in [("expired", 1), ("later", 3)] {
            let mut new = of_web(name);
            new.rights.expires_at = Some(store.now() + SignedDuration::from_secs(ends_in));
            store.create_key(&act, new).await.unwrap();
        }
        store.pass(SignedDuration::from_secs(2));
        let counted = store.populations(organization, &[web, empty]).await.unwrap();
        assert_eq!(counted.of(web), Population { keys: 3, members: 2 }, "{}", store.engine());
        assert_eq!(counted.of(empty), Population::default());
        let elsewhere = store.populations(OrganizationId::new(1, 2), &[web]).await.unwrap();
        assert_eq!(elsewhere.of(web), Population::default());
    }
}
