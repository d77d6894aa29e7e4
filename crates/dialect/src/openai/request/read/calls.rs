//! The calls of a conversation, and which result is whose.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use serde_json::value::RawValue;

use crate::openai::fields::{Object, Path};
use crate::openai::made_id;
use crate::openai::request::harmless;
use crate::request::{Call, Seal};
use crate::unsupported::{Extra, Malformed};
use crate::{Json, Text};

/// The calls that were read.
#[derive(Debug, Default)]
pub(super) struct Calls<'a> {
    /// Those of the last message that has some, by the client's ids.
    open: HashMap<Text<'a>, Open<'a>>,
    /// Of those, the one in the old form, which has no id.
    open_old: Option<Open<'a>>,
    /// Where the message with them stands, and how many of them have no result yet.
    at: usize,
    unanswered: usize,
    /// Ids of all calls until now.
    ids: HashSet<Text<'a>>,
}

/// A call that waits for its result.
#[derive(Debug)]
struct Open<'a> {
    whose: Whose<'a>,
    is_answered: bool,
}

/// Whose result it is.
#[derive(Debug, Clone)]
pub(super) enum Whose<'a> {
    /// A function's: the id of the call, and the function's name.
    Function { call: Text<'a>, name: Text<'a> },
    /// Of what is no function; the call was left out, so its result is, too.
    Custom,
}

impl<'a> Calls<'a> {
    /// Takes the calls of the model's message at `at`.
    pub(super) fn read(
        &mut self,
        at: usize,
        message: &mut Object<'a, '_>,
        extras: &mut Vec<Extra>,
    ) -> Result<Vec<Call<'a>>, Malformed> {
        self.at = at;
        let calls = message.objects("tool_calls")?.unwrap_or_default();
        let path = message.path.field("tool_calls");
        let mut read = Vec::with_capacity(calls.len());
        for (position, fields) in calls.into_iter().enumerate() {
            let call = Object::of(fields, path.item(position));
            read.extend(self.call(position, call, extras)?);
        }
        if let Some(json) = message.take("function_call") {
            read.push(self.old_call(json, message.path.field("function_call"), extras)?);
        }
        Ok(read)
    }

    fn call(
        &mut self,
        position: usize,
        mut call: Object<'a, '_>,
        extras: &mut Vec<Extra>,
    ) -> Result<Option<Call<'a>>, Malformed> {
        let path = call.path;
        let wire_id = call.name("id")?;
        match call.text("type")?.as_deref() {
            None | Some("function") => {}
            Some("custom") => {
                extras.push(path.field("custom").extra());
                self.open(wire_id, Whose::Custom, path)?;
                return Ok(None);
            }
            Some(_) => return Err(path.field("type").malformed("must be `function`")),
        }
        let function = call.take("function");
        let function = call.must("function", function)?;
        let (name, arguments) = called(function, path.field("function"), extras)?;
        let seal = seal(&mut call, extras)?;
        call.skip(&harmless::CALL);
        call.rest(extras);
        let id = self.own_id(&wire_id, position, &name);
        self.open(wire_id, Whose::Function { call: id.clone(), name: name.clone() }, path)?;
        Ok(Some(Call { id, name, arguments, seal }))
    }

    /// Some servers count their calls anew in each answer, but an id is to be there once.
    fn own_id(&mut self, wire_id: &Text<'a>, position: usize, name: &str) -> Text<'a> {
        if self.ids.insert(wire_id.clone()) {
            return wire_id.clone();
        }
        made_id(wire_id, &[self.at, position], name).into()
    }

    fn open(
        &mut self,
        wire_id: Text<'a>,
        whose: Whose<'a>,
        path: Path<'_>,
    ) -> Result<(), Malformed> {
        self.unanswered += 1;
        match self.open.insert(wire_id, Open { whose, is_answered: false }) {
            None => Ok(()),
            Some(_) => Err(path.field("id").malformed("is the id of another call, too")),
        }
    }

    fn old_call(
        &mut self,
        json: &'a RawValue,
        path: Path<'_>,
        extras: &mut Vec<Extra>,
    ) -> Result<Call<'a>, Malformed> {
        let (name, arguments) = called(json, path, extras)?;
        let id = Text::from(made_id("function_call", &[self.at], &name));
        let whose = Whose::Function { call: id.clone(), name: name.clone() };
        self.open_old = Some(Open { whose, is_answered: false });
        self.unanswered += 1;
        Ok(Call { id, name, arguments, seal: None })
    }

    /// Whose result the message with the role `tool` is.
    pub(super) fn answered(
        &mut self,
        message: &mut Object<'a, '_>,
    ) -> Result<Whose<'a>, Malformed> {
        let wire_id = message.name("tool_call_id")?;
        let path = message.path.field("tool_call_id");
        let Some(open) = self.open.get_mut(&wire_id) else {
            return Err(path.malformed("names no call of the message before the results"));
        };
        if std::mem::replace(&mut open.is_answered, true) {
            return Err(path.malformed("names a call that has its result already"));
        }
        self.unanswered -= 1;
        message.skip(&harmless::RESULT);
        Ok(open.whose.clone())
    }

    /// Whose result the message with the role `function` is, which names a function.
    pub(super) fn old_answered(
        &mut self,
        message: &mut Object<'a, '_>,
    ) -> Result<Whose<'a>, Malformed> {
        let said = message.name("name")?;
        let open = self.open_old.take().map(|open| open.whose);
        match open {
            Some(Whose::Function { call, name }) if name == said => {
                self.unanswered -= 1;
                Ok(Whose::Function { call, name })
            }
            Some(Whose::Function { .. } | Whose::Custom) | None => {
                let why = "names no function that the message before calls";
                Err(message.path.field("name").malformed(why))
            }
        }
    }

    /// Nothing may stand between calls and their results.
    pub(super) fn close(&mut self, messages: Path<'_>) -> Result<(), Malformed> {
        if self.unanswered > 0 {
            let message = messages.item(self.at);
            let why = "has a call without a result in the messages that follow it";
            return Err(message.field("tool_calls").malformed(why));
        }
        self.open.clear();
        self.open_old = None;
        Ok(())
    }
}

/// The name of the function that is called, and its arguments.
fn called<'a>(
    json: &'a RawValue,
    path: Path<'_>,
    extras: &mut Vec<Extra>,
) -> Result<(Text<'a>, Json<'a>), Malformed> {
    let mut function = Object::read(json, path)?;
    let name = function.name("name")?;
    let arguments = function.text("arguments")?;
    let arguments = function.must("arguments", arguments)?;
    let Some(arguments) = crate::openai::arguments(&arguments) else {
        return Err(path.field("arguments").malformed("must hold the JSON of an object"));
    };
    function.rest(extras);
    Ok((name, Cow::Owned(arguments)))
}

/// What a Google model wants to see again, in the place that Google's own servers of this dialect give it.
/// Source: <https://ai.google.dev/gemini-api/docs/thought-signatures>.
pub(in crate::openai) fn seal<'a>(
    call: &mut Object<'a, '_>,
    extras: &mut Vec<Extra>,
) -> Result<Option<Seal<'a>>, Malformed> {
    let outer = call.path;
    let path = outer.field("extra_content");
    let Some(json) = call.take("extra_content") else { return Ok(None) };
    let mut beside = Object::read(json, path)?;
    let google = beside.take("google");
    beside.rest(extras);
    let Some(json) = google else { return Ok(None) };
    let mut google = Object::read(json, path.field("google"))?;
    let signature = google.text("thought_signature")?.filter(|seal| !seal.is_empty());
    google.rest(extras);
    Ok(signature.map(Seal::Google))
}
