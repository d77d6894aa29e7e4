//! `/account/sessions/…`: ending where one is signed in.

use axum::extract::Path;
use axum::response::Response;
use http::Method;
use jiff::Timestamp;
use serde::Deserialize;

use crate::answer::see_other;
use crate::api::Sent;
use crate::posted::Posted;
use crate::query::segment;
use crate::refusal::Refusal;
use crate::text::text_of;

/// Marks of browsers in what clients call themselves. Each says that it is those after it, too.
const BROWSERS: [(&str, &str); 8] = [
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];
/// The same for systems.
const SYSTEMS: [(&str, &str); 7] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
];

/// Where somebody is signed in.
#[derive(Debug, Deserialize)]
pub(super) struct Session {
    pub(super) id: String,
    pub(super) address: String,
    user_agent: String,
    pub(super) created_at: Timestamp,
    pub(super) last_seen_at: Timestamp,
    /// If it is not used any more.
    pub(super) ends_at: Timestamp,
    /// Whether it is the one that asks.
    pub(super) is_current: bool,
}

impl Session {
    /// The browser and its system, as people call them; else what the client calls itself.
    pub(super) fn device(&self) -> String {
        let known = |names: &[(&str, &'static str)]| {
            let found = names.iter().find(|(mark, _)| self.user_agent.contains(mark));
            found.map(|(_, name)| *name)
        };
        match (known(&BROWSERS), known(&SYSTEMS)) {
            (Some(browser), Some(system)) => {
                text_of("account-device", [("browser", browser), ("system", system)])
            }
            (Some(browser), None) => browser.to_owned(),
            (None, _) if self.user_agent.is_empty() => crate::text::text("account-device-unknown"),
            (None, _) => self.user_agent.clone(),
        }
    }
}

pub(crate) async fn end(
    Path(id): Path<String>,
    Posted { visitor, .. }: Posted,
) -> Result<Response, Refusal> {
    let path = format!("/v1/sessions/{}", segment(&id));
    visitor.api.act(Method::DELETE, &path, None, Sent::default()).await?;
    Ok(see_other("/account?done=session-ended"))
}

pub(crate) async fn end_others(Posted { visitor, .. }: Posted) -> Result<Response, Refusal> {
    visitor.api.act(Method::DELETE, "/v1/sessions", None, Sent::default()).await?;
    Ok(see_other("/account?done=sessions-ended"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[rustfmt::skip]
    fn a_browser_is_called_as_people_call_it() {
        for (user_agent, expected) in [
            ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36", "Chrome on Linux"),
            ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0", "Edge on Windows"),
            ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15", "Safari on macOS"),
            ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1", "Safari on iPhone"),
            ("Mozilla/5.0 (Android 15; Mobile; rv:145.0) Gecko/145.0 Firefox/145.0", "Firefox on Android"),
            ("doorward/0.1.0", "doorward/0.1.0"),
            ("<script>", "<script>"),
            ("", "unknown"),
        ] {
            let at = Timestamp::UNIX_EPOCH;
            let session = Session {
                id: String::new(), address: String::new(), user_agent: user_agent.to_owned(),
                created_at: at, last_seen_at: at, ends_at: at, is_current: false,
            };
            assert_eq!(session.device().to_lowercase(), expected.to_lowercase());
        }
    }
}
