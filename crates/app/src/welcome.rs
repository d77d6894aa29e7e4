//! The way into the portal for whoever started this: while nobody has a password, a link that sets the
//! administrator's first one.

use std::io::IsTerminal as _;

use doorward_store::{Act, Actor, Bootstrap, LinkPurpose, Store};
use secrecy::{ExposeSecret as _, SecretString};

/// Where the portal is entered.
#[derive(Debug)]
pub(crate) enum Entrance {
    /// Nobody has a password. Whoever opens this link first chooses the administrator's, once.
    Link(SecretString),
    /// Nobody has a password. The page asks for the administrator's key.
    WithKey(String),
    /// People sign in here.
    SignIn(String),
}

impl Entrance {
    /// Makes a link while nobody has a password; the one of an earlier start works no more.
    pub(crate) async fn open(store: &Store, made: &Bootstrap) -> anyhow::Result<Self> {
        let url = url(store);
        if store.sign_in_state().await?.is_set_up {
            return Ok(Self::SignIn(url));
        }
        let at = store.clock().now();
        let act = Act { organization: made.organization, actor: Actor::System, at };
        let purpose = LinkPurpose::Invitation;
        let link = store.make_password_link(&act, made.administrator, purpose).await?;
        let token = link.token.expose();
        Ok(Self::Link(format!("{url}/welcome?token={}", token.expose_secret()).into()))
    }

    /// The same for a server that runs on its own: what it writes goes to a log, which others may read,
    /// so a link is made only where a terminal shows it.
    pub(crate) async fn open_for_terminal(store: &Store, made: &Bootstrap) -> anyhow::Result<Self> {
        let url = url(store);
        if std::io::stderr().is_terminal() || store.sign_in_state().await?.is_set_up {
            return Self::open(store, made).await;
        }
        Ok(Self::WithKey(format!("{url}/welcome")))
    }

    /// Where to go.
    pub(crate) fn url(&self) -> &str {
        match self {
            Self::Link(link) => link.expose_secret(),
            Self::WithKey(url) | Self::SignIn(url) => url,
        }
    }
}

fn url(store: &Store) -> String {
    store.public_url().unwrap_or_default().trim_end_matches('/').to_owned()
}
