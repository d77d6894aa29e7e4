//! `/v1/settings`.

use std::fmt;

use axum::extract::State;
use axum::response::Response;
use doorward_domain::credential::KeyId;
use doorward_domain::reminder::{NOTICE_DAYS_MAX, NOTICES_MAX, NoticeDays};
use doorward_domain::role::OrganizationRole;
use doorward_domain::setting::{Bounds, Setting, SettingValue};
use doorward_store::{Outliving, SettingRow, SettingsEdit, SettingsList, StoreError};
use http::HeaderMap;
use http::header::IF_MATCH;
use jiff::Timestamp;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{
    AdditionalProperties, AnyOfBuilder, Array, ArrayBuilder, KnownFormat, Object, ObjectBuilder,
    Schema, SchemaFormat, Type,
};
use utoipa::{OpenApi, ToSchema};

use crate::Control;
use crate::api::answer::versioned;
use crate::caller::Caller;
use crate::faults::Faults;
use crate::openapi::text::AnyValue;
use crate::problem::ApiError;
use crate::request::{JsonBody, Params, check_if_match};

/// What is described of these routes.
#[derive(OpenApi)]
#[openapi(paths(list_settings, change_settings,))]
pub(crate) struct Described;

/// More names than there are settings are not read.
const NAMES_MAX: usize = 100;
/// How much of a name that is none is told back.
const NAME_CHARS_MAX: usize = 100;

/// New values by name, in the order in which they were sent; `null` resets to the default.
struct ChangeSettings(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for ChangeSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Names)
    }
}

impl ToSchema for ChangeSettings {}

impl utoipa::PartialSchema for ChangeSettings {
    fn schema() -> RefOr<Schema> {
        let object = Object::builder()
            .schema_type(Type::Object)
            .additional_properties(Some(AdditionalProperties::FreeForm(false)))
            .description(Some("New values by name; `null` resets one to its default."));
        let property = |object: ObjectBuilder, setting: Setting| {
            object.property(setting.name(), schema_of(setting))
        };
        Setting::ALL.into_iter().fold(object, property).into()
    }
}

/// What a request may say of a setting.
fn schema_of(setting: Setting) -> RefOr<Schema> {
    let one_of = |bounds| match bounds {
        Bounds::Whole { min, max } => {
            vec![of_type(Type::Integer).minimum(Some(min)).maximum(Some(max)).into()]
        }
        Bounds::OneOf(numbers) => {
            let numbers = numbers.iter().map(|number| Value::from(*number));
            vec![of_type(Type::Integer).enum_values(Some(numbers)).into()]
        }
        Bounds::Prefix => {
            vec![of_type(Type::String).pattern(Some("^[a-z][a-z0-9-]{1,11}$")).into()]
        }
        Bounds::Days => vec![Schema::from(list_of_days()), day().into(), of_word("none").into()],
        Bounds::Email => {
            let email = SchemaFormat::KnownFormat(KnownFormat::Email);
            vec![of_type(Type::String).format(Some(email)).into(), of_word("").into()]
        }
    };
    let reset = of_type(Type::Null).into();
    let values = one_of(setting.bounds()).into_iter().chain([reset]);
    values.fold(AnyOfBuilder::new(), AnyOfBuilder::item).description(Some(setting.help())).into()
}

fn of_type(kind: Type) -> ObjectBuilder {
    Object::builder().schema_type(kind)
}

fn of_word(word: &str) -> ObjectBuilder {
    of_type(Type::String).enum_values(Some([word]))
}

fn day() -> ObjectBuilder {
    of_type(Type::Integer).minimum(Some(1)).maximum(Some(NOTICE_DAYS_MAX))
}

fn list_of_days() -> Array {
    ArrayBuilder::new().items(day()).max_items(Some(NOTICES_MAX)).unique_items(true).build()
}

/// Keeps a name that is given twice, which a map would not.
struct Names;

impl<'de> Visitor<'de> for Names {
    type Value = ChangeSettings;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ChangeSettings, A::Error> {
        let mut changes = Vec::new();
        while let Some(change) = map.next_entry()? {
            if changes.len() == NAMES_MAX {
                return Err(A::Error::custom("there are not as many settings"));
            }
            changes.push(change);
        }
        Ok(ChangeSettings(changes))
    }
}

