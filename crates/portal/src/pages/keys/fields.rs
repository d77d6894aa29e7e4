//! The fields of a key, as the form that makes one and the form that edits one have them.

use doorward_domain::address::{AddressBlock, AddressDecision, AddressRules};
use doorward_domain::budget::{Amount, Budget, Overrun};
use doorward_domain::money::NanoUsd;
use doorward_domain::scope::Scope;
use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::model_limits;
use super::object::{Key, limits_of};
use crate::api::List;
use crate::form::{Form, Kind, Member};
use crate::refusal::{FieldError, Refusal};
use crate::text::{text, text_with};
use crate::visitor::Visitor;

/// Ends that are offered, in days.
const DAYS: [u64; 4] = [7, 30, 90, 365];
/// Budgets that a form has room for, where a key has fewer.
const BUDGETS_MIN: usize = 3;
/// The most that a key has.
const BUDGETS_MAX: usize = 8;
/// Models that are listed to choose from.
const MODELS: &str = "/v1/allowed-models?limit=200";

pub(super) const fn member(path: &'static str, kind: Kind) -> Member {
    Member { path, kind }
}

/// What is said to the API as it was typed.
const MEMBERS: [Member; 9] = [
    member("description", Kind::Text),
    member("scopes", Kind::Choices),
    member("limits.requests_per_minute", Kind::Number),
    member("limits.requests_per_hour", Kind::Number),
    member("limits.requests_per_day", Kind::Number),
    member("limits.tokens_per_minute", Kind::Number),
    member("limits.tokens_per_hour", Kind::Number),
    member("limits.tokens_per_day", Kind::Number),
    member("limits.concurrency", Kind::Number),
];

/// Lists that a key need not have. Without one, a new key has none, and an edit takes it away.
const LISTS: [&str; 3] = ["ip_allow", "ip_deny", "allowed_origins"];

/// What a form offers to choose from, and what it explains.
#[derive(Debug)]
pub(super) struct Offer {
    pub(super) scopes: Vec<Scope>,
    /// Names of models that there are.
    pub(super) models: Vec<String>,
    pub(super) has_more_models: bool,
    /// Ends, in days.
    pub(super) days: Vec<u64>,
    /// The longest life of a key, in days. `None`: it need not end.
    pub(super) days_max: Option<u64>,
    /// Where the visitor is.
    pub(super) address: String,
    /// The places of budgets.
    pub(super) budgets: Vec<usize>,
    /// What is ticked where the address lists are meant as they are. `None`: there is nothing to ask about.
    pub(super) anyway: Option<String>,
    pub(super) model_limits: Vec<model_limits::Row>,
    /// Whether one more row is all that was asked for.
    pub(super) has_more_rows: bool,
}

#[derive(Deserialize)]
struct AllowedModel {
    name: String,
}

impl Offer {
    /// Offers to go on although the address lists of a form that was refused do more than was meant, perhaps.
    pub(super) fn ask_about(&mut self, visitor: &Visitor, form: &Form, before: Option<&Key>) {
        let slip = form.is_refused().then(|| slip(visitor, form, before)).flatten();
        self.anyway = slip.map(|slip| slip.anyway(&self.address));
    }

    pub(super) async fn load(visitor: &Visitor, form: &Form) -> Self {
        // Without the list, patterns can still be typed.
        let models = visitor.api.get::<List<AllowedModel>>(MODELS).await.ok();
        let has_more_models = models.as_ref().is_some_and(|list| list.next.is_some());
        let models = models.map(|list| list.data).unwrap_or_default();
        let scopes = visitor.me.role.scopes();
        let days_max = visitor.me.key_quota.days_max();
        let fits = |days: &u64| days_max.is_none_or(|most| *days <= most);
        let filled = (0..BUDGETS_MAX).filter(|at| !amount(form, *at).is_empty()).count();
        Self {
            scopes: Scope::ALL.into_iter().filter(|scope| scopes.allows(*scope)).collect(),
            models: models.into_iter().map(|model| model.name).collect(),
            has_more_models,
            days: DAYS.into_iter().filter(fits).collect(),
            days_max,
            address: visitor.address.0.to_string(),
            budgets: (0..BUDGETS_MIN.max(filled + 1).min(BUDGETS_MAX)).collect(),
            anyway: None,
            model_limits: model_limits::rows(form),
            has_more_rows: wants_row(form),
        }
    }
}

