//! What an answer says, as a list of items.

use serde::Serialize;

use super::seal::SealOut;
use crate::request::Seal;

/// One of the things that the model said or did.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Item {
    /// What it thought, in one summary.
    Reasoning { id: String, summary: Vec<Said> },
    /// What it said.
    Message { id: String, status: Status, role: &'static str, content: Vec<Said> },
    /// A function that it calls.
    FunctionCall {
        id: String,
        status: Status,
        call_id: String,
        name: String,
        arguments: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        extra_content: Option<SealOut>,
    },
}

/// A piece of what was said.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Said {
    OutputText { text: String, annotations: [(); 0], logprobs: [(); 0] },
    Refusal { refusal: String },
    SummaryText { text: String },
}

/// How far an item, or the whole response, has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    InProgress,
    Completed,
    Incomplete,
    Failed,
}

/// What kind of words were said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Refusal,
    Thought,
}

/// The piece of words that was begun last, and where it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Last<'o> {
    pub(super) item: usize,
    pub(super) item_id: &'o str,
    pub(super) piece: usize,
    pub(super) said: &'o Said,
}

/// The items of one answer. Words go on in the last item, if it is of their kind.
#[derive(Debug)]
pub(super) struct Output {
    /// Our id of the call, of which those of the items are made.
    call: String,
    items: Vec<Item>,
}

impl Output {
    pub(super) fn new(call: &str) -> Self {
        Self { call: call.to_owned(), items: Vec::new() }
    }

    pub(super) fn items(&self) -> &[Item] {
        &self.items
    }

    /// The item that was begun last.
    pub(super) fn last_item(&self) -> Option<(usize, &Item)> {
        self.items.iter().enumerate().next_back()
    }

    /// The piece of words that was begun last, if nothing but words came after it.
    pub(super) fn last(&self) -> Option<Last<'_>> {
        let (item, of) = self.last_item()?;
        let (item_id, pieces) = match of {
            Item::Reasoning { id, summary: pieces } | Item::Message { id, content: pieces, .. } => {
                (id, pieces)
            }
            Item::FunctionCall { .. } => return None,
        };
        let (piece, said) = pieces.iter().enumerate().next_back()?;
        Some(Last { item, item_id, piece, said })
    }

    /// Whether words of this kind go on in the last piece.
    pub(super) fn goes_on(&self, kind: Kind) -> bool {
        self.last().is_some_and(|last| last.said.kind() == kind)
    }

    /// Whether words of this kind have a place in the last item.
    pub(super) fn takes(&self, kind: Kind) -> bool {
        match self.items.last() {
            Some(Item::Reasoning { .. }) => kind == Kind::Thought,
            Some(Item::Message { .. }) => kind != Kind::Thought,
            Some(Item::FunctionCall { .. }) | None => false,
        }
    }

    pub(super) fn begin_item(&mut self, kind: Kind) {
        self.items.push(match kind {
            Kind::Thought => Item::Reasoning { id: self.id("rs"), summary: Vec::new() },
            Kind::Text | Kind::Refusal => Item::Message {
                id: self.id("msg"),
                status: Status::InProgress,
                role: "assistant",
                content: Vec::new(),
            },
        });
    }

    pub(super) fn begin_piece(&mut self, kind: Kind) {
        if let Some(pieces) = self.pieces() {
            pieces.push(Said::nothing(kind));
        }
    }

    /// Adds to the last piece.
    pub(super) fn say(&mut self, words: &str) {
        if let Some(said) = self.pieces().and_then(|pieces| pieces.last_mut()) {
            said.words_mut().push_str(words);
        }
    }

    fn pieces(&mut self) -> Option<&mut Vec<Said>> {
        match self.items.last_mut()? {
            Item::Reasoning { summary: pieces, .. } | Item::Message { content: pieces, .. } => {
                Some(pieces)
            }
            Item::FunctionCall { .. } => None,
        }
    }

    fn id(&self, kind: &str) -> String {
        format!("{kind}_{}_{}", self.call, self.items.len())
    }

    /// Begins a call, and tells which item it is.
    pub(super) fn call(&mut self, call_id: &str, name: &str, seal: Option<&Seal<'_>>) -> usize {
        self.items.push(Item::FunctionCall {
            id: self.id("fc"),
            status: Status::InProgress,
            call_id: call_id.to_owned(),
            name: name.to_owned(),
            arguments: String::new(),
            extra_content: seal.and_then(SealOut::of),
        });
        self.items.len() - 1
    }

    /// Adds to the arguments of the call that is this item.
    pub(super) fn add_arguments(&mut self, item: usize, json: &str) {
        if let Some(Item::FunctionCall { arguments, .. }) = self.items.get_mut(item) {
            arguments.push_str(json);
        }
    }

    /// Ends an item. Thoughts have no status.
    pub(super) fn end(&mut self, item: usize, now: Status) {
        match self.items.get_mut(item) {
            Some(Item::Message { status, .. } | Item::FunctionCall { status, .. }) => *status = now,
            Some(Item::Reasoning { .. }) | None => {}
        }
    }
}

impl Item {
    pub(super) fn id(&self) -> &str {
        match self {
            Self::Reasoning { id, .. }
            | Self::Message { id, .. }
            | Self::FunctionCall { id, .. } => id,
        }
    }

    /// The name and the arguments of a call.
    pub(super) fn as_call(&self) -> Option<(&str, &str)> {
        match self {
            Self::FunctionCall { name, arguments, .. } => Some((name, arguments)),
            Self::Message { .. } | Self::Reasoning { .. } => None,
        }
    }
}

impl Said {
    pub(super) const fn nothing(kind: Kind) -> Self {
        let text = String::new();
        match kind {
            Kind::Text => Self::OutputText { text, annotations: [], logprobs: [] },
            Kind::Refusal => Self::Refusal { refusal: text },
            Kind::Thought => Self::SummaryText { text },
        }
    }

    pub(super) const fn kind(&self) -> Kind {
        match self {
            Self::OutputText { .. } => Kind::Text,
            Self::Refusal { .. } => Kind::Refusal,
            Self::SummaryText { .. } => Kind::Thought,
        }
    }

    pub(super) fn words(&self) -> &str {
        match self {
            Self::OutputText { text, .. }
            | Self::Refusal { refusal: text }
            | Self::SummaryText { text } => text,
        }
    }

    fn words_mut(&mut self) -> &mut String {
        match self {
            Self::OutputText { text, .. }
            | Self::Refusal { refusal: text }
            | Self::SummaryText { text } => text,
        }
    }
}
