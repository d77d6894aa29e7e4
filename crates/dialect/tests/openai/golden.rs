//! What is documented is read, and said again.

use doorward_dialect::Target;
use doorward_dialect::event::Event;
use doorward_dialect::openai::{
    StreamReader, StreamWriter, read_answer, read_request, write_answer, write_request,
};
use serde_json::{Value, json};

use super::support::{FACE, data_of, gist_of, knowing_all, nothing, read_stream};

/// Where a file is, and what it says.
type Golden = (&'static str, &'static str);

macro_rules! golden {
    ($path:literal) => {
        ($path, include_str!(concat!("../golden/openai/", $path)))
    };
}

const REQUESTS: [(&str, &str); 5] = [
    golden!("requests/default.json"),
    golden!("requests/streaming.json"),
    golden!("requests/functions.json"),
    golden!("requests/image.json"),
    golden!("requests/every_field.json"),
];

const ANSWERS: [(&str, &str); 3] = [
    golden!("answers/default.json"),
    golden!("answers/functions.json"),
    golden!("answers/everything.json"),
];

/// Each stream, and the whole answer that says the same.
const STREAMS: [(Golden, Golden); 10] = [
    (golden!("streams/default.sse"), golden!("streams/default.json")),
    (golden!("streams/two_calls.sse"), golden!("streams/two_calls.json")),
    (golden!("streams/length.sse"), golden!("streams/length.json")),
    (golden!("streams/azure.sse"), golden!("streams/azure.json")),
    (golden!("streams/vllm.sse"), golden!("streams/vllm.json")),
    (golden!("streams/vllm_stop.sse"), golden!("streams/vllm_stop.json")),
    (golden!("streams/llama_cpp.sse"), golden!("streams/llama_cpp.json")),
    (golden!("streams/deepseek.sse"), golden!("streams/deepseek.json")),
    (golden!("streams/openrouter.sse"), golden!("streams/openrouter.json")),
    (golden!("streams/bridge.sse"), golden!("streams/bridge.json")),
];

/// What may differ: the model and the role are renamed, hints are left out, a stream is asked for its usage.
fn as_written(golden: &str) -> Value {
    let mut json: Value = serde_json::from_str(golden).unwrap();
    json["model"] = json!("theirs");
    if json["stream"] == true {
        json["stream_options"] = json!({ "include_usage": true });
    }
    for message in json["messages"].as_array_mut().unwrap() {
        if message["role"] == "developer" {
            message["role"] = json!("system");
        }
        for part in message["content"].as_array_mut().into_iter().flatten() {
            if let Some(image) = part.pointer_mut("/image_url").and_then(Value::as_object_mut) {
                image.remove("detail");
            }
        }
    }
    json
}

#[test]
fn a_documented_request_is_said_again() {
    for (path, golden) in REQUESTS {
        let request = read_request(golden.as_bytes()).unwrap();
        assert!(request.extras.is_empty(), "{path}: {:?}", request.extras);
        let mut to = knowing_all();
        to.knows.completion_tokens = !golden.contains("\"max_tokens\"");
        let written = write_request(&request, &to, &mut nothing()).unwrap();
        let found: Value = serde_json::from_slice(&written).unwrap();
        assert_eq!(found, as_written(golden), "{path}");
    }
}

#[test]
fn the_same_request_is_the_same_bytes() {
    for (path, golden) in REQUESTS {
        let write = |to: &Target<'_>| {
            write_request(&read_request(golden.as_bytes()).unwrap(), to, &mut nothing()).unwrap()
        };
        assert_eq!(write(&knowing_all()), write(&knowing_all()), "{path}");
    }
}

#[test]
fn the_arguments_of_a_call_keep_every_byte() {
    let (_, golden) = REQUESTS[4];
    let request = read_request(golden.as_bytes()).unwrap();
    let written = write_request(&request, &knowing_all(), &mut nothing()).unwrap();
    let arguments = r#"{ \"location\": \"Boston, MA\", \"n\": 12345678901234567890 }"#;
    assert!(String::from_utf8(written).unwrap().contains(arguments));
}

