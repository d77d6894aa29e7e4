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
use utoipa::openapi::{Info, OpenApi, Paths};

use crate::api::{
    audit, keys, models, projects, provider_keys, providers, service_accounts, settings, usage,
    users,
};

/// What a client's developer reads first.
const ABOUT: &str = "Keys, people, models and usage of one organization.\n\n\
    Send a key with `Authorization: Bearer dw_…`; each operation names the scope that the key needs \
    (`x-required-scope`). Requests and answers are JSON; fields that are not described are refused \
    by name. Times are RFC 3339 in UTC. Whatever is refused is answered as a problem (RFC 9457), \
    with a `code` for programs and, for wrong fields, their names. Every answer has an \
    `x-request-id`, under which the log knows it.";

/// Each noun: the segment of its paths, its title, and the description of its handlers.
fn nouns() -> [(&'static str, &'static str, OpenApi); 10] {
    [
        ("api-keys", "API keys", keys::Described::openapi()),
        ("users", "Users", users::Described::openapi()),
        ("service-accounts", "Service accounts", service_accounts::Described::openapi()),
        ("projects", "Projects", projects::Described::openapi()),
        ("providers", "Providers", providers::Described::openapi()),
        ("provider-keys", "Provider keys", provider_keys::Described::openapi()),
        ("models", "Models", models::Described::openapi()),
        ("settings", "Settings", settings::Described::openapi()),
        ("usage", "Usage", usage::Described::openapi()),
        ("audit", "Audit log", audit::Described::openapi()),
    ]
}

/// The whole description.
fn document() -> OpenApi {
    let mut info = Info::new("Doorward", env!("CARGO_PKG_VERSION"));
    info.description = Some(ABOUT.to_owned());
    let mut document = OpenApi::new(info, Paths::new());
    let mut titles = Vec::new();
    for (segment, title, described) in nouns() {
        titles.push((segment, title));
        document.merge(described);
    }
    complete::complete(&mut document, &titles);
    document
}

/// The description as the text that `GET /openapi.json` answers and the repository keeps.
pub fn openapi_json() -> Result<String, serde_json::Error> {
    document().to_pretty_json().map(|text| text + "\n")
}
