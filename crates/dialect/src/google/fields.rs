//! Reading fields of a tree: by either spelling of their names, with their path at hand for whoever has to
//! be told what is wrong.

use std::fmt;

use serde_json::value::RawValue;

use super::tree::Node;
use crate::Text;
use crate::unsupported::{Extra, Malformed};

/// Whether `key` is the field `camel`, in its own spelling or with underscores: Google reads both.
pub(super) fn is_name(key: &str, camel: &str) -> bool {
    // Most names differ in their first letter, and every name of a body is asked for several times.
    if key.as_bytes().first() != camel.as_bytes().first() {
        return false;
    }
    if key == camel {
        return true;
    }
    let mut letters = key.bytes();
    for letter in camel.bytes() {
        let is_same = if letter.is_ascii_uppercase() {
            letters.next() == Some(b'_') && letters.next() == Some(letter.to_ascii_lowercase())
        } else {
            letters.next() == Some(letter)
        };
        if !is_same {
            return false;
        }
    }
    letters.next().is_none()
}

/// Where something stands, in the client's spelling. It is made into text only where it is told.
#[derive(Debug, Clone)]
pub(super) struct Path<'p> {
    before: Option<&'p Path<'p>>,
    step: Step<'p>,
}

#[derive(Debug, Clone)]
enum Step<'p> {
    /// The body itself.
    Root,
    Name(Text<'p>),
    At(usize),
}

impl<'p> Path<'p> {
    pub(super) const ROOT: Path<'static> = Path { before: None, step: Step::Root };

    pub(super) const fn name(&'p self, name: Text<'p>) -> Self {
        Self { before: Some(self), step: Step::Name(name) }
    }

    pub(super) const fn at(&'p self, at: usize) -> Self {
        Self { before: Some(self), step: Step::At(at) }
    }

    pub(super) fn malformed(&self, why: impl Into<Text<'static>>) -> Malformed {
        let path = self.to_string();
        Malformed { path: if path.is_empty() { "body".to_owned() } else { path }, why: why.into() }
    }

    /// What is wrong with a field that is not there.
    pub(super) fn missing(&self, name: &'static str) -> Malformed {
        self.name(name.into()).malformed("is missing")
    }

    /// Whether the last step is the field `camel`.
    pub(super) fn ends_in(&self, camel: &str) -> bool {
        matches!(&self.step, Step::Name(name) if is_name(name, camel))
    }

    pub(super) fn extra(&self) -> Extra {
        Extra { path: self.to_string() }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(before) = self.before else { return Ok(()) };
        before.fmt(f)?;
        match &self.step {
            Step::Root => Ok(()),
            Step::At(at) => write!(f, "[{at}]"),
            Step::Name(name) if matches!(before.step, Step::Root) => f.write_str(name),
            Step::Name(name) => write!(f, ".{name}"),
        }
    }
}

/// A value and where it stands.
#[derive(Debug)]
pub(super) struct Field<'p, 'a: 'p> {
    pub(super) path: Path<'p>,
    pub(super) node: Node<'a>,
}

impl<'p, 'a: 'p> Field<'p, 'a> {
    /// The same with the name of the field, as the client spells it.
    pub(super) fn named(self) -> (Path<'p>, Text<'p>, Node<'a>) {
        let name = match &self.path.step {
            Step::Name(name) => name.clone(),
            Step::Root | Step::At(_) => "".into(),
        };
        (self.path, name, self.node)
    }

    pub(super) fn text(self) -> Result<Text<'a>, Malformed> {
        if let Node::Text(text) = self.node {
            return Ok(text);
        }
        Err(self.path.malformed("must be a string"))
    }

    pub(super) fn flag(self) -> Result<bool, Malformed> {
        if let Node::Flag(flag) = self.node {
            return Ok(flag);
        }
        Err(self.path.malformed("must be true or false"))
    }

    pub(super) fn number(self) -> Result<f64, Malformed> {
        if let Node::Number(number) = self.node {
            return Ok(number);
        }
        let Node::Whole(number) = self.node else {
            return Err(self.path.malformed("must be a number"));
        };
        #[expect(clippy::cast_precision_loss, reason = "nobody draws by the 17th digit")]
        Ok(number as f64)
    }

    /// A number without a fraction; it may stand in a string, and may end in `.0`.
    pub(super) fn whole(self) -> Result<i64, Malformed> {
        let number = match &self.node {
            Node::Whole(number) => i64::try_from(*number).ok(),
            Node::Number(number) => whole_of(*number),
            Node::Text(text) => text.parse().ok(),
            Node::Null | Node::Flag(_) | Node::List(_) | Node::Object(_) | Node::Raw(_) => None,
        };
        number.ok_or_else(|| self.path.malformed("must be a whole number"))
    }

    /// The same where it counts something.
    pub(super) fn count(self) -> Result<u64, Malformed> {
        let path = self.path.clone();
        u64::try_from(self.whole()?).map_err(|_| path.malformed("must not be negative"))
    }

    /// JSON that is passed on, which must be an object.
    pub(super) fn raw_object(self) -> Result<&'a RawValue, Malformed> {
        if let Node::Raw(raw) = self.node
            && raw.get().starts_with('{')
        {
            return Ok(raw);
        }
        Err(self.path.malformed("must be an object"))
    }

    /// Reads each piece of a list. One that stands by itself is a list of one, as Google takes it.
    pub(super) fn each(
        self,
        mut read: impl FnMut(usize, Field<'_, 'a>) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        let Node::List(pieces) = self.node else { return read(0, self) };
        for (at, node) in pieces.into_iter().enumerate() {
            read(at, Field { path: self.path.at(at), node })?;
        }
        Ok(())
    }

    pub(super) fn texts(self) -> Result<Vec<Text<'a>>, Malformed> {
        let mut texts = Vec::new();
        self.each(|_, text| text.text().map(|text| texts.push(text)))?;
        Ok(texts)
    }

    /// Whether it is a list of nothing, which is the same as no list.
    pub(super) const fn is_empty_list(&self) -> bool {
        matches!(&self.node, Node::List(pieces) if pieces.is_empty())
    }
}

