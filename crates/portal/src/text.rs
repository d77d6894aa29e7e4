//! What the portal says: every text of every page, in one folder for each language.
//!
//! A text's name says where it stands: its page first. `done-…` is said of what was just done.

use std::borrow::Cow;
use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use unic_langid::langid;

use crate::money::count;

type Bundle = FluentBundle<FluentResource>;

/// One file for each group of pages.
const ENGLISH: [&str; 18] = [
    include_str!("../text/en/account.ftl"),
    include_str!("../text/en/audit.ftl"),
    include_str!("../text/en/bounds.ftl"),
    include_str!("../text/en/frame.ftl"),
    include_str!("../text/en/general_keys.ftl"),
    include_str!("../text/en/keys.ftl"),
    include_str!("../text/en/models.ftl"),
    include_str!("../text/en/notifications.ftl"),
    include_str!("../text/en/people.ftl"),
    include_str!("../text/en/playground.ftl"),
    include_str!("../text/en/projects.ftl"),
    include_str!("../text/en/providers.ftl"),
    include_str!("../text/en/requests.ftl"),
    include_str!("../text/en/service_accounts.ftl"),
    include_str!("../text/en/settings.ftl"),
    include_str!("../text/en/sign_in.ftl"),
    include_str!("../text/en/usage.ftl"),
    include_str!("../text/en/words.ftl"),
];

static EN: LazyLock<Bundle> = LazyLock::new(|| {
    let mut bundle = Bundle::new_concurrent(vec![langid!("en")]);
    // Marks of direction around each value would be copied along with names and keys.
    bundle.set_use_isolating(false);
    bundle.set_formatter(Some(grouped));
    for file in ENGLISH {
        let resource = FluentResource::try_new(file.to_owned());
        // What could be read is there even where something could not; a test holds that all can.
        bundle.add_resource_overriding(resource.unwrap_or_else(|(read, _)| read));
    }
    bundle
});

/// A whole number with its thousands apart; what is none of those is said as it is.
fn grouped<M>(value: &FluentValue<'_>, _: &M) -> Option<String> {
    let FluentValue::Number(number) = value else { return None };
    number.as_string().parse().ok().map(count)
}

/// The text of this name. Where there is none, its name: a page with a word missing beats no page.
pub(crate) fn text(name: &str) -> String {
    say(name, None)
}

/// The text of this name with one value in it.
pub(crate) fn text_with<'a>(
    name: &str,
    argument: &'a str,
    value: impl Into<FluentValue<'a>>,
) -> String {
    let mut args = FluentArgs::new();
    args.set(argument, value);
    say(name, Some(&args))
}

/// The text of this name with some values in it.
pub(crate) fn text_of<const N: usize>(name: &str, values: [(&str, &str); N]) -> String {
    let mut args = FluentArgs::new();
    for (argument, value) in values {
        args.set(argument.to_owned(), value);
    }
    say(name, Some(&args))
}

/// Whether there is a text of this name.
pub(crate) fn is_there(name: &str) -> bool {
    EN.has_message(name)
}

fn say(name: &str, args: Option<&FluentArgs<'_>>) -> String {
    let pattern = EN.get_message(name).and_then(|message| message.value());
    let Some(pattern) = pattern else { return name.to_owned() };
    let mut errors = Vec::new();
    let said: Cow<'_, str> = EN.format_pattern(pattern, args, &mut errors);
    said.into_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// Every name that a text of this file could have, in quotes.
    fn quoted(file: &str) -> impl Iterator<Item = &str> {
        file.split('"').filter(|piece| {
            !piece.is_empty()
                && piece.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        })
    }

    fn files(folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files(&path, found);
            } else {
                found.push(std::fs::read_to_string(path).unwrap());
            }
        }
    }

    fn sources() -> Vec<String> {
        let mut found = Vec::new();
        for folder in ["src", "templates"] {
            files(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut found);
        }
        found
    }

    fn names() -> Vec<&'static str> {
        let lines = ENGLISH.iter().flat_map(|file| file.lines());
        let lines = lines.filter(|line| !line.starts_with([' ', '#', '}']));
        lines.filter_map(|line| line.split_once(" =")).map(|(name, _)| name).collect()
    }

    #[test]
    fn each_file_can_be_read_and_each_text_has_a_name_of_its_own() {
        for file in ENGLISH {
            let read = FluentResource::try_new(file.to_owned());
            assert!(read.is_ok(), "{:?}", read.err().map(|(_, errors)| errors));
        }
        let all: BTreeSet<_> = names().into_iter().collect();
        let mut again = names();
        for name in &all {
            let at = again.iter().position(|one| one == name).unwrap();
            again.swap_remove(at);
        }
        assert_eq!(again, [""; 0], "given twice");
    }

    #[test]
    fn numbers_have_their_thousands_apart_and_choose_their_words_all_the_same() {
        for (number, expected) in
            [(1, "1 entry fits"), (999, "999 entries fit"), (36_500, "36,500 entries fit")]
        {
            assert_eq!(text_with("chain-entries", "n", number), expected);
        }
        assert_eq!(text_with("delete-title", "name", "36500"), "Delete 36500?", "a name is none");
    }

    #[test]
    fn every_text_is_used() {
        let sources = sources();
        let used: BTreeSet<&str> = sources.iter().flat_map(|file| quoted(file)).collect();
        // Names whose last part is only known when a page is made: the rest is spelled out.
        let begun: Vec<&str> = sources
            .iter()
            .flat_map(|file| file.split('"'))
            .filter_map(|piece| piece.split_once('{').map(|(start, _)| start))
            .filter(|start| start.ends_with('-') && start.len() > 3)
            .collect();
        let is_used = |name: &&str| {
            !used.contains(name) && !begun.iter().any(|start| name.starts_with(start))
        };
        let unused: Vec<_> = names().into_iter().filter(is_used).collect();
        assert_eq!(unused, [""; 0]);
    }

    #[test]
    fn every_text_that_a_template_names_is_there() {
        for file in sources() {
            // Written apart, so that this list is none of them.
            for call in [".t", ".t1", ".t2", ".n", " text", "::text", " text_with", " text_of"] {
                for named in file.split(&format!("{call}(\"")).skip(1) {
                    let name = named.split('"').next().unwrap();
                    assert!(name.contains('{') || is_there(name), "{name}");
                }
            }
        }
    }
}
