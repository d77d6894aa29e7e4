//! `contents`, written: neighbours of one role in one content, and the outcomes of calls in one of their own,
//! as many as there were calls and in their order. Google refuses any other number.

use crate::google::said::{self, File, FunctionResponse, Piece, Response, Said};
use crate::google::{NO_SEAL, media};
use crate::request::{Content, Outcome, Part, Role, Source, Turn};
use crate::unsupported::{Feature, Leave, Malformed, Untranslatable};
use crate::{Client, Dialect, Target, Text};

const MODEL: &str = "model";
const USER: &str = "user";

pub(super) fn write<'r>(
    turns: &'r [Turn<'_>],
    to: &Target<'_>,
    leave: &mut Leave,
) -> Result<Vec<Said<'r>>, Untranslatable> {
    let mut writer =
        Writer { contents: Vec::new(), calls: Vec::new(), is_closed: false, to, leave };
    for turn in turns {
        match turn.role {
            Role::Assistant => writer.by_model(turn)?,
            Role::User => writer.by_client(turn)?,
            // Instructions have no place between what is said.
            Role::System => writer.leave.feature(Feature::SystemTurn, Some(turn.at), to.from)?,
        }
    }
    if writer.contents.is_empty() {
        return Err(malformed(to.from.turns().to_owned(), "must not be empty"));
    }
    Ok(writer.contents)
}

fn malformed(path: String, why: &'static str) -> Untranslatable {
    Malformed { path, why: why.into() }.into()
}

struct Writer<'r, 'x> {
    contents: Vec<Said<'r>>,
    /// The ids of the calls that wait for their outcomes.
    calls: Vec<&'r str>,
    /// Nothing may be added to the last content.
    is_closed: bool,
    to: &'x Target<'x>,
    leave: &'x mut Leave,
}