/// The fields of a key that is there.
pub(super) fn filled(key: &Key) -> Form {
    let mut form = Form::filled([
        ("description", key.description.clone()),
        ("ends", "as-it-is".to_owned()),
        ("ip_allow", key.ip_allow.clone().unwrap_or_default().join("\n")),
        ("ip_deny", key.ip_deny.join("\n")),
        ("allowed_origins", key.allowed_origins.clone().unwrap_or_default().join("\n")),
        ("models", key.models.clone().unwrap_or_default().join("\n")),
    ]);
    for scope in &key.scopes {
        form.add("scopes", scope.as_str());
    }
    for (name, limit) in limits_of(&key.limits) {
        let limit = limit.map(|limit| limit.to_string()).unwrap_or_default();
        form.add(&format!("limits.{name}"), limit);
    }
    for (at, budget) in key.budgets.iter().enumerate() {
        fill_budget(&mut form, at, budget);
    }
    model_limits::fill(&mut form, &key.model_limits);
    form
}

fn fill_budget(form: &mut Form, at: usize, budget: &Budget) {
    let (amount, unit) = match budget.amount {
        Amount::Usd(usd) => (usd.to_string(), "usd"),
        Amount::Tokens(tokens) => (tokens.to_string(), "tokens"),
    };
    form.add(&format!("budgets[{at}].amount"), amount);
    form.add(&format!("budgets[{at}].unit"), unit);
    form.add(&format!("budgets[{at}].period"), budget.period.as_str());
    if budget.overrun == Overrun::Allow {
        form.add(&format!("budgets[{at}].overrun"), "allow");
    }
}

/// Whether the form was sent to get one more row, and nothing else is to be done.
pub(super) fn wants_row(form: &Form) -> bool {
    !form.value(model_limits::MORE).is_empty()
}

/// Models that are chosen from the list are ticked there, the rest stays to be typed.
pub(super) fn tick_models(form: &mut Form, known: &[String]) {
    let typed = form.value("models").to_owned();
    let (ticked, rest): (Vec<&str>, Vec<&str>) =
        typed.lines().map(str::trim).partition(|line| known.iter().any(|model| model == line));
    form.set("models", rest.join("\n"));
    for model in ticked {
        form.add("models.chosen", model);
    }
}

/// Whether the body makes a key, or edits one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Make,
    Edit,
}

/// What both forms say; or what is wrong with a field of it.
pub(super) fn body(form: &Form, purpose: Purpose) -> Result<Map<String, Value>, FieldError> {
    let mut body = form.body(&MEMBERS);
    if form.value("scopes").is_empty() {
        return Err(FieldError::new("scopes", "key-may-nothing"));
    }
    body.entry("limits").or_insert_with(|| json!({}));
    for list in LISTS {
        let kind = match purpose {
            Purpose::Make => Kind::LinesWish,
            Purpose::Edit => Kind::LinesClearable,
        };
        body.extend(form.body(&[member(list, kind)]));
    }
    let models: Vec<&str> = form
        .all("models.chosen")
        .chain(form.value("models").lines().map(str::trim).filter(|line| !line.is_empty()))
        .collect();
    match (models.is_empty(), purpose) {
        (true, Purpose::Make) => {}
        (true, Purpose::Edit) => drop(body.insert("models".to_owned(), Value::Null)),
        (false, _) => drop(body.insert("models".to_owned(), models.into())),
    }
    let budgets: Vec<Value> = budget_places(form).into_iter().map(|at| budget(form, at)).collect();
    body.insert("budgets".to_owned(), budgets.into());
    body.insert("model_limits".to_owned(), model_limits::said(form));
    body.extend(end(form)?);
    Ok(body)
}

/// Which budgets of the form are filled in: in this order the API gets them.
fn budget_places(form: &Form) -> Vec<usize> {
    (0..BUDGETS_MAX).filter(|at| !amount(form, *at).is_empty()).collect()
}

fn amount_field(at: usize) -> String {
    format!("budgets[{at}].amount")
}

fn amount(form: &Form, at: usize) -> &str {
    form.value(&amount_field(at)).trim()
}

fn budget(form: &Form, at: usize) -> Value {
    let field = |name: &str| form.value(&format!("budgets[{at}].{name}"));
    let amount = amount(form, at);
    let mut budget = Map::new();
    if field("unit") == "tokens" {
        let tokens = amount.parse::<u64>().map_or_else(|_| amount.into(), Value::from);
        budget.insert("tokens".to_owned(), tokens);
    } else {
        budget.insert("usd".to_owned(), amount.trim_start_matches('$').into());
    }
    budget.insert("period".to_owned(), field("period").into());
    if !field("overrun").is_empty() {
        budget.insert("overrun".to_owned(), "allow".into());
    }
    budget.into()
}

