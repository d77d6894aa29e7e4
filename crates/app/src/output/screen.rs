//! The screen of `quickstart`: what was found, where everything lives, and the one line to paste.

use std::fmt::Write as _;

use doorward_sealed::key_file::{shell_quoted, shell_word};
use secrecy::{ExposeSecret as _, SecretString};

use super::words::cell;
use crate::admin_key::AdminKeyState;
use crate::welcome::Entrance;

/// Names of models that are spelled out for one provider.
const NAMES_SHOWN: usize = 4;
/// Where the command line looks by itself.
const DATA_DEFAULT: &str = "./doorward-data";
/// Columns of the headings at the left.
const HEADING: usize = 12;

/// Everything that the screen tells.
#[derive(Debug)]
pub(crate) struct Screen {
    /// How the program was called.
    pub(crate) program: String,
    /// `http://127.0.0.1:8440`.
    pub(crate) endpoint: String,
    /// The data directory.
    pub(crate) data: String,
    /// The file that clients must trust, where we serve TLS under a certificate of our own.
    pub(crate) ca: Option<String>,
    /// Where the portal is entered.
    pub(crate) entrance: Entrance,
    pub(crate) key: KeyShown,
    /// Where the administrator's key is, and what became of it.
    pub(crate) admin_key: (String, AdminKeyState),
    pub(crate) linked: Vec<Linked>,
    pub(crate) unlinked: Vec<Unlinked>,
    /// The model that the line to paste calls.
    pub(crate) model: String,
}

/// The key to call models with.
#[derive(Debug)]
pub(crate) enum KeyShown {
    /// Made now: the one time that it is seen.
    New {
        /// The whole key.
        key: SecretString,
    },
    /// There is one, and it was shown when it was made.
    Known {
        /// What lists show of it.
        fingerprint: String,
    },
}

/// A provider that was found, and its models that can be called.
#[derive(Debug)]
pub(crate) struct Linked {
    /// `ollama`.
    pub(crate) provider: String,
    /// Where it was found.
    pub(crate) origin: String,
    /// Public names.
    pub(crate) models: Vec<String>,
    /// Whether they cost nothing.
    pub(crate) is_free: bool,
}

/// Something that was found and cannot be called, and what to do about it.
#[derive(Debug)]
pub(crate) struct Unlinked {
    /// Why.
    pub(crate) what: String,
    /// The command that changes it, without the program's name.
    pub(crate) command: Option<String>,
}

impl Screen {
    /// The screen as text; `has_style` for a terminal.
    pub(crate) fn render(&self, has_style: bool) -> String {
        let bold =
            |text: &str| if has_style { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text.into() };
        let mut out = String::new();
        // Writing to a text cannot fail.
        let _is_written = self.write(&mut out, &bold).is_ok();
        out
    }

    fn write(&self, out: &mut String, bold: &dyn Fn(&str) -> String) -> std::fmt::Result {
        writeln!(out, "\n  {}\n", bold(&format!("Doorward is ready at {}", self.endpoint)))?;
        block(out, "Portal", &self.portal_lines())?;
        block(
            out,
            "Endpoint",
            &[format!("{}/v1 (the base URL for client libraries)", self.endpoint)],
        )?;
        block(out, "Models", &self.model_lines())?;
        for unlinked in &self.unlinked {
            let what = [cell(&unlinked.what)].into_iter();
            let command =
                unlinked.command.as_deref().map(|c| format!("  {}", cell(&self.command(c))));
            let lines: Vec<_> = what.chain(command).collect();
            block(out, "Not linked", &lines)?;
        }
        block(out, "API key", &self.key_lines())?;
        let (path, state) = &self.admin_key;
        block(out, "Admin key", &[format!("{path} ({})", admin_words(*state))])?;
        block(
            out,
            "Data",
            &[format!("{} (all there is; `doorward backup FILE` saves it)", self.data)],
        )?;
        writeln!(out, "\n  {}\n\n{}\n", bold("Try it"), self.curl())?;
        writeln!(out, "  {}\n", bold("Next"))?;
        let commands = NEXT.map(|(command, what)| (self.command(command), what));
        let width = commands.iter().map(|(command, _)| command.len()).max().unwrap_or(0);
        for (command, what) in commands {
            writeln!(out, "  {command:<width$}  {what}")?;
        }
        write!(out, "\n  Ctrl-C stops the server.\n")
    }

    /// A command as it is typed here and finds this server.
    fn command(&self, command: &str) -> String {
        command_on(&self.program, command, &self.data)
    }

    fn portal_lines(&self) -> Vec<String> {
        let url = self.entrance.url().to_owned();
        let what = match self.entrance {
            Entrance::Link(_) => "Open this link once, to choose how you sign in.",
            Entrance::WithKey(_) => "It asks for the key of the administrator.",
            Entrance::SignIn(_) => return vec![url],
        };
        vec![url, what.to_owned()]
    }

    fn model_lines(&self) -> Vec<String> {
        let width = self.linked.iter().map(|l| l.provider.chars().count()).max().unwrap_or(0);
        let line = |linked: &Linked| {
            let cost = if linked.is_free { ", free" } else { "" };
            let Linked { provider, origin, .. } = linked;
            format!("{:<width$}  {} ({origin}{cost})", cell(provider), names(&linked.models))
        };
        self.linked.iter().map(line).collect()
    }

