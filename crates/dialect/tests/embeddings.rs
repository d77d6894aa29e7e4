//! Texts as vectors, between OpenAI's and Google's dialects.

#[cfg(test)]
mod embeddings {
    use doorward_dialect::embedding::{Request, Shape};
    use doorward_dialect::google::Place;
    use doorward_dialect::unsupported::{Allowed, Leave, Untranslatable};
    use doorward_dialect::{Dialect, Knows, Target, google, openai};
    use serde_json::{Value, json};

    const PLACE: Place<'static> = Place { model: "alias", is_stream: false };

    fn target(from: Dialect) -> Target<'static> {
        let (from, knows) = (from.into(), Knows::default());
        Target { model: "theirs", from, output_tokens_default: 4096, knows }
    }

    fn json_of(body: &[u8]) -> Value {
        serde_json::from_slice(body).unwrap()
    }

    fn to_openai(request: &Request<'_>) -> Value {
        let mut leave = Leave::new(Allowed::Nothing);
        let to = target(Dialect::Google);
        json_of(&openai::embedding::write_request(request, &to, &mut leave).unwrap())
    }

    fn to_google(request: &Request<'_>) -> Value {
        let mut leave = Leave::new(Allowed::Nothing);
        let to = target(Dialect::OpenAi);
        json_of(&google::embedding::write_request(request, &to, &mut leave).unwrap())
    }

    /// The example of <https://platform.openai.com/docs/api-reference/embeddings/create>.
    const OPENAI: &str = r#"{"input":"The food was delicious and the waiter...","model":"text-embedding-ada-002","encoding_format":"float"}"#;
    /// The examples of <https://ai.google.dev/api/embeddings>.
    const GOOGLE: &str =
        r#"{"model":"models/gemini-embedding-001","content":{"parts":[{"text":"Hello world"}]}}"#;
    const GOOGLE_BATCH: &str = r#"{"requests":[{"model":"models/gemini-embedding-001","content":{"parts":[{"text":"What is the meaning of life?"}]}},{"model":"models/gemini-embedding-001","content":{"parts":[{"text":"How much wood"},{"text":" would a woodchuck chuck?"}]}}]}"#;

    #[test]
    fn documented_requests_are_said_in_the_other_dialect() {
        let request = openai::embedding::read_request(OPENAI.as_bytes()).unwrap();
        let one = |text: &str| json!({ "model": "models/theirs", "content": { "parts": [{ "text": text }] } });
        let expected = json!({ "requests": [one("The food was delicious and the waiter...")] });
        assert_eq!(to_google(&request), expected);
        assert_eq!(request.model, "text-embedding-ada-002");

        let request = google::embedding::read_request(GOOGLE.as_bytes(), PLACE).unwrap();
        assert_eq!((request.shape, request.model.as_ref()), (Shape::One, "alias"));
        let expected =
            json!({ "model": "theirs", "input": ["Hello world"], "encoding_format": "float" });
        assert_eq!(to_openai(&request), expected);

        let request =
            google::embedding::read_batch_request(GOOGLE_BATCH.as_bytes(), PLACE).unwrap();
        let input = ["What is the meaning of life?", "How much wood would a woodchuck chuck?"];
        let expected = json!({ "model": "theirs", "input": input, "encoding_format": "float" });
        assert_eq!(to_openai(&request), expected);
    }

    #[test]
    fn every_wish_that_both_have_is_carried_over() {
        let body = r#"{"model":"m","input":["a","b"],"dimensions":256,"user":"u","encoding_format":"base64"}"#;
        let request = openai::embedding::read_request(body.as_bytes()).unwrap();
        assert_eq!(request.shape, Shape::Base64);
        let found = to_google(&request);
        assert_eq!(found["requests"][1]["outputDimensionality"], 256);
        let same = json!({ "model": "theirs", "input": ["a", "b"], "encoding_format": "float", "dimensions": 256, "user": "u" });
        assert_eq!(to_openai(&request), same);
        let again = json!({ "requests": [
            { "content": { "role": "user", "parts": { "text": "a" } }, "output_dimensionality": "256", "taskType": "TASK_TYPE_UNSPECIFIED" },
        ] });
        let text = again.to_string();
        let request = google::embedding::read_batch_request(text.as_bytes(), PLACE).unwrap();
        assert_eq!(to_openai(&request)["dimensions"], 256);
    }

    #[test]
    fn what_only_one_can_say_is_refused_by_name() {
        let allowed = || Leave::new(Allowed::All);
        #[rustfmt::skip]
        let openai = [
            (r#"{"model":"m","input":[1,2]}"#,                 "input"),
            (r#"{"model":"m","input":[[1,2],[3]]}"#,           "input"),
            (r#"{"model":"m","input":"a","of_tomorrow":1}"#,   "of_tomorrow"),
        ];
        for (body, path) in openai {
            let request = openai::embedding::read_request(body.as_bytes()).unwrap();
            let to = target(Dialect::OpenAi);
            let refused = google::embedding::write_request(&request, &to, &mut Leave::default());
            assert_eq!(refused.unwrap_err(), Untranslatable::Unsupported(path.to_owned()));
            // Without any text there is nothing to ask for.
            let left = google::embedding::write_request(&request, &to, &mut allowed());
            assert_eq!(left.is_ok(), path != "input", "{body}");
        }
        #[rustfmt::skip]
        let google = [
            (r#"{"content":{"parts":[{"text":"a"}]},"taskType":"RETRIEVAL_QUERY"}"#,           "taskType"),
            (r#"{"content":{"parts":[{"text":"a"}]},"title":"t"}"#,                            "title"),
            (r#"{"content":{"parts":[{"text":"a"},{"inlineData":{"mimeType":"a/b"}}]}}"#,      "content.parts[1].inlineData"),
        ];
        for (body, path) in google {
            let request = google::embedding::read_request(body.as_bytes(), PLACE).unwrap();
            let to = target(Dialect::Google);
            let refused = openai::embedding::write_request(&request, &to, &mut Leave::default());
            assert_eq!(refused.unwrap_err(), Untranslatable::Unsupported(path.to_owned()));
            assert!(openai::embedding::write_request(&request, &to, &mut allowed()).is_ok());
        }
    }

    #[test]
    fn what_is_wrong_is_told_by_its_path() {
        #[rustfmt::skip]
        let openai = [
            ("x",                                                  "body"),
            (r#"{"input":"a"}"#,                                   "model"),
            (r#"{"model":"m"}"#,                                   "input"),
            (r#"{"model":"m","input":7}"#,                         "input"),
            (r#"{"model":"m","input":""}"#,                        "input"),
            (r#"{"model":"m","input":[]}"#,                        "input"),
            (r#"{"model":"m","input":["a",7]}"#,                   "input[1]"),
            (r#"{"model":"m","input":["a",""]}"#,                  "input[1]"),
            (r#"{"model":"m","input":"a","dimensions":-1}"#,       "dimensions"),
            (r#"{"model":"m","input":"a","encoding_format":"x"}"#, "encoding_format"),
            (r#"{"model":"m","input":"a","user":1}"#,              "user"),
        ];
        for (body, path) in openai {
            let wrong = openai::embedding::read_request(body.as_bytes()).expect_err(body);
            assert_eq!(wrong.path, path, "{body}");
        }
        #[rustfmt::skip]
        let google = [
            ("x",                                                                        "body"),
            ("{}",                                                                       "requests"),
            (r#"{"requests":[]}"#,                                                       "requests"),
            (r#"{"requests":[{}]}"#,                                                     "requests[0].content"),
            (r#"{"requests":[{"content":{}}]}"#,                                         "requests[0].content.parts"),
            (r#"{"requests":[{"content":{"parts":[]}}]}"#,                               "requests[0].content.parts"),
            (r#"{"requests":[{"content":{"parts":[{"text":7}]}}]}"#,                     "requests[0].content.parts[0].text"),
            (r#"{"requests":[{"content":{"parts":[{"text":"a"}]},"outputDimensionality":-1}]}"#, "requests[0].outputDimensionality"),
            (r#"{"requests":[{"content":{"parts":[{"text":"a"}]},"outputDimensionality":9},{"content":{"parts":[{"text":"a"}]}}]}"#, "requests"),
        ];
        for (body, path) in google {
            let wrong =
                google::embedding::read_batch_request(body.as_bytes(), PLACE).expect_err(body);
            assert_eq!(wrong.path, path, "{body}");
        }
    }

    #[test]
    fn vectors_keep_their_digits_and_their_order() {
        let openai = r#"{"object":"list","data":[{"object":"embedding","index":1,"embedding":[2.0,-1e-7]},{"object":"embedding","index":0,"embedding":[0.0023064255,1.50]}],"model":"x","usage":{"prompt_tokens":8,"total_tokens":8}}"#;
        let answer = openai::embedding::read_answer(openai.as_bytes()).unwrap();
        let several =
            String::from_utf8(google::embedding::write_answer(&answer, Shape::Lists)).unwrap();
        let expected = r#"{"embeddings":[{"values":[0.0023064255,1.50]},{"values":[2.0,-1e-7]}],"usageMetadata":{"promptTokenCount":8,"totalTokenCount":8}}"#;
        assert_eq!(several, expected);

        let one = r#"{"embedding":{"values":[0.0023064255,1.50]}}"#;
        let answer = google::embedding::read_answer(one.as_bytes()).unwrap();
        assert_eq!(google::embedding::write_answer(&answer, Shape::One), one.as_bytes());
        let list = openai::embedding::write_answer(&answer, "alias", Shape::Lists).unwrap();
        let expected = r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.0023064255,1.50]}],"model":"alias","usage":{"prompt_tokens":0,"total_tokens":0}}"#;
        assert_eq!(String::from_utf8(list).unwrap(), expected);

        let again = google::embedding::read_answer(several.as_bytes()).unwrap();
        assert_eq!(again.vectors.len(), 2);
        assert_eq!(again.usage.unwrap().input_tokens, 8);
    }

    #[test]
    fn base64_holds_the_same_numbers() {
        let one = br#"{"embedding":{"values":[0.5,-2,1e-3]}}"#;
        let answer = google::embedding::read_answer(one).unwrap();
        let written = openai::embedding::write_answer(&answer, "alias", Shape::Base64).unwrap();
        // 0.5, -2 and 0.001 as numbers of 32 bits, the lowest byte first.
        assert_eq!(json_of(&written)["data"][0]["embedding"], "AAAAPwAAAMBvEoM6");
        let read = openai::embedding::read_answer(&written).unwrap();
        assert_eq!(read.vectors[0].get(), "[0.5,-2.0,0.001]");
        let odd = br#"{"embedding":{"values":["a"]}}"#;
        let odd = google::embedding::read_answer(odd).unwrap();
        assert!(openai::embedding::write_answer(&odd, "alias", Shape::Base64).is_err());
    }

    #[test]
    fn an_answer_without_vectors_is_malformed() {
        for body in
            ["x", "{}", r#"{"data":[{"embedding":7}]}"#, r#"{"data":[{"embedding":"AAA="}]}"#]
        {
            assert!(openai::embedding::read_answer(body.as_bytes()).is_err(), "{body}");
        }
        for body in ["x", "{}", r#"{"embeddings":[]}"#, r#"{"embedding":{"values":7}}"#] {
            assert!(google::embedding::read_answer(body.as_bytes()).is_err(), "{body}");
        }
    }
}