impl<'r> Writer<'r, '_> {
    fn push(&mut self, role: &'static str, mut parts: Vec<Piece<'r>>) {
        if parts.is_empty() {
            return;
        }
        let is_closed = std::mem::take(&mut self.is_closed);
        let last = self.contents.last_mut().filter(|last| last.role == Some(role) && !is_closed);
        match last {
            Some(last) => last.parts.append(&mut parts),
            None => self.contents.push(Said { role: Some(role), parts }),
        }
    }

    fn by_model(&mut self, turn: &'r Turn<'_>) -> Result<(), Untranslatable> {
        let calls = turn.parts.iter().filter_map(|part| match &part.content {
            Content::Call(call) => Some(&*call.id),
            Content::Text(_)
            | Content::Refusal(_)
            | Content::Image(_)
            | Content::Audio(_)
            | Content::Document { .. }
            | Content::Outcome(_)
            | Content::Thought(_) => None,
        });
        self.calls.extend(calls);
        let mut pieces = said::by_model(&turn.parts, |content| self.media(turn, content))?;
        if self.to.from != Client::Dialect(Dialect::Google) && self.to.knows.thinking_level {
            seal_first_call(&mut pieces);
        }
        self.push(MODEL, pieces);
        Ok(())
    }

    fn by_client(&mut self, turn: &'r Turn<'_>) -> Result<(), Untranslatable> {
        let (mut outcomes, mut pieces) = (Vec::new(), Vec::new());
        for part in &turn.parts {
            match &part.content {
                Content::Outcome(outcome) => outcomes.push(outcome),
                Content::Text(text) | Content::Refusal(text) => pieces.push(Piece::text(text)),
                content @ (Content::Image(_)
                | Content::Audio(_)
                | Content::Document { .. }
                | Content::Call(_)
                | Content::Thought(_)) => pieces.extend(self.media(turn, content)?),
            }
        }
        self.outcomes(turn, outcomes)?;
        self.push(USER, pieces);
        Ok(())
    }

    /// One outcome for each call, in the order of the calls.
    fn outcomes(
        &mut self,
        turn: &'r Turn<'_>,
        mut outcomes: Vec<&'r Outcome<'r>>,
    ) -> Result<(), Untranslatable> {
        let calls = std::mem::take(&mut self.calls);
        let mut pieces = Vec::with_capacity(calls.len());
        for call in calls {
            let Some(at) = outcomes.iter().position(|outcome| outcome.call == call) else {
                return Err(malformed(self.place(turn), "lacks the result of a call"));
            };
            pieces.push(self.outcome(turn, outcomes.remove(at))?);
        }
        if !outcomes.is_empty() {
            return Err(malformed(self.place(turn), "has a result without its call"));
        }
        if !pieces.is_empty() {
            // The content before it holds the calls, so that it stands by itself; nothing may join it.
            self.push(USER, pieces);
            self.is_closed = true;
        }
        Ok(())
    }

    fn place(&self, turn: &Turn<'_>) -> String {
        format!("{}[{}]", self.to.from.turns(), turn.at)
    }

    fn outcome(
        &mut self,
        turn: &'r Turn<'_>,
        outcome: &'r Outcome<'r>,
    ) -> Result<Piece<'r>, Untranslatable> {
        let (mut texts, mut parts) = (Vec::new(), Vec::new());
        for Part { content, .. } in &outcome.parts {
            match content {
                Content::Text(text) | Content::Refusal(text) => texts.push(&**text),
                Content::Image(_) | Content::Audio(_) | Content::Document { .. }
                    if !self.to.knows.thinking_level =>
                {
                    // Only what came with the levels of thinking takes media from functions.
                    self.leave.feature(feature_of(content), Some(turn.at), self.to.from)?;
                }
                content @ (Content::Image(_)
                | Content::Audio(_)
                | Content::Document { .. }
                | Content::Call(_)
                | Content::Outcome(_)
                | Content::Thought(_)) => parts.extend(self.media(turn, content)?),
            }
        }
        let text = match texts.as_slice() {
            [text] => Text::Borrowed(*text),
            texts => texts.concat().into(),
        };
        let is_error = outcome.is_error == Some(true);
        let response = if is_error { Response::Error(text) } else { Response::Output(text) };
        let (id, name) = (&*outcome.call, &*outcome.name);
        let response = FunctionResponse { id, name, response, parts };
        Ok(Piece { function_response: Some(response), ..Piece::default() })
    }

    /// Data, where Google can have them.
    fn media(
        &mut self,
        turn: &Turn<'_>,
        content: &'r Content<'_>,
    ) -> Result<Option<Piece<'r>>, Untranslatable> {
        let (Content::Image(source) | Content::Audio(source) | Content::Document { source, .. }) =
            content
        else {
            return Err(malformed(self.place(turn), "holds something in the wrong place"));
        };
        if let Some(piece) = Piece::inline(source) {
            return Ok(Some(piece));
        }
        if let Some(file) = self.file(source) {
            return Ok(Some(Piece { file_data: Some(file), ..Piece::default() }));
        }
        let is_file = matches!(source, Source::File(_));
        let feature = if is_file { Feature::File } else { feature_of(content) };
        self.leave.feature(feature, Some(turn.at), self.to.from)?;
        Ok(None)
    }

    /// A file that lies with Google, or that it fetches. It must be told of what kind it is.
    fn file(&self, source: &'r Source<'_>) -> Option<File<'r>> {
        match source {
            Source::File(uri) if media::is_own(uri) => {
                Some(File { mime_type: None, file_uri: uri })
            }
            Source::Url { url, media_type } if self.to.knows.file_urls => {
                let mime_type = media_type.as_deref().or_else(|| media::kind_by_name(url))?;
                Some(File { mime_type: Some(mime_type), file_uri: url })
            }
            Source::File(_) | Source::Url { .. } | Source::Inline { .. } | Source::Plain(_) => None,
        }
    }
}

/// A client of Google's dialect keeps the seals itself; of any other, that of the first call may be lost.
fn seal_first_call(pieces: &mut [Piece<'_>]) {
    if let Some(first) = pieces.iter_mut().find(|piece| piece.function_call.is_some()) {
        first.thought_signature.get_or_insert(NO_SEAL);
    }
}

const fn feature_of(content: &Content<'_>) -> Feature {
    match content {
        Content::Image(_) => Feature::Image,
        Content::Audio(_) => Feature::Audio,
        Content::Document { .. }
        | Content::Text(_)
        | Content::Refusal(_)
        | Content::Call(_)
        | Content::Outcome(_)
        | Content::Thought(_) => Feature::Document,
    }
}
