//! What a mail says.

mod budget;
mod increase;
mod link;

use doorward_domain::notice::NoticeKind;
use doorward_store::Notice;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

const DAY_SECONDS: i64 = 86_400;

/// What a letter holds besides what its notice tells.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Enclosed<'a> {
    /// A secret that is for its reader alone.
    pub(super) token: Option<&'a SecretString>,
    /// Under which URL clients know us. `None`: nobody said so.
    pub(super) public_url: Option<&'a str>,
}

/// A mail without its head: a subject and paragraphs.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) subject: String,
    paragraphs: Vec<Paragraph>,
}

#[derive(Debug)]
enum Paragraph {
    Text(String),
    /// A line to be typed.
    Command(String),
    /// A line that its reader alone is to know.
    Secret(SecretString),
    /// A page that its reader alone is to open.
    Link(SecretString),
}

impl Letter {
    pub(super) fn of(notice: &Notice, enclosed: &Enclosed<'_>, now: Timestamp) -> Self {
        let data = Data(notice);
        match notice.kind {
            NoticeKind::KeyExpiring => key_expiring(&data, now),
            NoticeKind::KeyRotationDue => key_rotation_due(&data),
            NoticeKind::BudgetThreshold => budget::letter(&data),
            NoticeKind::IncreaseAsked => increase::asked(&data),
            NoticeKind::IncreaseGranted => increase::granted(&data),
            NoticeKind::IncreaseDeclined => increase::declined(&data),
            NoticeKind::IncreaseEnded => increase::ended(&data),
            NoticeKind::UserInvitation | NoticeKind::UserReset | NoticeKind::UserRequestedReset => {
                link::letter(&data, enclosed, now)
            }
            NoticeKind::WebhookTest => webhook_test(&data),
        }
    }

    /// For programs that show no HTML.
    pub(super) fn plain(&self) -> String {
        let shown = self.paragraphs.iter().map(|paragraph| match paragraph {
            Paragraph::Text(text) => text.clone(),
            Paragraph::Command(line) => format!("    {line}"),
            Paragraph::Secret(line) | Paragraph::Link(line) => {
                format!("    {}", line.expose_secret())
            }
        });
        shown.collect::<Vec<_>>().join("\r\n\r\n") + "\r\n"
    }

    /// The same as a page: nothing in it is loaded from anywhere.
    pub(super) fn html(&self) -> String {
        let shown = self.paragraphs.iter().map(|paragraph| match paragraph {
            Paragraph::Text(text) => format!("<p>{}</p>", escaped(text)),
            Paragraph::Command(line) => format!("<pre>{}</pre>", escaped(line)),
            Paragraph::Secret(line) => format!("<pre>{}</pre>", escaped(line.expose_secret())),
            Paragraph::Link(url) => {
                let url = escaped(url.expose_secret());
                format!("<p><a href=\"{url}\">{url}</a></p>")
            }
        });
        let body = shown.collect::<Vec<_>>().join("\r\n");
        format!(
            "<!doctype html>\r\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{}</title>\
             </head><body>\r\n{body}\r\n</body></html>\r\n",
            escaped(&self.subject)
        )
    }
}

fn key_expiring(data: &Data<'_>, now: Timestamp) -> Letter {
    let name = data.text(&["api_key", "name"]);
    let ends = data.0.about.map(|at| (instant(at), in_days(at, now))).unwrap_or_default();
    Letter {
        subject: format!("API key \"{name}\" ends {}", ends.1),
        paragraphs: vec![
            Paragraph::Text(format!("{} ends on {}, {}.", whose(data), ends.0, ends.1)),
            Paragraph::Text(
                "From then on, every call with it is refused. To go on, rotate it: it gets a new \
                 secret and a new end, and the old secret works a while longer."
                    .to_owned(),
            ),
            Paragraph::Command(format!("doorward keys rotate {}", data.0.subject)),
        ],
    }
}

fn key_rotation_due(data: &Data<'_>) -> Letter {
    let name = data.text(&["api_key", "name"]);
    let made = data.0.about.map(instant).unwrap_or_default();
    let days = data.0.threshold_days.unwrap_or_default();
    Letter {
        subject: format!("API key \"{name}\" should be rotated"),
        paragraphs: vec![
            Paragraph::Text(format!(
                "{} has had the same secret since {made}. Your administrators ask for a new one \
                 after {}.",
                whose(data),
                count(i64::from(days))
            )),
            Paragraph::Text("The old secret works a while longer after a rotation.".to_owned()),
            Paragraph::Command(format!("doorward keys rotate {}", data.0.subject)),
        ],
    }
}

fn webhook_test(data: &Data<'_>) -> Letter {
    let name = data.text(&["webhook", "name"]);
    Letter {
        subject: format!("Test of the webhook \"{name}\""),
        paragraphs: vec![Paragraph::Text(format!("This is a test of the webhook \"{name}\"."))],
    }
}

