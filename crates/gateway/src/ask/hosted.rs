//! Tools that the provider runs itself, and what of them costs by the use.

use std::fmt;

use doorward_domain::usage::{Kind, Usage};
use memchr::memmem;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::fields::{Field, Fields, Letters};
use super::generation::{Member, Members};
use super::{bad, elsewhere, number};
use crate::error::ProxyError;
use crate::route::Call;

/// What is held of searches where nobody bounds them: more than models do for nearly any question. What
/// is beyond it is booked in full all the same.
const SEARCHES_UNBOUNDED: u64 = 16;
/// The largest bound that makes sense.
const SEARCHES_MAX: u64 = 1 << 20;

/// What a call lets the provider do for it, at most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Hosted {
    web_searches: u64,
    file_searches: u64,
    /// It searches once, whatever the question is, and no provider tells that.
    pub(crate) searches_always: bool,
    /// What is found, or fetched, is input that the body does not hold.
    pub(crate) adds_input: bool,
}

impl Hosted {
    /// What of it must have a price.
    pub(crate) fn kinds(self) -> impl Iterator<Item = Kind> {
        let all = [(Kind::WebSearch, self.web_searches), (Kind::FileSearch, self.file_searches)];
        all.into_iter().filter(|(_, most)| *most > 0).map(|(kind, _)| kind)
    }

    /// The most of everything, where this is the most of the tokens.
    pub(crate) const fn most(self, tokens: Usage) -> Usage {
        Usage { web_searches: self.web_searches, file_searches: self.file_searches, ..tokens }
    }

    /// What a body of `OpenAI`'s or Anthropic's dialect asks for.
    ///
    /// Sources: <https://platform.openai.com/docs/guides/tools-web-search>,
    /// <https://docs.claude.com/en/docs/agents-and-tools/tool-use/web-search-tool>.
    pub(super) fn of_fields(call: Call, fields: &Fields<'_>) -> Result<Self, ProxyError> {
        match call {
            Call::ChatCompletions => {
                let options = fields.get(Field::WebSearchOptions).map(RawValue::get);
                let searches = options.is_some_and(|options| options != "null");
                Ok(Self {
                    web_searches: searches.into(),
                    searches_always: searches,
                    adds_input: searches,
                    ..Self::default()
                })
            }
            Call::Responses => {
                let calls_max = number(Field::MaxToolCalls, fields, SEARCHES_MAX)?;
                Self::of_tools(fields.get(Field::Tools), calls_max)
            }
            Call::Messages => Self::of_tools(fields.get(Field::Tools), None),
            Call::Completions
            | Call::Embeddings
            | Call::Moderations
            | Call::Images
            | Call::Speech
            | Call::Transcriptions
            | Call::Translations
            | Call::Rerank
            | Call::Inference
            | Call::MessageTokens
            | Call::GenerateContent
            | Call::StreamGenerateContent
            | Call::ContentTokens
            | Call::EmbedContent
            | Call::BatchEmbedContents => Ok(Self::default()),
        }
    }

    fn of_tools(raw: Option<&RawValue>, calls_max: Option<u64>) -> Result<Self, ProxyError> {
        let mut hosted = Self::default();
        for tool in tools(raw)? {
            let uses_max = tool.number("maxuses").or(calls_max).unwrap_or(SEARCHES_UNBOUNDED);
            let is = |prefix: &str| tool.texts("type").any(|kind| kind.starts_with(prefix));
            if is("web_search") {
                hosted.web_searches = hosted.web_searches.saturating_add(uses_max);
            }
            if is("file_search") {
                hosted.file_searches = hosted.file_searches.saturating_add(uses_max);
            }
            hosted.adds_input |= is("web_search") || is("file_search") || is("web_fetch");
        }
        Ok(hosted)
    }

    /// What a body of Google's dialect asks for. What it reads at addresses is input and nothing else.
    ///
    /// Source: <https://ai.google.dev/api/caching#Tool>.
    pub(super) fn of_members(call: Call, members: &Members<'_>) -> Result<Self, ProxyError> {
        if !matches!(call, Call::GenerateContent | Call::StreamGenerateContent) {
            return Ok(Self::default());
        }
        let mut hosted = Self::default();
        for tool in tools(members.get(Member::Tools))? {
            let has = |name: &str| tool.values(name).any(|raw| raw.get() != "null");
            let searches = ["googlesearch", "googlesearchretrieval", "enterprisewebsearch"]
                .into_iter()
                .any(has);
            if searches {
                hosted.web_searches = SEARCHES_UNBOUNDED;
            }
            hosted.adds_input |= searches || has("urlcontext");
        }
        Ok(hosted)
    }
}

/// The tools of a list of which one could be hosted; most lists are long, and have none.
fn tools(raw: Option<&RawValue>) -> Result<Vec<Tool<'_>>, ProxyError> {
    let Some(raw) = raw.filter(|raw| may_be_hosted(raw.get().as_bytes())) else {
        return Ok(Vec::new());
    };
    let tools: Option<Vec<Tool<'_>>> = serde_json::from_str(raw.get())
        .map_err(|_| bad(Field::Tools.name(), "must be a list of objects"))?;
    Ok(tools.unwrap_or_default())
}

fn may_be_hosted(tools: &[u8]) -> bool {
    let names: [&[u8]; 3] = [b"earch", b"etch", b"ontext"];
    names.iter().any(|name| memmem::find(tools, name).is_some())
        || elsewhere::has_disguised_letter(tools)
}

