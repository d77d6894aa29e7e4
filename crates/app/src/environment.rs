//! The environment of the process, read once.

use std::collections::BTreeMap;
use std::fmt;

/// The variables as they were at the start. What is not Unicode is left out.
#[derive(Clone)]
pub(crate) struct Environment(BTreeMap<String, String>);

impl fmt::Debug for Environment {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Environment {
    /// Reads the variables of this process.
    pub(crate) fn of_process() -> Self {
        let unicode = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self(std::env::vars_os().filter_map(unicode).collect())
    }

    /// A variable; a blank one counts as not set.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(is_set)
    }

    /// The variables whose name begins with `prefix`, with their names; blank ones are left out.
    pub(crate) fn with_prefix(&self, prefix: &str) -> impl Iterator<Item = (&str, &str)> {
        let all = self.0.iter().map(|(name, value)| (&**name, &**value));
        all.filter(move |(name, value)| name.starts_with(prefix) && is_set(value))
    }

    /// Made-up variables.
    #[cfg(test)]
    pub(crate) fn of(pairs: &[(&str, &str)]) -> Self {
        Self(pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect())
    }
}

/// `NAME=` in a shell or a compose file is how people say "none".
fn is_set(value: &&str) -> bool {
    !value.trim().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_holds_no_value() {
        let environment = Environment::of(&[("OPENAI_API_KEY", "sk-canary")]);
        let text = format!("{environment:?}");
        assert!(text.contains("OPENAI_API_KEY") && !text.contains("canary"), "{text}");
    }

    #[test]
    fn a_blank_variable_counts_as_not_set() {
        let environment = Environment::of(&[("D_A", ""), ("D_B", " \t"), ("D_C", "c"), ("E", "e")]);
        assert_eq!((environment.get("D_A"), environment.get("D_B")), (None, None));
        assert_eq!(environment.with_prefix("D_").collect::<Vec<_>>(), [("D_C", "c")]);
    }
}
