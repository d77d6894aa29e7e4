use super::*;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split_whitespace())
}

#[test]
fn the_definition_is_consistent() {
    use clap::CommandFactory as _;
    Cli::command().debug_assert();
}

#[test]
fn what_can_be_typed() {
    #[rustfmt::skip]
    let cases = [
        ("doorward quickstart --data d --listen 127.0.0.1:0 --upstream http://a --upstream http://b --new-key --json", true),
        ("doorward serve --config f --insecure-http",                true),
        ("doorward keys create ci --expires-in-days 30 --rpm 5",     true),
        ("doorward keys create ci --budget 12.50/month",             true),
        ("doorward keys list --json --url http://h",                 true),
        ("doorward keys --json list",                                true),
        ("doorward models create m --provider p --free",             true),
        ("doorward tokens create --scope inference:write,inference:read --model gpt-* --resource https://a --ttl 10m", true),
        ("doorward tokens create",                                   true),
        ("doorward tokens create --ttl 0",                           false),
        ("doorward tokens create --ttl soon",                        false),
        ("doorward tokens revoke --value-env TOKEN",                 true),
        ("doorward tokens introspect --value-file f --json",         true),
        ("doorward tokens revoke eyJ.eyJ.x",                         false), // never as an argument
        ("doorward usage --group-by key,model,day --from 2026-11-01", true),
        ("doorward usage --group-by user,service-account,project,provider,hour --csv", true),
        ("doorward usage --group-by service_account --jsonl --to 2026-11-01", true),
        ("doorward usage --key ci --user a --service-account b --project c --model m --provider p", true),
        ("doorward usage --group-by colour",                         false),
        ("doorward usage --csv --json",                              false),
        ("doorward usage --csv --jsonl",                             false),
        ("doorward settings set keys-per-user-max 30",               true),
        ("doorward settings set keys-per-user-max -1 --json",        true), // the server says why not
        ("doorward settings reset keys-per-user-max",                true),
        ("doorward settings set",                                    false),
        ("doorward settings reset",                                  false),
        ("doorward audit list --actor system --action key. --limit 5 --json", true),
        ("doorward webhooks create ops --to https://hooks.example/a", true),
        ("doorward webhooks create ops --url https://hooks.example/a", false), // the server's own flag
        ("doorward webhooks edit ops --rename alerts --to https://b.example/", true),
        ("doorward webhooks rotate ops",                             true),
        ("doorward webhooks test ops --json",                        true),
        ("doorward notices list --state dead --kind api_key.expiring --about dw_x", true),
        ("doorward notices list --state lost",                       false),
        ("doorward notices retry ntc_1",                             true),
        ("doorward increases ask --rpm 100 --reason launch",         true),
        ("doorward increases ask ci --budget 20/day --reason launch --json", true),
        ("doorward increases ask ci --rpm 100",                      false), // why?
        ("doorward increases list --state open --key ci",            true),
        ("doorward increases list --state lost",                     false),
        ("doorward increases grant inc_1 --ends-in-days 7 --note ok", true),
        ("doorward increases grant inc_1 --rpm 50 --ends-at 2026-12-31T00:00:00Z", true),
        ("doorward increases grant inc_1 --ends-in-days 7 --ends-at 2026-12-31T00:00:00Z", false),
        ("doorward increases decline inc_1 --note no",               true),
        ("doorward increases withdraw inc_1",                        true),
        ("doorward audit verify",                                    true),
        ("doorward audit export --out f --from 2026-11-01",          true),
        ("doorward audit list --limit 0",                            false),
        ("doorward config check --config f",                         true),
        ("doorward completions zsh",                                 true),
        ("doorward",                                                 false),
        ("doorward keys create",                                     false),
        ("doorward keys create ci --expires-in-days 1 --never-expires", false),
        ("doorward keys create ci --budget much",                    false),
        ("doorward keys create ci --budget 1/year",                  false),
        ("doorward keys create ci --rpm 0",                          false),
        ("doorward models create m",                                 false),
        ("doorward models create m --provider p --free --price-input 1 --price-output 1", false),
        ("doorward models create m --provider p --price-input 1",    false),
        ("doorward provider-keys create k sk-123",                   false), // never as an argument
        ("doorward provider-keys create k --value-file f --value-env V", false),
        ("doorward nonsense",                                        false),
    ];
    check(&cases);
}

#[test]
fn what_can_be_typed_about_what_keys_share() {
    #[rustfmt::skip]
    let cases = [
        ("doorward users increase ada --rpm 100 --ends-in-days 7",   true),
        ("doorward users increase --rpm 100 --ends-in-days 7",       false), // whose?
        ("doorward projects increase web --budget 20/day --ends-at 2026-12-31T00:00:00Z --note ok --json", true),
        ("doorward organization increase --tpm 5 --ends-in-days 1",  true),
        ("doorward users end-increase ada",                          true),
        ("doorward projects end-increase web",                       true),
        ("doorward organization end-increase",                       true),
    ];
    check(&cases);
}