/// One setting, as answers show it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Setting)]
struct SettingObject {
    name: &'static str,
    #[schema(pattern = "^setting$")]
    object: &'static str,
    #[schema(value_type = AnyValue)]
    value: Value,
    #[schema(value_type = AnyValue)]
    default: Value,
    /// Whether it follows the default, because nothing else is set.
    is_default: bool,
    help: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'static str>,
    /// Who may lower it; whatever else becomes of it is up to administrators.
    lowered_by: OrganizationRole,
    #[serde(flatten)]
    bounds: BoundsObject,
}

/// What a value may be: two ends, or a list, or neither.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = SettingBounds)]
struct BoundsObject {
    #[serde(skip_serializing_if = "Option::is_none")]
    min: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    one_of: Option<&'static [u64]>,
}

/// All settings: a list that has no second page.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Settings)]
struct SettingsObject {
    #[schema(pattern = "^list$")]
    object: &'static str,
    data: Vec<SettingObject>,
    has_more: bool,
    #[schema(required)]
    next: Option<String>,
    /// Keys that live longer than the cap that is set by this; they are left as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    keys_outliving_cap: Option<OutlivingObject>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KeysOutlivingCap)]
struct OutlivingObject {
    count: u64,
    /// Those that live longest, at most 20.
    first: Vec<KeyId>,
}

/// Lists all settings, each with its default, its bounds and what it does.
#[utoipa::path(
    get,
    path = "/v1/settings",
    responses((status = 200, body = SettingsObject, headers(("etag")))),
)]
pub(crate) async fn list_settings(
    State(control): State<Control>,
    caller: Caller,
    params: Params,
) -> Result<Response, ApiError> {
    params.finish()?;
    let list = control.store.settings_list(caller.organization()).await?;
    Ok(answer(list, None))
}

/// Changes settings, all that are named or none; `null` resets one to its default.
#[utoipa::path(
    patch,
    path = "/v1/settings",
    params(("preview" = Option<bool>, Query, description = "Only to be told what would become of them, and which keys would outlive a cap: nothing is changed."), ("if-match" = Option<String>, Header)),
    request_body = ChangeSettings,
    responses((status = 200, body = SettingsObject, headers(("etag")))),
)]
pub(crate) async fn change_settings(
    State(control): State<Control>,
    caller: Caller,
    headers: HeaderMap,
    mut params: Params,
    body: JsonBody,
) -> Result<Response, ApiError> {
    let is_preview = params.parse("preview").unwrap_or(false);
    params.finish()?;
    let ChangeSettings(wish) = body.parse()?;
    let changes = check(wish)?;
    let if_updated_at = expected_version(&control, &caller, &headers).await?;
    let edit =
        SettingsEdit { changes, if_updated_at, may_forget: caller.is_whole_owner(), is_preview };
    match control.store.change_settings(&caller.act(control.now()), &edit).await {
        Ok(done) => Ok(answer(done.list, done.outliving)),
        Err(StoreError::AboveOwnRole) => {
            note_refusal(&control, &caller).await?;
            Err(ApiError::LessThanOwner(Some(Setting::AuditRetentionDays.name())))
        }
        Err(error) => Err(error.into()),
    }
}

/// Audits who would have the audit log forget sooner than it does, and may not.
async fn note_refusal(control: &Control, caller: &Caller) -> Result<(), ApiError> {
    let subject = caller.organization().to_string();
    let fields = [Setting::AuditRetentionDays.name()];
    let detail = json!({ "outcome": "denied", "code": "exceeds_own_rights", "fields": fields });
    let act = caller.act(control.now());
    Ok(control.store.record(&act, "settings.edit", &subject, detail).await?)
}

/// The version that the caller says it changes. Without one, each setting that it names is set
/// whatever it was.
async fn expected_version(
    control: &Control,
    caller: &Caller,
    headers: &HeaderMap,
) -> Result<Option<Timestamp>, ApiError> {
    if !headers.contains_key(IF_MATCH) {
        return Ok(None);
    }
    let version = control.store.settings_list(caller.organization()).await?.updated_at;
    check_if_match(headers, version)?;
    Ok(Some(version))
}

