//! Clients and providers, each of any dialect: who speaks alike gets each other's bytes, any other pair
//! understands each other, and what is billed is what the provider said.

use serde_json::{Value, json};

use crate::program::{Answer, Program, id_of};
use crate::upstream::{Script, Upstream, events, whole};

/// How one side speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speech {
    OpenAi,
    Anthropic,
    Google,
}

const ALL: [Speech; 3] = [Speech::OpenAi, Speech::Anthropic, Speech::Google];

const SECRET: &str = "sk-canary-of-the-provider";
/// What each provider was told to use: input with what of it was cached, and output with thoughts.
const BILLED: [(&str, u64); 4] = [
    ("input_tokens", 25),
    ("cached_input_tokens", 5),
    ("output_tokens", 30),
    ("reasoning_tokens", 7),
];

impl Speech {
    const fn kind(self) -> &'static str {
        match self {
            Self::OpenAi => "openai-compatible",
            Self::Anthropic => "anthropic",
            Self::Google => "google",
        }
    }

    fn path(self, model: &str, is_stream: bool) -> String {
        match (self, is_stream) {
            (Self::OpenAi, _) => "/v1/chat/completions".to_owned(),
            (Self::Anthropic, _) => "/v1/messages".to_owned(),
            (Self::Google, false) => format!("/v1beta/models/{model}:generateContent"),
            (Self::Google, true) => {
                format!("/v1beta/models/{model}:streamGenerateContent?alt=sse")
            }
        }
    }

    /// A question, with a member that no dialect knows.
    fn question(self, model: &str, is_stream: bool) -> Value {
        let turns = json!([{"role": "user", "content": "Say hello."}]);
        match self {
            Self::OpenAi => json!({
                "model": model, "max_tokens": 64, "messages": turns, "stream": is_stream,
                "stream_options": {"include_usage": true},
            }),
            Self::Anthropic => {
                json!({"model": model, "max_tokens": 64, "messages": turns, "stream": is_stream})
            }
            Self::Google => json!({
                "contents": [{"role": "user", "parts": [{"text": "Say hello."}]}],
                "generationConfig": {"maxOutputTokens": 64},
            }),
        }
    }

    /// What a provider answers.
    const fn answer(self) -> &'static str {
        match self {
            Self::OpenAi => {
                r#"{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"up","x_unknown":[1, 2],"choices":[{"index":0,"message":{"role":"assistant","content":"Hello there."},"finish_reason":"stop"}],"usage":{"prompt_tokens":25,"completion_tokens":30,"total_tokens":55,"prompt_tokens_details":{"cached_tokens":5},"completion_tokens_details":{"reasoning_tokens":7}}}"#
            }
            Self::Anthropic => {
                r#"{"id":"msg_1","type":"message","role":"assistant","model":"up","x_unknown":[1, 2],"content":[{"type":"text","text":"Hello there."}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":20,"cache_read_input_tokens":5,"output_tokens":30,"output_tokens_details":{"thinking_tokens":7}}}"#
            }
            Self::Google => {
                r#"{"candidates":[{"content":{"parts":[{"text":"Hello there."}],"role":"model"},"finishReason":"STOP","index":0}],"x_unknown":[1, 2],"usageMetadata":{"promptTokenCount":25,"cachedContentTokenCount":5,"candidatesTokenCount":23,"thoughtsTokenCount":7,"totalTokenCount":55},"modelVersion":"up"}"#
            }
        }
    }

    /// The same as a stream, event by event.
    const fn stream(self) -> &'static [&'static str] {
        match self {
            Self::OpenAi => &[
                "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"up\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"Hello\"},\"finish_reason\":null}]}\n\n",
                "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"up\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" there.\"},\"finish_reason\":null}]}\n\n",
                "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"up\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
                "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"up\",\"choices\":[],\"usage\":{\"prompt_tokens\":25,\"completion_tokens\":30,\"total_tokens\":55,\"prompt_tokens_details\":{\"cached_tokens\":5},\"completion_tokens_details\":{\"reasoning_tokens\":7}}}\n\n",
                "data: [DONE]\n\n",
            ],
            Self::Anthropic => &[
                "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"up\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":20,\"cache_read_input_tokens\":5,\"output_tokens\":1}}}\n\n",
                "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
                "event: ping\ndata: {\"type\":\"ping\"}\n\n",
                "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hello\"}}\n\n",
                "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\" there.\"}}\n\n",
                "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
                "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":30,\"output_tokens_details\":{\"thinking_tokens\":7}}}\n\n",
                "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
            ],
            Self::Google => &[
                "data: {\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"Hello\"}],\"role\": \"model\"},\"index\": 0}],\"usageMetadata\": {\"promptTokenCount\": 25,\"totalTokenCount\": 25},\"modelVersion\": \"up\"}\r\n\r\n",
                "data: {\"candidates\": [{\"content\": {\"parts\": [{\"text\": \" there.\"}],\"role\": \"model\"},\"finishReason\": \"STOP\",\"index\": 0}],\"usageMetadata\": {\"promptTokenCount\": 25,\"cachedContentTokenCount\": 5,\"candidatesTokenCount\": 23,\"thoughtsTokenCount\": 7,\"totalTokenCount\": 55},\"modelVersion\": \"up\"}\r\n\r\n",
            ],
        }
    }

    /// What a client reads in an answer: the text, why it ended, and the tokens of input and output.
    fn read(self, body: &Value) -> (String, String, u64, u64) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let count = |value: &Value| value.as_u64().unwrap_or_default();
        let usage = &body["usage"];
        match self {
            Self::OpenAi => {
                let choice = &body["choices"][0];
                let (said, end) = (&choice["message"]["content"], &choice["finish_reason"]);
                let tokens = (&usage["prompt_tokens"], &usage["completion_tokens"]);
                (text(said), text(end), count(tokens.0), count(tokens.1))
            }
            Self::Anthropic => {
                let (said, end) = (&body["content"][0]["text"], &body["stop_reason"]);
                let input =
                    count(&usage["input_tokens"]) + count(&usage["cache_read_input_tokens"]);
                (text(said), text(end), input, count(&usage["output_tokens"]))
            }
            Self::Google => {
                let (candidate, usage) = (&body["candidates"][0], &body["usageMetadata"]);
                let said = &candidate["content"]["parts"][0]["text"];
                let output =
                    count(&usage["candidatesTokenCount"]) + count(&usage["thoughtsTokenCount"]);
                (
                    text(said),
                    text(&candidate["finishReason"]),
                    count(&usage["promptTokenCount"]),
                    output,
                )
            }
        }
    }

    const fn end(self) -> &'static str {
        match self {
            Self::OpenAi => "stop",
            Self::Anthropic => "end_turn",
            Self::Google => "STOP",
        }
    }

    /// What a client reads in a stream: the text, and the last figures of output.
    fn read_stream(self, text: &str) -> (String, u64) {
        let lines = text.lines().filter_map(|line| line.strip_prefix("data: "));
        let data: Vec<Value> = lines
            .filter(|line| *line != "[DONE]")
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let said = |event: &Value| {
            let said = match self {
                Self::OpenAi => &event["choices"][0]["delta"]["content"],
                Self::Anthropic => &event["delta"]["text"],
                Self::Google => &event["candidates"][0]["content"]["parts"][0]["text"],
            };
            said.as_str().unwrap_or_default().to_owned()
        };
        let output = |event: &Value| match self {
            Self::OpenAi => event["usage"]["completion_tokens"].as_u64(),
            Self::Anthropic => event["usage"]["output_tokens"].as_u64(),
            Self::Google => {
                let usage = &event["usageMetadata"];
                let thoughts = usage["thoughtsTokenCount"].as_u64().unwrap_or_default();
                Some(usage["candidatesTokenCount"].as_u64()? + thoughts)
            }
        };
        let all = data.iter().map(said).collect();
        (all, data.iter().rev().find_map(output).unwrap_or_default())
    }

    /// Whether a client takes a stream for whole.
    fn has_end(self, text: &str) -> bool {
        match self {
            Self::OpenAi => text.contains("data: [DONE]") || text.contains("\"choices\":[]"),
            Self::Anthropic => text.contains("message_stop"),
            Self::Google => text.contains("finishReason") && !text.contains("\"error\":{"),
        }
    }

    /// As this dialect's own clients send the key.
    fn headers(self, key: &str) -> Vec<(&'static str, String)> {
        let auth = match self {
            Self::OpenAi => ("authorization", format!("Bearer {key}")),
            Self::Anthropic => ("x-api-key", key.to_owned()),
            Self::Google => ("x-goog-api-key", key.to_owned()),
        };
        let mut headers = vec![auth, ("content-type", "application/json".to_owned())];
        if self == Self::Anthropic {
            headers.push(("anthropic-version", "2023-01-01".to_owned()));
            headers.push(("anthropic-beta", "some-beta".to_owned()));
        }
        headers
    }
}