fn whole_of(number: f64) -> Option<i64> {
    let is_whole = number.fract() == 0.0 && number.abs() < 9.0e15;
    #[expect(clippy::cast_possible_truncation, reason = "it has no fraction and is small enough")]
    is_whole.then_some(number as i64)
}

/// The fields of an object that were not read yet.
#[derive(Debug)]
pub(super) struct Object<'p, 'a: 'p> {
    pub(super) path: &'p Path<'p>,
    entries: Vec<(Text<'a>, Node<'a>)>,
}

impl<'p, 'a: 'p> Object<'p, 'a> {
    pub(super) fn open(path: &'p Path<'p>, node: Node<'a>) -> Result<Self, Malformed> {
        if let Node::Object(entries) = node {
            return Ok(Self { path, entries });
        }
        Err(path.malformed("must be an object"))
    }

    /// The field `camel`, however it is spelled; `null` is none. It must not be there twice: one reader
    /// would heed the first, another one the last.
    pub(super) fn take(&mut self, camel: &str) -> Result<Option<Field<'p, 'a>>, Malformed> {
        let mut places = self.entries.iter().enumerate();
        let Some(at) = places.find_map(|(at, (key, _))| is_name(key, camel).then_some(at)) else {
            return Ok(None);
        };
        let is_twice = places.any(|(_, (key, _))| is_name(key, camel));
        let (key, node) = self.entries.remove(at);
        let path = self.path.name(key);
        if is_twice {
            return Err(path.malformed("stands there twice"));
        }
        Ok(if matches!(node, Node::Null) { None } else { Some(Field { path, node }) })
    }

    pub(super) fn text(&mut self, camel: &str) -> Result<Option<Text<'a>>, Malformed> {
        self.take(camel)?.map(Field::text).transpose()
    }

    pub(super) fn flag(&mut self, camel: &str) -> Result<bool, Malformed> {
        Ok(self.take(camel)?.map(Field::flag).transpose()?.unwrap_or_default())
    }

    pub(super) fn number(&mut self, camel: &str) -> Result<Option<f64>, Malformed> {
        self.take(camel)?.map(Field::number).transpose()
    }

    pub(super) fn count(&mut self, camel: &str) -> Result<Option<u64>, Malformed> {
        self.take(camel)?.map(Field::count).transpose()
    }

    /// A text that must be there.
    pub(super) fn need_text(&mut self, camel: &'static str) -> Result<Text<'a>, Malformed> {
        self.text(camel)?.ok_or_else(|| self.path.missing(camel))
    }

    /// Leaves out fields that change nothing of what is answered.
    pub(super) fn skip(&mut self, names: &[&str]) {
        self.entries.retain(|(key, _)| !names.iter().any(|name| is_name(key, name)));
    }

    /// Leaves out `camel` where it is one of the words for what is so anyway.
    pub(super) fn skip_word(&mut self, camel: &str, words: &[&str]) {
        self.entries.retain(|(key, node)| {
            let is_usual = matches!(node, Node::Text(text)
                if words.iter().any(|word| word.eq_ignore_ascii_case(text)));
            !(is_usual && is_name(key, camel))
        });
    }

    /// Leaves out `camel` where it is `false` or 0, which is so anyway.
    pub(super) fn skip_zero(&mut self, camel: &str) {
        self.entries.retain(|(key, node)| {
            !(matches!(node, Node::Flag(false) | Node::Whole(0)) && is_name(key, camel))
        });
    }

    /// Whether nothing else stands in it.
    pub(super) const fn is_read(&self) -> bool {
        self.entries.is_empty()
    }

    /// Everything that was not read and says something, by its path.
    pub(super) fn finish(self, extras: &mut Vec<Extra>) {
        for (key, node) in self.entries {
            let is_nothing = match &node {
                Node::Null => true,
                Node::List(pieces) => pieces.is_empty(),
                Node::Flag(_)
                | Node::Whole(_)
                | Node::Number(_)
                | Node::Text(_)
                | Node::Object(_)
                | Node::Raw(_) => false,
            };
            if !is_nothing {
                extras.push(self.path.name(key).extra());
            }
        }
    }

    /// What was not read, with its places: for objects whose names are the client's own.
    pub(super) fn rest(self) -> impl Iterator<Item = Field<'p, 'a>> {
        let path = self.path;
        self.entries.into_iter().map(|(key, node)| Field { path: path.name(key), node })
    }
}