    fn key_lines(&self) -> Vec<String> {
        match &self.key {
            KeyShown::New { key } => {
                vec![key.expose_secret().to_owned(), "Shown this once: copy it now.".to_owned()]
            }
            KeyShown::Known { fingerprint } => vec![
                format!("{fingerprint}, made by an earlier run. A key is shown only once;"),
                format!("for another one, while this server runs: {}", self.command(NEW_KEY)),
                format!("or, once it has stopped: {}", self.command("quickstart --new-key")),
            ],
        }
    }

    /// One line that works when it is pasted.
    fn curl(&self) -> String {
        let body = format!(
            r#"{{"model":{},"messages":[{{"role":"user","content":"Say hello."}}]}}"#,
            serde_json::Value::from(self.model.as_str())
        );
        let key = match &self.key {
            KeyShown::New { key } => key.expose_secret(),
            KeyShown::Known { .. } => "YOUR-API-KEY",
        };
        let ca = self.ca.as_ref().map(|path| format!(" --cacert {}", shell_quoted(path)));
        format!(
            "curl{} {}/v1/chat/completions -H {} -H 'content-type: application/json' -d {}",
            ca.unwrap_or_default(),
            self.endpoint,
            shell_quoted(&format!("authorization: Bearer {key}")),
            shell_quoted(&body),
        )
    }
}

/// Makes a key on a server that runs.
const NEW_KEY: &str = "keys create NAME";

/// What to do about a server that runs already.
pub(crate) fn key_beside(program: &str, data: &str, endpoint: &str) -> String {
    let command = command_on(program, NEW_KEY, data);
    format!("it answers at {endpoint}, and `{command}` makes a key on it")
}

/// A command as it is typed to find the server on this data directory.
fn command_on(program: &str, command: &str, data: &str) -> String {
    match data {
        DATA_DEFAULT => format!("{program} {command}"),
        other => format!("{program} {command} --data {}", shell_word(other)),
    }
}

const NEXT: [(&str, &str); 3] = [
    ("keys create my-app --budget 5/month", "a key of its own for each app"),
    ("usage --group-by model", "what calls consumed and cost"),
    ("models list", "everything that can be called"),
];

const fn admin_words(state: AdminKeyState) -> &'static str {
    match state {
        AdminKeyState::Kept | AdminKeyState::Made => "the command line finds it there",
        AdminKeyState::Renewed => "new, as little was left of the life of the old one",
        AdminKeyState::Replaced => {
            "the stored one was gone or no longer worked: a new one was made"
        }
    }
}

fn block(out: &mut String, heading: &str, lines: &[String]) -> std::fmt::Result {
    for (index, line) in lines.iter().enumerate() {
        let heading = if index == 0 { heading } else { "" };
        writeln!(out, "  {heading:<HEADING$}{line}")?;
    }
    Ok(())
}

/// The first names, and how many more there are.
fn names(models: &[String]) -> String {
    let shown: Vec<String> = models.iter().take(NAMES_SHOWN).map(|name| cell(name)).collect();
    match models.len() {
        0 => "no model yet".to_owned(),
        all if all > NAMES_SHOWN => format!("{} and {} more", shown.join(", "), all - NAMES_SHOWN),
        _ => shown.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(key: KeyShown) -> Screen {
        let many = (1..=9).map(|n| format!("gpt-{n}")).collect();
        Screen {
            program: "doorward".into(),
            endpoint: "http://127.0.0.1:8440".into(),
            data: "./doorward-data".into(),
            ca: None,
            entrance: Entrance::Link("http://127.0.0.1:8440/welcome?token=dwl_TOKEN".into()),
            key,
            admin_key: ("./doorward-data/admin.key".into(), AdminKeyState::Made),
            linked: vec![
                Linked {
                    provider: "openai".into(),
                    origin: "OPENAI_API_KEY, its value is in the vault now".into(),
                    models: many,
                    is_free: false,
                },
                Linked {
                    provider: "llama.cpp".into(),
                    origin: "http://127.0.0.1:8080/v1".into(),
                    models: vec!["it's\u{1b}[2J".into()],
                    is_free: true,
                },
            ],
            unlinked: vec![Unlinked {
                what: "2 models of openai have no price: whisper-1, sora-2".into(),
                command: Some("models create whisper-1 --provider openai".into()),
            }],
            model: "it's <b>\"x\"".into(),
        }
    }

    #[test]
    fn the_first_screen() {
        let screen = sample(KeyShown::New { key: "dw_0123456789abcdef_SECRET".into() });
        insta::assert_snapshot!(screen.render(false));
    }

    #[test]
    fn the_second_screen_shows_no_key_and_offers_another() {
        let known = KeyShown::Known { fingerprint: "dw_0123456789abcdef…wxyz".into() };
        let mut screen = sample(known);
        screen.ca = Some("./doorward-data/tls.pem".into());
        screen.data = "/var/lib/door ward".into();
        screen.endpoint = "https://127.0.0.1:8443".into();
        screen.entrance = Entrance::SignIn("https://127.0.0.1:8443".into());
        screen.admin_key.1 = AdminKeyState::Replaced;
        insta::assert_snapshot!(screen.render(false));
    }

    #[test]
    fn the_line_to_paste_means_to_a_shell_what_it_says() {
        let curl = sample(KeyShown::New { key: "dw_k".into() }).curl();
        assert_eq!(curl.lines().count(), 1);
        let script = curl.replacen("curl", "printf '%s\\n'", 1);
        let shell = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        let words = String::from_utf8(shell.stdout).unwrap();
        let body: serde_json::Value = serde_json::from_str(words.lines().last().unwrap()).unwrap();
        assert_eq!(body["model"], "it's <b>\"x\"");
        assert!(words.contains("authorization: Bearer dw_k\n"), "{words}");
    }
}
