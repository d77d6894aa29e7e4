//! Orders of the list of keys, and places in it.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use doorward_domain::credential::KeyId;
use jiff::Timestamp;

use super::KeyRecord;

/// What a list of keys is sorted by. The text form begins with `-` where the highest come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeySort {
    /// What is compared.
    pub by: KeySortBy,
    /// Whether the highest come first.
    pub is_descending: bool,
}

/// What of two keys is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeySortBy {
    /// When they were made.
    Created,
    /// Their names, capital letters like small ones.
    Name,
    /// When they were last used. Those that never were come before all others.
    LastUsed,
    /// When they end. Those that never do come after all others.
    Expires,
}

/// A text that names no [`KeySort`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be one of created, name, last_used, expires, with a `-` in front for the other way")]
pub struct UnknownKeySort;

impl Default for KeySort {
    /// The newest first.
    fn default() -> Self {
        Self { by: KeySortBy::Created, is_descending: true }
    }
}

impl KeySortBy {
    const ALL: [Self; 4] = [Self::Created, Self::Name, Self::LastUsed, Self::Expires];

    /// The text form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Name => "name",
            Self::LastUsed => "last_used",
            Self::Expires => "expires",
        }
    }
}

impl FromStr for KeySort {
    type Err = UnknownKeySort;

    fn from_str(text: &str) -> Result<Self, UnknownKeySort> {
        let name = text.strip_prefix('-').unwrap_or(text);
        let by = KeySortBy::ALL.into_iter().find(|by| by.as_str() == name).ok_or(UnknownKeySort)?;
        Ok(Self { by, is_descending: name.len() < text.len() })
    }
}

/// Where a key stands among others in one order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Number(i64),
    Text(String),
}

/// Where a page of keys ends and the next one begins.
///
/// It holds the place itself and is never looked up: a cursor that anybody made up is a place too, so
/// what follows it tells nothing about keys that whoever asks cannot see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyCursor {
    pub(super) by: KeySortBy,
    pub(super) place: Place,
    pub(super) id: KeyId,
}

/// A text that is no [`KeyCursor`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be what `next` of the page before says")]
pub struct MalformedCursor;

impl KeyCursor {
    /// The place after this key in a list that is sorted so.
    pub fn after(record: &KeyRecord, by: KeySortBy) -> Self {
        let key = &record.key;
        let place = match by {
            KeySortBy::Created => Place::Number(key.life.created_at.as_microsecond()),
            KeySortBy::Name => Place::Text(name_order(&key.name)),
            KeySortBy::LastUsed => {
                Place::Number(record.last_used_at.map_or(NEVER_USED_US, Timestamp::as_microsecond))
            }
            KeySortBy::Expires => {
                let end = key.rights.expires_at;
                Place::Number(end.map_or(NEVER_ENDS_US, Timestamp::as_microsecond))
            }
        };
        Self { by, place, id: key.id }
    }

    /// Whether it is a place in a list that is sorted so.
    pub fn is_of(&self, by: KeySortBy) -> bool {
        self.by == by
    }
}

/// Where the keys stand that were never used, and those that never end.
pub(super) const NEVER_USED_US: i64 = 0;
pub(super) const NEVER_ENDS_US: i64 = i64::MAX;

/// What names are sorted by. Both engines' own `lower` is this for what they are told to compare by bytes.
pub(super) fn name_order(name: &str) -> String {
    name.to_ascii_lowercase()
}

impl fmt::Display for KeyCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = self.by.as_str();
        let place = match &self.place {
            Place::Number(number) => format!("{by} {} {number}", self.id),
            Place::Text(text) => format!("{by} {} {text}", self.id),
        };
        f.write_str(&URL_SAFE_NO_PAD.encode(place))
    }
}

impl FromStr for KeyCursor {
    type Err = MalformedCursor;

    fn from_str(text: &str) -> Result<Self, MalformedCursor> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| MalformedCursor)?;
        let words = std::str::from_utf8(&bytes).map_err(|_| MalformedCursor)?;
        let mut words = words.splitn(3, ' ');
        let (Some(by), Some(id), Some(place)) = (words.next(), words.next(), words.next()) else {
            return Err(MalformedCursor);
        };
        let by = KeySortBy::ALL.into_iter().find(|known| known.as_str() == by);
        let by = by.ok_or(MalformedCursor)?;
        let place = match by {
            KeySortBy::Name if place.contains('\0') => return Err(MalformedCursor),
            KeySortBy::Name => Place::Text(place.to_owned()),
            KeySortBy::Created | KeySortBy::LastUsed | KeySortBy::Expires => {
                Place::Number(place.parse().map_err(|_| MalformedCursor)?)
            }
        };
        Ok(Self { by, place, id: id.parse().map_err(|_| MalformedCursor)? })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_place() -> impl Strategy<Value = (KeySortBy, Place)> {
        let number = |by| any::<i64>().prop_map(move |number| (by, Place::Number(number)));
        prop_oneof![
            number(KeySortBy::Created),
            number(KeySortBy::LastUsed),
            number(KeySortBy::Expires),
            "[^\0]{0,40}".prop_map(|text| (KeySortBy::Name, Place::Text(text))),
        ]
    }

    proptest! {
        #[test]
        fn a_cursor_reads_as_it_was_written(
            (by, place) in any_place(),
            access in "[0-9A-Za-z]{16}",
        ) {
            let id = format!("dw_{access}").parse().unwrap();
            let cursor = KeyCursor { by, place, id };
            let text = cursor.to_string();
            prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
            prop_assert_eq!(text.parse(), Ok(cursor));
        }

        #[test]
        fn no_text_breaks_the_reader(text in ".{0,60}") {
            let _is_cursor = text.parse::<KeyCursor>().is_ok();
        }
    }

    #[test]
    fn other_texts_are_no_cursors() {
        let id = "dw_0123456789abcdef";
        let encoded = |place: &str| URL_SAFE_NO_PAD.encode(place);
        for text in [
            id.to_owned(),
            encoded(id),
            encoded(&format!("created {id} 5 ")),
            encoded(&format!("created {id} ")),
            encoded(&format!("colour {id} 5")),
            encoded("created dw_0123 5"),
            encoded(&format!("created {id} 99999999999999999999")),
            encoded(&format!("name {id} a\0b")),
            format!("{}=", encoded(&format!("created {id} 5"))),
        ] {
            assert_eq!(text.parse::<KeyCursor>(), Err(MalformedCursor), "{text}");
        }
    }

    #[test]
    fn an_order_has_two_ways() {
        for by in KeySortBy::ALL {
            let name = by.as_str();
            assert_eq!(name.parse(), Ok(KeySort { by, is_descending: false }));
            assert_eq!(format!("-{name}").parse(), Ok(KeySort { by, is_descending: true }));
        }
        for text in ["", "-", "--name", "name-", "Name", "owner"] {
            assert_eq!(text.parse::<KeySort>(), Err(UnknownKeySort), "{text}");
        }
    }
}
