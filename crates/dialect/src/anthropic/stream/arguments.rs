//! How far the JSON of a call has come.

/// Follows JSON that comes in pieces, only as far as to know whether its object is complete.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Arguments {
    place: Place,
    /// How many brackets are open.
    depth: usize,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before the object.
    #[default]
    Before,
    /// In the object.
    Within,
    /// In a text of the object.
    Text,
    /// In a text, after a backslash.
    Escape,
    /// After the object.
    After,
    /// Where no object can be any more.
    Wrong,
}

impl Arguments {
    /// Follows one more piece.
    pub(super) fn follow(&mut self, json: &str) {
        for byte in json.bytes() {
            self.place = self.step(byte);
        }
    }

    /// Nothing has come yet, which stands for `{}`.
    pub(super) fn is_empty(self) -> bool {
        self.place == Place::Before
    }

    /// The object is there.
    pub(super) fn is_complete(self) -> bool {
        self.place == Place::After
    }

    /// This can never become one object.
    pub(super) fn is_wrong(self) -> bool {
        self.place == Place::Wrong
    }

    const fn step(&mut self, byte: u8) -> Place {
        match (self.place, byte) {
            (Place::Text, b'\\') => Place::Escape,
            (Place::Text, b'"') => Place::Within,
            (Place::Text | Place::Escape, _) | (Place::Within, b'"') => Place::Text,
            (Place::Wrong, _) => Place::Wrong,
            (place, b' ' | b'\t' | b'\r' | b'\n') => place,
            (Place::Before, b'{') => {
                self.depth = 1;
                Place::Within
            }
            (Place::Before | Place::After, _) => Place::Wrong,
            (Place::Within, b'{' | b'[') => {
                self.depth += 1;
                Place::Within
            }
            (Place::Within, b'}' | b']') => {
                self.depth -= 1;
                if self.depth == 0 { Place::After } else { Place::Within }
            }
            (Place::Within, _) => Place::Within,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_complete_at_its_last_bracket_and_nothing_may_follow() {
        #[rustfmt::skip]
        let cases = [
            // json                      empty  complete wrong
            ("",                         true,  false,   false),
            (" \n",                      true,  false,   false),
            ("{",                        false, false,   false),
            ("{}",                       false, true,    false),
            (r#" {"a":[1,{"b":"}"}]}"#,  false, true,    false),
            (r#"{"a":"\"}"#,             false, false,   false),
            (r#"{"a":"\\"}"#,            false, true,    false),
            (r#"{"a":1} "#,              false, true,    false),
            (r#"{"a":1}{"#,              false, false,   true),
            ("[1]",                      false, false,   true),
            ("null",                     false, false,   true),
        ];
        for (json, empty, complete, wrong) in cases {
            let (mut whole, mut bytes) = (Arguments::default(), Arguments::default());
            whole.follow(json);
            json.split("").for_each(|piece| bytes.follow(piece));
            for it in [whole, bytes] {
                let found = (it.is_empty(), it.is_complete(), it.is_wrong());
                assert_eq!(found, (empty, complete, wrong), "{json}");
            }
        }
    }
}
