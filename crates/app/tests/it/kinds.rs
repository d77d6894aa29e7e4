//! What is not plain text, and what the provider's own tools do, is billed as the provider tells it, to
//! the billionth of a dollar; a tool that has no price is not used.

use serde_json::{Value, json};

use crate::program::{Answer, Program};
use crate::upstream::{Script, Upstream, events, whole};

/// Figures that differ, so that no two kinds could be taken for each other.
fn price() -> Value {
    json!({
        "input": "2", "input_audio": "10", "input_image": "3", "cached_input": "0.5",
        "cached_audio": "1", "cache_write": "2.5", "cache_write_1h": "4", "output": "8",
        "output_audio": "20", "output_image": "30", "web_searches_1k": "10",
        "file_searches_1k": "2.5",
    })
}

struct Served {
    _dir: tempfile::TempDir,
    program: Program,
    upstream: Upstream,
}

/// A program whose model `served` is `upstream_model` at a provider of this kind.
fn start((kind, upstream_model): (&str, &str), price: &Value) -> Served {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let upstream = Upstream::start(Script::Chat);
    let address = upstream.address.to_string();
    let provider = program.add_provider_of(kind, "served", &address, Some("sk-canary"));
    let on = json!([{"provider": provider, "upstream_model": upstream_model}]);
    let wish = json!({"name": "served", "price": price, "deployments": on});
    let made = program.ask("POST", "/v1/models", &program.admin_key(), Some(&wish));
    assert_eq!(made.status, 201, "{}", made.body);
    Served { _dir: dir, program, upstream }
}

impl Served {
    fn send(&self, (path, body): &(&str, Value)) -> Answer {
        self.program.ask("POST", path, self.program.key(), Some(body))
    }

    fn cost(&self) -> Value {
        self.program.usage("served")["cost_usd"].clone()
    }
}

