//! What is no request of this dialect, and what is one that the form has no place for.

use doorward_dialect::google;

use crate::{PLACE, extras, read};

/// A request with one content of these parts.
fn parts(parts: &str) -> String {
    format!(r#"{{"contents":[{{"parts":[{parts}]}}]}}"#)
}

fn with(fields: &str) -> String {
    format!(r#"{{"contents":[{{"parts":[{{"text":"hi"}}]}}],{fields}}}"#)
}

fn config(fields: &str) -> String {
    with(&format!(r#""generationConfig":{{{fields}}}"#))
}

/// A model's turn with these parts after the client's, and then one of the client with those.
fn turns(model: &str, client: &str) -> String {
    format!(
        r#"{{"contents":[{{"parts":[{{"text":"hi"}}]}},{{"role":"model","parts":[{model}]}},{{"role":"user","parts":[{client}]}}]}}"#
    )
}

const CALL: &str = r#"{"functionCall":{"name":"f","args":{}}}"#;

#[test]
fn what_is_wrong_is_named_by_its_path_and_not_repeated() {
    let secret = "s3cret";
    #[rustfmt::skip]
    let cases = [
        // body                                                             path                                   why
        (String::new(),                                                     "body",                                "no JSON"),
        (r#"{"contents":[}"#.to_owned(),                                    "body",                                "no JSON"),
        ("[]".to_owned(),                                                   "body",                                "an object"),
        ("{}".to_owned(),                                                   "contents",                            "missing"),
        (r#"{"contents":null}"#.to_owned(),                                 "contents",                            "missing"),
        (r#"{"contents":[]}"#.to_owned(),                                   "contents",                            "empty"),
        (r#"{"contents":"s3cret"}"#.to_owned(),                             "contents",                            "an object"),
        (r#"{"contents":["s3cret"]}"#.to_owned(),                           "contents[0]",                         "an object"),
        (r#"{"contents":[{"role":"s3cret","parts":[]}]}"#.to_owned(),       "contents[0].role",                    "`model`"),
        (r#"{"contents":[{"role":7,"parts":[]}]}"#.to_owned(),              "contents[0].role",                    "a string"),
        (r#"{"contents":[{"role":"user"}]}"#.to_owned(),                    "contents[0].parts",                   "empty"),
        (r#"{"contents":[{"parts":[{"text":""}]}]}"#.to_owned(),            "contents",                            "empty"),
        (parts(r#"{"text":7}"#),                                            "contents[0].parts[0].text",           "a string"),
        (parts("{}"),                                                       "contents[0].parts[0]",                "nothing"),
        (parts(r#"{"text":"a","inlineData":{}}"#),                          "contents[0].parts[0]",                "one kind"),
        (parts(r#"{"text":"a","text":"s3cret"}"#),                          "contents[0].parts[0].text",           "twice"),
        (parts(r#"{"inline_data":{"data":"aGk="}}"#),                       "contents[0].parts[0].inline_data.mimeType", "missing"),
        (parts(r#"{"inline_data":{"mime_type":"image/png"}}"#),             "contents[0].parts[0].inline_data.data", "missing"),
        (parts(r#"{"inline_data":{"mime_type":"image/png","data":""}}"#),   "contents[0].parts[0].inline_data.data", "empty"),
        (parts(r#"{"inlineData":{"mimeType":"image/png","data":"s3cret!"}}"#), "contents[0].parts[0].inlineData.data", "base64"),
        (parts(r#"{"inlineData":{"mimeType":"","data":"aGk="}}"#),          "contents[0].parts[0].inlineData",     "mimeType"),
        (parts(r#"{"fileData":{"mimeType":"image/png"}}"#),                 "contents[0].parts[0].fileData.fileUri", "missing"),
        (parts(CALL),                                                       "contents[0].parts[0].functionCall",   "other role"),
        (parts(r#"{"functionResponse":{"name":"f","response":{}}}"#),       "contents[0].parts[0].functionResponse", "no call"),
        (turns(r#"{"functionCall":{"args":{}}}"#, CALL),                    "contents[1].parts[0].functionCall.name", "missing"),
        (turns(r#"{"functionCall":{"name":"f","args":"s3cret"}}"#, CALL),   "contents[1].parts[0].functionCall.args", "an object"),
        (turns(r#"{"functionResponse":{"name":"f","response":{}}}"#, CALL), "contents[1].parts[0].functionResponse", "other role"),
        (turns(CALL, r#"{"functionResponse":{"name":"g","response":{}}}"#), "contents[2].parts[0].functionResponse", "no call"),
        (turns(r#"{"functionCall":{"id":"a","name":"f"}}"#, r#"{"functionResponse":{"id":"s3cret","name":"f","response":{}}}"#), "contents[2].parts[0].functionResponse", "no call"),
        (turns(CALL, r#"{"functionResponse":{"name":"f"}}"#),               "contents[2].parts[0].functionResponse.response", "missing"),
        (turns(CALL, r#"{"functionResponse":{"name":"f","response":[1]}}"#), "contents[2].parts[0].functionResponse.response", "an object"),
        (turns(CALL, r#"{"functionResponse":{"name":"f","response":{}}},{"functionResponse":{"name":"f","response":{}}}"#), "contents[2].parts[1].functionResponse", "no call"),
        (turns(CALL, r#"{"text":"no answer"}"#),                            "contents",                            "without their responses"),
        (with(r#""systemInstruction":{"parts":[{"inlineData":{}}]}"#),      "systemInstruction.parts[0].text",     "missing"),
        (with(r#""tools":[{"functionDeclarations":[{"description":"x"}]}]"#), "tools[0].functionDeclarations[0].name", "missing"),
        (with(r#""tools":[{"function_declarations":[{"name":"f","parameters":"s3cret"}]}]"#), "tools[0].function_declarations[0].parameters", "an object"),
        (with(r#""tools":[{"functionDeclarations":[{"name":"f","parameters":{"type":"OBJECT","properties":{"a":{"type":7}}}}]}]"#), "tools[0].functionDeclarations[0].parameters.properties.a.type", "a string"),
        (with(r#""tools":[{"functionDeclarations":[{"name":"f","parameters":{"minItems":"s3cret"}}]}]"#), "tools[0].functionDeclarations[0].parameters.minItems", "a whole number"),
        (with(r#""tools":[{"functionDeclarations":[{"name":"f","parameters":{},"parametersJsonSchema":{}}]}]"#), "tools[0].functionDeclarations[0].parameters", "beside"),
        (with(r#""tools":[{"functionDeclarations":[{"name":"f","parametersJsonSchema":[]}]}]"#), "tools[0].functionDeclarations[0].parametersJsonSchema", "an object"),
        (with(r#""toolConfig":{"functionCallingConfig":{"mode":"s3cret"}}"#), "toolConfig.functionCallingConfig.mode", "`AUTO`"),
        (with(r#""tool_config":{"function_calling_config":{"allowed_function_names":["f"]}}"#), "tool_config.function_calling_config.allowed_function_names", "`ANY`"),
        (config(r#""temperature":"s3cret""#),                               "generationConfig.temperature",        "a number"),
        (config(r#""candidateCount":0"#),                                   "generationConfig.candidateCount",     "at least 1"),
        (config(r#""topK":1.5"#),                                           "generationConfig.topK",               "a whole number"),
        (config(r#""maxOutputTokens":-1"#),                                 "generationConfig.maxOutputTokens",    "negative"),
        (config(r#""maxOutputTokens":1,"max_output_tokens":2"#),            "generationConfig.maxOutputTokens",    "twice"),
        (config(r#""stopSequences":[7]"#),                                  "generationConfig.stopSequences[0]",   "a string"),
        (config(r#""responseSchema":{"type":"STRING"}"#),                   "generationConfig.responseMimeType",   "application/json"),
        (config(r#""responseMimeType":"application/json","responseSchema":{},"responseJsonSchema":{}"#), "generationConfig.responseSchema", "beside"),
        (config(r#""thinkingConfig":{"thinkingBudget":-2}"#),               "generationConfig.thinkingConfig.thinkingBudget", "-1"),
        (config(r#""thinkingConfig":{"thinkingLevel":"s3cret"}"#),          "generationConfig.thinkingConfig.thinkingLevel", "`LOW`"),
        (config(r#""thinkingConfig":{"thinkingLevel":"LOW","thinkingBudget":1}"#), "generationConfig.thinkingConfig.thinkingBudget", "beside"),
        (config(r#""thinkingConfig":{"includeThoughts":"yes"}"#),           "generationConfig.thinkingConfig.includeThoughts", "true or false"),
    ];
    for (body, path, why) in cases {
        let wrong = google::read_request(body.as_bytes(), PLACE).unwrap_err();
        assert_eq!(wrong.path, path, "{body}: {wrong}");
        assert!(wrong.why.contains(why), "{body}: {wrong}");
        assert!(!wrong.to_string().contains(secret), "{wrong}");
    }
}

#[test]
fn bytes_that_are_no_text_are_no_request() {
    let wrong = google::read_request(b"{\"contents\":\"\xff\"}", PLACE).unwrap_err();
    assert_eq!(wrong.to_string(), "The field `body` is not text in UTF-8.");
}

#[test]
fn what_has_no_place_is_told_by_its_path() {
    let own = r#"{"text":"a"},{"executableCode":{"language":"PYTHON","code":"1"}}"#;
    #[rustfmt::skip]
    let cases = [
        // body                                                          paths
        (with(r#""cachedContent":"cachedContents/1""#),                  vec!["cachedContent"]),
        (with(r#""store":true"#),                                        vec!["store"]),
        (with(r#""serviceTier":"flex""#),                                vec!["serviceTier"]),
        (with(r#""safetySettings":[{"category":"A","threshold":"OFF"},{"category":"B","threshold":"BLOCK_LOW_AND_ABOVE"}]"#), vec!["safetySettings[1]"]),
        (with(r#""somethingNew":{"a":1}"#),                              vec!["somethingNew"]),
        (with(r#""tools":[{"googleSearch":{}},{"code_execution":{}}]"#), vec!["tools[0].googleSearch", "tools[1].code_execution"]),
        (with(r#""tools":[{"functionDeclarations":[{"name":"f","behavior":"NON_BLOCKING","response":{"type":"STRING"}}]}]"#), vec!["tools[0].functionDeclarations[0].behavior", "tools[0].functionDeclarations[0].response"]),
        (with(r#""toolConfig":{"retrievalConfig":{"languageCode":"de"}}"#), vec!["toolConfig.retrievalConfig"]),
        (config(r#""responseLogprobs":true,"logprobs":2"#),              vec!["generationConfig.responseLogprobs", "generationConfig.logprobs"]),
        (config(r#""responseModalities":["TEXT","IMAGE"]"#),             vec!["generationConfig.responseModalities"]),
        (config(r#""speechConfig":{}"#),                                 vec!["generationConfig.speechConfig"]),
        (config(r#""responseMimeType":"text/x.enum","responseSchema":{"type":"STRING"}"#), vec!["generationConfig.responseMimeType", "generationConfig.responseSchema"]),
        (config(r#""thinkingConfig":{"new":1}"#),                        vec!["generationConfig.thinkingConfig.new"]),
        (parts(r#"{"text":"a","videoMetadata":{"fps":1}}"#),             vec!["contents[0].parts[0].videoMetadata"]),
        (parts(r#"{"text":"a","thought":true}"#),                        vec!["contents[0].parts[0].thought"]),
        (parts(r#"{"text":"a","part_metadata":{"x":1}}"#),               vec!["contents[0].parts[0].part_metadata"]),
        (parts(own),                                                     vec!["contents[0].parts[1].executableCode"]),
        (r#"{"contents":[{"parts":[{"text":"a"}],"new":1}]}"#.to_owned(), vec!["contents[0].new"]),
        (turns(CALL, r#"{"functionResponse":{"name":"f","response":{},"scheduling":"SILENT"}}"#), vec!["contents[2].parts[0].functionResponse.scheduling"]),
    ];
    for (body, paths) in cases {
        assert_eq!(extras(&read(&body)), paths, "{body}");
    }
}

#[test]
fn what_says_nothing_is_not_told() {
    #[rustfmt::skip]
    let cases = [
        with(r#""labels":{"team":"a"},"model":"models/x","store":false,"serviceTier":"standard","cachedContent":"","tools":[],"safetySettings":[],"new":null,"newer":[]"#),
        config(r#""responseLogprobs":false,"responseMimeType":"text/plain","responseModalities":["TEXT"],"mediaResolution":"MEDIA_RESOLUTION_LOW","stopSequences":[],"seed":null"#),
        with(r#""toolConfig":{"functionCallingConfig":{"mode":"MODE_UNSPECIFIED","allowedFunctionNames":[]},"includeServerSideToolInvocations":false}"#),
        with(r#""tools":[{"functionDeclarations":[{"name":"f","behavior":"BLOCKING"}],"googleSearch":null}]"#),
        parts(r#"{"text":"a","thought":false,"mediaResolution":{"level":"HIGH"}}"#),
        config(r#""thinkingConfig":{"thinkingLevel":"THINKING_LEVEL_UNSPECIFIED"}"#),
    ];
    for body in cases {
        assert_eq!(extras(&read(&body)), Vec::<String>::new(), "{body}");
    }
}
