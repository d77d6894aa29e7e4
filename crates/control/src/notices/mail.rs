//! Mail: one server, one message at a time.

use std::error::Error as StdError;
use std::io;
use std::time::{Duration, SystemTime};

use doorward_domain::email::EmailAddress;
use doorward_domain::notice::DeliveryFault;
use doorward_store::Notice;
use jiff::Timestamp;
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::{Error, response::Code};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use rustls_pki_types::CertificateDer;
use secrecy::{ExposeSecret as _, SecretString};

use super::letter::{Enclosed, Letter};

/// The longest wait for one answer of the server.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// The longest that one message may take, from the connection to the server's word that it has it.
const MESSAGE_MAX: Duration = Duration::from_secs(45);
/// Answers of a server that does not take our user and password (RFC 4954).
const LOGIN_CODES: [u16; 4] = [530, 534, 535, 538];

/// The server that mails are given to.
#[derive(Debug)]
pub struct MailServer {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: MailTls,
    /// Who we are to it. `None`: it does not ask.
    pub login: Option<MailLogin>,
    /// Certificates of the operator's own that it may be signed by.
    pub roots: Vec<CertificateDer<'static>>,
}

/// How the connection to the mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailTls {
    /// Begins in the clear and goes on under TLS, or ends.
    StartTls,
    /// Under TLS from the first byte.
    Tls,
    /// In the clear.
    None,
}

/// A user of the mail server.
#[derive(Debug)]
pub struct MailLogin {
    /// The name.
    pub user: String,
    /// The password.
    pub password: SecretString,
}

/// Gives messages to the server.
pub(super) struct Mailer(AsyncSmtpTransport<Tokio1Executor>);

impl std::fmt::Debug for Mailer {
    /// What it holds includes the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mailer")
    }
}

impl Mailer {
    /// Nothing is connected yet.
    pub(super) fn new(server: MailServer) -> Result<Self, Error> {
        let tls = match server.tls {
            MailTls::None => Tls::None,
            MailTls::StartTls => Tls::Required(trusting(&server.host, server.roots)?),
            MailTls::Tls => Tls::Wrapper(trusting(&server.host, server.roots)?),
        };
        // "Dangerous" without TLS; which there is unless the operator said otherwise.
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(server.host)
            .port(server.port)
            .timeout(Some(ANSWER_MAX))
            .tls(tls);
        if let Some(MailLogin { user, password }) = server.login {
            let password = password.expose_secret().to_owned();
            builder = builder.credentials(Credentials::new(user, password));
        }
        Ok(Self(builder.build()))
    }

    /// Gives a notice to the server. Two copies of it, should the first be noted nowhere, have the same
    /// `Message-ID`.
    pub(super) async fn send(
        &self,
        (notice, enclosed): (&Notice, &Enclosed<'_>),
        from: &EmailAddress,
        to: &EmailAddress,
        now: Timestamp,
    ) -> Result<(), DeliveryFault> {
        let message = message((notice, enclosed), from, to, now)?;
        match tokio::time::timeout(MESSAGE_MAX, self.0.send(message)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(fault(&error)),
            Err(_) => Err(DeliveryFault::TimedOut),
        }
    }
}

fn trusting(host: &str, roots: Vec<CertificateDer<'static>>) -> Result<TlsParameters, Error> {
    let mut tls = TlsParameters::builder(host.to_owned());
    for root in roots {
        tls = tls.add_root_certificate(Certificate::from_der(root.to_vec())?);
    }
    tls.build_rustls()
}

fn message(
    (notice, enclosed): (&Notice, &Enclosed<'_>),
    from: &EmailAddress,
    to: &EmailAddress,
    now: Timestamp,
) -> Result<Message, DeliveryFault> {
    let letter = Letter::of(notice, enclosed, now);
    let domain = from.as_str().rsplit('@').next().unwrap_or_default();
    Message::builder()
        .from(mailbox(Some("Doorward".to_owned()), from)?)
        .to(mailbox(None, to)?)
        .subject(letter.subject.clone())
        .message_id(Some(format!("<{}@{domain}>", notice.id)))
        .date(SystemTime::from(now))
        .multipart(MultiPart::alternative_plain_html(letter.plain(), letter.html()))
        .map_err(|_| DeliveryFault::BadAddress)
}

fn mailbox(name: Option<String>, address: &EmailAddress) -> Result<Mailbox, DeliveryFault> {
    let address = address.as_str().parse().map_err(|_| DeliveryFault::BadAddress)?;
    Ok(Mailbox::new(name, address))
}

/// Nothing of the server's own words is kept: they may repeat what we sent.
fn fault(error: &Error) -> DeliveryFault {
    let is_login = |code: Code| LOGIN_CODES.contains(&u16::from(code));
    if error.status().is_some_and(is_login) {
        DeliveryFault::MailLogin
    } else if error.is_permanent() {
        DeliveryFault::MailRefused
    } else if error.is_transient() {
        DeliveryFault::MailDeferred
    } else if error.is_timeout() {
        DeliveryFault::TimedOut
    } else if is_tls(error) {
        DeliveryFault::TlsFailed
    } else if error.is_client() || error.is_response() {
        DeliveryFault::Malformed
    } else {
        DeliveryFault::ConnectionFailed
    }
}

/// A handshake that fails is told as a connection that does.
fn is_tls(error: &Error) -> bool {
    let mut cause = error.source();
    while let Some(current) = cause {
        if is_of_tls(current) {
            return true;
        }
        cause = current.source();
    }
    error.is_tls()
}

fn is_of_tls(cause: &(dyn StdError + 'static)) -> bool {
    let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    match inner {
        Some(inner) => inner.is::<rustls::Error>(),
        None => cause.is::<rustls::Error>(),
    }
}
