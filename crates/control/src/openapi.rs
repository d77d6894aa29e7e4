//! The description of the API, made from the code: OpenAPI 3.1.
//!
//! Each handler says its method, path and bodies in `#[utoipa::path]`, each noun lists its handlers
//! in its `Described`; what all of them have in common is added in [`complete`].

mod complete;
mod page;
mod serve;
pub(crate) mod text;

pub(crate) use serve::pages;

use utoipa::OpenApi as _;
use utoipa::openapi::{Info, OpenApi, Paths, Tag};

use crate::api::{
    audit, backup, calls, increases, keys, models, notices, organization, password_links, projects,
    provider_keys, providers, service_accounts, sessions, settings, usage, users, webhooks,
};

/// What a client's developer reads first.
const ABOUT: &str = "Keys, people, models and usage of one organization.\n\n\
    Send a key with `Authorization: Bearer dw_…`; each operation names the scope that the key needs \
    (`x-required-scope`). A token of `/oauth/token` stands in for a key (how to get one stands at \
    `/.well-known/oauth-authorization-server`), and a session for a user: both are sent in the same \
    place. Requests and answers are JSON; fields that are not described are refused \
    by name. Times are RFC 3339 in UTC. Whatever is refused is answered as a problem (RFC 9457), \
    with a `code` for programs and, for wrong fields, their names. Every answer has an \
    `x-request-id`, under which the log knows it.";

/// Makes the description of the handlers of one noun.
type Described = fn() -> OpenApi;

/// Each noun with its title.
const NOUNS: [(&str, Described); 18] = [
    ("API keys", keys::Described::openapi),
    ("Limit increases", increases::Described::openapi),
    ("Users", users::Described::openapi),
    ("Signing in", sessions::Described::openapi),
    ("Passwords", password_links::Described::openapi),
    ("Service accounts", service_accounts::Described::openapi),
    ("Projects", projects::Described::openapi),
    ("Organization", organization::Described::openapi),
    ("Providers", providers::Described::openapi),
    ("Provider keys", provider_keys::Described::openapi),
    ("Models", models::Described::openapi),
    ("Settings", settings::Described::openapi),
    ("Usage", usage::Described::openapi),
    ("Calls", calls::Described::openapi),
    ("Webhooks", webhooks::Described::openapi),
    ("Notices", notices::Described::openapi),
    ("Audit log", audit::Described::openapi),
    ("Backup", backup::Described::openapi),
];

/// The whole description.
fn document() -> OpenApi {
    let mut info = Info::new("Doorward", env!("CARGO_PKG_VERSION"));
    info.description = Some(ABOUT.to_owned());
    let mut document = OpenApi::new(info, Paths::new());
    for (title, described) in NOUNS {
        document.merge(complete::tagged(described(), title));
    }
    document.tags = Some(NOUNS.map(|(title, _)| Tag::new(title)).into());
    complete::complete(&mut document);
    document
}

/// The description as the text that `GET /openapi.json` answers and the repository keeps.
pub fn openapi_json() -> Result<String, serde_json::Error> {
    document().to_pretty_json().map(|text| text + "\n")
}