#[test]
fn what_can_be_typed_about_people() {
    #[rustfmt::skip]
    let cases = [
        ("doorward users create ada --email ada@example.com --role admin", true),
        ("doorward users edit ada --no-email --role viewer",         true),
        ("doorward users disable ada --json",                        true),
        ("doorward users create ada --email ada@example.com --invite", true),
        ("doorward users create ada --invite",                       false), // with what to sign in?
        ("doorward users invite ada --email ada@example.com --json", true),
        ("doorward users reset-password ada",                        true),
        ("doorward users end-sessions ada",                          true),
        ("doorward sign-in ada@example.com --link --url http://h",   true),
        ("doorward sign-in ada@example.com secret",                  false), // never as an argument
        ("doorward sign-out",                                        true),
        ("doorward sessions list",                                   true),
        ("doorward sessions end ses_1",                              true),
        ("doorward sessions end --others",                           true),
        ("doorward sessions end",                                    false),
        ("doorward sessions end ses_1 --others",                     false),
        ("doorward service-accounts create bot --project web --description d", true),
        ("doorward service-accounts remove bot",                     true),
        ("doorward projects members set web ada --role admin",       true),
        ("doorward projects members list web",                       true),
        ("doorward users create ada --role root",                    false),
        ("doorward users edit ada --email a@b.example --no-email",   false),
        ("doorward users delete ada",                                false),
        ("doorward projects disable web",                            false),
        ("doorward projects members set web ada --role owner",       false),
        ("doorward projects members remove web",                     false),
    ];
    check(&cases);
}

#[test]
fn what_can_be_typed_about_files() {
    #[rustfmt::skip]
    let cases = [
        ("doorward backup b --force --passphrase-file p --url http://h --json", true),
        ("doorward backup",                                          false),
        ("doorward backup b --passphrase p",                         false), // never as an argument
        ("doorward restore b --data d --revocations-from l --revocations-from d --json", true),
        ("doorward restore b --config c",                            true),
        ("doorward restore b --url http://h",                        false),
        ("doorward keys create ci --save ci.pak --format pak --force", true),
        ("doorward keys create ci --format pak",                     false),
        ("doorward keys create ci --save ci.pak --format zip",       false),
        ("doorward keys rotate ci --save ci.env --overlap 0",        true),
        ("doorward keys open ci.pak --passphrase-file p",            true),
        ("doorward keys open",                                       false),
    ];
    check(&cases);
}

fn check(cases: &[(&str, bool)]) {
    for (line, is_valid) in cases {
        assert_eq!(parse(line).is_ok(), *is_valid, "{line}");
    }
}

#[test]
fn a_value_that_makes_no_sense_is_refused_in_plain_words() {
    #[rustfmt::skip]
    let cases = [
        ("keys create k --rpm 0",                  "must be a whole number from 1 on"),
        ("keys create k --rpm abc",                "must be a whole number from 1 on"),
        ("keys create k --rpm 99999999999",        "this one is too large"),
        ("keys create k --concurrency=-1",         "must be a whole number from 1 on"),
        ("keys create k --expires-in-days soon",   "must be a whole number from 0 on"),
        ("keys create k --expires-at tomorrow",    "must be a time such as 2026-12-31T00:00:00Z"),
        ("keys list --expires-before 2026",        "must be a time such as 2026-12-31T00:00:00Z"),
        ("keys create k --budget 9xtokens",        "a budget is like 12.50"),
        ("models create m --provider p --weight 0",          "must be a whole number from 1 on"),
        ("models create m --provider p --priority x",        "must be a whole number from 0 on"),
        ("models create m --provider p --output-tokens-max 0", "must be a whole number from 1 on"),
        ("models create m --provider p --price search=1", "must be KIND=USD such as web_searches_1k=10"),
        ("models create m --provider p --price image", "must be an amount of dollars such as 0.15"),
        ("models create m --provider p --price-input cheap --price-output 1", "must be an amount of dollars such as 0.15"),
    ];
    for (line, expected) in cases {
        let refused = parse(&format!("doorward {line}")).unwrap_err().to_string();
        let first = refused.lines().next().unwrap_or_default();
        assert!(first.contains(expected), "{line}: {refused}");
    }
}

#[test]
fn a_budget_is_money_or_tokens_in_a_period() {
    #[rustfmt::skip]
    let cases = [
        ("12.50",              r#"{"period":"total","usd":"12.50"}"#),
        ("$5/day",             r#"{"period":"day","usd":"5"}"#),
        ("1000000tokens/week", r#"{"period":"week","tokens":1000000}"#),
    ];
    for (text, expected) in cases {
        let budget: BudgetArg = text.parse().unwrap();
        assert_eq!(budget.as_json().to_string(), expected);
    }
}
