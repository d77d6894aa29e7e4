//! What a response repeats of its request.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

use crate::openai::fields::{Object, Path};

/// The fields that are repeated, and what they say where the request leaves them out.
const FIELDS: [(&str, &str); 12] = [
    ("instructions", "null"),
    ("max_output_tokens", "null"),
    ("metadata", "{}"),
    ("parallel_tool_calls", "true"),
    ("reasoning", r#"{"effort":null,"summary":null}"#),
    ("temperature", "null"),
    ("text", r#"{"format":{"type":"text"}}"#),
    ("tool_choice", "\"auto\""),
    ("tools", "[]"),
    ("top_p", "null"),
    ("truncation", "\"disabled\""),
    ("user", "null"),
];

/// These fields, word for word.
#[derive(Debug)]
pub(super) struct Echo(Vec<(&'static str, Box<RawValue>)>);

impl Echo {
    /// Of a body that was read before; of one that cannot be, nothing is repeated.
    pub(super) fn of(body: &[u8]) -> Self {
        let fields = serde_json::from_slice(body).ok();
        let mut object = fields.map(|fields| Object::of(fields, Path::Body));
        let value = |(name, default): (&'static str, &str)| {
            let said = object.as_mut().and_then(|object| object.take(name)).map(RawValue::get);
            // It stands in a line of an event. In JSON a line's end is space: inside of texts it is escaped.
            let json = said.unwrap_or(default).replace(['\n', '\r'], " ");
            RawValue::from_string(json).ok().map(|json| (name, json))
        };
        Self(FIELDS.into_iter().filter_map(value).collect())
    }
}

impl Serialize for Echo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, json) in &self.0 {
            map.serialize_entry(name, json)?;
        }
        map.end()
    }
}