/// What is asked for, in so far as it all makes sense.
fn check(wish: Vec<(String, Value)>) -> Result<Vec<(Setting, Option<SettingValue>)>, ApiError> {
    let mut faults = Faults::new();
    let mut changes: Vec<(Setting, Option<SettingValue>)> = Vec::new();
    for (name, value) in wish {
        let Ok(setting) = name.parse::<Setting>() else {
            let name: String = name.chars().take(NAME_CHARS_MAX).collect();
            faults.add(name, "unknown_field", "there is no such setting");
            continue;
        };
        if changes.iter().any(|(other, _)| *other == setting) {
            faults.add(setting.name(), "duplicate", "is given twice");
        }
        changes.push((setting, read(setting, value, &mut faults)));
    }
    faults.finish()?;
    Ok(changes)
}

/// The value that is asked for; `None` resets it. What is wrong with it is noted.
fn read(setting: Setting, value: Value, faults: &mut Faults) -> Option<SettingValue> {
    let value = match value {
        Value::Null => return None,
        value if setting.bounds() == Bounds::Days => days(&value).map(SettingValue::Days),
        Value::String(text) => Some(SettingValue::Text(text)),
        Value::Number(number) => whole(&number).map(SettingValue::Number),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    let checked = value.map(|value| setting.check(value));
    if let Some(Ok(value)) = checked {
        return Some(value);
    }
    faults.add(setting.name(), "invalid", format_args!("must be {}", setting.bounds()));
    None
}

/// A whole number, also where it is written with a fraction of nothing: `90.0` is 90 in JSON.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "only whole numbers come here; what is out of bounds saturates and is refused later"
)]
fn whole(number: &serde_json::Number) -> Option<u64> {
    let from_fraction = || number.as_f64().filter(|n| n.fract() == 0.0 && *n >= 0.0);
    number.as_u64().or_else(|| from_fraction().map(|n| n as u64))
}

/// A list of days: as a list, as one number, or as it is typed.
fn days(value: &Value) -> Option<NoticeDays> {
    match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(day) => NoticeDays::new(&[whole(day)?]).ok(),
        Value::Array(days) => {
            let day = |day: &Value| day.as_number().and_then(whole);
            NoticeDays::new(&days.iter().map(day).collect::<Option<Vec<u64>>>()?).ok()
        }
        Value::Null | Value::Bool(_) | Value::Object(_) => None,
    }
}

fn answer(list: SettingsList, outliving: Option<Outliving>) -> Response {
    let object = SettingsObject {
        object: "list",
        data: list.rows.into_iter().map(SettingObject::from).collect(),
        has_more: false,
        next: None,
        keys_outliving_cap: outliving
            .map(|Outliving { count, first }| OutlivingObject { count, first }),
    };
    versioned(object, list.updated_at)
}

impl From<SettingRow> for SettingObject {
    fn from(row: SettingRow) -> Self {
        Self {
            name: row.setting.name(),
            object: "setting",
            value: json_of(row.value),
            default: json_of(row.default),
            is_default: row.is_default,
            help: row.setting.help(),
            unit: row.setting.unit(),
            lowered_by: row.setting.lowered_by(),
            bounds: row.setting.bounds().into(),
        }
    }
}

impl From<Bounds> for BoundsObject {
    fn from(bounds: Bounds) -> Self {
        match bounds {
            Bounds::Whole { min, max } => {
                Self { min: Some(min), max: Some(max), ..Self::default() }
            }
            Bounds::OneOf(numbers) => Self { one_of: Some(numbers), ..Self::default() },
            Bounds::Prefix | Bounds::Days | Bounds::Email => Self::default(),
        }
    }
}

fn json_of(value: SettingValue) -> Value {
    match value {
        SettingValue::Number(number) => number.into(),
        SettingValue::Text(text) => text.into(),
        SettingValue::Days(days) => days.days().into(),
    }
}
