//! Puts the sources on top of each other and reads the result, collecting every misfit.

use std::path::{Path, PathBuf};

use figment::error::Kind;
use figment::providers::{Format, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::settings::{SECRETS, Settings};
use super::{DEFAULT_TOML, Problem, Problems};
use crate::environment::Environment;

/// The file that is read when no other is named, if it exists.
const FILE_DEFAULT: &str = "doorward.toml";
const PREFIX: &str = "DOORWARD__";
/// Variables with a name of their own; they are stronger than the long ones.
const SHORT_NAMES: [(&str, &str); 3] = [
    ("DOORWARD_MASTER_KEY", "data.master_key"),
    ("DOORWARD_MASTER_KEY_FILE", "data.master_key_file"),
    ("RUST_LOG", "log.level"),
];
/// More problems than anybody reads at once.
const PROBLEMS_MAX: usize = 100;

/// A setting given by a flag.
#[derive(Debug, Clone)]
pub(crate) struct Override {
    pub(crate) setting: &'static str,
    pub(crate) value: Value,
}

impl Override {
    pub(crate) fn new(setting: &'static str, value: impl Into<Value>) -> Self {
        Self { setting, value: value.into() }
    }
}

/// Where the configuration is read from.
#[derive(Debug)]
pub(crate) struct Sources<'a> {
    /// The file that `--config` names.
    pub(crate) file: Option<&'a Path>,
    pub(crate) environment: &'a Environment,
    /// Weaker than the file: what a subcommand prefers.
    pub(crate) preferences: Vec<Override>,
    /// Stronger than everything: flags.
    pub(crate) overrides: Vec<Override>,
}

/// Says where each setting comes from.
#[derive(Debug)]
pub(super) struct Origins(Figment);

impl Origins {
    pub(super) fn of(&self, setting: &str) -> String {
        let found = self.0.find_metadata(setting);
        found.map_or_else(|| "the defaults".to_owned(), |found| found.name.to_string())
    }

    pub(super) fn problem(&self, setting: &str, detail: String) -> Problem {
        let (setting, origin) = (setting.to_owned(), self.of(setting));
        Problem { setting, detail, origin }
    }
}

/// Reads the sources. What does not fit is noted and replaced by its default, so that the rest can
/// be checked as well.
pub(super) fn read(sources: &Sources<'_>) -> Result<(Settings, Origins, Vec<Problem>), Problems> {
    let defaults = Figment::from(Layer::new("the defaults", parse(DEFAULT_TOML, "the defaults")?));
    let mut figment = defaults.clone().merge(flags("the subcommand", &sources.preferences));
    if let Some((name, text)) = file_text(sources.file)? {
        figment = figment.merge(Layer::new(&name, parse(&text, &name)?));
    }
    for variable in environment(sources.environment, &defaults) {
        figment = figment.merge(variable);
    }
    let figment = figment.merge(flags("the command line", &sources.overrides));
    let origins = Origins(figment);
    let (settings, problems) = extract(&origins, &defaults)?;
    Ok((settings, origins, problems))
}

fn file_text(named: Option<&Path>) -> Result<Option<(String, String)>, Problems> {
    let path = named.map_or_else(|| PathBuf::from(FILE_DEFAULT), Path::to_path_buf);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some((path.display().to_string(), text))),
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(whole(&path.display().to_string(), error.to_string())),
    }
}

fn parse(text: &str, name: &str) -> Result<Dict, Problems> {
    Toml::from_str(text).map_err(|error| whole(name, without_excerpt(&error.to_string())))
}

/// The reader's message quotes the line that it is about, in which a secret may stand.
fn without_excerpt(message: &str) -> String {
    let is_excerpt = |line: &&str| !line.contains('|');
    message.lines().filter(is_excerpt).map(str::trim).collect::<Vec<_>>().join(": ")
}

fn whole(origin: &str, detail: String) -> Problems {
    let (setting, origin) = (String::new(), origin.to_owned());
    Problems(vec![Problem { setting, detail, origin }])
}

/// A source with its name.
struct Layer {
    name: String,
    data: Dict,
}

impl Layer {
    fn new(name: &str, data: Dict) -> Self {
        Self { name: name.to_owned(), data }
    }

    fn set(&mut self, setting: &str, value: Value) {
        put(&mut self.data, setting, Some(value));
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        Ok(Profile::Default.collect(self.data.clone()))
    }
}

fn flags(name: &str, overrides: &[Override]) -> Layer {
    let mut layer = Layer::new(name, Dict::new());
    for Override { setting, value } in overrides {
        layer.set(setting, value.clone());
    }
    layer
}

/// A variable of the environment and the setting that it is for.
struct Variable<'a> {
    name: &'a str,
    setting: String,
    text: &'a str,
}

/// Each variable as a source of its own, so that a problem names it; the later the stronger.
fn environment(environment: &Environment, defaults: &Figment) -> Vec<Layer> {
    let long = environment.with_prefix(PREFIX).map(|(name, text)| {
        let setting = name.strip_prefix(PREFIX).unwrap_or(name);
        Variable { name, setting: setting.to_ascii_lowercase().replace("__", "."), text }
    });
    let short = SHORT_NAMES.into_iter().filter_map(|(name, setting)| {
        Some(Variable { name, setting: setting.to_owned(), text: environment.get(name)? })
    });
    let given: Vec<Variable<'_>> = long.chain(short).collect();
    let layer = |variable: &Variable<'_>| {
        let Variable { name, setting, text } = variable;
        let mut layer = Layer::new(&format!("the environment: {name}"), Dict::new());
        layer.set(setting, value(text, defaults.find_value(setting).ok().as_ref()));
        forget_other_form(&mut layer, setting, &given);
        layer
    };
    given.iter().map(layer).collect()
}

