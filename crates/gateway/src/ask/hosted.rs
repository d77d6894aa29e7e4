//! Tools that the provider runs itself, and what of them costs by the use.

mod tool;

use std::fmt;
use std::marker::PhantomData;

use doorward_domain::usage::{Kind, Usage};
use serde::Deserializer;
use serde::de::{Deserialize, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::fields::{Field, Fields};
use super::generation::{Member, Members};
use super::{bad, called, number};
use crate::error::ProxyError;
use crate::meter::Searches;
use crate::route::Call;
use tool::{Cost, MemberTool, Plugin, TypedTool};

/// What is held of searches where nobody bounds them: more than models do for nearly any question. What
/// is beyond it is booked in full all the same.
const SEARCHES_UNBOUNDED: u64 = 16;
/// The largest bound that makes sense.
const SEARCHES_MAX: u64 = 1 << 20;

/// What a call lets the provider do for it, at most.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Hosted {
    web_searches: u64,
    file_searches: u64,
    /// It searches once, whatever the question is, and no provider tells that.
    pub(crate) searches_always: bool,
    /// What is found, or fetched, is input that the body does not hold.
    pub(crate) adds_input: bool,
    /// What costs by the use, or may, and no price is for.
    pub(crate) unsold: Option<Box<str>>,
}

impl Hosted {
    /// What of it must have a price.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = Kind> {
        let all = [(Kind::WebSearch, self.web_searches), (Kind::FileSearch, self.file_searches)];
        all.into_iter().filter(|(_, most)| *most > 0).map(|(kind, _)| kind)
    }

    /// The most of everything, where this is the most of the tokens.
    pub(crate) const fn most(&self, tokens: Usage) -> Usage {
        Usage { web_searches: self.web_searches, file_searches: self.file_searches, ..tokens }
    }

    /// The most that it searches.
    pub(crate) const fn searches(&self) -> Searches {
        Searches { web: self.web_searches, files: self.file_searches, is_lost: false }
    }

    /// What a body of `OpenAI`'s or Anthropic's dialect asks for.
    ///
    /// Sources: <https://platform.openai.com/docs/guides/tools-web-search>,
    /// <https://docs.claude.com/en/docs/agents-and-tools/tool-use/web-search-tool>,
    /// <https://openrouter.ai/docs/features/web-search>.
    pub(super) fn of_fields(call: Call, fields: &Fields<'_>) -> Result<Self, ProxyError> {
        let mut hosted = Self::default();
        match call {
            Call::ChatCompletions => {
                let searches = is_there(fields.get(Field::WebSearchOptions));
                hosted.web_searches = searches.into();
                hosted.searches_always = searches;
                hosted.adds_input = searches;
            }
            Call::Responses => {
                let calls_max = number(Field::MaxToolCalls, fields, SEARCHES_MAX)?;
                hosted.take_tools(fields, Cost::of_type, calls_max)?;
                // Nobody here knows which tools it brings.
                if fields.get(Field::Prompt).is_some_and(|raw| raw.get().starts_with('{')) {
                    let most = calls_max.unwrap_or(SEARCHES_UNBOUNDED);
                    hosted.take(Cost::WebSearch, "", most);
                    hosted.take(Cost::FileSearch, "", most);
                }
            }
            Call::Messages => {
                hosted.take_tools(fields, Cost::of_type, None)?;
                hosted.adds_input |= is_there(fields.get(Field::McpServers));
            }
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
            | Call::BatchEmbedContents => return Ok(hosted),
        }
        if call == Call::ChatCompletions {
            hosted.take_tools(fields, Cost::of_type_in_chat, None)?;
        }
        each(Field::Plugins.name(), fields.get(Field::Plugins), |plugin: Plugin<'_>| {
            if let Some(name) = plugin.unsold() {
                hosted.unsold.get_or_insert_with(|| called("the plugin", name));
            }
        })?;
        Ok(hosted)
    }

    fn take_tools(
        &mut self,
        fields: &Fields<'_>,
        cost: fn(&str) -> Cost,
        calls_max: Option<u64>,
    ) -> Result<(), ProxyError> {
        each(Field::Tools.name(), fields.get(Field::Tools), |tool: TypedTool<'_>| {
            let Some(kind) = &tool.kind else { return };
            let uses_max = tool.uses_max.or(calls_max).unwrap_or(SEARCHES_UNBOUNDED);
            self.take(cost(kind), kind, uses_max);
        })
    }

    /// What a body of Google's dialect asks for. What it reads at addresses is input and nothing else.
    ///
    /// Source: <https://ai.google.dev/api/caching#Tool>.
    pub(super) fn of_members(call: Call, members: &Members<'_>) -> Result<Self, ProxyError> {
        let mut hosted = Self::default();
        if matches!(call, Call::GenerateContent | Call::StreamGenerateContent) {
            each(Member::Tools.name(), members.get(Member::Tools), |tool: MemberTool| {
                for (cost, name) in tool.0 {
                    hosted.take(cost, &name, SEARCHES_UNBOUNDED);
                }
            })?;
        }
        Ok(hosted)
    }

    fn take(&mut self, cost: Cost, name: &str, uses_max: u64) {
        self.adds_input |= cost != Cost::Nothing;
        match cost {
            Cost::Nothing | Cost::Input => {}
            Cost::WebSearch => self.web_searches = self.web_searches.saturating_add(uses_max),
            Cost::FileSearch => self.file_searches = self.file_searches.saturating_add(uses_max),
            Cost::Unsold => {
                self.unsold.get_or_insert_with(|| called("the tool", name));
            }
        }
    }
}