struct Pair {
    _dir: tempfile::TempDir,
    program: Program,
    upstream: Upstream,
}

/// A program whose model `served` is `up` at a provider that speaks so.
fn start(provider: Speech, script: Script) -> Pair {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let upstream = Upstream::start(script);
    let address = upstream.address.to_string();
    let name = program.add_provider_of(provider.kind(), "served", &address, Some(SECRET));
    let on = json!([{"provider": name, "upstream_model": "up"}]);
    program.add_deployed("served", Some(("1", "2")), &on);
    Pair { _dir: dir, program, upstream }
}

impl Pair {
    fn send(&self, client: Speech, is_stream: bool, body: &Value) -> Answer {
        let path = client.path("served", is_stream);
        let headers = client.headers(self.program.key());
        self.program.send_as(&path, &headers, body.to_string().as_bytes())
    }

    fn assert_billed(&self, calls: u64, what: &str) {
        let usage = self.program.usage("served");
        for (member, count) in BILLED {
            assert_eq!(usage[member], json!(count * calls), "{member}: {what}");
        }
        assert_eq!((&usage["requests"], &usage["errors"]), (&json!(calls), &json!(0)), "{what}");
    }
}

#[test]
fn every_client_understands_every_provider_and_the_bill_is_the_providers() {
    for provider in ALL {
        let pair = start(provider, Script::Chat);
        for (count, client) in (0..).zip(ALL) {
            let what = format!("{client:?} calls {provider:?}");
            pair.upstream.then(Script::Raw(whole(200, "", provider.answer())));
            let answer = pair.send(client, false, &client.question("served", false));
            assert_eq!(answer.status, 200, "{what}: {}", answer.body);
            let read = client.read(&answer.json());
            let expected = ("Hello there.".to_owned(), client.end().to_owned(), 25, 30);
            assert_eq!(read, expected, "{what}: {}", answer.body);
            pair.assert_billed(2 * count + 1, &what);

            pair.upstream.then(Script::Raw(events(provider.stream())));
            let answer = pair.send(client, true, &client.question("served", true));
            assert_eq!(answer.status, 200, "{what}: {}", answer.body);
            let (text, output) = client.read_stream(&answer.body);
            assert_eq!((&*text, output), ("Hello there.", 30), "{what}: {}", answer.body);
            pair.assert_billed(2 * count + 2, &what);
        }
    }
}

