//! Places in the list of keys.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use doorward_domain::credential::KeyId;
use doorward_domain::key::ApiKey;

/// Where a page of keys ends and the next one begins.
///
/// It holds the place itself and is never looked up: a cursor that anybody made up is a place too, so
/// what follows it tells nothing about keys that whoever asks cannot see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyCursor {
    pub(super) created_at_us: i64,
    pub(super) id: KeyId,
}

/// A text that is no [`KeyCursor`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be what `next` of the page before says")]
pub struct MalformedCursor;

impl KeyCursor {
    /// The place after this key.
    pub fn after(key: &ApiKey) -> Self {
        Self { created_at_us: key.life.created_at.as_microsecond(), id: key.id }
    }
}

impl fmt::Display for KeyCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = format!("{} {}", self.created_at_us, self.id);
        f.write_str(&URL_SAFE_NO_PAD.encode(place))
    }
}

impl FromStr for KeyCursor {
    type Err = MalformedCursor;

    fn from_str(text: &str) -> Result<Self, MalformedCursor> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| MalformedCursor)?;
        let place = std::str::from_utf8(&bytes).map_err(|_| MalformedCursor)?;
        let (created_at_us, id) = place.split_once(' ').ok_or(MalformedCursor)?;
        Ok(Self {
            created_at_us: created_at_us.parse().map_err(|_| MalformedCursor)?,
            id: id.parse().map_err(|_| MalformedCursor)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_reads_as_it_was_written(
            created_at_us: i64,
            access in "[0-9A-Za-z]{16}",
        ) {
            let id = format!("dw_{access}").parse().unwrap();
            let cursor = KeyCursor { created_at_us, id };
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
            encoded(&format!("5 {id} ")),
            encoded(&format!(" {id}")),
            encoded("5 dw_0123"),
            encoded(&format!("99999999999999999999 {id}")),
            format!("{}=", encoded(&format!("5 {id}"))),
        ] {
            assert_eq!(text.parse::<KeyCursor>(), Err(MalformedCursor), "{text}");
        }
    }
}