#[test]
fn the_old_forms_are_read_and_said_in_the_new_ones() {
    let (_, golden) = golden!("requests/old_forms.json");
    let request = read_request(golden.as_bytes()).unwrap();
    assert!(request.extras.is_empty());
    let written = write_request(&request, &knowing_all(), &mut nothing()).unwrap();
    let found: Value = serde_json::from_slice(&written).unwrap();
    let id = found["messages"][1]["tool_calls"][0]["id"].as_str().unwrap();
    assert!(id.starts_with("call_") && id.len() <= 40, "{id}");
    assert_eq!(found["messages"][2]["tool_call_id"], id);
    assert_eq!(found["messages"][2]["content"], r#"{"temperature": "22"}"#);
    let choice = json!({ "type": "function", "function": { "name": "get_current_weather" } });
    assert_eq!(found["tool_choice"], choice);
    let tool: Value = serde_json::from_str::<Value>(golden).unwrap()["functions"][0].clone();
    assert_eq!(found["tools"], json!([{ "type": "function", "function": tool }]));
}

#[test]
fn a_documented_answer_is_said_again() {
    for (path, golden) in ANSWERS {
        let answer = read_answer(golden.as_bytes()).unwrap();
        let written = write_answer(&answer, &FACE).unwrap();
        let found: Value = serde_json::from_slice(&written).unwrap();
        let expected: Value = serde_json::from_str(golden).unwrap();
        assert_eq!(found["id"], expected["id"], "{path}");
        assert_eq!(found["model"], FACE.model, "{path}");
        assert_eq!(found["created"], FACE.created_s, "{path}");
        assert_eq!(found["object"], "chat.completion", "{path}");
        for figure in ["prompt_tokens", "completion_tokens", "total_tokens"] {
            assert_eq!(found["usage"][figure], expected["usage"][figure], "{path}");
        }
        let choices = expected["choices"].as_array().unwrap();
        assert_eq!(found["choices"].as_array().unwrap().len(), choices.len());
        for (index, expected) in choices.iter().enumerate() {
            let found = &found["choices"][index];
            assert_eq!(found["index"], expected["index"], "{path}");
            assert_eq!(found["finish_reason"], expected["finish_reason"], "{path}");
            let mut message = expected["message"].clone();
            message.as_object_mut().unwrap().remove("annotations");
            message["refusal"] = expected["message"]["refusal"].clone();
            assert_eq!(found["message"], message, "{path}");
        }
        assert_eq!(gist_of(&read_answer(&written).unwrap()).choices, gist_of(&answer).choices);
    }
}

#[test]
fn a_stream_says_what_the_whole_answer_says() {
    for ((path, stream), (_, whole)) in STREAMS {
        let found = read_stream(&data_of(stream));
        let expected = gist_of(&read_answer(whole.as_bytes()).unwrap());
        assert_eq!(found, expected, "{path}");
    }
}

#[test]
fn a_stream_is_said_again_as_a_stream() {
    for ((path, stream), (_, whole)) in STREAMS {
        let (mut reader, mut out) = (StreamReader::new(), Vec::new());
        let mut writer = StreamWriter::new(&FACE, true);
        for data in data_of(stream) {
            for event in reader.read(data.as_bytes()).unwrap() {
                writer.write(&event, &mut out);
            }
        }
        for event in reader.end().unwrap() {
            writer.write(&event, &mut out);
        }
        let mut expected = gist_of(&read_answer(whole.as_bytes()).unwrap());
        // This dialect has no word for which text ended an answer.
        for choice in expected.choices.values_mut().filter(|choice| choice.finish.contains("###")) {
            choice.finish = "End".to_owned();
        }
        let out = String::from_utf8(out).unwrap();
        assert_eq!(read_stream(&data_of(&out)), expected, "{path}");
    }
}

#[test]
fn a_stream_that_is_cut_after_any_event_but_the_last_is_not_whole() {
    for ((path, stream), _) in STREAMS {
        let data = data_of(stream);
        let ends = data.iter().position(|data| {
            *data == "[DONE]"
                || serde_json::from_str::<Value>(data)
                    .is_ok_and(|chunk| chunk["choices"][0]["finish_reason"].is_string())
        });
        for cut in 0..ends.unwrap() {
            assert!(!read_stream(&data[..cut]).is_whole, "{path} cut at {cut}");
        }
        // OpenAI's own mark of the end may be missing once the answer has ended.
        assert!(read_stream(&data[..data.len() - 1]).is_whole, "{path}");
    }
}

#[test]
fn an_end_is_held_until_the_usage_is_known() {
    let (_, stream) = STREAMS[1].0;
    let mut reader = StreamReader::new();
    let mut events = Vec::new();
    for data in data_of(stream) {
        events.extend(reader.read(data.as_bytes()).unwrap());
    }
    let last = &events[events.len() - 3..];
    assert!(matches!(last, [Event::Usage(_), Event::Finish { .. }, Event::End]), "{last:?}");
}