fn is_there(raw: Option<&RawValue>) -> bool {
    raw.is_some_and(|raw| raw.get() != "null")
}

/// Reads a list one after the other: most are long, and of little interest.
fn each<'a, T: Deserialize<'a>>(
    name: &str,
    raw: Option<&'a RawValue>,
    take: impl FnMut(T),
) -> Result<(), ProxyError> {
    let Some(raw) = raw.filter(|raw| is_there(Some(raw))) else { return Ok(()) };
    let mut list = serde_json::Deserializer::from_str(raw.get());
    let read = list.deserialize_seq(Each(take, PhantomData));
    read.map_err(|_| bad(name, "must be a list of objects that name what they are once"))
}

struct Each<F, T>(F, PhantomData<T>);

impl<'de, T: Deserialize<'de>, F: FnMut(T)> Visitor<'de> for Each<F, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        while let Some(one) = list.next_element()? {
            (self.0)(one);
        }
        Ok(())
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
            (Messages,         r#""tools":[{"type":"memory_20250818"},{"type":"custom","input_schema":{"type":"x"}}]"#, (0, 0, false)),
            (Messages,         r#""mcp_servers":[{"type":"url","name":"a"}]"#,                            (0, 0, true)),
            (Responses,        r#""tools":[{"type":"mcp","server_label":"a"}]"#,                          (0, 0, true)),
            (Responses,        r#""prompt":{"id":"p"}"#,                                                  (16, 16, true)),
            (Responses,        r#""prompt":{"id":"p"},"max_tool_calls":2"#,                               (2, 2, true)),
            (Responses,        r#""prompt":"p""#,                                                         (0, 0, false)),
            (Messages,         r#""tools":[{"type":"web_fetch_20250910"}]"#,                              (0, 0, true)),
            (Messages,         r#""tools":[{"name":"web_search","input_schema":{}}]"#,                    (0, 0, false)),
            (GenerateContent,  r#""tools":[{"googleSearch":{}}]"#,                                        (16, 0, true)),
            (GenerateContent,  r#""tools":[{"google_search":{}},{"functionDeclarations":[]}]"#,           (16, 0, true)),
            (GenerateContent,  r#""tools":[{"google_search_retrieval":{}}]"#,                             (16, 0, true)),
            (GenerateContent,  r#""tools":[{"google_search":null}]"#,                                     (0, 0, false)),
            (GenerateContent,  r#""tools":[{"urlContext":{}}]"#,                                          (0, 0, true)),
            (GenerateContent,  r#""tools":[{"codeExecution":{}}]"#,                                       (0, 0, true)),
            (GenerateContent,  r#""tools":[{"file_search":{}}]"#,                                         (0, 0, true)),
            (GenerateContent,  r#""tools":[{"functionDeclarations":[{"name":"googleSearch"}]}]"#,         (0, 0, false)),
        ];
        for (call, members, (web, files, adds_input)) in cases {
            let hosted = hosted(call, members).unwrap();
            let found = (hosted.web_searches, hosted.file_searches, hosted.adds_input);
            assert_eq!(found, (web, files, adds_input), "{call:?} {members}");
            assert_eq!(hosted.kinds().count() as u64, u64::from(web > 0) + u64::from(files > 0));
            assert_eq!(hosted.unsold, None, "{members}");
        }
    }

    #[test]
    fn tools_that_cannot_be_read_are_refused_and_not_guessed() {
        let tools = [
            r#"{"type":"web_search"}"#,
            r#"["web_search"]"#,
            r#""web_search""#,
            r#"[{"type":"custom","type":"web_search"}]"#,
            r#"[{"type":"custom","Type":"web_search"}]"#,
            r#"[{"type":5}]"#,
        ];
        for tools in tools {
            let error = hosted(Call::Responses, &format!(r#""tools":{tools}"#)).unwrap_err();
            assert!(error.to_string().contains("`tools` must be a list"), "{error}");
        }
        let error = hosted(Call::Responses, r#""tools":[],"max_tool_calls":-1"#).unwrap_err();
        assert!(error.to_string().contains("`max_tool_calls` must be"), "{error}");
    }

    #[test]
    fn what_costs_by_the_use_and_has_no_price_is_named() {
        use Call::{ChatCompletions, GenerateContent, Messages, Responses};
        #[rustfmt::skip]
        let cases = [
            // call            members                                                     what has no price
            (Responses,        r#""tools":[{"type":"image_generation"}]"#,                 Some("the tool `image_generation`")),
            (Responses,        r#""tools":[{"type":"function","name":"f"},{"type":"code_interpreter","container":{"type":"auto"}}]"#, Some("the tool `code_interpreter`")),
            (Responses,        r#""tools":[{"type":"to_come"}]"#,                          Some("the tool `to_come`")),
            (Messages,         r#""tools":[{"type":"code_execution_20250825","name":"c"}]"#, Some("the tool `code_execution_20250825`")),
            (GenerateContent,  r#""tools":[{"googleMaps":{}}]"#,                           Some("the tool `googleMaps`")),
            (GenerateContent,  r#""tools":[{"googleMaps":null,"functionDeclarations":[]}]"#, None),
            (ChatCompletions,  r#""tools":[{"type":"browser_search"}]"#,                   Some("the tool `browser_search`")),
            (ChatCompletions,  r#""tools":[{"type":"web_search"}]"#,                       Some("the tool `web_search`")),
            (ChatCompletions,  r#""tools":[{"type":"custom","custom":{"name":"a"}}]"#,     None),
            (ChatCompletions,  r#""plugins":[{"id":"response-healing"},{"id":"web"}]"#,    Some("the plugin `web`")),
            (ChatCompletions,  r#""plugins":[{"id":"web","enabled":false}]"#,              None),
            (ChatCompletions,  r#""plugins":[{}]"#,                                        Some("the plugin ``")),
            (ChatCompletions,  r#""plugins":[{"id":"response-healing"}]"#,                 None),
        ];
        for (call, members, expected) in cases {
            assert_eq!(hosted(call, members).unwrap().unsold.as_deref(), expected, "{members}");
        }
        let long = format!(r#""tools":[{{"type":"{}"}}]"#, "ä".repeat(9_000));
        assert!(hosted(Responses, &long).unwrap().unsold.unwrap().len() < 200);
    }
}
