//! Letters with a link by which somebody sets a password.

use doorward_domain::notice::NoticeKind;
use doorward_store::LinkPurpose;
use jiff::Timestamp;
use secrecy::SecretString;

use super::{Data, Enclosed, Letter, Paragraph, in_days, instant};
use crate::link_page;

/// Whoever signs in need not name this organization.
const ORGANIZATION_DEFAULT: &str = "default";

pub(super) fn letter(data: &Data<'_>, enclosed: &Enclosed<'_>, now: Timestamp) -> Letter {
    let name = data.text(&["user", "name"]);
    let ends = data.0.about.map(|at| format!("{}, {}", instant(at), in_days(at, now)));
    let ends = ends.unwrap_or_default();
    let (subject, what) = match data.0.kind {
        NoticeKind::UserInvitation => (
            "You are invited to Doorward",
            format!("{name}, you may set a password and sign in to Doorward."),
        ),
        NoticeKind::UserReset => (
            "Set a new password for Doorward",
            format!("{name}, an administrator lets you set a new password for Doorward."),
        ),
        NoticeKind::UserRequestedReset
        | NoticeKind::KeyExpiring
        | NoticeKind::KeyRotationDue
        | NoticeKind::BudgetThreshold
        | NoticeKind::IncreaseAsked
        | NoticeKind::IncreaseGranted
        | NoticeKind::IncreaseDeclined
        | NoticeKind::IncreaseEnded
        | NoticeKind::WebhookTest => (
            "Set a new password for Doorward",
            format!(
                "{name}, somebody asked for a new password for you. If that was not you, do \
                 nothing: yours stays as it is."
            ),
        ),
    };
    let mut paragraphs =
        vec![Paragraph::Text(format!("{what} This letter is good for that once, until {ends}."))];
    let page = page(data.0.kind, enclosed);
    let way = if page.is_some() {
        "Or type this command, and give it the token below it:"
    } else {
        "Type this command, and give it the token below it:"
    };
    paragraphs.extend(page.into_iter().flat_map(|page| {
        [Paragraph::Text("Open this page to choose it:".to_owned()), Paragraph::Link(page)]
    }));
    paragraphs.push(Paragraph::Text(way.to_owned()));
    paragraphs.push(Paragraph::Command(command(data, enclosed)));
    paragraphs.extend(enclosed.token.cloned().map(Paragraph::Secret));
    paragraphs.push(Paragraph::Text(
        "Whoever has the token can set your password: hand this letter on to nobody.".to_owned(),
    ));
    Letter { subject: subject.to_owned(), paragraphs }
}

/// The page that accepts the token, where it is known under which URL we are reached.
fn page(kind: NoticeKind, enclosed: &Enclosed<'_>) -> Option<SecretString> {
    let purpose = match kind {
        NoticeKind::UserInvitation => LinkPurpose::Invitation,
        NoticeKind::UserReset
        | NoticeKind::UserRequestedReset
        | NoticeKind::KeyExpiring
        | NoticeKind::KeyRotationDue
        | NoticeKind::BudgetThreshold
        | NoticeKind::IncreaseAsked
        | NoticeKind::IncreaseGranted
        | NoticeKind::IncreaseDeclined
        | NoticeKind::IncreaseEnded
        | NoticeKind::WebhookTest => LinkPurpose::Reset,
    };
    Some(link_page::url(enclosed.public_url?, purpose, enclosed.token?))
}

/// What accepts the token.
fn command(data: &Data<'_>, enclosed: &Enclosed<'_>) -> String {
    let mut line = format!("doorward sign-in {} --link", data.text(&["user", "email"]));
    let organization = data.text(&["organization"]);
    if organization != ORGANIZATION_DEFAULT {
        line = format!("{line} --organization '{}'", organization.replace('\'', r"'\''"));
    }
    match enclosed.public_url {
        Some(url) => format!("{line} --url {url}"),
        None => line,
    }
}
