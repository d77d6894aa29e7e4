//! By which names a model is called, and by whose keys.

use doorward_domain::bounds::Bounds;
use doorward_domain::catalog::{
    Deployment, DeploymentState, Model, Pricing, Provider, ProviderKind, Routing,
};
use doorward_domain::id::{DeploymentId, OrganizationId, ProjectId, ProviderId};
use doorward_store::{ModelFilter, NewProject, Removed, StoreError};

use crate::harness::{TestStore, every_store};

/// A model of the first organization that nobody serves.
fn model(store: &TestStore, name: &str, aliases: &[&str]) -> Model {
    Model {
        organization: store.first.organization,
        name: name.to_owned(),
        aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
        project: None,
        pricing: Pricing::Free,
        output_tokens_max: None,
        routing: Routing::Weighted,
        deployments: Vec::new(),
        created_at: store.now(),
        updated_at: store.now(),
    }
}

async fn create(store: &TestStore, name: &str, aliases: &[&str]) -> Result<(), StoreError> {
    store.create_model(&store.act(), &model(store, name, aliases)).await
}

/// The own name of what a key of this project means by a name.
async fn called(
    store: &TestStore,
    (organization, project): (OrganizationId, ProjectId),
    name: &str,
) -> Option<String> {
    let found = store.find_model_called(organization, project, name).await.unwrap();
    found.map(|model| model.name)
}

async fn second_project(store: &TestStore) -> ProjectId {
    let new = NewProject {
        name: "web".to_owned(),
        description: String::new(),
        bounds: Bounds::default(),
    };
    store.create_project(&store.act(), new).await.unwrap().id
}

fn taken_field(error: &StoreError) -> &'static str {
    let StoreError::Taken { field } = error else { panic!("{error:?}") };
    field
}

#[tokio::test]
async fn names_and_aliases_compete_for_one_place_each() {
    for store in every_store().await {
        create(&store, "a", &["b", "c"]).await.unwrap();
        create(&store, "other", &[]).await.unwrap();
        #[rustfmt::skip]
        let cases: [(&str, &[&str], &str); 5] = [
            // name  aliases       told of
            ("a",    &[],          "name"),
            ("b",    &[],          "name"),
            ("d",    &["a"],       "aliases"),
            ("d",    &["e", "c"],  "aliases"),
            ("d",    &["d"],       "aliases"),
        ];
        for (name, aliases, field) in cases {
            let refused = create(&store, name, aliases).await.unwrap_err();
            assert_eq!(taken_field(&refused), field, "{name} {aliases:?} {}", store.engine());
        }
        let organization = store.first.organization;
        assert!(store.find_model(organization, "d").await.unwrap().is_none(), "nothing is left");
        let other = store.find_model(organization, "other").await.unwrap().unwrap();
        for alias in ["a", "b", "other"] {
            let edited = Model { aliases: vec![alias.to_owned()], ..other.clone() };
            let refused = store.edit_model(&store.act(), &edited).await.unwrap_err();
            assert_eq!(taken_field(&refused), "aliases", "{alias} {}", store.engine());
        }
        assert_eq!(store.find_model(organization, "other").await.unwrap().unwrap(), other);
    }
}

#[tokio::test]
async fn aliases_keep_their_order_and_are_free_again_once_nobody_has_them() {
    for store in every_store().await {
        let place = (store.first.organization, store.first.project);
        create(&store, "m", &["z", "a", "k"]).await.unwrap();
        let made = store.find_model(place.0, "m").await.unwrap().unwrap();
        assert_eq!(made.aliases, ["z", "a", "k"], "{}", store.engine());
        let listed = store.list_models(place.0, &ModelFilter::default(), None, 9).await.unwrap();
        assert_eq!(listed, std::slice::from_ref(&made));

        let edited = Model { aliases: vec!["k".to_owned(), "new".to_owned()], ..made };
        let edited = store.edit_model(&store.act(), &edited).await.unwrap();
        assert_eq!(store.find_model(place.0, "m").await.unwrap().unwrap(), edited);
        for (name, expected) in
            [("m", Some("m")), ("k", Some("m")), ("new", Some("m")), ("z", None), ("m\0", None)]
        {
            assert_eq!(called(&store, place, name).await.as_deref(), expected, "{name}");
        }
        assert!(store.find_model(place.0, "k").await.unwrap().is_none(), "an alias is no own name");

        create(&store, "z", &["a"]).await.unwrap();
        assert_eq!(store.delete_model(&store.act(), "m").await.unwrap(), Removed::Yes);
        create(&store, "k", &["m"]).await.unwrap();
        assert_eq!(called(&store, place, "m").await.as_deref(), Some("k"), "{}", store.engine());
    }
}