/// The members of a tool, also those that stand twice: whichever the provider takes, it is seen.
struct Tool<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Tool<'a> {
    /// The values of the members whose names have these letters.
    fn values(&self, letters: &str) -> impl Iterator<Item = &'a RawValue> {
        let means = move |name: &str| Letters::of(name).as_bytes() == letters.as_bytes();
        self.0.iter().filter(move |(name, _)| means(name)).map(|(_, value)| *value)
    }

    fn texts(&self, letters: &str) -> impl Iterator<Item = String> {
        self.values(letters).filter_map(|raw| serde_json::from_str(raw.get()).ok())
    }

    /// A bound; the largest, where there are several.
    fn number(&self, letters: &str) -> Option<u64> {
        let numbers = self.values(letters).map(|raw| raw.get().parse::<u64>().ok());
        numbers.flatten().filter(|number| (1..=SEARCHES_MAX).contains(number)).max()
    }
}

impl<'de> Deserialize<'de> for Tool<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ToolVisitor)
    }
}

struct ToolVisitor;

impl<'de> Visitor<'de> for ToolVisitor {
    type Value = Tool<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tool<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Tool(members))
    }
}

#[cfg(test)]
mod tests {
    use doorward_dialect::google::Framing;

    use super::*;
    use crate::ask::Ask;
    use crate::route::InPath;

    fn hosted(call: Call, members: &str) -> Result<Hosted, ProxyError> {
        let place = InPath { model: "m".to_owned(), framing: Framing::Events };
        let place = (call == Call::GenerateContent).then_some(&place);
        let body = format!(r#"{{"model":"m",{members}}}"#);
        Ask::parse(call, place, body.as_bytes()).map(|ask| ask.hosted)
    }

    #[test]
    fn what_a_provider_searches_is_bounded_by_who_asks_or_by_us() {
        use Call::{ChatCompletions, GenerateContent, Messages, Responses};
        #[rustfmt::skip]
        let cases = [
            // call            members                                                                    web, files, adds input
            (ChatCompletions,  r#""web_search_options":{}"#,                                              (1, 0, true)),
            (ChatCompletions,  r#""web_search_options":null"#,                                            (0, 0, false)),
            (ChatCompletions,  r#""tools":[{"type":"function","function":{"name":"web_search"}}]"#,       (0, 0, false)),
            (Responses,        r#""tools":[{"type":"web_search"}]"#,                                      (16, 0, true)),
            (Responses,        r#""tools":[{"type":"web_search_preview"}],"max_tool_calls":3"#,           (3, 0, true)),
            (Responses,        r#""tools":[{"type":"file_search"},{"type":"web_search"}]"#,               (16, 16, true)),
            (Responses,        r#""tools":[{"type":"function","name":"search","parameters":{"type":"web_search"}}]"#, (0, 0, false)),
            (Responses,        r#""tools":null"#,                                                         (0, 0, false)),
            (Messages,         r#""tools":[{"type":"web_search_20250305","name":"web_search","max_uses":5}]"#, (5, 0, true)),
            (Messages,         r#""tools":[{"type":"web_search_20250305","name":"web_search"}]"#,         (16, 0, true)),
            (Messages,         r#""tools":[{"type":"web_search_20250305","max_uses":"5"}]"#,              (16, 0, true)),
            (Messages,         r#""tools":[{"type":"w\u0065b_s\u0065arch_1"}]"#,                          (16, 0, true)),
            (Messages,         r#""tools":[{"type":"web_search_1","type":"custom","max_uses":1,"max_uses":2}]"#, (2, 0, true)),
            (Messages,         r#""tools":[{"type":"web_fetch_20250910"}]"#,                              (0, 0, true)),
            (Messages,         r#""tools":[{"name":"web_search","input_schema":{}}]"#,                    (0, 0, false)),
            (GenerateContent,  r#""tools":[{"googleSearch":{}}]"#,                                        (16, 0, true)),
            (GenerateContent,  r#""tools":[{"google_search":{}},{"functionDeclarations":[]}]"#,           (16, 0, true)),
            (GenerateContent,  r#""tools":[{"google_search_retrieval":{}}]"#,                             (16, 0, true)),
            (GenerateContent,  r#""tools":[{"google_search":null}]"#,                                     (0, 0, false)),
            (GenerateContent,  r#""tools":[{"urlContext":{}}]"#,                                          (0, 0, true)),
            (GenerateContent,  r#""tools":[{"functionDeclarations":[{"name":"googleSearch"}]}]"#,         (0, 0, false)),
        ];
        for (call, members, (web, files, adds_input)) in cases {
            let hosted = hosted(call, members).unwrap();
            let found = (hosted.web_searches, hosted.file_searches, hosted.adds_input);
            assert_eq!(found, (web, files, adds_input), "{call:?} {members}");
            assert_eq!(hosted.kinds().count() as u64, u64::from(web > 0) + u64::from(files > 0));
        }
    }

    #[test]
    fn tools_that_cannot_be_read_are_refused_and_not_guessed() {
        for tools in [r#"{"type":"web_search"}"#, r#"["web_search"]"#, r#""web_search""#] {
            let error = hosted(Call::Responses, &format!(r#""tools":{tools}"#)).unwrap_err();
            assert!(error.to_string().contains("`tools` must be a list"), "{error}");
        }
        let error = hosted(Call::Responses, r#""tools":[],"max_tool_calls":-1"#).unwrap_err();
        assert!(error.to_string().contains("`max_tool_calls` must be"), "{error}");
    }
}