/// How a provider tells what a call used: at once, and in pieces.
struct Case {
    provider: (&'static str, &'static str),
    at_once: (&'static str, Value),
    in_pieces: (&'static str, Value),
    answer: String,
    stream: Vec<String>,
    /// Of one call, and of two.
    dollars: [&'static str; 2],
}

fn data(pieces: &[Value]) -> Vec<String> {
    pieces.iter().map(|piece| format!("data: {piece}\n\n")).collect()
}

fn streamed(mut body: Value) -> Value {
    body["stream"] = json!(true);
    body
}

/// 7 x 2 + 100 x 10 + 10 x 0.5 + 50 x 8 + 150 x 20 by the million, in the input 100 of sound and 10 cached.
fn sound_of_openai() -> Case {
    let usage = json!({
        "prompt_tokens": 117, "completion_tokens": 200, "total_tokens": 317,
        "prompt_tokens_details": {"cached_tokens": 10, "audio_tokens": 100},
        "completion_tokens_details": {"reasoning_tokens": 20, "audio_tokens": 150},
    });
    let body = json!({"model": "served", "messages": [{"role": "user", "content": "Sing."}]});
    let choice = json!({"index": 0, "message": {"role": "assistant", "content": "La."}, "finish_reason": "stop"});
    let delta =
        json!({"choices": [{"index": 0, "delta": {"content": "La."}, "finish_reason": "stop"}]});
    let mut stream = data(&[delta, json!({"choices": [], "usage": usage})]);
    stream.push("data: [DONE]\n\n".to_owned());
    Case {
        provider: ("openai-compatible", "up"),
        at_once: ("/v1/chat/completions", body.clone()),
        in_pieces: ("/v1/chat/completions", streamed(body)),
        answer: json!({"id": "c", "choices": [choice], "usage": usage}).to_string(),
        stream,
        dollars: ["0.004419", "0.008838"],
    }
}

/// 25 x 2 + 30 x 8 by the million, and the one search that every such call is.
fn search_of_openai() -> Case {
    let mut case = sound_of_openai();
    let usage = json!({"prompt_tokens": 25, "completion_tokens": 30});
    case.at_once.1["web_search_options"] = json!({});
    case.in_pieces.1["web_search_options"] = json!({});
    case.answer = json!({"id": "c", "choices": [], "usage": usage}).to_string();
    case.stream = data(&[json!({"choices": [], "usage": usage})]);
    case.stream.push("data: [DONE]\n\n".to_owned());
    Case { dollars: ["0.01029", "0.02058"], ..case }
}

/// 10 x 2 + 40 x 3 + 50 x 8 by the million; two searches of the web, one in files; opening a page is none.
fn searches_of_responses() -> Case {
    let body = json!({
        "model": "served", "input": "What is new?",
        "tools": [{"type": "web_search"}, {"type": "file_search", "vector_store_ids": ["v"]}],
    });
    let search = json!({"type": "web_search_call", "id": "w", "status": "completed", "action": {"type": "search", "query": "q"}});
    let open = json!({"type": "web_search_call", "id": "o", "status": "completed", "action": {"type": "open_page", "url": "u"}});
    let files = json!({"type": "file_search_call", "id": "f", "status": "completed", "queries": ["q", "r"]});
    let items = [search.clone(), open, search, files];
    let response = json!({
        "id": "r", "object": "response", "status": "completed", "output": items,
        "usage": {
            "input_tokens": 50, "input_tokens_details": {"cached_tokens": 0, "image_tokens": 40},
            "output_tokens": 50, "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 100,
        },
    });
    let done = |item: &Value| json!({"type": "response.output_item.done", "item": item});
    let mut stream: Vec<Value> = items.iter().map(done).collect();
    stream.push(json!({"type": "response.completed", "response": response}));
    Case {
        provider: ("openai-compatible", "up"),
        at_once: ("/v1/responses", body.clone()),
        in_pieces: ("/v1/responses", streamed(body)),
        answer: response.to_string(),
        stream: data(&stream),
        dollars: ["0.02304", "0.04608"],
    }
}

/// 20 x 2 + 5 x 0.5 + 4 x 2.5 + 8 x 4 + 30 x 8 by the million, and three searches.
fn cache_and_searches_of_anthropic() -> Case {
    let body = json!({
        "model": "served", "max_tokens": 64, "messages": [{"role": "user", "content": "Hi"}],
        "tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 5}],
    });
    let usage = json!({
        "input_tokens": 20, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 12,
        "cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 8},
        "output_tokens": 30, "server_tool_use": {"web_search_requests": 3},
    });
    let mut first = usage.clone();
    first["output_tokens"] = json!(1);
    first["server_tool_use"] = json!({"web_search_requests": 0});
    let message = json!({"id": "m", "type": "message", "role": "assistant", "model": "up", "content": [], "usage": first});
    let text = json!({"type": "text", "text": "Hi"});
    let last = json!({"output_tokens": 30, "server_tool_use": {"web_search_requests": 3}});
    Case {
        provider: ("anthropic", "up"),
        at_once: ("/v1/messages", body.clone()),
        in_pieces: ("/v1/messages", streamed(body)),
        answer: json!({"id": "m", "type": "message", "role": "assistant", "model": "up", "content": [text], "stop_reason": "end_turn", "usage": usage}).to_string(),
        stream: data(&[
            json!({"type": "message_start", "message": message}),
            json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": last}),
            json!({"type": "message_stop"}),
        ]),
        dollars: ["0.0303245", "0.060649"],
    }
}

/// Of the input 40 new ones and 20 cached ones are sound, of the output 1290 are a picture: 35 x 2 + 40 x 10
/// + 10 x 0.5 + 20 x 1 + 27 x 8 + 1290 x 30 by the million, and the searches.
fn picture_of_google(upstream_model: &'static str, dollars: [&'static str; 2]) -> Case {
    let body = json!({
        "contents": [{"role": "user", "parts": [{"text": "Draw."}]}],
        "tools": [{"google_search": {}}],
    });
    let usage = json!({
        "promptTokenCount": 100, "cachedContentTokenCount": 30, "toolUsePromptTokenCount": 5,
        "candidatesTokenCount": 1310, "thoughtsTokenCount": 7,
        "promptTokensDetails": [
            {"modality": "TEXT", "tokenCount": 40}, {"modality": "AUDIO", "tokenCount": 60},
        ],
        "cacheTokensDetails": [
            {"modality": "TEXT", "tokenCount": 10}, {"modality": "AUDIO", "tokenCount": 20},
        ],
        "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1290}],
    });
    let piece = |queries: &[&str], finish: Option<&str>| {
        let mut candidate = json!({
            "content": {"role": "model", "parts": [{"text": "Here."}]}, "index": 0,
            "groundingMetadata": {"webSearchQueries": queries},
        });
        if let Some(finish) = finish {
            candidate["finishReason"] = json!(finish);
        }
        candidate
    };
    let answer = json!({"candidates": [piece(&["a", "b"], Some("STOP"))], "usageMetadata": usage});
    // Each piece repeats what was until then.
    let first = json!({"candidates": [piece(&["a"], None)], "usageMetadata": {"promptTokenCount": 100, "candidatesTokenCount": 1}});
    Case {
        provider: ("google", upstream_model),
        at_once: ("/v1beta/models/served:generateContent", body.clone()),
        in_pieces: ("/v1beta/models/served:streamGenerateContent?alt=sse", body),
        answer: answer.to_string(),
        stream: data(&[first, answer]),
        dollars,
    }
}

#[test]
fn every_kind_is_billed_to_the_nano_dollar_at_once_and_in_pieces() {
    let cases = [
        sound_of_openai(),
        search_of_openai(),
        searches_of_responses(),
        cache_and_searches_of_anthropic(),
        picture_of_google("gemini-3-pro-image", ["0.059411", "0.118822"]),
        // Older models sell searches by the prompt, however many it takes.
        picture_of_google("gemini-2.5-flash", ["0.049411", "0.098822"]),
    ];
    for case in cases {
        let served = start(case.provider, &price());
        served.upstream.then(Script::Raw(whole(200, "", &case.answer)));
        let answer = served.send(&case.at_once);
        assert_eq!((answer.status, &answer.body), (200, &case.answer), "{:?}", case.at_once);
        assert_eq!(served.cost(), case.dollars[0], "at once, {:?}", case.at_once);

        let stream: Vec<&str> = case.stream.iter().map(String::as_str).collect();
        served.upstream.then(Script::Raw(events(&stream)));
        let answer = served.send(&case.in_pieces);
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(served.cost(), case.dollars[1], "in pieces, {:?}", case.in_pieces);
    }
}

#[test]
fn a_tool_that_costs_by_the_use_is_refused_where_it_has_no_price() {
    let chat = json!({"model": "served", "messages": [{"role": "user", "content": "Hi"}]});
    let with = |members: Value| {
        let mut body = chat.clone();
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        body
    };
    let searching = with(json!({"web_search_options": {}}));
    let with_tool = |tool: Value| json!({"model": "served", "input": "x", "tools": [tool]});
    let message = json!({
        "model": "served", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}],
        "tools": [{"type": "web_search_20250305", "name": "web_search"}],
    });
    let content =
        json!({"contents": [{"parts": [{"text": "x"}]}], "tools": [{"googleSearch": {}}]});
    #[rustfmt::skip]
    let cases = [
        // kind                path                                      body                                         for what
        ("openai-compatible",  "/v1/chat/completions",                   searching,                                   "searches of the web"),
        ("openai-compatible",  "/v1/responses",                          with_tool(json!({"type": "web_search"})),    "searches of the web"),
        ("openai-compatible",  "/v1/responses",                          with_tool(json!({"type": "file_search"})),   "searches in files"),
        ("anthropic",          "/v1/messages",                           message,                                     "searches of the web"),
        ("openai-compatible",  "/v1/responses",                          with_tool(json!({"type": "image_generation"})), "the tool `image_generation`"),
        ("openai-compatible",  "/v1/chat/completions",                   with(json!({"plugins": [{"id": "web"}]})),   "the plugin `web`"),
        ("openai-compatible",  "/v1/chat/completions",                   with(json!({"service_tier": "priority"})),   "service_tier `priority`"),
        ("google",             "/v1beta/models/served:generateContent",  content,                                     "searches of the web"),
    ];
    for (kind, path, body, what) in cases {
        let served = start((kind, "up"), &json!({"input": "1", "output": "2"}));
        let answer = served.send(&(path, body.clone()));
        assert_eq!(answer.status, 400, "{path}: {}", answer.body);
        let said = format!("`served` has no price for {what}");
        assert!(answer.body.contains(&said), "{path}: {}", answer.body);
        assert!(served.upstream.seen().is_empty(), "{path}");

        let free = start((kind, "up"), &json!("free"));
        free.upstream.then(Script::Raw(whole(200, "", "{}")));
        assert_eq!(free.send(&(path, body)).status, 200, "{path}");
    }
    let served = start(("openai-compatible", "up"), &json!({"input": "1", "output": "2"}));
    assert_eq!(served.send(&("/v1/chat/completions", chat)).status, 200);
}

