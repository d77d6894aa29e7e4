//! Where a request carries its credential: a key, or a token in its place, in a header, or the token of a
//! session as a bearer.

use axum::extract::Request;
use doorward_domain::presented::{NoCredential, Place, Presented, credential};
use doorward_domain::sign_in_token::{SignInToken, TokenKind};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use zeroize::Zeroizing;

use crate::problem::ApiError;
use crate::sign_in_refusal::SignInRefusal;

/// What a request presents.
#[derive(Debug)]
pub(crate) enum Proof {
    /// A key, or an access token that stands for one.
    Key(Presented),
    Session(SignInToken),
}

impl Proof {
    /// HMAC-SHA-256 under the secret that was presented.
    pub(crate) fn mac(&self, purpose: &str, parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
        match self {
            Self::Key(key) => key.mac(purpose, parts),
            Self::Session(token) => token.mac(purpose, parts),
        }
    }
}

/// Reads the credential. A cookie is none: browsers send it unasked, also with what a page of another site
/// has them do.
pub(super) fn presented(request: &Request) -> Result<Proof, ApiError> {
    let headers = request.headers();
    let mut values = values(headers);
    if let Some(text) = bearer_session(headers) {
        // One value, and it is this one.
        return match (values.next(), values.next()) {
            (Some(_), None) => read_session(text),
            (Some(_) | None, _) => Err(ApiError::NoCredential(NoCredential::Ambiguous)),
        };
    }
    credential(values).map(Proof::Key).map_err(ApiError::NoCredential)
}

/// The one key or token in the headers of a request.
pub(crate) fn api_credential(headers: &HeaderMap) -> Result<Presented, NoCredential> {
    credential(values(headers))
}

/// Every header in which a credential may be.
fn values(headers: &HeaderMap) -> impl Iterator<Item = (Place, &[u8])> {
    const PLACES: [(Place, &str); 4] = [
        (Place::Authorization, "authorization"),
        (Place::Header, "x-api-key"),
        (Place::Header, "api-key"),
        (Place::Header, "x-goog-api-key"),
    ];
    PLACES
        .into_iter()
        .flat_map(|(place, name)| headers.get_all(name).iter().map(move |v| (place, v.as_bytes())))
}

/// The token of a session in the header `authorization`.
fn bearer_session(headers: &HeaderMap) -> Option<&[u8]> {
    headers.get_all(AUTHORIZATION).iter().find_map(|value| {
        let (scheme, rest) = value.as_bytes().trim_ascii().split_at_checked(7)?;
        let token = rest.trim_ascii();
        let is_session = scheme.eq_ignore_ascii_case(b"bearer ")
            && SignInToken::is_meant(TokenKind::Session, token);
        is_session.then_some(token)
    })
}

fn read_session(text: &[u8]) -> Result<Proof, ApiError> {
    let token = SignInToken::parse(TokenKind::Session, text);
    token.map(Proof::Session).map_err(|_| SignInRefusal::SessionOver.into())
}
