//! Checks what mails and webhooks go out by.

use std::net::IpAddr;

use doorward_control::notices::{MailLogin, MailServer, MailTls, NoticeOptions};
use secrecy::{ExposeSecret as _, SecretString};

use super::check::Check;
use super::settings::{MailSettings, WebhookSettings};

impl Check<'_> {
    pub(super) fn notices(
        &mut self,
        mail: MailSettings,
        webhooks: &WebhookSettings,
    ) -> Option<NoticeOptions> {
        let mail = self.mail(mail);
        let webhook_roots = self.certificates("webhooks.ca", &webhooks.ca);
        Some(NoticeOptions {
            mail,
            allow_private_webhooks: webhooks.allow_private,
            webhook_roots: webhook_roots?,
            public_url: None,
        })
    }

    /// The mail server, if one is named. What is wrong with it is noted.
    fn mail(&mut self, settings: MailSettings) -> Option<MailServer> {
        let port = self.number("mail.port", settings.port, 0..=65_535);
        let roots = self.certificates("mail.ca", &settings.ca);
        let password = self.secret("mail.password", settings.password, &settings.password_file);
        let login = self.login(settings.user, password.map(|(password, _)| password));
        if settings.host.is_empty() {
            if login.is_some() {
                self.note("mail.host", "must be set too, beside mail.user");
            }
            return None;
        }
        if !is_host(&settings.host) {
            self.note("mail.host", "must be a name or an address, without a port");
        }
        if settings.tls == MailTls::None && !settings.insecure && !is_loopback(&settings.host) {
            self.note(
                "mail.tls",
                "can be \"none\" for a server on this machine only, or with mail.insecure = true: \
                 mails and the password would cross the network readable",
            );
        }
        let port = match (u16::try_from(port).unwrap_or_default(), settings.tls) {
            (0, MailTls::StartTls) => 587,
            (0, MailTls::Tls) => 465,
            (0, MailTls::None) => 25,
            (port, MailTls::StartTls | MailTls::Tls | MailTls::None) => port,
        };
        let (host, tls, roots) = (settings.host, settings.tls, roots.unwrap_or_default());
        Some(MailServer { host, port, tls, login, roots })
    }

    fn login(&mut self, user: String, password: Option<SecretString>) -> Option<MailLogin> {
        match (user.as_str(), password) {
            ("", None) => None,
            ("", Some(_)) => {
                self.note("mail.user", "must be set too, beside mail.password");
                None
            }
            (_, None) => {
                self.note("mail.password", "must be set too, beside mail.user");
                None
            }
            (_, Some(password)) if password.expose_secret().contains(['\r', '\n', '\0']) => {
                self.note("mail.password", "must be one line");
                None
            }
            (_, Some(password)) => Some(MailLogin { user, password }),
        }
    }
}

/// Whether a text is an address or could be a name.
fn is_host(text: &str) -> bool {
    let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    text.parse::<IpAddr>().is_ok() || text.bytes().all(is_name)
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