/// Whose limits and budgets can be told of: the field of the data, and what it is called.
const SUBJECTS: [(&str, &str); 4] = [
    ("api_key", "API key"),
    ("user", "user"),
    ("project", "project"),
    ("organization", "organization"),
];

/// Whose limits and budgets are told of: what it is, and its name.
fn subject(data: &Data<'_>) -> (&'static str, String) {
    let found = SUBJECTS.into_iter().find(|(field, _)| data.value(&[field]).is_some());
    let (field, noun) = found.unwrap_or(("", "key"));
    (noun, data.text(&[field, "name"]))
}

/// The key, and whose it is.
fn whose(data: &Data<'_>) -> String {
    let [name, id, owner, project] = [
        data.text(&["api_key", "name"]),
        data.text(&["api_key", "id"]),
        data.text(&["api_key", "owner", "name"]),
        data.text(&["api_key", "project", "name"]),
    ];
    let kind = match data.text(&["api_key", "kind"]).as_str() {
        "service" => "the service account ",
        _ => "",
    };
    format!("The API key \"{name}\" ({id}) of {kind}{owner}, in the project {project},")
}

/// What a notice says, field by field.
struct Data<'a>(&'a Notice);

impl Data<'_> {
    /// A text without the characters that would break a line; what is not there is empty.
    fn text(&self, path: &[&str]) -> String {
        let text = self.value(path).and_then(Value::as_str).unwrap_or_default();
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
    }

    fn value(&self, path: &[&str]) -> Option<&Value> {
        let mut fields = path.iter();
        let first = fields.next().and_then(|field| self.0.data.get(*field));
        fields.fold(first, |value, field| value?.get(*field))
    }
}

