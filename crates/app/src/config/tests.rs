use std::io::Write as _;
use std::path::Path;

use super::*;
use crate::environment::Environment;

fn sources(environment: &Environment) -> Sources<'_> {
    Sources { file: None, environment, preferences: Vec::new(), overrides: Vec::new() }
}

fn load_file(toml: &str, environment: &[(&str, &str)]) -> Result<Config, Problems> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(toml.as_bytes()).unwrap();
    let environment = Environment::of(environment);
    load(&Sources { file: Some(file.path()), ..sources(&environment) })
}

fn problems(toml: &str) -> String {
    let problems = load_file(toml, &[]).unwrap_err();
    let line = |p: &Problem| format!("{}: {}", p.setting, p.detail);
    problems.0.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_manual_names_every_setting_and_is_valid() {
    let config = load_file("", &[]).unwrap();
    assert_eq!(config.server.listen, "127.0.0.1:8440".parse().unwrap());
    assert_eq!(config.server.transport, Transport::Plain);
    assert_eq!(config.server.drain, Duration::from_secs(30));
    assert_eq!(config.gateway.body_bytes_max, 10 * 1024 * 1024);
    assert_eq!(config.gateway.timeouts.total, Duration::from_mins(30));
    assert_eq!(config.keys, KeyCaps::STANDARD);
    assert_eq!(config.log.format, LogFormat::Json);
    let (ours, standard) = (config.server.limits, Limits::STANDARD);
    assert_eq!(format!("{ours:?}"), format!("{standard:?}"));
}

#[test]
fn everything_wrong_is_reported_at_once() {
    let found = problems(
        r#"
        [server]
        listen = "nowhere"
        public_url = "models.example"
        drain_seconds = "soon"
        porty = 1
        trusted_proxies = ["10.0.0.0/8", "abc"]
        tls_cert = "a.pem"
        [server.limits]
        connections_max = 0
        [data]
        time_zone = "Mars/Olympus"
        journal_sync = "never"
        [gateway]
        idle_timeout_seconds = -1
        [log]
        format = "xml"
        level = "a=b=c"
        [extra]
        "#,
    );
    insta::assert_snapshot!(found);
}

#[test]
fn a_broken_file_is_named_without_quoting_it() {
    let found = load_file("[data]\ndatabase_url = \"postgres://u:canary@h/d\nx = 1", &[]);
    let text = found.unwrap_err().to_string();
    assert!(text.contains("line 2") && !text.contains("canary"), "{text}");
}

#[test]
fn a_missing_file_is_a_problem_only_when_it_was_named() {
    let environment = Environment::of(&[]);
    let named = Path::new("/nonexistent/doorward.toml");
    let found = load(&Sources { file: Some(named), ..sources(&environment) }).unwrap_err();
    assert!(found.to_string().contains("/nonexistent/doorward.toml"), "{found}");
    assert!(load(&sources(&environment)).is_ok());
}

#[test]
fn the_environment_is_stronger_than_the_file_and_flags_are_strongest() {
    let toml = "[server]\nlisten = \"127.0.0.1:1\"\ndrain_seconds = 1\n[data]\ndir = \"a\"";
    let environment = [
        ("DOORWARD__SERVER__LISTEN", "127.0.0.1:2"),
        ("DOORWARD__SERVER__DRAIN_SECONDS", "2"),
        ("DOORWARD__SERVER__TRUSTED_PROXIES", "10.0.0.0/8, 127.0.0.1"),
        ("DOORWARD__SERVER__LIMITS__CONNECTIONS_MAX", "5"),
        ("DOORWARD__DATA__DIR", "7"), // a text, though it looks like a number
    ];
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(toml.as_bytes()).unwrap();
    let environment = Environment::of(&environment);
    let overrides = vec![Override::new("server.listen", "127.0.0.1:3")];
    let config =
        load(&Sources { file: Some(file.path()), overrides, ..sources(&environment) }).unwrap();
    assert_eq!(config.server.listen.port(), 3);
    assert_eq!(config.server.drain, Duration::from_secs(2));
    assert_eq!(config.server.trusted_proxies.len(), 2);
    assert_eq!(config.server.limits.connections_max, 5);
    assert_eq!(config.data.dir, Path::new("7"));
}

#[test]
fn a_public_url_is_one_that_can_be_written_in_front_of_a_path() {
    let load = |url: &str| load_file("", &[("DOORWARD__SERVER__PUBLIC_URL", url)]);
    let known = |url: &str| load(url).unwrap().server.public_url;
    assert_eq!(known(""), None);
    for url in ["https://models.example", "https://models.example/", "https://models.example//"] {
        assert_eq!(known(url).as_deref(), Some("https://models.example"), "{url}");
    }
    assert_eq!(known("http://h:1/ai/").as_deref(), Some("http://h:1/ai"));
    for url in ["models.example", "https://h/?a=b", "https://h/#a", "https://u:p@h", "ftp://h"] {
        assert!(load(url).unwrap_err().to_string().contains("server.public_url"), "{url}");
    }
}

#[test]
fn a_problem_names_its_source() {
    let found = load_file("", &[("DOORWARD__SERVER__DRAIN_SECONDS", "x")]).unwrap_err().to_string();
    assert!(found.contains("DOORWARD__SERVER__DRAIN_SECONDS"), "{found}");
    let found = load_file("", &[("DOORWARD_MASTER_KEY", "canary")]).unwrap_err().to_string();
    assert!(found.contains("(from the environment: DOORWARD_MASTER_KEY)"), "{found}");
    assert!(!found.contains("canary"), "{found}");
    let found = load_file("[server]\ndrain_seconds = true", &[]).unwrap_err();
    assert!(found.0[0].origin.starts_with('/'), "{found}");
    let found = load_file("", &[("DOORWARD__SERVER__X__Y", "1")]).unwrap_err().to_string();
    assert!(found.contains("server.x: there is no such setting"), "{found}");
}

#[test]
fn a_misspelt_log_level_is_refused_with_the_variable_that_holds_it() {
    let toml = "[log]\nlevel = \"debug\"";
    let environment = [("DOORWARD__LOG__LEVEL", "warn"), ("RUST_LOG", "error")];
    assert_eq!(load_file(toml, &environment).unwrap().log.level, "error");
    assert_eq!(load_file(toml, &[("RUST_LOG", " ")]).unwrap().log.level, "debug");
    let found = load_file(toml, &[("RUST_LOG", "inof")]).unwrap_err().to_string();
    assert!(found.contains("log.level: `inof` is not one of"), "{found}");
    assert!(found.contains("(from the environment: RUST_LOG)"), "{found}");
}

#[test]
fn how_long_keys_live_and_how_many_a_user_has_is_set_within_bounds() {
    let toml = "[keys]\nauth_token_max_ttl_minutes = 0\nkeys_per_user_max = 500";
    let keys = load_file(toml, &[]).unwrap().keys;
    assert_eq!(keys, KeyCaps { ttl_minutes_max: 0, per_user_max: 500 });
    let found = problems("[keys]\nauth_token_max_ttl_minutes = 52560001\nkeys_per_user_max = 0");
    let expected = "keys.keys_per_user_max: must be from 1 to 10000, is 0\n\
        keys.auth_token_max_ttl_minutes: must be from 0 to 52560000, is 52560001";
    assert_eq!(found, expected);
}

#[test]
fn where_tls_is_on_and_on_which_port() {
    #[rustfmt::skip]
    let cases = [
        // listen            insecure  address            transport
        ("127.0.0.1",        false,    "127.0.0.1:8440",  Transport::Plain),
        ("localhost:1",      false,    "127.0.0.1:1",     Transport::Plain),
        ("[::1]:9000",       false,    "[::1]:9000",      Transport::Plain),
        ("::1",              false,    "[::1]:8440",      Transport::Plain),
        ("0.0.0.0",          false,    "0.0.0.0:8443",    Transport::SelfSigned),
        ("[::]",             false,    "[::]:8443",       Transport::SelfSigned),
        ("192.0.2.1:80",     false,    "192.0.2.1:80",    Transport::SelfSigned),
        ("0.0.0.0",          true,     "0.0.0.0:8440",    Transport::Plain),
    ];
    for (listen, insecure, address, transport) in cases {
        let toml = format!("[server]\nlisten = \"{listen}\"\ninsecure_http = {insecure}");
        let server = load_file(&toml, &[]).unwrap().server;
        assert_eq!((server.listen, server.transport), (address.parse().unwrap(), transport));
    }
}

#[test]
fn a_given_certificate_means_tls_on_every_address() {
    let toml = "[server]\nlisten = \"127.0.0.1\"\ntls_cert = \"c\"\ntls_key = \"k\"";
    let server = load_file(toml, &[]).unwrap().server;
    assert_eq!(server.listen.port(), 8443);
    assert_eq!(server.transport, Transport::Tls { cert: "c".into(), key: "k".into() });
}

#[test]
fn secrets_are_read_from_files_and_never_printed() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"postgres://u:canary@h/d\n").unwrap();
    let path = file.path().to_str().unwrap();
    let config = load_file(&format!("[data]\ndatabase_url_file = \"{path}\""), &[]).unwrap();
    assert!(config.data.database_url.is_some());
    assert!(!format!("{config:?}").contains("canary"));

    let both =
        format!("[data]\ndatabase_url = \"postgres://canary\"\ndatabase_url_file = \"{path}\"");
    let text = problems(&both);
    assert!(text.contains("data.database_url_file: cannot be set beside"), "{text}");
    for wrong in ["database_url = \"mysql://canary\"", "database_url = [\"canary\"]"] {
        let text = problems(&format!("[data]\n{wrong}"));
        assert!(text.contains("data.database_url: must be"), "{text}");
        assert!(!text.contains("canary"), "{text}");
    }
}

