//! Looks for models: providers whose key is in the environment, and model servers on this machine.

use std::net::IpAddr;
use std::thread;
use std::time::Duration;

use anyhow::{anyhow, bail};
use doorward_control::model_list::{self, Asked};
use doorward_domain::catalog::ProviderKind;
use secrecy::SecretString;
use url::Host;

use crate::environment::Environment;
use crate::{base_url, client};

/// A model server on this machine answers at once, or is none.
const LOCAL_TIMEOUT: Duration = Duration::from_millis(500);
/// For what the operator named, or has a key for.
const NAMED_TIMEOUT: Duration = Duration::from_secs(5);
/// Models of one provider that are linked.
pub(super) const MODELS_MAX: usize = 200;

/// Variables that hold a provider's key, in the order in which they are looked for.
const VARIABLES: [(&str, ProviderKind); 3] = [
    ("OPENAI_API_KEY", ProviderKind::OpenAi),
    ("ANTHROPIC_API_KEY", ProviderKind::Anthropic),
    ("GEMINI_API_KEY", ProviderKind::Google),
];
/// Ports of model servers as they come, and the servers' names.
const PORTS: [(u16, &str); 4] =
    [(11434, "ollama"), (8000, "vllm"), (8080, "llama.cpp"), (1234, "lm-studio")];

/// Somewhere to look.
#[derive(Debug)]
pub(super) struct Candidate {
    /// The provider's name, if it becomes one.
    pub(super) name: String,
    pub(super) kind: ProviderKind,
    pub(super) base_url: String,
    pub(super) origin: Origin,
    /// Whether it is on this machine, so that its models cost nothing.
    pub(super) is_local: bool,
}

/// Why we look there.
#[derive(Debug)]
pub(super) enum Origin {
    /// Its key is in this environment variable.
    Variable(&'static str, SecretString),
    /// Model servers are often there.
    Port,
    /// The operator named it.
    Named,
}

/// What was there.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) candidate: Candidate,
    /// Names of models, or why there are none.
    pub(super) models: Result<Vec<String>, String>,
}

/// Everywhere to look, in the order in which models are linked.
pub(super) fn candidates(
    environment: &Environment,
    upstreams: &[String],
) -> anyhow::Result<Vec<Candidate>> {
    let mut all: Vec<Candidate> = VARIABLES
        .into_iter()
        .filter_map(|(variable, kind)| of_variable(environment, variable, kind))
        .chain(PORTS.map(|(port, name)| of_port(port, name)))
        .collect();
    for text in upstreams {
        let named = of_url(text)?;
        match all.iter_mut().find(|known| known.base_url == named.base_url) {
            Some(known) => known.origin = Origin::Named,
            None => all.push(named),
        }
    }
    Ok(all)
}

fn of_variable(
    environment: &Environment,
    variable: &'static str,
    kind: ProviderKind,
) -> Option<Candidate> {
    let key = environment.get(variable)?.trim();
    Some(Candidate {
        name: kind.as_str().to_owned(),
        kind,
        base_url: kind.default_base_url()?.to_owned(),
        origin: Origin::Variable(variable, SecretString::from(key)),
        is_local: false,
    })
}

fn of_port(port: u16, name: &str) -> Candidate {
    Candidate {
        name: name.to_owned(),
        kind: ProviderKind::OpenAiCompatible,
        base_url: format!("http://127.0.0.1:{port}/v1"),
        origin: Origin::Port,
        is_local: true,
    }
}

/// Reads `--upstream`: without a path, `/v1` is meant.
fn of_url(text: &str) -> anyhow::Result<Candidate> {
    let url = base_url::parse(text).map_err(|misfit| anyhow!("--upstream {misfit}"))?;
    let host = url.host().ok_or_else(|| anyhow!("--upstream {text}: must name a host"))?;
    if !url.username().is_empty() || url.password().is_some() {
        bail!("--upstream: a URL must not hold a name or password");
    }
    if url.query().is_some() || url.fragment().is_some() {
        bail!("--upstream {text}: a base URL has no `?` or `#`");
    }
    let path = match url.path().trim_end_matches('/') {
        "" => "/v1",
        path => path,
    };
    let port = url.port_or_known_default().unwrap_or_default();
    Ok(Candidate {
        name: format!("{host}:{port}"),
        kind: ProviderKind::OpenAiCompatible,
        base_url: format!("{}{path}", url.origin().ascii_serialization()),
        origin: Origin::Named,
        is_local: is_loopback(&host),
    })
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => name.trim_end_matches('.').eq_ignore_ascii_case("localhost"),
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => IpAddr::V6(*ip).to_canonical().is_loopback(),
    }
}

/// Asks all candidates at once. Ports where nothing answers are left out.
pub(super) fn probe_all(candidates: Vec<Candidate>) -> anyhow::Result<Vec<Found>> {
    let local = client::agent(None, LOCAL_TIMEOUT)?;
    let named = client::agent(None, NAMED_TIMEOUT)?;
    let agent = |candidate: &Candidate| match candidate.origin {
        Origin::Port => local.clone(),
        Origin::Named | Origin::Variable(..) => named.clone(),
    };
    let found: Vec<Found> = thread::scope(|scope| {
        let probes: Vec<_> = candidates
            .into_iter()
            .map(|candidate| {
                let agent = agent(&candidate);
                scope.spawn(move || {
                    let models = list_models(&agent, &candidate);
                    Found { candidate, models }
                })
            })
            .collect();
        // A probe that panicked found nothing.
        probes.into_iter().filter_map(|probe| probe.join().ok()).collect()
    });
    let is_there = |found: &Found| match found.candidate.origin {
        Origin::Port => found.models.is_ok(),
        Origin::Named | Origin::Variable(..) => true,
    };
    Ok(found.into_iter().filter(is_there).collect())
}

