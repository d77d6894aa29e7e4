//! Texts that requests and answers hold and that have no type of their own in the code: what the
//! schema of a field says with `value_type`.

use doorward_domain::name::{
    DESCRIPTION_CHARS_MAX, NAME_CHARS_MAX, description_pattern, name_pattern,
};
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{
    AnyOfBuilder, ArrayBuilder, KnownFormat, Object, ObjectBuilder, Schema, SchemaFormat, Type,
};

fn text() -> ObjectBuilder {
    Object::builder().schema_type(Type::String)
}

/// A name that people give to something.
pub(crate) enum Name {}

impl ToSchema for Name {}

impl utoipa::PartialSchema for Name {
    fn schema() -> RefOr<Schema> {
        let said = "Shows all that is in it: no white space at its ends, no characters that do not \
                    show or change the direction.";
        text()
            .max_length(Some(NAME_CHARS_MAX))
            .pattern(Some(name_pattern()))
            .description(Some(said))
            .into()
    }
}

/// What somebody wrote about something.
pub(crate) enum Description {}

impl ToSchema for Description {}

impl utoipa::PartialSchema for Description {
    fn schema() -> RefOr<Schema> {
        let said = "Free text of several lines, without characters that do not show.";
        text()
            .max_length(Some(DESCRIPTION_CHARS_MAX))
            .pattern(Some(description_pattern()))
            .description(Some(said))
            .into()
    }
}

/// The id of a user or of a service account.
pub(crate) enum OwnerId {}

impl ToSchema for OwnerId {}

impl utoipa::PartialSchema for OwnerId {
    fn schema() -> RefOr<Schema> {
        text()
            .pattern(Some("^(usr|sva)_[0-7][0-9A-HJKMNP-TV-Z]{25}$"))
            .description(Some("The id of a user or of a service account."))
            .into()
    }
}

/// An IPv4 or IPv6 address.
pub(crate) enum IpAddress {}

impl ToSchema for IpAddress {}

impl utoipa::PartialSchema for IpAddress {
    fn schema() -> RefOr<Schema> {
        text().pattern(Some("^[0-9a-f:.]{2,45}$")).examples(["192.0.2.7"]).into()
    }
}

/// A time, or a day, in a query.
pub(crate) enum Instant {}

impl ToSchema for Instant {}

impl utoipa::PartialSchema for Instant {
    fn schema() -> RefOr<Schema> {
        let form = |known| text().format(Some(SchemaFormat::KnownFormat(known)));
        AnyOfBuilder::new()
            .item(form(KnownFormat::DateTime))
            .item(form(KnownFormat::Date))
            .description(Some("A time, or a day, which means its first moment in UTC."))
            .into()
    }
}

/// How long ago: an instant, or a number of days.
pub(crate) enum Since {}

impl ToSchema for Since {}

impl utoipa::PartialSchema for Since {
    fn schema() -> RefOr<Schema> {
        let instant = SchemaFormat::KnownFormat(KnownFormat::DateTime);
        let days =
            Object::builder().schema_type(Type::Integer).minimum(Some(1)).maximum(Some(3650));
        AnyOfBuilder::new()
            .item(text().format(Some(instant)))
            .item(days)
            .description(Some("A time, or a number of days before now."))
            .into()
    }
}

/// By what a notice goes out.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema is used: the code has the words")]
pub(crate) enum Channel {
    Mail,
    Webhook,
}

/// The value of a setting.
pub(crate) enum AnyValue {}

impl ToSchema for AnyValue {}

impl utoipa::PartialSchema for AnyValue {
    fn schema() -> RefOr<Schema> {
        let number = || Object::builder().schema_type(Type::Integer).minimum(Some(0));
        let list = ArrayBuilder::new().items(number());
        AnyOfBuilder::new().item(number()).item(text()).item(list).into()
    }
}

/// Whether a user or service account works.
#[derive(ToSchema)]
#[schema(as = Status, rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema is used: the code has the words")]
pub(crate) enum Standing {
    Active,
    Disabled,
}

/// Which models a request means: those with their deployments.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema is used: the code has the word")]
pub(crate) enum View {
    Routes,
}

/// What is answered to a head that is no HTTP, before it is known whose dialect it meant.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used: the listener writes it")]
pub(crate) struct HeadRefused {
    #[schema(inline)]
    error: HeadError,
}

/// What is wrong with the head, as OpenAI's API says it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used: the listener writes it")]
struct HeadError {
    message: String,
    r#type: String,
    #[schema(required)]
    param: Option<String>,
    #[schema(required)]
    code: Option<String>,
}
