//! Reading JSON so that nothing is lost, and so that whoever sent it learns where it is wrong.

use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::Text;
pub(super) use crate::path::Path;
use crate::unsupported::Malformed;

/// What a whole body is called where there is no field to name.
const BODY: &str = "body";

/// A text, borrowed unless it has escapes.
#[derive(Debug, Default)]
pub(super) struct Str<'a>(pub(super) Text<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Str<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_str(AnyText).map(Self)
    }
}

struct AnyText;

impl<'de> Visitor<'de> for AnyText {
    type Value = Text<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a text")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Text::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Text::Owned(text.to_owned()))
    }
}

/// An object all of whose fields are kept until somebody takes them.
pub(super) trait Fields<'de>: Default {
    /// Reads the value of a field; `false`: there is no field of that name, and nothing was read.
    fn read<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error>;

    /// Keeps the name of a field that is not known.
    fn keep_unknown(&mut self, name: Text<'de>);

    /// Tells the names of all that were set and that nobody has taken.
    fn left(&self, tell: &mut dyn FnMut(&str));
}

/// Declares an object by its fields. A macro, because each field stands in the type, in its reader and in
/// the list of what is left, and one that is missing in the list would be dropped in silence.
macro_rules! fields {
    ($(#[$doc:meta])* $name:ident<$life:lifetime> { $($key:literal => $field:ident: $type:ty,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        pub(in crate::anthropic) struct $name<$life> {
            $(pub(in crate::anthropic) $field: Option<$type>,)+
            unknown: Vec<$crate::Text<$life>>,
        }

        impl<$life> $crate::anthropic::json::Fields<$life> for $name<$life> {
            fn read<A: serde::de::MapAccess<$life>>(
                &mut self,
                name: &str,
                map: &mut A,
            ) -> Result<bool, A::Error> {
                match name {
                    $($key => self.$field = map.next_value()?,)+
                    _ => return Ok(false),
                }
                Ok(true)
            }

            fn keep_unknown(&mut self, name: $crate::Text<$life>) {
                self.unknown.push(name);
            }

            fn left(&self, tell: &mut dyn FnMut(&str)) {
                $(if self.$field.is_some() {
                    tell($key);
                })+
                for name in &self.unknown {
                    tell(name);
                }
            }
        }

        impl<$life> serde::Deserialize<$life> for $name<$life> {
            fn deserialize<D: serde::Deserializer<$life>>(from: D) -> Result<Self, D::Error> {
                $crate::anthropic::json::object(from)
            }
        }
    };
}
pub(super) use fields;

/// Reads an object with its fields.
pub(super) fn object<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Fields<'de>,
{
    from.deserialize_map(Object(PhantomData))
}

struct Object<T>(PhantomData<T>);

impl<'de, T: Fields<'de>> Visitor<'de> for Object<T> {
    type Value = T;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let mut object = T::default();
        while let Some(Str(name)) = map.next_key()? {
            if object.read(&name, &mut map)? {
                continue;
            }
            let value: &RawValue = map.next_value()?;
            if value.get() != "null" {
                object.keep_unknown(name);
            }
        }
        Ok(object)
    }
}

/// What may be a text or a list.
#[derive(Debug)]
pub(super) enum TextOr<'a, T> {
    Text(Text<'a>),
    List(Vec<T>),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for TextOr<'de, T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(TextOrList(PhantomData))
    }
}

struct TextOrList<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for TextOrList<T> {
    type Value = TextOr<'de, T>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a text or a list")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(TextOr::Text(Text::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(TextOr::Text(Text::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        Deserialize::deserialize(SeqAccessDeserializer::new(list)).map(TextOr::List)
    }
}

/// Whether this JSON is an object.
pub(super) fn is_object(json: &RawValue) -> bool {
    json.get().starts_with('{')
}

/// Reads a body.
pub(super) fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Malformed> {
    serde_json::from_slice(body).map_err(|_| malformed::<T>(body))
}

/// Reads a body once more, slowly, to find where it is wrong.
fn malformed<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Malformed {
    let not_json = Malformed { path: BODY.to_owned(), why: Text::Borrowed("is not JSON") };
    let mut reader = serde_json::Deserializer::from_slice(body);
    let Err(error) = serde_path_to_error::deserialize::<_, T>(&mut reader) else {
        return not_json;
    };
    if !error.inner().is_data() {
        return not_json;
    }
    let path = error.path().to_string();
    let path = if path == "." { BODY.to_owned() } else { path };
    Malformed { path, why: Text::Borrowed(why(&error.inner().to_string())) }
}

/// Of the parser's message only what it expected: what it found is the client's own business.
fn why(message: &str) -> &'static str {
    let expected = message.rsplit_once(", expected ").map_or("", |(_, expected)| expected);
    let expected = expected.split_once(" at line ").map_or(expected, |(expected, _)| expected);
    match expected {
        "a text" => "must be a text",
        "a sequence" => "must be a list",
        "a text or a list" => "must be a text or a list",
        "an object" => "must be an object",
        "a boolean" => "must be true or false",
        "u64" => "must be a whole number, 0 or more",
        "f64" => "must be a number",
        _ => "has the wrong type",
    }
}

/// The bytes of a body of ours. It has text for keys only, so writing it cannot fail.
pub(super) fn write(body: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(body).unwrap_or_default()
}
