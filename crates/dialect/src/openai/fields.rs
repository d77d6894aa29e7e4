//! A client's body, taken field by field, so that whatever is not taken can be told by its path.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::wire::Said;
use crate::Text;
pub(super) use crate::path::Path;
use crate::unsupported::{Extra, Malformed};

/// One object of the body. A field that is null is a field that is absent.
#[derive(Debug)]
pub(super) struct Object<'a, 'p> {
    pub(super) path: Path<'p>,
    fields: Vec<(Text<'a>, Option<&'a RawValue>)>,
}

impl<'a, 'p> Object<'a, 'p> {
    pub(super) fn read(json: &'a RawValue, path: Path<'p>) -> Result<Self, Malformed> {
        match serde_json::from_str::<Fields<'a>>(json.get()) {
            Ok(fields) => Ok(Self::of(fields, path)),
            Err(_) => Err(path.malformed("must be an object")),
        }
    }

    pub(super) fn of(fields: Fields<'a>, path: Path<'p>) -> Self {
        Self { path, fields: fields.0 }
    }

    /// The field's value. Of several with one name the last counts; the others stay unknown.
    pub(super) fn take(&mut self, name: &str) -> Option<&'a RawValue> {
        let mut named = self.fields.iter_mut().rev();
        named.find(|(field, value)| value.is_some() && field == name)?.1.take()
    }

    pub(super) fn must<T>(&self, name: &str, value: Option<T>) -> Result<T, Malformed> {
        value.ok_or_else(|| self.path.field(name).malformed("is missing"))
    }

    pub(super) fn text(&mut self, name: &str) -> Result<Option<Text<'a>>, Malformed> {
        self.take(name).map(|json| text(json, self.path.field(name))).transpose()
    }

    /// A text that must be there and hold something.
    pub(super) fn name(&mut self, name: &str) -> Result<Text<'a>, Malformed> {
        let value = self.text(name)?;
        let value = self.must(name, value)?;
        if value.is_empty() {
            return Err(self.path.field(name).malformed("must not be empty"));
        }
        Ok(value)
    }

    pub(super) fn flag(&mut self, name: &str) -> Result<Option<bool>, Malformed> {
        match self.take(name).map(RawValue::get) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(self.path.field(name).malformed("must be true or false")),
        }
    }

    pub(super) fn whole(&mut self, name: &str) -> Result<Option<u64>, Malformed> {
        let Some(json) = self.take(name) else { return Ok(None) };
        let wrong = |_| self.path.field(name).malformed("must be a whole number, not negative");
        json.get().parse().map(Some).map_err(wrong)
    }

    pub(super) fn number(
        &mut self,
        name: &str,
        min: f64,
        max: f64,
        why: &'static str,
    ) -> Result<Option<f64>, Malformed> {
        let Some(json) = self.take(name) else { return Ok(None) };
        let number = serde_json::from_str::<f64>(json.get()).ok();
        match number.filter(|number| (min..=max).contains(number)) {
            Some(number) => Ok(Some(number)),
            None => Err(self.path.field(name).malformed(why)),
        }
    }

    pub(super) fn objects(&mut self, name: &str) -> Result<Option<Vec<Fields<'a>>>, Malformed> {
        self.take(name).map(|json| objects(json, self.path.field(name))).transpose()
    }

    /// Leaves a field out, whatever it says.
    pub(super) fn skip(&mut self, names: &[&str]) {
        for (field, value) in &mut self.fields {
            if names.contains(&field.as_ref()) {
                *value = None;
            }
        }
    }

    /// Leaves a field out that says only what the dialect takes anyway.
    pub(super) fn skip_default(&mut self, name: &str, defaults: &[&str]) {
        for (field, value) in &mut self.fields {
            if field == name && value.is_some_and(|json| defaults.contains(&json.get())) {
                *value = None;
            }
        }
    }

    /// Whatever was not taken has no place in the form.
    pub(super) fn rest(self, extras: &mut Vec<Extra>) {
        let left = self.fields.iter().filter(|(_, value)| value.is_some());
        extras.extend(left.map(|(field, _)| self.path.field(field).extra()));
    }
}

/// A text.
pub(super) fn text<'a>(json: &'a RawValue, path: Path<'_>) -> Result<Text<'a>, Malformed> {
    match serde_json::from_str::<Said<'a>>(json.get()) {
        Ok(Said(Some(text))) => Ok(text),
        Ok(Said(None)) | Err(_) => Err(path.malformed("must be a string")),
    }
}

/// A list.
pub(super) fn list<'a>(json: &'a RawValue, path: Path<'_>) -> Result<Vec<&'a RawValue>, Malformed> {
    serde_json::from_str(json.get()).map_err(|_| path.malformed("must be a list"))
}

/// A list of objects, in one pass.
pub(super) fn objects<'a>(
    json: &'a RawValue,
    path: Path<'_>,
) -> Result<Vec<Fields<'a>>, Malformed> {
    if let Ok(objects) = serde_json::from_str(json.get()) {
        return Ok(objects);
    }
    let is_other = |json: &&RawValue| !begins_with(json, '{');
    let position = list(json, path)?.iter().position(is_other).unwrap_or_default();
    Err(path.item(position).malformed("must be an object"))
}

/// Whether this is JSON of such a kind, by its first letter.
pub(super) fn begins_with(json: &RawValue, letter: char) -> bool {
    json.get().starts_with(letter)
}

/// The fields of an object in their order.
#[derive(Debug)]
pub(super) struct Fields<'a>(Vec<(Text<'a>, Option<&'a RawValue>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor).map(Fields)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Vec<(Text<'de>, Option<&'de RawValue>)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut fields = Vec::with_capacity(4);
        while let Some((name, value)) = map.next_entry::<Said<'de>, &'de RawValue>()? {
            let value = Some(value).filter(|json| json.get() != "null");
            fields.push((name.0.unwrap_or_default(), value));
        }
        Ok(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_taken_is_told_once_for_each_time_it_stands_there() {
        let json = r#"{"a":1,"b":null,"a":2,"c":{},"d":"","e":[]}"#;
        let json: &RawValue = serde_json::from_str(json).unwrap();
        let mut object = Object::read(json, Path::Body).unwrap();
        assert_eq!(object.take("a").unwrap().get(), "2");
        assert!(object.take("b").is_none());
        object.skip(&["c"]);
        object.skip_default("d", &["\"\""]);
        object.skip_default("e", &["{}"]);
        let mut extras = Vec::new();
        object.rest(&mut extras);
        let paths: Vec<_> = extras.into_iter().map(|extra| extra.path).collect();
        assert_eq!(paths, ["a", "e"]);
    }
}