/// The form with what the API says of it, each fault at the field that it is about.
pub(super) fn refused(form: Form, refusal: Refusal) -> Result<Form, Refusal> {
    let (places, rows) = (budget_places(&form), model_limits::places(&form));
    let form = form.refused(refusal)?.renamed(|field| {
        if let Some(own) = model_limits::renamed(&rows, field) {
            return Some(own);
        }
        if ["expires_in_days", "never_expires"].contains(&field) {
            return Some("ends".to_owned());
        }
        let rest = field.strip_prefix("budgets[")?;
        let (index, _) = rest.split_once(']')?;
        let place = places.get(index.parse::<usize>().ok()?)?;
        Some(amount_field(*place))
    });
    Ok(with_unread(form))
}

/// The form with everything that cannot be read: the API tells of the first only.
pub(super) fn with_unread(form: Form) -> Form {
    let mut unread = form.unread(&MEMBERS);
    let amounts = budget_places(&form).into_iter().filter(|at| !is_amount(&form, *at));
    unread.extend(amounts.map(|at| FieldError::new(&amount_field(at), "wrong-amount")));
    unread.extend(model_limits::unread(&form));
    form.also_wrong(unread)
}

fn is_amount(form: &Form, at: usize) -> bool {
    let amount = amount(form, at);
    match form.value(&format!("budgets[{at}].unit")) {
        "tokens" => amount.parse::<u64>().is_ok(),
        _ => amount.trim_start_matches('$').parse::<NanoUsd>().is_ok(),
    }
}

/// The one member that says when the key ends. A day that is typed beside another choice is a contradiction.
fn end(form: &Form) -> Result<Option<(String, Value)>, FieldError> {
    if form.value("ends") != "date" && !form.value("expires_at").trim().is_empty() {
        return Err(FieldError::new("expires_at", "key-ends-twice"));
    }
    let (name, value) = match form.value("ends") {
        "never" => ("never_expires", true.into()),
        "date" => {
            let at = end_of(form.value("expires_at"));
            ("expires_at", at.ok_or_else(|| FieldError::new("expires_at", "wrong-date"))?.into())
        }
        days => match days.parse::<u64>() {
            Ok(days) => ("expires_in_days", days.into()),
            Err(_) => return Ok(None),
        },
    };
    Ok(Some((name.to_owned(), value)))
}

/// The end of a day: `2027-01-31` is good through that day, in UTC.
fn end_of(day: &str) -> Option<String> {
    let day: Date = day.trim().parse().ok()?;
    let next = day.checked_add(1.day()).ok()?;
    Some(next.to_zoned(TimeZone::UTC).ok()?.timestamp().to_string())
}

/// What the address lists do that their author may not have meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slip {
    /// There was a list, and now the key works from anywhere.
    Emptied,
    /// The visitor's own address is not on the list.
    NotListed,
    /// It is on the list of those that are refused.
    Denied,
}

impl Slip {
    fn error(self) -> FieldError {
        match self {
            Self::Emptied => FieldError::new("ip_allow", "ip-allow-emptied"),
            Self::NotListed => FieldError::new("ip_allow", "ip-allow-locks-out"),
            Self::Denied => FieldError::new("ip_deny", "ip-deny-locks-out"),
        }
    }

    /// What says that it is meant.
    fn anyway(self, address: &str) -> String {
        match self {
            Self::Emptied => text("ip-anyway-anywhere"),
            Self::NotListed | Self::Denied => text_with("ip-anyway", "address", address),
        }
    }
}

/// What is asked about once, before it is done: a tick says that it is meant.
pub(super) fn lockout(visitor: &Visitor, form: &Form, before: Option<&Key>) -> Option<FieldError> {
    let slip = slip(visitor, form, before)?;
    (!form.has("anyway", "yes")).then(|| slip.error())
}

/// The keys of service accounts are used elsewhere than where they are made.
fn slip(visitor: &Visitor, form: &Form, before: Option<&Key>) -> Option<Slip> {
    let had_list = before.is_some_and(|key| key.ip_allow.is_some());
    if had_list && form.value("ip_allow").trim().is_empty() {
        return Some(Slip::Emptied);
    }
    let is_changed = before.is_none_or(|key| {
        let before = filled(key);
        ["ip_allow", "ip_deny"].iter().any(|name| !same_lines(&before, form, name))
    });
    let is_elsewhere = before.is_some_and(Key::is_of_service) || !form.value("service").is_empty();
    if is_elsewhere || !is_changed {
        return None;
    }
    let (allow, deny) = (blocks(form, "ip_allow")?, blocks(form, "ip_deny")?);
    let rules = AddressRules { allow: (!allow.is_empty()).then_some(allow), deny };
    match rules.decide(visitor.address.0) {
        AddressDecision::Anywhere | AddressDecision::Allowed(_) => None,
        AddressDecision::NotListed => Some(Slip::NotListed),
        AddressDecision::Denied(_) => Some(Slip::Denied),
    }
}

