//! What all operations have in common: scopes, tags, parameters of paths, refusals, headers.

use http::StatusCode;
use utoipa::openapi::header::Header;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::request_body::RequestBody;
use utoipa::openapi::schema::{Schema, SchemaType, Type};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{
    Components, ContentBuilder, Object, OpenApi, Ref, RefOr, Required, Response,
};
use utoipa::{PartialSchema as _, ToSchema as _};

use super::text::{HeadRefused, Instant, Since, View};
use crate::api::usage::Format;
use crate::faults::FieldError;
use crate::idempotency::NAME_BYTES_MAX;
use crate::problem::Problem;
use crate::routes::{Access, Policy, policies};

/// Where a key can be: the name of the scheme, and the header where it is not `authorization`.
const SCHEMES: [(&str, Option<&str>); 5] = [
    ("bearer", None),
    ("basic", None),
    ("x_api_key", Some("x-api-key")),
    ("api_key", Some("api-key")),
    ("x_goog_api_key", Some("x-goog-api-key")),
];

/// Where the session of a user is.
const SESSION_SCHEME: &str = "bearer";

/// What one segment of a path can hold: the listener takes nothing that two readers of a path could
/// read differently.
const SEGMENT: &str = r"^[^\u0000-\u001f\u007f/;\\]+$";
/// The name of a model, which may have several segments.
const MODEL_NAME: &str = r"^[!-)+-.0-:<-\[\]-~]+(/[!-)+-.0-:<-\[\]-~]+)*$";

/// The refusals, and what each means to whoever reads it.
const REFUSALS: [(u16, &str); 11] = [
    (
        400,
        "The body, a parameter or the credential cannot be read, or a field is wrong: `errors` names each. A head that is no HTTP is refused before its path is read, in the shape of OpenAI's API.",
    ),
    (401, "There is no good key in the request, or the key has ended or is disabled."),
    (403, "The key may not do this, not from this address, or not with so much right."),
    (404, "There is no such thing, or it is not the caller's: the same answer for both."),
    (409, "It clashes with what is there; `code` says with what."),
    (
        412,
        "It, or what it is about, was edited in between: `if-match` names another version than the present one, where it is sent.",
    ),
    (413, "The body is larger than 1 MiB."),
    (415, "The body is not sent as `content-type: application/json`."),
    (429, "Too many attempts: try again after `retry-after`."),
    (500, "A fault on the server's side; its log has it under `x-request-id`."),
    (503, "Temporarily unavailable: try again after `retry-after`, or in a moment."),
];

/// The description of one noun, each of its operations under its title.
pub(super) fn tagged(mut described: OpenApi, title: &str) -> OpenApi {
    for (_, operation) in described.paths.paths.values_mut().flat_map(operations_mut) {
        operation.tags = Some(vec![title.to_owned()]);
    }
    described
}

/// Completes a description that has every operation, by the table of routes.
pub(super) fn complete(document: &mut OpenApi) {
    add_components(document.components.get_or_insert_default());
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations_mut(item) {
            let policy = policies().find(|policy| is_for(policy, method, path));
            let access = policy.map(|policy| policy.access);
            // Whoever is not known has no requests of their own to be told apart by a name.
            let repeats = method == "POST" && access != Some(Access::Public);
            add_access(operation, access);
            add_parameters(operation, path, repeats);
            settle_body(operation);
            settle_answers(operation, method, repeats);
        }
    }
}

/// The operations of a path, with their methods.
pub(super) fn operations_mut(
    item: &mut PathItem,
) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    [("GET", get), ("POST", post), ("PUT", put), ("PATCH", patch), ("DELETE", delete)]
        .into_iter()
        .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// Whether a policy is that of an operation. What follows in a path has a `*` in the table of routes.
fn is_for(policy: &Policy, method: &str, path: &str) -> bool {
    policy.method == method && policy.path.replace("{*", "{") == path
}