#[tokio::test]
async fn a_model_of_a_project_is_there_for_its_keys_alone() {
    for store in every_store().await {
        let (organization, first) = (store.first.organization, store.first.project);
        let web = second_project(&store).await;
        let own = Model { project: Some(web), ..model(&store, "own", &["alias"]) };
        store.create_model(&store.act(), &own).await.unwrap();
        create(&store, "everybodys", &[]).await.unwrap();
        assert_eq!(store.find_model(organization, "own").await.unwrap().unwrap(), own);
        #[rustfmt::skip]
        let cases = [
            // project  name          found
            (web,       "own",        Some("own")),
            (web,       "alias",      Some("own")),
            (web,       "everybodys", Some("everybodys")),
            (first,     "own",        None),
            (first,     "alias",      None),
            (first,     "everybodys", Some("everybodys")),
        ];
        for (project, name, expected) in cases {
            let found = called(&store, (organization, project), name).await;
            assert_eq!(found.as_deref(), expected, "{project} {name} {}", store.engine());
        }
        let refused = store.remove_project(&store.act(), web).await.unwrap_err();
        let StoreError::InUse(uses) = refused else { panic!("{refused:?}") };
        assert_eq!(uses, ["the model own"], "{}", store.engine());
        assert_eq!(store.delete_model(&store.act(), "own").await.unwrap(), Removed::Yes);
        assert_eq!(store.remove_project(&store.act(), web).await.unwrap(), Removed::Yes);
        let late = store.create_model(&store.act(), &own).await.unwrap_err();
        assert!(matches!(late, StoreError::Missing("project")), "{late:?} {}", store.engine());
    }
}

#[tokio::test]
async fn names_and_projects_of_another_organization_are_out_of_reach() {
    for store in every_store().await {
        create(&store, "m", &["alias"]).await.unwrap();
        let other = store.second_organization().await;
        let act = store.act_in(other.organization);
        let provider = Provider {
            id: ProviderId::new(1, 7),
            organization: other.organization,
            name: "one".to_owned(),
            kind: ProviderKind::Echo,
            base_url: None,
            region: None,
            provider_keys: Vec::new(),
            health_check: None,
            created_at: store.now(),
            updated_at: store.now(),
        };
        store.create_provider(&act, &provider).await.unwrap();
        let deployment = Deployment {
            id: DeploymentId::new(1, 7),
            provider: provider.id,
            upstream_model: "u".to_owned(),
            provider_key: None,
            weight: 1,
            priority: 0,
            state: DeploymentState::Active,
        };
        let theirs = Model {
            organization: other.organization,
            deployments: vec![deployment],
            ..model(&store, "alias", &["m"])
        };
        let place = (other.organization, other.project);
        assert_eq!(called(&store, place, "m").await, None);
        let stolen = Model { project: Some(store.first.project), ..theirs.clone() };
        let refused = store.create_model(&act, &stolen).await.unwrap_err();
        assert!(matches!(refused, StoreError::Missing("project")), "{refused:?}");
        store.create_model(&act, &theirs).await.unwrap();
        assert_eq!(called(&store, place, "m").await.as_deref(), Some("alias"));
        let first = (store.first.organization, store.first.project);
        assert_eq!(called(&store, first, "m").await.as_deref(), Some("m"), "{}", store.engine());
        assert_eq!(called(&store, first, "alias").await.as_deref(), Some("m"));
    }
}
