//! What the provider's dialect of a pair cannot say is refused by the client's name for it, never lost.

use doorward_dialect::Dialect;
use doorward_dialect::unsupported::{Allowed, Leave, Untranslatable};
use serde_json::{Value, json};

use super::support::{Pair, asked};

const OPENAI_ANTHROPIC: Pair = (Dialect::OpenAi, Dialect::Anthropic);
const OPENAI_GOOGLE: Pair = (Dialect::OpenAi, Dialect::Google);
const ANTHROPIC_OPENAI: Pair = (Dialect::Anthropic, Dialect::OpenAi);
const ANTHROPIC_GOOGLE: Pair = (Dialect::Anthropic, Dialect::Google);
const GOOGLE_OPENAI: Pair = (Dialect::Google, Dialect::OpenAi);
const GOOGLE_ANTHROPIC: Pair = (Dialect::Google, Dialect::Anthropic);

fn body(client: Dialect) -> Value {
    match client {
        Dialect::OpenAi => {
            json!({ "model": "m", "messages": [{ "role": "user", "content": "hi" }] })
        }
        Dialect::Anthropic => {
            json!({ "model": "m", "max_tokens": 9000, "messages": [{ "role": "user", "content": "hi" }] })
        }
        Dialect::Google => json!({ "contents": [{ "role": "user", "parts": [{ "text": "hi" }] }] }),
    }
}

/// A user's message of OpenAI's or Anthropic's dialect with a part.
fn part(part: Value) -> Value {
    json!([{ "role": "user", "content": [{ "type": "text", "text": "hi" }, part] }])
}

fn piece(part: Value) -> Value {
    json!([{ "role": "user", "parts": [{ "text": "hi" }, part] }])
}