fn same_lines(one: &Form, other: &Form, name: &str) -> bool {
    let lines = |form: &Form| -> Vec<String> {
        form.value(name).lines().map(|line| line.trim().to_owned()).collect()
    };
    lines(one) == lines(other)
}

/// `None`: one is none, which the API says better.
fn blocks(form: &Form, name: &str) -> Option<Vec<AddressBlock>> {
    let lines = form.value(name).lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(|line| line.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::refusal::Why;

    fn form(typed: &str) -> Form {
        Form::read(typed.as_bytes()).unwrap()
    }

    #[test]
    #[rustfmt::skip]
    fn an_end_is_said_in_one_way() {
        let cases = [
            ("ends=30&expires_at=",              json!({"expires_in_days": 30})),
            ("ends=never",                       json!({"never_expires": true})),
            ("ends=date&expires_at=2027-01-31",  json!({"expires_at": "2027-02-01T00:00:00Z"})),
            ("ends=as-it-is",                    json!({})),
        ];
        for (typed, expected) in cases {
            let body = body(&form(&format!("scopes=a&{typed}")), Purpose::Make).unwrap();
            let ends = ["expires_in_days", "expires_at", "never_expires"];
            let said: Map<_, _> = ends.into_iter()
                .filter_map(|name| Some((name.to_owned(), body.get(name)?.clone())))
                .collect();
            assert_eq!(Value::Object(said), expected, "{typed}");
        }
        // A day beside another choice would be forgotten in silence.
        for typed in ["ends=date&expires_at=tomorrow", "ends=30&expires_at=2027-01-31",
            "ends=never&expires_at=2027-01-31", "ends=as-it-is&expires_at=2027-01-31"] {
            let wrong = body(&form(&format!("scopes=a&{typed}")), Purpose::Make).unwrap_err();
            assert_eq!(wrong.field, "expires_at", "{typed}");
        }
    }

    #[test]
    fn a_key_that_may_do_nothing_is_refused_beside_the_scopes() {
        for purpose in [Purpose::Make, Purpose::Edit] {
            assert_eq!(body(&form("name=a&ends=30"), purpose).unwrap_err().field, "scopes");
        }
    }

    #[test]
    fn what_is_left_empty_is_left_out_of_a_new_key_and_taken_from_one_that_is_there() {
        let made = body(&form("name=a&scopes=a"), Purpose::Make).unwrap();
        let edited = body(&form("name=a&scopes=a"), Purpose::Edit).unwrap();
        for name in ["models", "ip_allow", "ip_deny", "allowed_origins"] {
            assert_eq!(made.get(name), None, "{name}");
            assert_eq!(edited.get(name), Some(&Value::Null), "{name}");
        }
        assert_eq!((&edited["limits"], &edited["budgets"]), (&json!({}), &json!([])));
    }

    #[test]
    fn budgets_keep_their_places_where_one_is_wrong() {
        let typed = "scopes=a&budgets[0].amount=&budgets[0].unit=usd&budgets[0].period=day&\
                     budgets[2].amount=%24x&budgets[2].unit=usd&budgets[2].period=month&\
                     budgets[1].amount=5&budgets[1].unit=tokens&budgets[1].period=total&\
                     budgets[1].overrun=allow";
        let form = form(typed);
        let body = body(&form, Purpose::Make).unwrap();
        let expected = json!([
            {"tokens": 5, "period": "total", "overrun": "allow"},
            {"usd": "x", "period": "month"},
        ]);
        assert_eq!(body["budgets"], expected);
        let error = FieldError { field: "budgets[1].usd".to_owned(), detail: "no".to_owned() };
        let why = Why { errors: vec![error], ..Why::default() };
        let form = refused(form, Refusal::new(StatusCode::BAD_REQUEST, why)).unwrap();
        assert_eq!(form.error("budgets[2].amount"), "no");
        assert_eq!(form.error("budgets[1].amount"), "");
    }

    #[test]
    fn models_are_ticked_or_typed_and_both_are_said() {
        let known = ["gpt-a".to_owned(), "gpt-b".to_owned()];
        let mut form = form("scopes=a&models=gpt-b%0A+claude-*%0A&models.chosen=gpt-a");
        assert_eq!(
            body(&form, Purpose::Make).unwrap()["models"],
            json!(["gpt-a", "gpt-b", "claude-*"])
        );
        tick_models(&mut form, &known);
        assert_eq!(form.value("models"), "claude-*");
        assert!(form.has("models.chosen", "gpt-a") && form.has("models.chosen", "gpt-b"));
    }
}
