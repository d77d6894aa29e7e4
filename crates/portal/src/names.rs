//! What ids that the API answers with are called.

use std::collections::{BTreeSet, HashMap};

use serde::Deserialize;

use crate::query::segment;
use crate::visitor::Visitor;

/// Names by id, of whom and what a page tells.
#[derive(Debug, Default)]
pub(crate) struct Names(HashMap<String, String>);

#[derive(Deserialize)]
struct Named {
    name: String,
}

impl Names {
    /// The names behind these ids, of those that the visitor may know. Few enough are asked for: a page has
    /// some dozens of rows.
    pub(crate) async fn of(visitor: &Visitor, ids: impl Iterator<Item = &str>) -> Self {
        let mut names = HashMap::from([(visitor.me.id.clone(), visitor.me.name.clone())]);
        names.extend(visitor.me.projects.iter().map(|one| (one.id.clone(), one.name.clone())));
        let unknown: BTreeSet<&str> = ids.filter(|id| !names.contains_key(*id)).collect();
        for id in unknown {
            let Some(noun) = noun(id).filter(|_| visitor.me.is_admin()) else { continue };
            let found = visitor.api.get::<Named>(&format!("/v1/{noun}/{}", segment(id))).await;
            // One that is gone by now is told by its id.
            names.extend(found.ok().map(|found| (id.to_owned(), found.name)));
        }
        Self(names)
    }

    /// The name; of what has none that is known, the id.
    pub(crate) fn get<'a>(&'a self, id: &'a str) -> &'a str {
        self.0.get(id).map_or(id, String::as_str)
    }
}

/// The list that an id is of.
fn noun(id: &str) -> Option<&'static str> {
    const NOUNS: [(&str, &str); 3] =
        [("usr_", "users"), ("prj_", "projects"), ("sva_", "service-accounts")];
    NOUNS.into_iter().find(|(prefix, _)| id.starts_with(prefix)).map(|(_, noun)| noun)
}