#[test]
fn a_model_that_searches_for_each_question_has_a_price_for_that_and_is_billed_it() {
    let chat = json!({"model": "served", "messages": [{"role": "user", "content": "Hi"}]});
    let upstream = ("openai-compatible", "gpt-4o-search-preview");
    let tokens = json!({"input": "1", "output": "1"});
    let refused = start(upstream, &tokens).send(&("/v1/chat/completions", chat.clone()));
    assert!(refused.body.contains("no price for searches of the web"), "{}", refused.body);

    let price = json!({"input": "1", "output": "1", "web_searches_1k": "25"});
    let served = start(upstream, &price);
    assert_eq!(served.send(&("/v1/chat/completions", chat)).status, 200);
    assert_eq!(served.cost(), "0.025055", "25 and 30 tokens, and one search");
}

#[test]
fn searches_that_nobody_can_count_are_billed_as_they_were_held() {
    let price = json!({"input": "0", "output": "0", "web_searches_1k": "10"});
    let served = start(("openai-compatible", "up"), &price);
    let body = json!({"model": "served", "input": "x", "max_tool_calls": 3,
        "tools": [{"type": "web_search"}]});
    let item = json!({"type": "web_search_call", "action": {"type": "search"}});
    let last = json!({"type": "response.completed", "response": {"output": [item],
        "usage": {"input_tokens": 1, "output_tokens": 1}}});
    let spoilt = "data: {\"type\":\"response.output_item.done\",\"item\":{\"a\":01}}\n\n";
    let stream = [spoilt, &*data(&[last])[0]].concat();
    served.upstream.then(Script::Raw(events(&[&stream])));
    assert_eq!(served.send(&("/v1/responses", streamed(body))).status, 200);
    assert_eq!(served.cost(), "0.03");
}