/// An instant to the minute.
fn instant(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// How far away an end is, in days that have begun.
fn in_days(end: Timestamp, now: Timestamp) -> String {
    let seconds = end.duration_since(now).as_secs();
    match seconds.max(0).checked_add(DAY_SECONDS - 1).map_or(0, |sum| sum / DAY_SECONDS) {
        0 | 1 => "within a day".to_owned(),
        days => format!("in {}", count(days)),
    }
}

fn count(days: i64) -> String {
    if days == 1 { "1 day".to_owned() } else { format!("{days} days") }
}

/// Text that stands in a page as itself: names are other people's.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use doorward_domain::id::{NoticeId, OrganizationId};
    use doorward_domain::notice::NoticeState;
    use doorward_store::Receiver;
    use jiff::SignedDuration;
    use serde_json::json;

    use super::*;

    const NOW_SECOND: i64 = 1_795_262_400;

    fn now() -> Timestamp {
        Timestamp::from_second(NOW_SECOND).unwrap()
    }

    fn notice(kind: NoticeKind, name: &str, about: Timestamp) -> Notice {
        let data = json!({
            "api_key": {
                "id": "dw_0123456789abcdef", "name": name, "kind": "service",
                "owner": {"id": "sva_1", "name": "bot <b>"}, "project": {"id": "prj_1", "name": "web"},
            },
            "webhook": {"name": name},
            "user": {"id": "usr_1", "name": name, "email": "ada@example.com"},
            "organization": "Ada's",
            "budget": {"usd": "20", "period": "day"}, "percent": 80, "spent": {"usd": "16.5"},
            "limit_increase": {
                "id": "inc_1", "reason": name, "note": name, "ends_at": now(),
                "asked": {"limits": {"requests_per_minute": 90, "concurrency": 3}, "budgets": []},
                "granted": {"limits": {}, "budgets": [
                    {"usd": "20", "period": "day"}, {"tokens": 5000, "period": "total"},
                ]},
            },
        });
        let Value::Object(data) = data else { panic!("an object") };
        Notice {
            id: NoticeId::new(1, 1),
            organization: OrganizationId::new(1, 1),
            kind,
            subject: "dw_0123456789abcdef".to_owned(),
            about: Some(about),
            threshold_days: Some(7),
            receiver: Receiver::Mail("ada@example.com".parse().unwrap()),
            data,
            state: NoticeState::Waiting,
            attempts: 1,
            next_attempt_at: None,
            last_error: None,
            created_at: now(),
            sent_at: None,
        }
    }

    #[test]
    fn an_end_is_told() {
        let ends = now() + SignedDuration::from_hours(7 * 24 - 1);
        let letter = Letter::of(
            &notice(NoticeKind::KeyExpiring, "ci \"1\"", ends),
            &Enclosed::default(),
            now(),
        );
        insta::assert_snapshot!(
            format!("{}\n\n{}", letter.subject, letter.plain()).replace('\r', "")
        );
        insta::assert_snapshot!(letter.html().replace('\r', ""));
    }

    #[test]
    fn an_old_secret_is_told() {
        let made = now() - SignedDuration::from_hours(7 * 24);
        let letter = Letter::of(
            &notice(NoticeKind::KeyRotationDue, "ci", made),
            &Enclosed::default(),
            now(),
        );
        insta::assert_snapshot!(
            format!("{}\n\n{}", letter.subject, letter.plain()).replace('\r', "")
        );
    }

    #[test]
    fn an_increase_is_told_in_figures() {
        let told = |kind| {
            let letter = Letter::of(&notice(kind, "ci", now()), &Enclosed::default(), now());
            format!("{}\n\n{}", letter.subject, letter.plain()).replace('\r', "")
        };
        insta::assert_snapshot!(told(NoticeKind::IncreaseAsked));
        insta::assert_snapshot!(told(NoticeKind::IncreaseGranted));
        insta::assert_snapshot!(told(NoticeKind::IncreaseDeclined));
        insta::assert_snapshot!(told(NoticeKind::IncreaseEnded));
    }

    #[test]
    fn an_increase_of_what_keys_share_is_told_with_whose_it_is() {
        let told = |kind, whose: &str| {
            let mut notice = notice(kind, "web <b>", now());
            notice.data.retain(|field, _| field == "limit_increase");
            notice.data.insert(whose.to_owned(), json!({"id": "prj_1", "name": "web"}));
            let letter = Letter::of(&notice, &Enclosed::default(), now());
            format!("{}\n\n{}", letter.subject, letter.plain()).replace('\r', "")
        };
        insta::assert_snapshot!(told(NoticeKind::IncreaseGranted, "project"));
        insta::assert_snapshot!(told(NoticeKind::IncreaseEnded, "user"));
    }

    #[test]
    fn a_share_of_a_budget_is_told_with_whose_it_is() {
        let told = |data: Value| {
            let Value::Object(data) = data else { panic!("an object") };
            let notice = Notice { data, ..notice(NoticeKind::BudgetThreshold, "ci", now()) };
            let letter = Letter::of(&notice, &Enclosed::default(), now());
            format!("{}\n\n{}", letter.subject, letter.plain()).replace('\r', "")
        };
        let of_project = json!({
            "project": {"id": "prj_1", "name": "web"}, "percent": 100,
            "budget": {"tokens": 5000, "period": "total"}, "spent": {"tokens": 5100},
        });
        insta::assert_snapshot!(told(of_project));
        let of_key = notice(NoticeKind::BudgetThreshold, "ci", now()).data;
        insta::assert_snapshot!(told(Value::Object(of_key)));
    }

    #[test]
    fn a_link_is_told_with_its_token_and_where_to_use_it() {
        let token = SecretString::from("dwl_secret");
        let enclosed = Enclosed { token: Some(&token), public_url: Some("https://a.example") };
        let ends = now() + SignedDuration::from_hours(1);
        let letter = |kind, enclosed| Letter::of(&notice(kind, "Ada", ends), enclosed, now());
        let invitation = letter(NoticeKind::UserInvitation, &enclosed);
        insta::assert_snapshot!(
            format!("{}\n\n{}", invitation.subject, invitation.plain()).replace('\r', "")
        );
        assert!(invitation.html().contains("<pre>dwl_secret</pre>"));
        let page = "https://a.example/invitation?token=dwl_secret";
        assert!(invitation.html().contains(&format!("<a href=\"{page}\">{page}</a>")));
        let reset = letter(NoticeKind::UserReset, &enclosed).plain();
        assert!(reset.contains("https://a.example/password-reset?token=dwl_secret"), "{reset}");
        assert!(!format!("{invitation:?}").contains("dwl_secret"));
        let bare = Enclosed { public_url: None, ..enclosed };
        let requested = letter(NoticeKind::UserRequestedReset, &bare).plain();
        insta::assert_snapshot!(requested.replace('\r', ""));
    }

    #[test]
    fn a_name_breaks_neither_the_subject_nor_the_page() {
        let evil = "<script>alert(1)</script>\r\nBcc: eve@example.com";
        for kind in NoticeKind::ALL {
            let letter = Letter::of(&notice(kind, evil, now()), &Enclosed::default(), now());
            assert!(!letter.subject.contains(['\r', '\n']), "{kind:?}");
            assert!(!letter.plain().contains("\nBcc"), "{kind:?}");
            let html = letter.html();
            assert!(!html.contains("<script") && html.contains("&lt;script&gt;"), "{kind:?}");
        }
    }

    #[test]
    fn days_are_counted_up() {
        let told = |seconds| in_days(now() + SignedDuration::from_secs(seconds), now());
        #[rustfmt::skip]
        let cases = [
            (-5, "within a day"), (0, "within a day"), (86_400, "within a day"),
            (86_401, "in 2 days"), (7 * 86_400, "in 7 days"), (7 * 86_400 - 3_000, "in 7 days"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(told(seconds), expected, "{seconds}");
        }
    }
}