#[test]
fn who_speaks_as_the_provider_does_gets_its_bytes_and_sends_their_own() {
    for speech in ALL {
        let pair = start(speech, Script::Raw(whole(200, "", speech.answer())));
        let mut body = speech.question("served", false);
        body["x_unknown"] = json!({"kept": [1, null]});
        let answer = pair.send(speech, false, &body);
        assert_eq!((answer.status, &*answer.body), (200, speech.answer()), "{speech:?}");
        if speech != Speech::Google {
            body["model"] = json!("up");
        }
        let seen: Value = serde_json::from_str(&pair.upstream.seen()[0].body).unwrap();
        assert_eq!(seen, body, "{speech:?}");

        pair.upstream.then(Script::Raw(events(speech.stream())));
        let answer = pair.send(speech, true, &speech.question("served", true));
        assert_eq!(answer.body, speech.stream().concat(), "{speech:?}");
    }
}

#[test]
fn a_provider_sees_its_own_credential_where_it_looks_for_it_and_its_own_version() {
    for provider in ALL {
        let pair = start(provider, Script::Raw(whole(200, "", provider.answer())));
        for client in ALL {
            pair.send(client, false, &client.question("served", false));
            let head = pair.upstream.seen().pop().unwrap().head.to_lowercase();
            let (target, auth) = match provider {
                Speech::OpenAi => ("/v1/chat/completions", "authorization: bearer sk-canary"),
                Speech::Anthropic => ("/v1/messages", "x-api-key: sk-canary"),
                Speech::Google => ("/v1/models/up:generatecontent", "x-goog-api-key: sk-canary"),
            };
            assert!(head.starts_with(&format!("post {target} ")) && head.contains(auth), "{head}");
            assert!(!head.contains("dw_"), "{head}");
            let said = match (provider, client) {
                (Speech::Anthropic, Speech::Anthropic) => Some(("2023-01-01", true)),
                (Speech::Anthropic, _) => Some(("2023-06-01", false)),
                _ => None,
            };
            let version = said.map(|(version, _)| format!("anthropic-version: {version}\r\n"));
            assert!(version.is_none_or(|version| head.contains(&version)), "{head}");
            let has_beta = said.is_some_and(|(_, has_beta)| has_beta);
            assert_eq!(head.contains("anthropic-beta: some-beta"), has_beta, "{head}");
            assert_eq!(head.contains("anthropic-"), said.is_some(), "{head}");
        }
    }
}

