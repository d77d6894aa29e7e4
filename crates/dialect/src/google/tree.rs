//! A body of a request as a tree that borrows from it.
//!
//! A reader must tell of every field that it does not know, by its path, at every level, and take each
//! name in two spellings. Derived structs can do neither without a second pass, so the body is read once
//! into this. What passes through untouched stays text: it is neither built nor walked.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::fields::is_name;
use crate::Text;
use crate::unsupported::Malformed;

/// A piece of JSON.
#[derive(Debug)]
pub(super) enum Node<'a> {
    /// `null`: the same as nothing.
    Null,
    Flag(bool),
    /// A number without a fraction.
    Whole(i128),
    Number(f64),
    Text(Text<'a>),
    List(Vec<Node<'a>>),
    Object(Vec<(Text<'a>, Node<'a>)>),
    /// JSON that is passed on.
    Raw(&'a RawValue),
}

/// How what comes next is read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    /// As far down as it goes; what passes through is known by its name.
    Open,
    /// A description of data in Google's form of OpenAPI.
    Schema,
    /// Several of them, by name or in a list.
    Schemas,
    /// Not at all.
    Raw,
    /// An object whose fields are not read.
    Shallow,
}

/// Names of fields whose JSON is passed on as it is.
const RAW: [&str; 4] = ["args", "response", "parametersJsonSchema", "responseJsonSchema"];
const SCHEMA: [&str; 2] = ["parameters", "responseSchema"];
const SCHEMAS_IN_SCHEMA: [&str; 7] =
    ["properties", "anyOf", "oneOf", "allOf", "prefixItems", "defs", "$defs"];
const SCHEMA_IN_SCHEMA: [&str; 2] = ["items", "additionalProperties"];
const OPEN_IN_SCHEMA: [&str; 2] = ["type", "nullable"];

impl Shape {
    /// How the field `key` of something of this shape is read.
    fn of(self, key: &str) -> Self {
        let is_in = |names: &[&str]| names.iter().any(|name| is_name(key, name));
        match self {
            Self::Open if is_in(&RAW) => Self::Raw,
            Self::Open if is_in(&SCHEMA) => Self::Schema,
            Self::Open => Self::Open,
            Self::Schema if is_in(&SCHEMAS_IN_SCHEMA) => Self::Schemas,
            Self::Schema if is_in(&SCHEMA_IN_SCHEMA) => Self::Schema,
            Self::Schema if is_in(&OPEN_IN_SCHEMA) => Self::Open,
            Self::Schemas => Self::Schema,
            Self::Schema | Self::Shallow | Self::Raw => Self::Raw,
        }
    }

    /// How the pieces of a list are read.
    const fn of_pieces(self) -> Self {
        match self {
            Self::Open => Self::Open,
            Self::Schemas => Self::Schema,
            Self::Schema | Self::Raw | Self::Shallow => Self::Raw,
        }
    }
}

/// Reads a whole body.
pub(super) fn parse(body: &[u8]) -> Result<Node<'_>, Malformed> {
    let text = std::str::from_utf8(body).map_err(|_| no_json("is not text in UTF-8".into()))?;
    read(text, Shape::Open)
}

/// Reads JSON that was passed by, one level deep: its fields stay as they are.
pub(super) fn parse_shallow(raw: &RawValue) -> Result<Node<'_>, Malformed> {
    read(raw.get(), Shape::Shallow)
}

fn read(text: &str, shape: Shape) -> Result<Node<'_>, Malformed> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let node = shape.deserialize(&mut reader);
    node.and_then(|node| reader.end().map(|()| node)).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        no_json(format!("is no JSON from line {line}, column {column} on").into())
    })
}

/// The whole body cannot be read. `why` tells nothing of what stands in it.
pub(super) fn no_json(why: Text<'static>) -> Malformed {
    Malformed { path: "body".to_owned(), why }
}

impl<'de> DeserializeSeed<'de> for Shape {
    type Value = Node<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node<'de>, D::Error> {
        match self {
            Self::Raw => {
                let raw: &RawValue = serde::Deserialize::deserialize(deserializer)?;
                Ok(if raw.get() == "null" { Node::Null } else { Node::Raw(raw) })
            }
            Self::Open | Self::Schema | Self::Schemas | Self::Shallow => {
                deserializer.deserialize_any(self)
            }
        }
    }
}

impl<'de> Visitor<'de> for Shape {
    type Value = Node<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Node<'de>, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Node<'de>, E> {
        Ok(Node::Flag(flag))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Node<'de>, E> {
        Ok(Node::Whole(number.into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Node<'de>, E> {
        Ok(Node::Whole(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Node<'de>, E> {
        Ok(Node::Number(number))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Node<'de>, E> {
        Ok(Node::Text(text.into()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node<'de>, E> {
        Ok(Node::Text(text.to_owned().into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut pieces: A) -> Result<Node<'de>, A::Error> {
        let mut list = Vec::new();
        while let Some(piece) = pieces.next_element_seed(self.of_pieces())? {
            list.push(piece);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Node<'de>, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = fields.next_key_seed(Key)? {
            let value = fields.next_value_seed(self.of(&key))?;
            entries.push((key, value));
        }
        Ok(Node::Object(entries))
    }
}

/// The name of a field.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Text<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Text<'de>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
        Ok(text.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
        Ok(text.to_owned().into())
    }
}