fn list_models(agent: &ureq::Agent, candidate: &Candidate) -> Result<Vec<String>, String> {
    let key = match &candidate.origin {
        Origin::Variable(_, key) => Some(key),
        Origin::Port | Origin::Named => None,
    };
    let asked = Asked { kind: candidate.kind, base_url: &candidate.base_url, key };
    let mut names = model_list::list_models(agent, &asked).map_err(|none| none.to_string())?;
    names.truncate(MODELS_MAX);
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn where_models_are_looked_for_and_in_which_order() {
        let environment = Environment::of(&[("GEMINI_API_KEY", "g"), ("OPENAI_API_KEY", "o")]);
        let upstreams = ["http://127.0.0.1:8000", "https://models.example/api/"].map(str::to_owned);
        let all = candidates(&environment, &upstreams).unwrap();
        let names: Vec<_> = all.iter().map(|c| (&*c.name, &*c.base_url, c.is_local)).collect();
        #[rustfmt::skip]
        assert_eq!(names, [
            ("openai",             "https://api.openai.com/v1",      false),
            ("google",             "https://generativelanguage.googleapis.com/v1beta", false),
            ("ollama",             "http://127.0.0.1:11434/v1",      true),
            ("vllm",               "http://127.0.0.1:8000/v1",       true),
            ("llama.cpp",          "http://127.0.0.1:8080/v1",       true),
            ("lm-studio",          "http://127.0.0.1:1234/v1",       true),
            ("models.example:443", "https://models.example/api",     false),
        ]);
    }

    #[test]
    fn a_blank_variable_is_no_key() {
        let environment = Environment::of(&[("GEMINI_API_KEY", ""), ("OPENAI_API_KEY", " ")]);
        let all = candidates(&environment, &[]).unwrap();
        assert!(all.iter().all(|c| matches!(c.origin, Origin::Port)), "{all:?}");
    }

    #[test]
    fn what_is_no_base_url_is_refused_and_a_secret_in_it_not_repeated() {
        for text in ["", "localhost:1", "ftp://h", "http://u:canary@h", "http://h/?x=1"] {
            let error = candidates(&Environment::of(&[]), &[text.to_owned()]).unwrap_err();
            assert!(!error.to_string().contains("canary"), "{error}");
        }
    }

    #[test]
    fn only_this_machine_is_free() {
        #[rustfmt::skip]
        let cases = [
            ("http://localhost:1",          true),
            ("http://127.1:1",              true),
            ("http://[::1]:1",              true),
            ("http://[::ffff:127.0.0.1]:1", true),
            ("http://localhost.example:1",  false),
            ("http://192.168.0.1:1",        false),
        ];
        for (url, is_local) in cases {
            assert_eq!(of_url(url).unwrap().is_local, is_local, "{url}");
        }
    }

    /// Answers one request, and hands back what was asked.
    fn answer_once(status: &str, body: &str) -> (Candidate, thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answer = format!(
            "HTTP/1.1 {status}\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        let asked = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut asked, mut piece) = (Vec::new(), [0; 1024]);
            while !asked.ends_with(b"\r\n\r\n") {
                let read = stream.read(&mut piece).unwrap();
                asked.extend_from_slice(&piece[..read]);
            }
            // The client may have seen enough before the end.
            let _is_sent = stream.write_all(answer.as_bytes()).is_ok();
            String::from_utf8(asked).unwrap()
        });
        (of_url(&url).unwrap(), asked)
    }

    #[test]
    fn what_servers_answer() {
        let long = format!("{{\"data\":[],\"x\":\"{}\"}}", "x".repeat(2 << 20));
        #[rustfmt::skip]
        let cases = [
            ("200 OK",        r#"{"data":[{"id":"a"},{"id":"a"},{"id":"models/b"}]}"#, Ok(vec!["a", "b"])),
            ("200 OK",        r#"{"data":[]}"#,      Ok(vec![])),
            ("200 OK",        r#"{"models":[{"name":"models/g"}]}"#,                    Ok(vec!["g"])),
            ("200 OK",        r#"{"models":[{"name":"a"}],"data":[{"id":"b","name":"B"}]}"#, Ok(vec!["b"])),
            ("200 OK",        "{}",                  Err("its answer is no list of models")),
            ("200 OK",        "<html>",              Err("its answer is no list of models")),
            ("200 OK",        &long,                 Err("its answer is too long")),
            ("401 Nope",      "{}",                  Err("it answers 401 Unauthorized")),
            ("302 Found",     "{}",                  Err("it answers 302 Found")),
        ];
        for (status, body, expected) in cases {
            let (candidate, asked) = answer_once(status, body);
            let found = probe_all(vec![candidate]).unwrap().remove(0);
            let expected = expected.map(|names| names.into_iter().map(str::to_owned).collect());
            assert_eq!(found.models, expected.map_err(str::to_owned), "{status}");
            assert!(asked.join().unwrap().starts_with("GET /v1/models HTTP/1.1\r\n"));
        }
    }

    #[test]
    fn a_port_where_nothing_answers_is_left_out_and_a_named_one_is_not() {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let named = of_url(&format!("http://127.0.0.1:{closed}")).unwrap();
        let found = probe_all(vec![of_port(closed, "x"), named]).unwrap();
        assert_eq!(found.len(), 1);
        assert!(found[0].models.as_ref().unwrap_err().contains("cannot be reached"));
    }
}