#[test]
fn a_stream_that_is_cut_after_each_of_its_events_is_billed_what_came() {
    for provider in ALL {
        let pair = start(provider, Script::Chat);
        let stream = provider.stream();
        let (mut input, mut output) = (0, 0);
        for cut in 0..stream.len() {
            let mut bytes = events(&stream[..cut]);
            bytes.truncate(bytes.len() - b"0\r\n\r\n".len());
            pair.upstream.then(Script::Raw(bytes));
            let client = ALL[cut % ALL.len()];
            let answer = pair.send(client, true, &client.question("served", true));
            // As `"error":{` or `event: error`, in whichever dialect; never told twice.
            let errors = answer.body.matches("\"error\":{").count();
            let usage = pair.program.usage("served");
            let count = |member: &str| usage[member].as_u64().unwrap();
            let (took, made) = (count("input_tokens") - input, count("output_tokens") - output);
            (input, output) = (count("input_tokens"), count("output_tokens"));
            let said = stream[..cut].concat();
            let is_final = said.contains("completion_tokens")
                || said.contains("message_delta")
                || said.contains("finishReason");
            // Each text is one token; a message begins with one that was said to be made.
            let texts = said.matches("\"Hello\"").count() + said.matches("\" there.\"").count();
            let expected = if is_final { 30..=30 } else { 0..=u64::max(1, texts as u64) };
            assert!(
                expected.contains(&made),
                "{provider:?} cut at {cut}: {made} not in {expected:?}"
            );
            assert!(made >= texts as u64, "{provider:?} cut at {cut}: {made}");
            assert!(took > 0, "{provider:?} cut at {cut}: the input was read");
            // Only OpenAI's usage stands behind the end, and Google has no mark for it.
            let is_whole = is_final && provider != Speech::Anthropic;
            let what = format!("{provider:?} cut at {cut}: {}", answer.body);
            assert_eq!(errors, usize::from(!is_whole), "{what}");
            assert_eq!(client.has_end(&answer.body), is_whole, "{what}");
        }
    }
}

#[test]
fn an_error_of_any_provider_is_told_in_any_clients_dialect() {
    let errors = [
        (
            Speech::OpenAi,
            r#"{"error":{"message":"Slow down.","type":"requests","param":null,"code":"rate_limit_exceeded"}}"#,
        ),
        (
            Speech::Anthropic,
            r#"{"type":"error","error":{"type":"rate_limit_error","message":"Slow down."},"request_id":"req_1"}"#,
        ),
        (
            Speech::Google,
            r#"{"error":{"code":429,"message":"Slow down.","status":"RESOURCE_EXHAUSTED"}}"#,
        ),
    ];
    for (provider, body) in errors {
        let pair = start(provider, Script::Raw(whole(429, "retry-after: 7\r\n", body)));
        for client in ALL {
            let answer = pair.send(client, false, &client.question("served", false));
            let what = format!("{client:?} calls {provider:?}: {}", answer.body);
            assert_eq!((answer.status, answer.header("retry-after")), (429, "7"), "{what}");
            let error = &answer.json()["error"];
            let (kind, word) = match (client, provider) {
                (Speech::OpenAi, Speech::OpenAi) => (&error["type"], "requests"),
                (Speech::OpenAi, _) => (&error["code"], "rate_limit_exceeded"),
                (Speech::Anthropic, _) => (&error["type"], "rate_limit_error"),
                (Speech::Google, _) => (&error["status"], "RESOURCE_EXHAUSTED"),
            };
            assert_eq!(kind, word, "{what}");
            assert_eq!(error["message"], "Slow down.", "{what}");
        }
    }
}