fn add_components(components: &mut Components) {
    for (name, header) in SCHEMES {
        let scheme = match header {
            Some(header) => SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new(header))),
            None if name == "basic" => SecurityScheme::Http(Http::new(HttpAuthScheme::Basic)),
            None => SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)),
        };
        components.add_security_scheme(name, scheme);
    }
    for (name, schema) in [
        (FieldError::name(), FieldError::schema()),
        (Problem::name(), Problem::schema()),
        (HeadRefused::name(), HeadRefused::schema()),
        // Those that only parameters name are not found by themselves.
        (Instant::name(), Instant::schema()),
        (Since::name(), Since::schema()),
        (View::name(), View::schema()),
        (Format::name(), Format::schema()),
    ] {
        components.schemas.insert(name.into_owned(), schema);
    }
    for (status, said) in REFUSALS {
        let mut response = Response::new(said);
        let problem = Ref::from_schema_name(Problem::name());
        let content = ContentBuilder::new().schema(Some(problem)).build();
        response.content.insert("application/problem+json".to_owned(), content.into());
        add_header(&mut response, "x-request-id");
        match status {
            400 => {
                let schema = Ref::from_schema_name(HeadRefused::name());
                let content = ContentBuilder::new().schema(Some(schema)).build();
                response.content.insert("application/json".to_owned(), content.into());
            }
            401 => add_header(&mut response, "www-authenticate"),
            429 | 503 => add_header(&mut response, "retry-after"),
            _ => {}
        }
        components.responses.insert(refusal_name(status), response.into());
    }
}

fn refusal_name(status: u16) -> String {
    format!("Refused{status}")
}

/// The scope as a requirement of each scheme: for these the standard calls it a role.
fn add_access(operation: &mut Operation, access: Option<Access>) {
    let Some(access) = access else { return };
    let none = [""; 0];
    let requirements = match access {
        Access::Public => Vec::new(),
        Access::SignedIn => vec![SecurityRequirement::new(SESSION_SCHEME, none)],
        Access::Holder => SCHEMES.map(|(name, _)| SecurityRequirement::new(name, none)).into(),
        Access::Scope(needs) => {
            let extensions = operation.extensions.get_or_insert_default();
            extensions.insert("x-required-scope".to_owned(), needs.as_str().into());
            let requirement = |(name, _)| SecurityRequirement::new(name, [needs.as_str()]);
            SCHEMES.map(requirement).into()
        }
    };
    operation.security = Some(requirements);
}

fn add_parameters(operation: &mut Operation, path: &str, repeats: bool) {
    let given = operation.parameters.get_or_insert_default();
    for parameter in given.iter_mut() {
        if let RefOr::T(parameter) = parameter {
            parameter.schema = parameter.schema.take().map(never_null);
            parameter.description =
                parameter.description.take().or_else(|| said_of(&parameter.name));
        }
    }
    let in_path = names_in(path).map(|name| (name, ParameterIn::Path));
    let repeat = repeats.then_some(("idempotency-key", ParameterIn::Header));
    for (name, place) in in_path.chain(repeat) {
        let is_there =
            |there: &RefOr<Parameter>| matches!(there, RefOr::T(there) if there.name == name);
        if !given.iter().any(is_there) {
            given.push(parameter(name, place).into());
        }
    }
    // Those in the path come first.
    given.sort_by_key(|one| matches!(one, RefOr::T(one) if one.parameter_in != ParameterIn::Path));
}

/// The parameters of a path, by name.
fn names_in(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
}

fn parameter(name: &str, place: ParameterIn) -> Parameter {
    let is_in_path = place == ParameterIn::Path;
    let text = Object::builder().schema_type(Type::String);
    let text = if is_in_path {
        text.pattern(Some(if name == "name" { MODEL_NAME } else { SEGMENT }))
    } else {
        text.min_length(Some(1)).max_length(Some(NAME_BYTES_MAX)).pattern(Some("^[!-~]+$"))
    };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(if is_in_path { Required::True } else { Required::False })
        .description(said_of(name))
        .schema(Some(text))
        .build()
}

/// What a parameter is for that means the same wherever it is.
fn said_of(name: &str) -> Option<String> {
    let said = match name {
        "id" => "The id; where a thing has a name of its own, the name does as well.",
        "user" => "The id or the name of the user.",
        "name" => "The public name, slashes included.",
        "limit" => "How many entries to answer at most; 50 unless said otherwise.",
        "after" => "Where to go on: what `next` of the page before says.",
        "from" => "The first moment of interest.",
        "to" => "The first moment that is no longer of interest.",
        "view" => "Without it the request is the gateway's: it then lists what the key may call.",
        "owner" => "Only keys of this user or service account.",
        "status" => "Only keys with this status; without it all but the revoked ones.",
        "project" => "Only keys in this project.",
        "kind" => "Only keys of this kind.",
        "expires_before" => "Only keys that end before this time.",
        "q" => "Only keys with this text in what lists show of them.",
        "created_by" => "Only keys that this user made.",
        "unused_since" => "Only keys without a call since then, or for so many days.",
        "days" => "For how many days something was not used; 30 unless said otherwise.",
        "state" => "Only those of which this became.",
        "api_key" => "Only those of this key.",
        "force" => "Whether it is taken from what uses it.",
        "actor" => "Only what this one did.",
        "action" => "Only acts of this kind, such as `key.create`.",
        "subject" => "Only what was done to this one.",
        "group_by" => {
            "What the rows are for: any of key, user, service_account, project, model, provider, day and hour, with commas between them."
        }
        "if-match" => "The `etag` of the version that is edited: whoever comes second is refused.",
        "idempotency-key" => {
            "A name of the client's own for this request. Sent again under the same name within 24 \
             hours, it is not done again, and answered as it was."
        }
        _ => return None,
    };
    Some(said.to_owned())
}

