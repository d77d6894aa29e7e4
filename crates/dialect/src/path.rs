//! Where something stands in a body.

use std::fmt;

use crate::Text;
use crate::unsupported::{Extra, Malformed};

/// Where something stands in a body. It becomes a text only where somebody must be told.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Path<'p> {
    /// The body itself.
    Body,
    /// A field of an object.
    Field(&'p Path<'p>, &'p str),
    /// An item of a list.
    Item(&'p Path<'p>, usize),
}

impl<'p> Path<'p> {
    /// The path of a field of what stands here.
    pub(crate) const fn field(&'p self, name: &'p str) -> Self {
        Self::Field(self, name)
    }

    /// The path of an item of the list that stands here.
    pub(crate) const fn item(&'p self, position: usize) -> Self {
        Self::Item(self, position)
    }

    /// What stands here is not what the dialect says.
    pub(crate) fn malformed(&self, why: &'static str) -> Malformed {
        let path = match self {
            Self::Body => "body".to_owned(),
            Self::Field(..) | Self::Item(..) => self.to_string(),
        };
        Malformed { path, why: Text::Borrowed(why) }
    }

    /// Something must stand here, and does not.
    pub(crate) fn missing(&self) -> Malformed {
        self.malformed("is missing")
    }

    /// What stands here has no place in the form.
    pub(crate) fn extra(&self) -> Extra {
        Extra { path: self.to_string() }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body => Ok(()),
            Self::Field(Self::Body, name) => f.write_str(name),
            Self::Field(before, name) => write!(f, "{before}.{name}"),
            Self::Item(before, position) => write!(f, "{before}[{position}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_told_in_the_words_of_the_client() {
        let messages = Path::Body.field("messages");
        let message = messages.item(2);
        let content = message.field("content");
        assert_eq!(content.item(0).field("x").to_string(), "messages[2].content[0].x");
        assert_eq!(Path::Body.field("stop").item(1).extra().path, "stop[1]");
        assert_eq!(Path::Body.malformed("must be an object").path, "body");
    }
}
