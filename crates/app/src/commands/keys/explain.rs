//! `doorward keys explain`.

use serde_json::Value;

use super::{PATH, find_even_revoked};
use crate::cli::ExplainKey;
use crate::client::Client;
use crate::commands::{Body, increases, now, rows_of, text};
use crate::output::{self, Table};

pub(super) fn explain(client: &Client, wish: &ExplainKey, is_json: bool) -> anyhow::Result<()> {
    let id = find_even_revoked(client, &wish.key.key)?;
    let [version, noun] = PATH;
    let explained = client.post(&[version, noun, &id, "explain"], &body(wish))?;
    if is_json {
        return output::json(&explained);
    }
    output::line(&output::sentence(&verdict(&explained)))?;
    let held = increases::held(&explained, now());
    if !held.is_empty() {
        output::line(&output::sentence(&format!("for a while: {held}.")))?;
    }
    Ok(output::table(&table(&explained))?)
}

fn body(wish: &ExplainKey) -> Value {
    let mut body = Body::default();
    body.set_if("model", wish.model.clone());
    body.set_if("ip", wish.ip.map(|address| address.to_string()));
    body.set_if("scope", wish.scope.clone());
    body.set_if("at", wish.at.map(|at| at.to_string()));
    body.finish()
}

/// The decision on one line: `denied, ip_not_allowed (ip: ip_deny: 10.0.0.0/8)`.
fn verdict(explained: &Value) -> String {
    let (decision, rule) = (text(explained, "decision"), text(explained, "rule"));
    match text(explained, "code").as_str() {
        "" => format!("{decision}: {rule}"),
        code => format!("{decision}, {code} ({rule})"),
    }
}

fn table(explained: &Value) -> Table {
    let mut table = Table::new(&["check", "result", "rule"], "Nothing was checked.");
    for check in rows_of(explained, "checks") {
        let result = match check.get("passed") {
            Some(Value::Bool(true)) => "passed".to_owned(),
            _ => text(check, "code"),
        };
        table.push(&[text(check, "check"), result, text(check, "rule")]);
    }
    table
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;

    #[test]
    fn the_decision_names_its_rule() {
        let fields = |decision: &str, code: Value| {
            let fields: Map<String, Value> = [
                ("decision".to_owned(), json!(decision)),
                ("code".to_owned(), code),
                ("rule".to_owned(), json!("ip: ip_deny: 10.0.0.0/8")),
            ]
            .into_iter()
            .collect();
            verdict(&Value::Object(fields))
        };
        assert_eq!(fields("allowed", Value::Null), "allowed: ip: ip_deny: 10.0.0.0/8");
        let denied = "denied, ip_not_allowed (ip: ip_deny: 10.0.0.0/8)";
        assert_eq!(fields("denied", json!("ip_not_allowed")), denied);
    }
}
