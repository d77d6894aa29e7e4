//! `functionResponse`: what a function returned, and to which call it belongs.

use std::collections::HashSet;

use crate::google::fields::{Field, Object};
use crate::google::tree::{self, Node};
use crate::google::{ids, media};
use crate::request::{Call, Content, Outcome, Part};
use crate::unsupported::{Extra, Malformed};
use crate::{Json, Text};

/// The calls of a conversation, of which the last ones may still wait for their outcomes.
#[derive(Debug, Default)]
pub(super) struct Calls<'a> {
    waiting: Vec<Waiting<'a>>,
    ids: HashSet<Text<'a>>,
}

#[derive(Debug)]
struct Waiting<'a> {
    /// What the client called it, if anything.
    given: Option<Text<'a>>,
    id: Text<'a>,
    name: Text<'a>,
    is_answered: bool,
}

impl<'a> Calls<'a> {
    /// A call of the model, at part `part` of content `content`.
    ///
    /// Its id is made from its place where it has none, or one that an earlier call had already: some
    /// servers count the calls of each answer from 0.
    pub(super) fn call(
        &mut self,
        field: Field<'_, 'a>,
        (content, part): (usize, usize),
        extras: &mut Vec<Extra>,
    ) -> Result<Call<'a>, Malformed> {
        let mut object = Object::open(&field.path, field.node)?;
        let name = object.need_text("name")?;
        let given = object.text("id")?.filter(|id| !id.is_empty());
        let arguments = object.take("args")?.map(Field::raw_object).transpose()?;
        object.skip_zero("willContinue");
        object.finish(extras);
        let fresh = given.clone().filter(|id| !self.ids.contains(id));
        let id = fresh.unwrap_or_else(|| ids::of_request(content, part, &name).into());
        self.ids.insert(id.clone());
        let (id_here, name_here) = (id.clone(), name.clone());
        self.waiting.push(Waiting { given, id: id_here, name: name_here, is_answered: false });
        let arguments = arguments.map_or_else(crate::google::no_arguments, Json::Borrowed);
        Ok(Call { id, name, arguments, seal: None })
    }

    /// The outcome of one of the calls: the one with its id, or the first of its name that waits.
    pub(super) fn outcome(
        &mut self,
        field: Field<'_, 'a>,
        extras: &mut Vec<Extra>,
    ) -> Result<Outcome<'a>, Malformed> {
        let mut object = Object::open(&field.path, field.node)?;
        let name = object.need_text("name")?;
        let id = object.text("id")?.filter(|id| !id.is_empty());
        let response = object.take("response")?.ok_or_else(|| object.path.missing("response"))?;
        let (mut parts, is_error) = response_parts(response)?;
        if let Some(list) = object.take("parts")? {
            list.each(|_, part| media_part(part, extras).map(|part| parts.push(part)))?;
        }
        object.skip_zero("willContinue");
        object.skip_word("scheduling", &["SCHEDULING_UNSPECIFIED"]);
        let call = self.answered(id.as_deref(), &name);
        let call = call.ok_or_else(|| object.path.malformed("answers no call before it"))?;
        object.finish(extras);
        Ok(Outcome { call, name, parts, is_error })
    }

    fn answered(&mut self, id: Option<&str>, name: &str) -> Option<Text<'a>> {
        let open = |call: &&mut Waiting<'_>| !call.is_answered && call.name == name;
        let mut by_id = self.waiting.iter_mut().filter(open);
        let at = by_id.position(|call| id.is_some() && call.given.as_deref() == id);
        // An id that no call has: the client made it up, if the calls came without ids.
        let takes = |call: &&mut Waiting<'_>| id.is_none() || call.given.is_none();
        let mut open = self.waiting.iter_mut().filter(open);
        let call = match at {
            Some(at) => open.nth(at),
            None => open.find(takes),
        }?;
        call.is_answered = true;
        Some(call.id.clone())
    }

    /// The conversation goes on: whether all calls have their outcomes. Then they are forgotten.
    pub(super) fn close(&mut self) -> bool {
        let is_complete = self.waiting.iter().all(|call| call.is_answered);
        self.waiting.clear();
        is_complete
    }

    pub(super) const fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }
}

/// `{"output": …}` is what it returned, `{"error": …}` why it failed, anything else is itself what it
/// returned. A text stays one; other JSON becomes its text.
fn response_parts<'a>(field: Field<'_, 'a>) -> Result<(Vec<Part<'a>>, Option<bool>), Malformed> {
    let path = field.path.clone();
    let raw = field.raw_object()?;
    let Node::Object(mut entries) = tree::parse_shallow(raw)? else {
        return Err(path.malformed("must be an object"));
    };
    let is_error = entries.first().is_some_and(|(key, _)| key == "error");
    let is_marked = is_error || entries.first().is_some_and(|(key, _)| key == "output");
    let text = match (entries.pop(), entries.is_empty()) {
        (Some((_, Node::Raw(value))), true) if is_marked => text_of(value.get()),
        (Some((_, Node::Null)), true) if is_marked => "".into(),
        (Some(_), _) => raw.get().into(),
        (None, _) => "".into(),
    };
    let is_failure = is_error && entries.is_empty();
    let text = (!text.is_empty()).then_some(Part { content: Content::Text(text), cache: None });
    Ok((text.into_iter().collect(), is_failure.then_some(true)))
}

fn text_of(json: &str) -> Text<'_> {
    let Some(inner) = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return json.into();
    };
    if inner.contains('\\') {
        return serde_json::from_str::<String>(json).map_or_else(|_| json.into(), Text::Owned);
    }
    inner.into()
}

/// What a function returned beside JSON.
fn media_part<'a>(field: Field<'_, 'a>, extras: &mut Vec<Extra>) -> Result<Part<'a>, Malformed> {
    let mut object = Object::open(&field.path, field.node)?;
    let content = match (object.take("inlineData")?, object.take("fileData")?) {
        (Some(inline), None) => media::inline(inline, extras)?,
        (None, Some(file)) => media::file(file, extras)?,
        (None, None) | (Some(_), Some(_)) => {
            return Err(object.path.malformed("must hold either `inlineData` or `fileData`"));
        }
    };
    object.finish(extras);
    Ok(Part { content, cache: None })
}
