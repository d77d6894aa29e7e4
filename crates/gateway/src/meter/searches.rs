//! What a provider searched for a call, where its usage does not tell: counted in what it answers.

use doorward_dialect::{Dialect, Provider};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

/// How often a provider searched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Searches {
    /// The web.
    pub(crate) web: u64,
    /// Files that are stored with it.
    pub(crate) files: u64,
    /// Something of the answer could not be read: there may be more of them.
    pub(crate) is_lost: bool,
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

    /// Takes a whole answer, or the data of one event of a stream. What is no object says nothing.
    pub(super) fn take(&mut self, json: &[u8]) {
        let Ok(piece) = serde_json::from_slice::<Piece<'_>>(json) else {
            self.seen.is_lost |= json.trim_ascii_start().starts_with(b"{");
            return;
        };
        match self.provider {
            Provider::Dialect(Dialect::OpenAi) => self.take_openai(&piece),
            Provider::Dialect(Dialect::Anthropic) => {
                let block: Item<'_> = read(piece.content_block);
                let is_search =
                    says(block.kind, "server_tool_use") && says(block.name, "web_search");
                self.seen.web += u64::from(is_search);
            }
            Provider::Dialect(Dialect::Google) => {
                // Each piece of a stream repeats what was said until then.
                let candidates: Vec<&RawValue> = read(piece.candidates);
                self.seen.web = self.seen.web.max(candidates.into_iter().map(queries).sum());
            }
            // It has no tools of its own.
            Provider::Bedrock => {}
        }
    }

    /// The end of a stream tells every item again.
    fn take_openai(&mut self, piece: &Piece<'_>) {
        if says(piece.kind, "response.output_item.done") {
            self.seen = added(self.seen, piece.item);
        }
        let whole: Response<'_> = read(piece.response);
        let items: Vec<&RawValue> = read(whole.output.or(piece.output));
        let all = items.into_iter().fold(Searches::default(), |sum, item| added(sum, Some(item)));
        self.seen.web = self.seen.web.max(all.web);
        self.seen.files = self.seen.files.max(all.files);
    }
}

/// An answer or an event, of any dialect. Each value is read by itself: what is strange in one of them
/// does not hide the others.
#[derive(Deserialize)]
struct Piece<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    item: Option<&'a RawValue>,
    #[serde(borrow)]
    output: Option<&'a RawValue>,
    #[serde(borrow)]
    response: Option<&'a RawValue>,
    #[serde(borrow)]
    content_block: Option<&'a RawValue>,
    #[serde(borrow)]
    candidates: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct Response<'a> {
    #[serde(borrow)]
    output: Option<&'a RawValue>,
}

/// An item of output, its action, or a block of content.
#[derive(Default, Deserialize)]
struct Item<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    action: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate<'a> {
    #[serde(borrow)]
    grounding_metadata: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Grounding {
    web_search_queries: Option<Vec<IgnoredAny>>,
}

/// What is of another form says nothing.
fn read<'a, T: Deserialize<'a> + Default>(raw: Option<&'a RawValue>) -> T {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}

/// Whether it is this word, however it is written.
fn says(raw: Option<&RawValue>, word: &str) -> bool {
    let text = raw.map(RawValue::get).unwrap_or_default();
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) == Some(word)
        || text.contains('\\') && read::<String>(raw) == word
}

fn added(mut searches: Searches, item: Option<&RawValue>) -> Searches {
    let item: Item<'_> = read(item);
    let action: Item<'_> = read(item.action);
    let is_search = action.kind.is_none() || says(action.kind, "search");
    searches.web += u64::from(says(item.kind, "web_search_call") && is_search);
    searches.files += u64::from(says(item.kind, "file_search_call"));
    searches
}

fn queries(candidate: &RawValue) -> u64 {
    let candidate: Candidate<'_> = read(Some(candidate));
    let grounding: Grounding = read(candidate.grounding_metadata);
    grounding.web_search_queries.map_or(0, |queries| queries.len() as u64)
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
        let strange = r#"{"type":5,"output":[{"type":"web_search_call","action":"search"},5,{"type":["x"]},{"type":"web_search_call","action":{"type":"search"}},{"type":"web_search_call"}]}"#;
        let fetch = block.replace("web_search", "web_fetch");
        #[rustfmt::skip]
        let cases: [(_, Vec<String>, _); 12] = [
            // dialect           pieces                                              web, files
            (Dialect::OpenAi,    vec![output.clone()],                               (2, 1)),
            (Dialect::OpenAi,    vec![added.clone(), done(call)],                    (1, 0)),
            (Dialect::OpenAi,    vec![added, done(call), done(open), done(files), done(call), end], (2, 1)),
            (Dialect::OpenAi,    vec![r#"{"choices":[]}"#.to_owned(), "no".to_owned()], (0, 0)),
            (Dialect::Google,    vec![grounded(r#""a","b""#)],                       (2, 0)),
            (Dialect::Google,    vec![grounded(r#""a""#), grounded(r#""a","b""#), r#"{"candidates":[{}]}"#.to_owned()], (2, 0)),
            (Dialect::Google,    vec![grounded("")],                                 (0, 0)),
            (Dialect::Anthropic, vec![block.to_owned(), fetch, block.to_owned()],    (2, 0)),
            (Dialect::OpenAi,    vec![strange.to_owned()],                           (3, 0)),
            (Dialect::OpenAi,    vec![done(call).replace("web_s", "w\\u0065b_s")],   (1, 0)),
            (Dialect::OpenAi,    vec!["{\"output\":[".to_owned()],                   (0, 0)),
            (Dialect::Anthropic, vec![output],                                       (0, 0)),
        ];
        for (dialect, pieces, (web, files)) in cases {
            let mut counter = SearchCounter::new(dialect.into());
            for piece in &pieces {
                counter.take(piece.as_bytes());
            }
            let is_lost = pieces.iter().any(|piece| piece.ends_with('['));
            assert_eq!(counter.seen, Searches { web, files, is_lost }, "{dialect:?} {pieces:?}");
        }
    }
}
