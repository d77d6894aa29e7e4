//! The one page that shows a key: after it was made, or got a new secret.

use askama::Template;
use doorward_domain::credential::PlainKey;
use doorward_sealed::key_file::shell_quoted;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;

use super::object::NewKey;
use crate::api::List;
use crate::form::Form;
use crate::frame::Frame;
use crate::query::segment;
use crate::text::{text, text_with};
use crate::visitor::Visitor;

/// What a program's own variable is called.
const VARIABLE: &str = "DOORWARD_API_KEY";
/// Where a snippet names a model that is not known.
const NO_MODEL: &str = "MODEL";

#[derive(Debug, Template)]
#[template(path = "keys/created.html")]
pub(super) struct CreatedPage {
    frame: Frame,
    /// For what is wrong with the passphrase.
    form: Form,
    id: String,
    name: String,
    expires_at: Option<Timestamp>,
    expires_clamped: bool,
    /// The one string; `None`: it is not shown any more, for the form was sent again, too late.
    plain: Option<SecretString>,
    /// A model that it may call.
    model: String,
    /// Whether the visitor can call it in the playground: one of their own, that may call models.
    may_call: bool,
}

#[derive(Deserialize)]
struct Model {
    name: String,
}

impl CreatedPage {
    pub(super) async fn new(visitor: &Visitor, key: NewKey) -> Self {
        Self {
            frame: visitor.frame(key.object.list_path()),
            form: Form::default(),
            model: model(visitor, &key.object.id).await,
            may_call: key.object.may_call(visitor),
            id: key.object.id,
            name: key.object.name,
            expires_at: key.object.expires_at,
            expires_clamped: key.expires_clamped,
            plain: key.key,
        }
    }

    /// The same again, of what the page itself sent: a file could not be made as it was asked for.
    pub(super) async fn again(visitor: &Visitor, key: &PlainKey, form: Form) -> Self {
        let id = key.id().to_string();
        Self {
            frame: visitor.frame("/keys"),
            name: form.value("name").to_owned(),
            expires_at: form.value("expires_at").parse().ok(),
            expires_clamped: false,
            model: model(visitor, &id).await,
            may_call: !form.value("may_call").is_empty(),
            plain: Some(SecretString::from(key.expose())),
            id,
            form: form.without(&["key", "passphrase", "passphrase_again"]),
        }
    }

    /// Why it ends sooner than was asked for, or than it lived before.
    fn clamped(&self) -> String {
        let days = self.frame.me.as_ref().and_then(|me| me.key_quota.days_max());
        match days.filter(|days| *days > 0) {
            Some(days) => text_with("key-clamped", "n", days),
            None => text("key-clamped-short"),
        }
    }

    fn plain(&self) -> &str {
        self.plain.as_ref().map(ExposeSecret::expose_secret).unwrap_or_default()
    }

    fn secret_key(&self) -> String {
        let plain = PlainKey::parse(self.plain().as_bytes()).ok();
        plain.map(|key| key.expose_secret_key()).unwrap_or_default()
    }

    /// What a shell runs.
    fn curl(&self) -> String {
        let body = format!(
            "{{\"model\": {}, \"messages\": [{{\"role\": \"user\", \"content\": \"Say hello.\"}}]}}",
            json!(self.model),
        );
        format!(
            "export {VARIABLE}={}\n\ncurl {} \\\n  -H \"Authorization: Bearer ${VARIABLE}\" \\\n  \
             -H 'Content-Type: application/json' \\\n  -d {}",
            shell_quoted(self.plain()),
            shell_quoted(&format!("{}/chat/completions", self.frame.endpoint)),
            shell_quoted(&body),
        )
    }

    fn python(&self) -> String {
        let (url, model) = (json!(self.frame.endpoint), json!(self.model));
        format!(
            "import os\nfrom openai import OpenAI\n\n\
             client = OpenAI(\n    base_url={url},\n    api_key=os.environ[\"{VARIABLE}\"],\n)\n\
             answer = client.chat.completions.create(\n    model={model},\n    \
             messages=[{{\"role\": \"user\", \"content\": \"Say hello.\"}}],\n)\n\
             print(answer.choices[0].message.content)"
        )
    }

    fn javascript(&self) -> String {
        let (url, model) = (json!(self.frame.endpoint), json!(self.model));
        format!(
            "import OpenAI from \"openai\";\n\n\
             const client = new OpenAI({{\n  baseURL: {url},\n  apiKey: process.env.{VARIABLE},\n}});\n\
             const answer = await client.chat.completions.create({{\n  model: {model},\n  \
             messages: [{{ role: \"user\", content: \"Say hello.\" }}],\n}});\n\
             console.log(answer.choices[0].message.content);"
        )
    }
}

/// The first model that a key may call, one that really answers before the one that echoes.
async fn model(visitor: &Visitor, id: &str) -> String {
    let path = format!("/v1/allowed-models?limit=50&api_key={}", segment(id));
    let models = visitor.api.get::<List<Model>>(&path).await.map(|list| list.data);
    let names: Vec<String> =
        models.unwrap_or_default().into_iter().map(|model| model.name).collect();
    let real = names.iter().find(|name| !name.starts_with("doorward/"));
    real.or(names.first()).cloned().unwrap_or_else(|| NO_MODEL.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_a_model_cannot_leave_its_place_in_a_snippet() {
        let frame = Frame {
            endpoint: "https://models.acme.example/v1".to_owned(),
            ..Frame::bare(None, None, Timestamp::UNIX_EPOCH)
        };
        let page = CreatedPage {
            frame,
            form: Form::default(),
            id: String::new(),
            name: String::new(),
            expires_at: None,
            expires_clamped: false,
            plain: Some(SecretString::from("dw_a_b")),
            model: "x'\"$(id)".to_owned(),
            may_call: false,
        };
        assert!(page.curl().contains(r#""model": "x'\''\"$(id)", "messages""#), "{}", page.curl());
        // What is pasted into a shell works there.
        assert!(
            page.curl().starts_with("export DOORWARD_API_KEY='dw_a_b'\n\ncurl "),
            "{}",
            page.curl()
        );
        for text in [page.python(), page.javascript()] {
            assert!(text.contains(r#""x'\"$(id)""#), "{text}");
        }
    }
}