#[test]
fn a_secret_of_the_environment_replaces_the_file_of_a_weaker_source() {
    let toml = "[data]\ndatabase_url_file = \"/nonexistent\"";
    let environment = [("DOORWARD__DATA__DATABASE_URL", "postgres://h/d")];
    assert!(load_file(toml, &environment).unwrap().data.database_url.is_some());
}

#[test]
fn a_mail_server_is_reached_under_tls_unless_it_is_on_this_machine() {
    use doorward_control::notices::MailTls;
    #[rustfmt::skip]
    let cases = [
        // settings                                         port
        ("host = \"mail.example.com\"",                     Some((587, MailTls::StartTls))),
        ("host = \"mail.example.com\"\ntls = \"tls\"",      Some((465, MailTls::Tls))),
        ("host = \"mail.example.com\"\nport = 2525",        Some((2_525, MailTls::StartTls))),
        ("host = \"127.0.0.1\"\ntls = \"none\"",            Some((25, MailTls::None))),
        ("host = \"localhost\"\ntls = \"none\"",            Some((25, MailTls::None))),
        ("host = \"10.0.0.1\"\ntls = \"none\"\ninsecure = true", Some((25, MailTls::None))),
        ("",                                                None),
    ];
    for (settings, expected) in cases {
        let mail = load_file(&format!("[mail]\n{settings}"), &[]).unwrap().notices.mail;
        assert_eq!(mail.map(|mail| (mail.port, mail.tls)), expected, "{settings}");
    }
}