#[test]
fn a_provider_that_refuses_our_credential_is_unavailable_and_no_fault_of_the_client() {
    let google = r#"{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID","domain":"googleapis.com"}]}}"#;
    let anthropic =
        r#"{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}"#;
    for (provider, status, body) in
        [(Speech::Google, 400, google), (Speech::Anthropic, 401, anthropic)]
    {
        let pair = start(provider, Script::Raw(whole(status, "", body)));
        for client in ALL {
            let answer = pair.send(client, false, &client.question("served", false));
            assert_eq!(answer.status, 502, "{client:?} calls {provider:?}: {}", answer.body);
            assert!(!answer.body.contains("key"), "{}", answer.body);
        }
    }
}

#[test]
fn counting_tokens_is_free_and_asked_of_who_can_count() {
    let question = json!({"model": "served", "messages": [{"role": "user", "content": "Hi"}]});
    let pair = start(Speech::Anthropic, Script::Raw(whole(200, "", r#"{"input_tokens":14}"#)));
    let path = "/v1/messages/count_tokens";
    let headers = Speech::Anthropic.headers(pair.program.key());
    let answer = pair.program.send_as(path, &headers, question.to_string().as_bytes());
    assert_eq!((answer.status, &*answer.body), (200, r#"{"input_tokens":14}"#));
    assert!(pair.upstream.seen()[0].head.starts_with("POST /v1/messages/count_tokens "));
    let usage = pair.program.usage("served");
    assert_eq!((&usage["requests"], &usage["input_tokens"]), (&json!(1), &json!(0)));
    assert_eq!(usage["cost_usd"], "0.00");

    let pair = start(Speech::OpenAi, Script::Chat);
    let headers = Speech::Anthropic.headers(pair.program.key());
    let answer = pair.program.send_as(path, &headers, question.to_string().as_bytes());
    assert_eq!(
        (answer.status, &answer.json()["error"]["type"]),
        (400, &json!("invalid_request_error"))
    );
    assert!(pair.upstream.seen().is_empty());
}

#[test]
fn tokens_are_counted_by_a_provider_of_another_dialect_that_can() {
    let pair = start(Speech::Google, Script::Raw(whole(200, "", r#"{"totalTokens":14}"#)));
    let question = json!({"model": "served", "messages": [{"role": "user", "content": "Hi"}]});
    let headers = Speech::Anthropic.headers(pair.program.key());
    let path = "/v1/messages/count_tokens";
    let answer = pair.program.send_as(path, &headers, question.to_string().as_bytes());
    assert_eq!((answer.status, &*answer.body), (200, r#"{"input_tokens":14}"#));
    let seen = &pair.upstream.seen()[0];
    assert!(seen.head.starts_with("POST /v1/models/up:countTokens "), "{}", seen.head);
    assert!(seen.body.contains(r#""text":"Hi""#), "{}", seen.body);
}

#[test]
fn a_prompt_a_response_and_an_embedding_are_asked_of_whoever_can_answer() {
    for provider in ALL {
        let pair = start(provider, Script::Raw(whole(200, "", provider.answer())));
        let headers = Speech::OpenAi.headers(pair.program.key());
        let send = |path: &str, body: &Value| {
            pair.program.send_as(path, &headers, body.to_string().as_bytes())
        };
        let prompt = json!({"model": "served", "prompt": "Say hello."});
        let said = send("/v1/inference", &prompt).json();
        assert_eq!((&said["output"], &said["model"]), (&json!("Hello there."), &json!("served")));
        assert_eq!(said["usage"]["output_tokens"], 30, "{said}");

        let question = json!({"model": "served", "input": "Say hello."});
        if provider == Speech::OpenAi {
            // A server with chat only says that it has no such route; that is found out once.
            pair.upstream.then(Script::Only("/v1/chat/completions", provider.answer()));
        }
        for _ in 0..2 {
            let answer = send("/v1/responses", &question);
            assert_eq!(answer.status, 200, "{provider:?}: {}", answer.body);
            let said = answer.json();
            assert_eq!(
                (&said["object"], &said["status"]),
                (&json!("response"), &json!("completed"))
            );
            assert_eq!(said["output"][0]["content"][0]["text"], "Hello there.", "{said}");
            assert_eq!(said["usage"]["output_tokens"], 30, "{said}");
        }
        let asked = pair.upstream.seen().len();
        assert_eq!(asked, if provider == Speech::OpenAi { 1 + 3 } else { 1 + 2 }, "{provider:?}");
        pair.assert_billed(3, "a prompt and two responses");

        let stream = json!({"model": "served", "input": "Say hello.", "stream": true});
        pair.upstream.then(Script::Raw(events(provider.stream())));
        let answer = send("/v1/responses", &stream);
        assert!(answer.body.contains("event: response.completed"), "{provider:?}: {}", answer.body);
        assert_eq!(
            answer.body.matches("response.output_text.delta\n").count(),
            2,
            "{}",
            answer.body
        );
    }
    let vector = r#"{"embeddings":[{"values":[0.5,-1]}]}"#;
    let pair = start(Speech::Google, Script::Raw(whole(200, "", vector)));
    let headers = Speech::OpenAi.headers(pair.program.key());
    let body = json!({"model": "served", "input": "Hello"}).to_string();
    let answer = pair.program.send_as("/v1/embeddings", &headers, body.as_bytes());
    assert_eq!(answer.json()["data"][0]["embedding"], json!([0.5, -1]), "{}", answer.body);
    let seen = &pair.upstream.seen()[0];
    assert!(seen.head.starts_with("POST /v1/models/up:batchEmbedContents "), "{}", seen.head);
    let body = json!({"model": "served", "prompt": "once"}).to_string();
    let answer = pair.program.send_as("/v1/completions", &headers, body.as_bytes());
    assert_eq!(
        (answer.status, &answer.json()["error"]["code"]),
        (400, &json!("unsupported_route"))
    );
}

#[test]
fn an_error_that_the_provider_tells_in_its_stream_is_told_once_and_ends_it() {
    let errors = [
        (
            Speech::OpenAi,
            "data: {\"error\":{\"message\":\"Overloaded\",\"type\":\"server_error\"}}\n\n",
        ),
        (
            Speech::Anthropic,
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n",
        ),
        (
            Speech::Google,
            "data: {\"error\": {\"code\": 503,\"message\": \"Overloaded\",\"status\": \"UNAVAILABLE\"}}\r\n\r\n",
        ),
    ];
    for (provider, error) in errors {
        let pair = start(provider, Script::Chat);
        let begun = provider.stream().iter().take_while(|event| !event.contains(" there."));
        let stream: Vec<&str> = begun.copied().chain([error]).collect();
        pair.upstream.then(Script::Raw(events(&stream)));
        for client in ALL {
            let answer = pair.send(client, true, &client.question("served", true));
            let told =
                answer.body.replace("\"error\": {", "\"error\":{").matches("\"error\":{").count();
            assert_eq!(told, 1, "{client:?} calls {provider:?}: {}", answer.body);
            assert!(answer.body.contains("Overloaded"), "{client:?}: {}", answer.body);
        }
        let usage = pair.program.usage("served");
        assert_eq!((&usage["requests"], &usage["errors"]), (&json!(3), &json!(3)), "{provider:?}");
    }
}

#[test]
fn a_prompt_that_google_blocks_is_an_answer_and_no_fault() {
    let blocked = "data: {\"promptFeedback\": {\"blockReason\": \"SAFETY\"},\"usageMetadata\": {\"promptTokenCount\": 9}}\r\n\r\n";
    let pair = start(Speech::Google, Script::Raw(events(&[blocked])));
    for client in ALL {
        let answer = pair.send(client, true, &client.question("served", true));
        assert!(!answer.body.contains("UNAVAILABLE"), "{client:?}: {}", answer.body);
        assert!(!answer.body.contains("unavailable"), "{client:?}: {}", answer.body);
    }
    let usage = pair.program.usage("served");
    assert_eq!((&usage["requests"], &usage["input_tokens"]), (&json!(3), &json!(27)));
}

#[test]
fn whoever_names_no_bound_can_call_a_provider_that_wants_one() {
    let pair = start(Speech::Anthropic, Script::Raw(whole(200, "", Speech::Anthropic.answer())));
    let body = json!({"model": "served", "messages": [{"role": "user", "content": "Hi"}]});
    assert_eq!(pair.send(Speech::OpenAi, false, &body).status, 200);
    let seen: Value = serde_json::from_str(&pair.upstream.seen()[0].body).unwrap();
    assert_eq!(seen["max_tokens"], 4096);
}

#[test]
fn a_request_with_more_odd_fields_than_anybody_has_is_refused_at_once() {
    let pair = start(Speech::OpenAi, Script::Chat);
    let mut body = Speech::Anthropic.question("served", false);
    for n in 0..100 {
        body[format!("a{n}")] = json!(1);
    }
    body["doorward_drop_unsupported"] = json!(true);
    let answer = pair.send(Speech::Anthropic, false, &body);
    assert_eq!(answer.status, 400, "{}", answer.body);
    body["doorward_drop_unsupported"] =
        json!((0..100).map(|n| format!("a{n}")).collect::<Vec<_>>());
    assert_eq!(pair.send(Speech::Anthropic, false, &body).status, 400);
    assert!(pair.upstream.seen().is_empty());
}

#[test]
fn an_errors_words_lose_the_credential_of_whoever_said_them_where_another_one_cannot_be_asked() {
    let dir = tempfile::tempdir().unwrap();
    let environment = [("DOORWARD__GATEWAY__RETRY_ROUNDS_MAX", "0")];
    let program = Program::start_with(dir.path(), &[], &environment);
    let words = format!(r#"{{"error":{{"message":"busy with {SECRET}","type":"x","code":null}}}}"#);
    let busy = Upstream::start(Script::Raw(whole(503, "", &words)));
    let other = Upstream::start(Script::Chat);
    let speech = [
        ("busy", "openai-compatible", &busy, SECRET),
        ("other", "anthropic", &other, "sk-canary-of-the-other"),
    ];
    let on = speech.map(|(name, kind, upstream, secret)| {
        let address = upstream.address.to_string();
        let provider = program.add_provider_of(kind, name, &address, Some(secret));
        json!({"provider": provider, "priority": usize::from(name == "other")})
    });
    program.add_deployed("served", Some(("1", "2")), &json!(on));
    let mut body = Speech::OpenAi.question("served", false);
    body["logprobs"] = json!(true);
    let headers = Speech::OpenAi.headers(program.key());
    let answer = program.send_as("/v1/chat/completions", &headers, body.to_string().as_bytes());
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert!(
        answer.body.contains("busy with") && !answer.body.contains("canary"),
        "{}",
        answer.body
    );
    assert_eq!(answer.header("x-doorward-provider"), "p-busy");
    assert!(other.seen().is_empty(), "it cannot say it");
    let usage = program.usage("served");
    assert_eq!((&usage["requests"], &usage["attempts"]), (&json!(1), &json!(1)));
}

#[test]
fn many_first_responses_at_once_are_all_answered_by_a_server_that_has_chat_only() {
    let chat = Script::Only("/v1/chat/completions", Speech::OpenAi.answer());
    let pair = start(Speech::OpenAi, chat);
    let body = json!({"model": "served", "input": "Say hello."}).to_string();
    let headers = Speech::OpenAi.headers(pair.program.key());
    std::thread::scope(|scope| {
        let calls: Vec<_> = (0..16)
            .map(|_| {
                let (program, headers, body) = (&pair.program, &headers, &body);
                scope.spawn(move || {
                    program.send_as("/v1/responses", headers, body.as_bytes()).status
                })
            })
            .collect();
        assert!(calls.into_iter().all(|call| call.join().unwrap() == 200));
    });
}

/// Nothing of it goes out before all of it is there, and its key may end meanwhile.
#[test]
fn a_key_that_is_revoked_while_a_whole_answer_is_awaited_gets_none_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{";
    let upstream = Upstream::start(Script::Stall(head.into()));
    let name =
        program.add_provider_of("anthropic", "slow", &upstream.address.to_string(), Some(SECRET));
    program.add_deployed("mock", Some(("1", "1")), &json!([{"provider": name}]));
    let key = program.make_key(&json!({"name": "short", "scopes": ["inference:write"]}));
    let answer = std::thread::scope(|scope| {
        let calling = scope.spawn(|| program.chat(&key, "mock"));
        upstream.await_seen(1);
        let path = format!("/v1/api-keys/{}", id_of(&key));
        let revoked = program.ask("DELETE", &path, &program.admin_key(), None);
        assert_eq!(revoked.status, 204, "{}", revoked.body);
        calling.join().unwrap()
    });
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (401, &json!("key_revoked")));
    assert!(program.usage("mock")["input_tokens"].as_u64() > Some(0), "it was asked");
}