#[test]
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn what_a_pair_cannot_say_is_refused_by_name_and_left_out_where_that_is_allowed() {
    let function = |name: &str| json!([{ "type": "function", "function": { "name": name } }]);
    let among = json!({ "type": "allowed_tools", "allowed_tools": { "mode": "auto", "tools": [{ "type": "function", "function": { "name": "f" } }] } });
    let late =
        json!([{ "role": "user", "content": "hi" }, { "role": "system", "content": "Be brief." }]);
    let audio =
        json!({ "type": "input_audio", "input_audio": { "format": "wav", "data": "QQ==" } });
    let file = json!({ "type": "file", "file": { "file_id": "file_1" } });
    let image_file = json!({ "type": "image", "source": { "type": "file", "file_id": "file_1" } });
    let pdf_url =
        json!({ "type": "document", "source": { "type": "url", "url": "https://a/b.pdf" } });
    let one_only = json!({ "type": "auto", "disable_parallel_tool_use": true });
    let wav = json!({ "inlineData": { "mimeType": "audio/wav", "data": "QQ==" } });
    let flac = json!({ "inlineData": { "mimeType": "audio/flac", "data": "QQ==" } });
    let own_file = json!({ "fileData": { "mimeType": "application/pdf", "fileUri": "gs://b/o" } });
    #[rustfmt::skip]
    let cases = [
        // pair             field                 value                                        refused
        (OPENAI_ANTHROPIC,  "n",                  json!(2),                                    "n"),
        (OPENAI_ANTHROPIC,  "seed",               json!(7),                                    "seed"),
        (OPENAI_ANTHROPIC,  "frequency_penalty",  json!(0.5),                                  "frequency_penalty"),
        (OPENAI_ANTHROPIC,  "presence_penalty",   json!(0.5),                                  "presence_penalty"),
        (OPENAI_ANTHROPIC,  "temperature",        json!(1.5),                                  "temperature"),
        (OPENAI_ANTHROPIC,  "response_format",    json!({ "type": "json_object" }),            "response_format"),
        (OPENAI_ANTHROPIC,  "stop",               json!([" "]),                                "stop"),
        (OPENAI_ANTHROPIC,  "tools",              function("a.b"),                             "tools[].function.name"),
        (OPENAI_ANTHROPIC,  "tool_choice",        among.clone(),                               "tool_choice"),
        (OPENAI_ANTHROPIC,  "messages",           late.clone(),                                "messages[1].role"),
        (OPENAI_ANTHROPIC,  "messages",           part(audio.clone()),                         "messages[0].content[].input_audio"),
        (OPENAI_ANTHROPIC,  "messages",           part(file.clone()),                          "messages[0].content[].file.file_id"),
        (OPENAI_ANTHROPIC,  "logprobs",           json!(true),                                 "logprobs"),
        (OPENAI_ANTHROPIC,  "logit_bias",         json!({ "5": 1 }),                           "logit_bias"),
        (OPENAI_ANTHROPIC,  "audio",              json!({ "voice": "alloy" }),                 "audio"),
        (OPENAI_ANTHROPIC,  "modalities",         json!(["text", "audio"]),                    "modalities"),
        (OPENAI_ANTHROPIC,  "prediction",         json!({ "type": "content" }),                "prediction"),
        (OPENAI_ANTHROPIC,  "web_search_options", json!({}),                                   "web_search_options"),
        (OPENAI_GOOGLE,     "seed",               json!(4_294_967_296_u64),                    "seed"),
        (OPENAI_GOOGLE,     "parallel_tool_calls", json!(false),                               "parallel_tool_calls"),
        (OPENAI_GOOGLE,     "stop",               json!(["a", "b", "c", "d", "e", "f"]),       "stop"),
        (OPENAI_GOOGLE,     "messages",           late,                                        "messages[1].role"),
        (OPENAI_GOOGLE,     "messages",           part(file),                                  "messages[0].content[].file.file_id"),
        (OPENAI_GOOGLE,     "messages",           part(json!({ "type": "image_url", "image_url": "https://a/b.png" })), "messages[0].content[].image_url"),
        (OPENAI_GOOGLE,     "logprobs",           json!(true),                                 "logprobs"),
        (ANTHROPIC_OPENAI,  "top_k",              json!(5),                                    "top_k"),
        (ANTHROPIC_OPENAI,  "stop_sequences",     json!(["a", "b", "c", "d", "e"]),            "stop_sequences"),
        (ANTHROPIC_OPENAI,  "messages",           part(image_file.clone()),                    "messages[0].content[].source.file_id"),
        (ANTHROPIC_OPENAI,  "messages",           part(pdf_url.clone()),                       "messages[0].content[].source"),
        (ANTHROPIC_OPENAI,  "tools",              json!([{ "type": "web_search_20250305", "name": "web_search" }]), "tools[0].type"),
        (ANTHROPIC_OPENAI,  "mcp_servers",        json!([{}]),                                 "mcp_servers"),
        (ANTHROPIC_OPENAI,  "container",          json!("c"),                                  "container"),
        (ANTHROPIC_OPENAI,  "speed",              json!("fast"),                               "speed"),
        (ANTHROPIC_GOOGLE,  "tool_choice",        one_only,                                    "tool_choice.disable_parallel_tool_use"),
        (ANTHROPIC_GOOGLE,  "stop_sequences",     json!(["a", "b", "c", "d", "e", "f"]),       "stop_sequences"),
        (ANTHROPIC_GOOGLE,  "messages",           part(image_file),                            "messages[0].content[].source.file_id"),
        (ANTHROPIC_GOOGLE,  "messages",           part(pdf_url),                               "messages[0].content[].source"),
        (ANTHROPIC_GOOGLE,  "tools",              json!([{ "type": "bash_20250124", "name": "bash" }]), "tools[0].type"),
        (GOOGLE_OPENAI,     "generationConfig",   json!({ "topK": 5 }),                        "generationConfig.topK"),
        (GOOGLE_OPENAI,     "generationConfig",   json!({ "stopSequences": ["a", "b", "c", "d", "e"] }), "generationConfig.stopSequences"),
        (GOOGLE_OPENAI,     "generationConfig",   json!({ "responseModalities": ["IMAGE"] }),  "generationConfig.responseModalities"),
        (GOOGLE_OPENAI,     "generationConfig",   json!({ "speechConfig": {} }),               "generationConfig.speechConfig"),
        (GOOGLE_OPENAI,     "contents",           piece(flac),                                 "contents[0].parts[].inlineData"),
        (GOOGLE_OPENAI,     "contents",           piece(own_file.clone()),                     "contents[0].parts[].fileData"),
        (GOOGLE_OPENAI,     "tools",              json!([{ "googleSearch": {} }]),             "tools[0].googleSearch"),
        (GOOGLE_OPENAI,     "cachedContent",      json!("cachedContents/a"),                   "cachedContent"),
        (GOOGLE_OPENAI,     "safetySettings",     json!([{ "category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_LOW_AND_ABOVE" }]), "safetySettings[0]"),
        (GOOGLE_ANTHROPIC,  "generationConfig",   json!({ "candidateCount": 2 }),              "generationConfig.candidateCount"),
        (GOOGLE_ANTHROPIC,  "generationConfig",   json!({ "seed": 2 }),                        "generationConfig.seed"),
        (GOOGLE_ANTHROPIC,  "generationConfig",   json!({ "temperature": 1.2 }),               "generationConfig.temperature"),
        (GOOGLE_ANTHROPIC,  "generationConfig",   json!({ "frequencyPenalty": 1 }),            "generationConfig.frequencyPenalty"),
        (GOOGLE_ANTHROPIC,  "generationConfig",   json!({ "presencePenalty": 1 }),             "generationConfig.presencePenalty"),
        (GOOGLE_ANTHROPIC,  "generationConfig",   json!({ "responseMimeType": "application/json" }), "generationConfig.responseMimeType"),
        (GOOGLE_ANTHROPIC,  "generationConfig",   json!({ "thinkingConfig": { "thinkingBudget": 512 } }), "generationConfig.thinkingConfig"),
        (GOOGLE_ANTHROPIC,  "contents",           piece(wav),                                  "contents[0].parts[].inlineData"),
        (GOOGLE_ANTHROPIC,  "contents",           piece(own_file),                             "contents[0].parts[].fileData"),
        (GOOGLE_ANTHROPIC,  "tools",              json!([{ "codeExecution": {} }]),            "tools[0].codeExecution"),
    ];
    for (pair, field, value, path) in cases {
        let mut body = body(pair.0);
        body[field] = value;
        let body = body.to_string();
        let refused = asked(body.as_bytes(), pair, &mut Leave::new(Allowed::Nothing)).unwrap_err();
        assert_eq!(refused, Untranslatable::Unsupported(path.to_owned()), "{pair:?} {body}");
        let mut leave = Leave::new(Allowed::Named(vec![without_positions(path)]));
        asked(body.as_bytes(), pair, &mut leave).unwrap_or_else(|why| panic!("{body}: {why}"));
        assert_eq!(leave.left(), [path], "{pair:?} {body}");
    }
}

fn without_positions(path: &str) -> String {
    path.split('[')
        .map(|step| step.trim_start_matches(|letter: char| letter.is_ascii_digit()))
        .collect::<Vec<_>>()
        .join("[")
}