/// A secret of the environment, or a file with it, replaces either form of a weaker source.
fn forget_other_form(layer: &mut Layer, setting: &str, given: &[Variable<'_>]) {
    let plain = setting.strip_suffix("_file").unwrap_or(setting);
    let other = if plain == setting { format!("{plain}_file") } else { plain.to_owned() };
    if SECRETS.contains(&plain) && !given.iter().any(|variable| variable.setting == other) {
        layer.set(&other, Value::from(""));
    }
}

/// Reads a variable as what its default is: a text stays a text, though it may look like a number.
fn value(text: &str, default: Option<&Value>) -> Value {
    match default {
        Some(Value::Array(..)) if !text.trim_start().starts_with('[') => {
            let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
            Value::from(entries.map(Value::from).collect::<Vec<_>>())
        }
        Some(Value::Num(..) | Value::Bool(..) | Value::Array(..)) => {
            text.parse().unwrap_or_else(|never: std::convert::Infallible| match never {})
        }
        Some(Value::String(..) | Value::Char(..) | Value::Empty(..) | Value::Dict(..)) | None => {
            Value::from(text)
        }
    }
}

/// serde stops at the first misfit: it is noted, mended, and the reading goes on.
fn extract(origins: &Origins, defaults: &Figment) -> Result<(Settings, Vec<Problem>), Problems> {
    let mut tree: Dict =
        origins.0.extract().map_err(|error| whole("the sources", error.kind.to_string()))?;
    let mut problems = Vec::new();
    while problems.len() < PROBLEMS_MAX {
        let error = match Value::from(tree.clone()).deserialize::<Settings>() {
            Ok(settings) => return Ok((settings, problems)),
            Err(error) => error,
        };
        let setting = setting_of(&error);
        problems.push(origins.problem(&setting, describe(&setting, &error.kind)));
        if setting.is_empty() || !put(&mut tree, &setting, defaults.find_value(&setting).ok()) {
            break;
        }
    }
    Err(Problems(problems))
}

fn setting_of(error: &figment::Error) -> String {
    let mut path = error.path.clone();
    match &error.kind {
        Kind::MissingField(name) => path.push(name.to_string()),
        Kind::UnknownField(..)
        | Kind::Message(_)
        | Kind::InvalidType(..)
        | Kind::InvalidValue(..)
        | Kind::InvalidLength(..)
        | Kind::UnknownVariant(..)
        | Kind::DuplicateField(_)
        | Kind::ISizeOutOfRange(_)
        | Kind::USizeOutOfRange(_)
        | Kind::Unsupported(_)
        | Kind::UnsupportedKey(..) => {}
    }
    // A wrong entry makes its whole list wrong.
    path.retain(|part| part.parse::<usize>().is_err());
    path.join(".")
}

fn describe(setting: &str, kind: &Kind) -> String {
    let is_secret = SECRETS.contains(&setting);
    match kind {
        _ if is_secret => "must be a text".to_owned(),
        Kind::UnknownField(_, []) => "there is no such setting".to_owned(),
        Kind::UnknownField(_, known) => {
            format!("there is no such setting; the settings here are {}", known.join(", "))
        }
        Kind::InvalidType(found, wanted) | Kind::InvalidValue(found, wanted) => {
            format!("must be {}, is {found}", plain(wanted))
        }
        Kind::UnknownVariant(found, known) => {
            format!("must be one of {}, is \"{found}\"", known.join(", "))
        }
        other @ (Kind::Message(_)
        | Kind::InvalidLength(..)
        | Kind::MissingField(_)
        | Kind::DuplicateField(_)
        | Kind::ISizeOutOfRange(_)
        | Kind::USizeOutOfRange(_)
        | Kind::Unsupported(_)
        | Kind::UnsupportedKey(..)) => other.to_string(),
    }
}

/// Rust's names of types in words.
fn plain(wanted: &str) -> &str {
    match wanted {
        "u64" => "a whole number",
        "a boolean" => "true or false",
        "a string" => "a text",
        "a sequence" => "a list",
        other if other.starts_with("struct ") => "a table",
        other => other,
    }
}

/// Sets the value at a dotted path, making tables on the way; `None` removes it. Says whether
/// anything is different now.
fn put(tree: &mut Dict, setting: &str, value: Option<Value>) -> bool {
    match (setting.split_once('.'), value) {
        (Some((table, rest)), value) => {
            let entry = tree.entry(table.to_owned()).or_insert_with(|| Value::from(Dict::new()));
            if !matches!(entry, Value::Dict(..)) {
                *entry = Value::from(Dict::new());
            }
            let Value::Dict(_, inner) = entry else { return false };
            put(inner, rest, value)
        }
        (None, None) => tree.remove(setting).is_some(),
        (None, Some(value)) => tree.insert(setting.to_owned(), value.clone()) != Some(value),
    }
}