#[test]
fn pictures_in_a_body_are_held_by_the_piece_and_not_by_their_length() {
    let price = json!({"input": "1", "output": "0"});
    let served = start(("openai-compatible", "up"), &price);
    let key = served.program.make_key(&json!({
        "name": "viewer", "budgets": [{"usd": "0.05", "period": "total"}],
    }));
    let send = |pictures: usize| {
        let part = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}});
        let body = json!({"model": "served", "max_tokens": 9,
            "messages": [{"role": "user", "content": vec![part; pictures]}]});
        served.program.ask("POST", "/v1/chat/completions", &key, Some(&body))
    };
    assert_eq!(send(2).status, 429, "80 000 tokens are more than five cents");
    assert!(served.upstream.seen().is_empty());
    assert_eq!(send(1).status, 200);
}

#[test]
fn a_picture_in_a_stream_of_openais_dialect_is_no_overlong_event() {
    let served = start(("openai-compatible", "up"), &json!("free"));
    let picture = json!({"type": "response.image_generation_call.partial_image",
        "partial_image_b64": "A".repeat(3 << 20)});
    let last = json!({"type": "response.completed", "response": {"output": [],
        "usage": {"input_tokens": 1, "output_tokens": 1}}});
    let stream = data(&[picture, last]);
    let stream: Vec<&str> = stream.iter().map(String::as_str).collect();
    served.upstream.then(Script::Raw(events(&stream)));
    let body = json!({"model": "served", "input": "x", "tools": [{"type": "image_generation"}]});
    let answer = served.send(&("/v1/responses", streamed(body)));
    assert_eq!(answer.status, 200);
    assert!(answer.body.len() > 3 << 20 && answer.body.contains("response.completed"));
}

#[test]
fn what_a_provider_may_search_is_held_before_it_does() {
    let price = json!({"input": "0", "output": "0", "web_searches_1k": "10"});
    let served = start(("anthropic", "up"), &price);
    let answer = json!({"id": "m", "type": "message", "content": [], "usage": {"input_tokens": 1, "output_tokens": 1, "server_tool_use": {"web_search_requests": 1}}});
    served.upstream.then(Script::Raw(whole(200, "", &answer.to_string())));
    let key = served.program.make_key(&json!({
        "name": "searcher", "budgets": [{"usd": "0.05", "period": "total"}],
    }));
    let send = |max_uses: u64| {
        let tool =
            json!({"type": "web_search_20250305", "name": "web_search", "max_uses": max_uses});
        let body = json!({"model": "served", "max_tokens": 9, "messages": [], "tools": [tool]});
        served.program.ask("POST", "/v1/messages", &key, Some(&body))
    };
    assert_eq!(send(6).status, 429, "six cents are more than five");
    assert!(served.upstream.seen().is_empty());
    assert_eq!(send(5).status, 200);
    assert_eq!(served.cost(), "0.01", "one search was made");
    assert_eq!(send(5).status, 429, "four cents are left");
    assert_eq!(send(4).status, 200);
}

#[test]
fn a_model_that_is_not_sold_by_the_token_answers_no_conversation() {
    let served = start(("openai-compatible", "up"), &json!({"characters_1m": "15"}));
    let body = json!({"model": "served", "messages": []});
    let answer = served.send(&("/v1/chat/completions", body));
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (400, &json!("model_not_priced")));
    assert!(answer.body.contains("no price for tokens"), "{}", answer.body);
    assert!(served.upstream.seen().is_empty());
}