/// Nothing in a path, query or header is null: it is there, or not.
fn never_null(mut schema: RefOr<Schema>) -> RefOr<Schema> {
    if let RefOr::T(Schema::OneOf(one_of)) = &schema
        && let Some(only) = one_of.items.iter().find(|item| !is_null(item))
    {
        return only.clone();
    }
    if let RefOr::T(Schema::Object(object)) = &mut schema
        && let SchemaType::Array(types) = &object.schema_type
        && let Some(first) = types.iter().find(|one| **one != Type::Null)
    {
        object.schema_type = first.clone().into();
    }
    schema
}

fn is_null(schema: &RefOr<Schema>) -> bool {
    matches!(schema, RefOr::T(Schema::Object(object))
        if matches!(object.schema_type, SchemaType::Type(Type::Null)))
}

/// A body that need not be there is still not null.
fn settle_body(operation: &mut Operation) {
    let Some(RefOr::T(RequestBody { content, required, .. })) = &mut operation.request_body else {
        return;
    };
    required.get_or_insert(Required::False);
    for content in content.values_mut() {
        if let RefOr::T(content) = content {
            content.schema = content.schema.take().map(never_null);
        }
    }
}

fn settle_answers(operation: &mut Operation, method: &str, repeats: bool) {
    let named = |name: &str| {
        let parameters = operation.parameters.iter().flatten();
        parameters.into_iter().any(|one| matches!(one, RefOr::T(one) if one.name == name))
    };
    let in_path = |one: &RefOr<Parameter>| matches!(one, RefOr::T(one) if one.parameter_in == ParameterIn::Path);
    let has_path = operation.parameters.iter().flatten().any(in_path);
    let (has_if_match, has_body) = (named("if-match"), operation.request_body.is_some());
    // A refusal that a handler names is the one that all have.
    let own: Vec<u16> =
        operation.responses.responses.keys().filter_map(|s| s.parse().ok()).collect();
    operation.responses.responses.retain(|status, _| status.starts_with('2'));
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response {
            describe(response, status, repeats);
        }
    }
    for (status, _) in REFUSALS {
        let comes = match status {
            404 => has_path || own.contains(&404),
            429 => own.contains(&429),
            409 => method != "GET",
            412 => has_if_match || own.contains(&412),
            413 | 415 => has_body,
            _ => true,
        };
        if comes {
            let refused = Ref::from_response_name(refusal_name(status));
            operation.responses.responses.insert(status.to_string(), refused.into());
        }
    }
}

fn describe(response: &mut Response, status: &str, repeats: bool) {
    if response.description.is_empty() {
        let known = status.parse::<StatusCode>().ok().and_then(|status| status.canonical_reason());
        known.unwrap_or(status).clone_into(&mut response.description);
    }
    let names: Vec<String> = response.headers.keys().cloned().collect();
    for name in names {
        add_header(response, &name);
    }
    add_header(response, "x-request-id");
    if repeats {
        add_header(response, "idempotent-replayed");
    }
}

fn add_header(response: &mut Response, name: &str) {
    let said = match name {
        "etag" => "The version of what is answered, for `if-match`.",
        "x-request-id" => "Names this request in the server's log.",
        "idempotent-replayed" => {
            "`true` where this is the answer to an earlier request of the same name."
        }
        "retry-after" => "After how many seconds to try again, where that is known.",
        "www-authenticate" => "`Bearer`.",
        _ => return,
    };
    let mut header = Header::default();
    header.description = Some(said.to_owned());
    response.headers.insert(name.to_owned(), header.into());
}