#[test]
fn what_is_wrong_with_the_mail_server_is_named_and_its_password_is_not() {
    #[rustfmt::skip]
    let cases = [
        ("host = \"10.0.0.1\"\ntls = \"none\"",                "mail.tls"),
        ("host = \"mail.example.com:587\"",                    "mail.host"),
        ("host = \"m.example\"\nport = 65536",                 "mail.port"),
        ("host = \"m.example\"\ntls = \"ssl\"",                "mail.tls"),
        ("host = \"m.example\"\nuser = \"u\"",                 "mail.password"),
        ("host = \"m.example\"\npassword = \"canary\"",        "mail.user"),
        ("user = \"u\"\npassword = \"canary\"",                "mail.host"),
        ("host = \"m.example\"\npassword = [\"canary\"]",      "mail.password"),
        ("host = \"m.example\"\nca = \"/nonexistent\"",        "mail.ca"),
    ];
    for (settings, setting) in cases {
        let found = problems(&format!("[mail]\n{settings}"));
        assert!(found.starts_with(&format!("{setting}: ")), "{settings}: {found}");
        assert!(!found.contains("canary"), "{found}");
    }
    let toml = "[mail]\nhost = \"m.example\"\nuser = \"u\"\npassword = \"canary\"";
    let config = load_file(toml, &[]).unwrap();
    assert!(config.notices.mail.as_ref().is_some_and(|mail| mail.login.is_some()));
    assert!(!format!("{config:?}").contains("canary"));
    let found = problems("[webhooks]\nca = \"/nonexistent\"");
    assert!(found.starts_with("webhooks.ca: "), "{found}");
}
