//! `doorward notices …`.

use serde_json::{Value, json};

use super::catalog::Asked;
use super::{confirm, now, print_list, rows, text, when};
use crate::cli::{ListNotices, NoticesCommand, Remotely};
use crate::environment::Environment;
use crate::output::Table;

const PATH: [&str; 2] = ["v1", "notices"];

pub(crate) fn run(
    args: &Remotely<NoticesCommand>,
    environment: &Environment,
) -> anyhow::Result<()> {
    let asked = Asked::new(&args.remote, environment)?;
    match &args.command {
        NoticesCommand::List(wish) => {
            let list = asked.client.list(&PATH, &query(wish))?;
            print_list(asked.is_json, &list, || Ok(table(&list)))
        }
        NoticesCommand::Retry { id } => {
            let [version, noun] = PATH;
            let answer = asked.client.post(&[version, noun, id, "retry"], &json!({}))?;
            let said = format!("{id} goes out again, to {}.", receiver(&answer));
            confirm(asked.is_json, &answer, &said)
        }
    }
}

fn query(wish: &ListNotices) -> Vec<(&'static str, &str)> {
    let given = [("state", &wish.state), ("kind", &wish.kind), ("subject", &wish.about)];
    given.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))).collect()
}

/// An address, or the id of a webhook.
fn receiver(notice: &Value) -> String {
    match text(notice, "recipient") {
        address if address.is_empty() => text(notice, "webhook"),
        address => address,
    }
}

fn table(list: &Value) -> Table {
    let columns = ["state", "kind", "about", "to", "when", "attempts", "error", "id"];
    let mut table = Table::new(&columns, "There are no notices.").with_spare(&["error", "kind"]);
    let now = now();
    for row in rows(list) {
        let field = match text(row, "state").as_str() {
            "sent" => "sent_at",
            "waiting" => "next_attempt_at",
            _ => "created_at",
        };
        table.push(&[
            text(row, "state"),
            text(row, "kind"),
            text(row, "subject"),
            receiver(row),
            when(row, field, now, ""),
            text(row, "attempts"),
            text(row, "last_error"),
            text(row, "id"),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_told_with_its_receiver_and_its_fault() {
        let list = json!({"data": [
            {"id": "ntc_1", "state": "dead", "kind": "api_key.expiring", "subject": "dw_1",
             "recipient": "ada@example.com", "webhook": null, "attempts": 8,
             "last_error": "mail_deferred", "created_at": "9999-01-01T00:00:00Z"},
            {"id": "ntc_2", "state": "sent", "kind": "webhook.test", "subject": "whk_1",
             "recipient": null, "webhook": "whk_1", "attempts": 1, "last_error": null,
             "sent_at": "9999-01-01T00:00:00Z"},
        ]});
        insta::assert_snapshot!(table(&list).render(Some(140)));
    }

    #[test]
    fn what_is_not_asked_for_is_not_sent() {
        let wish = |state: Option<&str>| ListNotices {
            state: state.map(str::to_owned),
            kind: None,
            about: None,
        };
        assert!(query(&wish(None)).is_empty());
        assert_eq!(query(&wish(Some("dead"))), [("state", "dead")]);
    }
}
