//! `/account/second-factor`: codes of an authenticator app, beside the password.
//!
//! Three steps: the password; the code to scan, and a first code of the app; the recovery codes, once.
//! Between the first two only the page knows the secret.

use askama::Template;
use axum::response::Response;
use http::Method;
use serde::Deserialize;

use super::HERE;
use crate::answer::{again, ok, see_other};
use crate::api::Sent;
use crate::form::{Form, Kind, Member};
use crate::frame::Frame;
use crate::posted::Posted;
use crate::qr::{self, Drawing};
use crate::refusal::Refusal;
use crate::visitor::Visitor;

const WITH_PASSWORD: [Member; 1] = [Member { path: "current_password", kind: Kind::Text }];
const WITH_CODE: [Member; 1] = [Member { path: "code", kind: Kind::Text }];
const PATH: &str = "/v1/users/me/second-factor";
/// How such an address begins; what is drawn is nothing else.
const SCHEME: &str = "otpauth://totp/";

/// A form that asks for the password: to begin, or to take the second factor away.
#[derive(Debug, Template)]
#[template(path = "account/second_factor.html")]
struct PasswordPage {
    frame: Frame,
    form: Form,
    /// Whether it is taken away.
    is_removal: bool,
}

impl PasswordPage {
    fn new(visitor: &Visitor, form: Form, is_removal: bool) -> Self {
        Self { frame: visitor.frame(HERE), form, is_removal }
    }
}

/// What an app scans, and the form for its first code.
#[derive(Debug, Template)]
#[template(path = "account/second_factor_scan.html")]
struct ScanPage {
    frame: Frame,
    form: Form,
    drawing: Option<Drawing>,
}

impl ScanPage {
    /// The form has the secret, and the address that holds it.
    fn new(visitor: &Visitor, form: Form) -> Self {
        let url = form.value("otpauth_url");
        let drawing = url.starts_with(SCHEME).then(|| qr::draw(url)).flatten();
        Self { frame: visitor.frame(HERE), form, drawing }
    }

    /// The secret as people type it: in groups of four.
    fn grouped(&self) -> String {
        let letters: Vec<char> = self.form.value("secret").chars().collect();
        let groups: Vec<String> = letters.chunks(4).map(|group| group.iter().collect()).collect();
        groups.join(" ")
    }
}

#[derive(Debug, Template)]
#[template(path = "account/recovery_codes.html")]
struct CodesPage {
    frame: Frame,
    codes: Vec<String>,
}

#[derive(Deserialize)]
struct NewFactor {
    secret: String,
    otpauth_url: String,
}

#[derive(Deserialize)]
struct Confirmed {
    recovery_codes: Vec<String>,
}

pub(crate) async fn show(visitor: Visitor) -> Response {
    if visitor.me.has_second_factor {
        return see_other("/account");
    }
    ok(&PasswordPage::new(&visitor, Form::default(), false))
}

/// Makes a secret, and shows it.
pub(crate) async fn begin(Posted { visitor, form }: Posted) -> Result<Response, Refusal> {
    let body = form.body(&WITH_PASSWORD);
    let made = visitor.api.send::<NewFactor>(Method::POST, PATH, &body, Sent::default()).await;
    match made {
        Ok(NewFactor { secret, otpauth_url }) => {
            let form = Form::filled([("secret", secret), ("otpauth_url", otpauth_url)]);
            Ok(ok(&ScanPage::new(&visitor, form)))
        }
        Err(refusal) => password_again(&visitor, form, refusal, false),
    }
}

/// Confirms by a first code. The recovery codes are in this one answer.
pub(crate) async fn confirm(Posted { visitor, form }: Posted) -> Result<Response, Refusal> {
    let (path, body) = (format!("{PATH}/confirm"), form.body(&WITH_CODE));
    let done = visitor.api.send::<Confirmed>(Method::POST, &path, &body, Sent::default()).await;
    match done {
        Ok(Confirmed { recovery_codes }) => {
            Ok(ok(&CodesPage { frame: visitor.frame(HERE), codes: recovery_codes }))
        }
        Err(refusal) => {
            let form = form.without(&["code"]).refused(refusal)?;
            Ok(again(&ScanPage::new(&visitor, form)))
        }
    }
}

pub(crate) async fn show_remove(visitor: Visitor) -> Response {
    if !visitor.me.has_second_factor {
        return see_other("/account");
    }
    ok(&PasswordPage::new(&visitor, Form::default(), true))
}

pub(crate) async fn remove(Posted { visitor, form }: Posted) -> Result<Response, Refusal> {
    let body = form.body(&WITH_PASSWORD);
    match visitor.api.act(Method::DELETE, PATH, Some(&body), Sent::default()).await {
        Ok(()) => Ok(see_other("/account?done=second-factor-off")),
        Err(refusal) => password_again(&visitor, form, refusal, true),
    }
}

fn password_again(
    visitor: &Visitor,
    form: Form,
    refusal: Refusal,
    is_removal: bool,
) -> Result<Response, Refusal> {
    let form = form.without(&["current_password"]).refused(refusal)?;
    Ok(again(&PasswordPage::new(visitor, form, is_removal)))
}
