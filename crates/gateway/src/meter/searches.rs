//! What a provider searched for a call, where its usage does not tell: counted in what it answers.

use doorward_dialect::{Dialect, Provider};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// How often a provider searched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Searches {
    /// The web.
    pub(crate) web: u64,
    /// Files that are stored with it.
    pub(crate) files: u64,
}

/// Counts searches in an answer of a call that may search.
///
/// Sources: `web_search_call`, `file_search_call` in
/// <https://platform.openai.com/docs/api-reference/responses/object>, where only the action `search` has
/// a price; `server_tool_use` in <https://docs.claude.com/en/docs/agents-and-tools/tool-use/web-search-tool>;
/// `groundingMetadata.webSearchQueries` in <https://ai.google.dev/api/generate-content#GroundingMetadata>.
#[derive(Debug)]
pub(super) struct SearchCounter {
    provider: Provider,
    pub(super) seen: Searches,
}

impl SearchCounter {
    pub(super) fn new(provider: Provider) -> Self {
        Self { provider, seen: Searches::default() }
    }

    /// Takes a whole answer, or the data of one event of a stream. What is no JSON says nothing.
    pub(super) fn take(&mut self, json: &[u8]) {
        let Ok(piece) = serde_json::from_slice::<Piece<'_>>(json) else { return };
        match self.provider {
            Provider::Dialect(Dialect::OpenAi) => self.take_openai(&piece),
            Provider::Dialect(Dialect::Anthropic) => {
                let block = piece.content_block.as_ref();
                let is_search = block.is_some_and(|block| {
                    block.kind == Some("server_tool_use") && block.name == Some("web_search")
                });
                self.seen.web += u64::from(is_search);
            }
            Provider::Dialect(Dialect::Google) => {
                // Each piece of a stream repeats what was said until then.
                let said = piece.candidates.iter().flatten().map(Candidate::searches).sum();
                self.seen.web = self.seen.web.max(said);
            }
            // It has no tools of its own.
            Provider::Bedrock => {}
        }
    }

    /// The end of a stream tells every item again.
    fn take_openai(&mut self, piece: &Piece<'_>) {
        if piece.kind == Some("response.output_item.done") {
            self.seen = piece.item.iter().fold(self.seen, |seen, item| item.added_to(seen));
        }
        let whole = piece.response.as_ref().and_then(|response| response.output.as_ref());
        if let Some(items) = whole.or(piece.output.as_ref()) {
            let all = items.iter().fold(Searches::default(), |sum, item| item.added_to(sum));
            self.seen.web = self.seen.web.max(all.web);
            self.seen.files = self.seen.files.max(all.files);
        }
    }
}

/// An answer or an event, of any dialect.
#[derive(Deserialize)]
struct Piece<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a str>,
    #[serde(borrow)]
    item: Option<Item<'a>>,
    #[serde(borrow)]
    output: Option<Vec<Item<'a>>>,
    #[serde(borrow)]
    response: Option<Response<'a>>,
    #[serde(borrow)]
    content_block: Option<Block<'a>>,
    candidates: Option<Vec<Candidate>>,
}

#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow)]
    output: Option<Vec<Item<'a>>>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a str>,
    #[serde(borrow)]
    action: Option<Action<'a>>,
}

#[derive(Deserialize)]
struct Action<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a str>,
}

#[derive(Deserialize)]
struct Block<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a str>,
    #[serde(borrow)]
    name: Option<&'a str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate {
    grounding_metadata: Option<Grounding>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Grounding {
    web_search_queries: Option<Vec<IgnoredAny>>,
}

impl Item<'_> {
    fn added_to(&self, mut searches: Searches) -> Searches {
        let action = self.action.as_ref().and_then(|action| action.kind);
        let is_search = action.is_none_or(|action| action == "search");
        searches.web += u64::from(self.kind == Some("web_search_call") && is_search);
        searches.files += u64::from(self.kind == Some("file_search_call"));
        searches
    }
}

impl Candidate {
    fn searches(&self) -> u64 {
        let queries = self.grounding_metadata.as_ref();
        let queries = queries.and_then(|metadata| metadata.web_search_queries.as_ref());
        queries.map_or(0, |queries| queries.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn searches_are_counted_once_however_often_they_are_told() {
        let call = r#"{"id":"ws_1","type":"web_search_call","status":"completed","action":{"type":"search","query":"x"}}"#;
        let open = r#"{"type":"web_search_call","action":{"type":"open_page","url":"u"}}"#;
        let files = r#"{"type":"file_search_call","queries":["a","b"],"results":null}"#;
        let done = |item: &str| format!(r#"{{"type":"response.output_item.done","item":{item}}}"#);
        let added = format!(r#"{{"type":"response.output_item.added","item":{call}}}"#);
        let output = format!(r#"{{"output":[{call},{open},{files},{call},{{"type":"message"}}]}}"#);
        let end = format!(r#"{{"type":"response.completed","response":{output}}}"#);
        let grounded = |queries: &str| {
            format!(
                r#"{{"candidates":[{{"groundingMetadata":{{"webSearchQueries":[{queries}]}}}}]}}"#
            )
        };
        let block = r#"{"type":"content_block_start","content_block":{"type":"server_tool_use","name":"web_search","input":{}}}"#;
        let fetch = block.replace("web_search", "web_fetch");
        #[rustfmt::skip]
        let cases: [(_, Vec<String>, _); 9] = [
            // dialect           pieces                                              web, files
            (Dialect::OpenAi,    vec![output.clone()],                               (2, 1)),
            (Dialect::OpenAi,    vec![added.clone(), done(call)],                    (1, 0)),
            (Dialect::OpenAi,    vec![added, done(call), done(open), done(files), done(call), end], (2, 1)),
            (Dialect::OpenAi,    vec![r#"{"choices":[]}"#.to_owned(), "no".to_owned()], (0, 0)),
            (Dialect::Google,    vec![grounded(r#""a","b""#)],                       (2, 0)),
            (Dialect::Google,    vec![grounded(r#""a""#), grounded(r#""a","b""#), r#"{"candidates":[{}]}"#.to_owned()], (2, 0)),
            (Dialect::Google,    vec![grounded("")],                                 (0, 0)),
            (Dialect::Anthropic, vec![block.to_owned(), fetch, block.to_owned()],    (2, 0)),
            (Dialect::Anthropic, vec![output],                                       (0, 0)),
        ];
        for (dialect, pieces, (web, files)) in cases {
            let mut counter = SearchCounter::new(dialect.into());
            for piece in &pieces {
                counter.take(piece.as_bytes());
            }
            assert_eq!(counter.seen, Searches { web, files }, "{dialect:?} {pieces:?}");
        }
    }
}
