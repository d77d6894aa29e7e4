use serde_json::json;

use super::*;

const SECOND_US: i64 = 1_000_000;

fn line(sequence: i64, action: &str, subject: &str, detail: &Value) -> String {
    json!({
        "object": "audit_entry", "sequence": sequence, "at": format!("1970-01-01T00:00:{sequence:02}Z"),
        "actor": "usr_actor", "action": action, "subject": subject, "detail": detail,
    })
    .to_string()
}

fn ended(lines: &[String], sequence: i64) -> Result<Vec<Ended>, RestoreError> {
    let dir = tempfile::tempdir().unwrap();
    read_list(&written(&dir, lines), sequence)
}

fn ended_of_whole(lines: &[String], sequence: i64) -> Result<Vec<Ended>, RestoreError> {
    let dir = tempfile::tempdir().unwrap();
    read_whole_list(&written(&dir, lines), sequence)
}

fn written(dir: &tempfile::TempDir, lines: &[String]) -> std::path::PathBuf {
    let path = dir.path().join("list");
    std::fs::write(&path, lines.join("\n")).unwrap();
    path
}

fn at(second: i64, what: What) -> Ended {
    Ended { what, at_us: second * SECOND_US }
}

#[test]
fn a_list_tells_what_is_over_since() {
    let rotated = json!({"secret": 2, "previous_end_at": "1970-01-01T00:00:08Z"});
    let lines = [
        line(9, "user.remove", "usr_1", &json!({})),
        line(8, "key.rotate", "dw_c", &rotated),
        line(7, "key.enable", "dw_b", &json!({})),
        line(6, "key.disable", "dw_b", &json!({})),
        line(5, "key.disable", "dw_a", &json!({})),
        line(4, "key.revoke", "dw_a", &json!({})),
        line(3, "key.revoke", "dw_before", &json!({})),
    ];
    let expected = [
        at(4, What::Key("dw_a".into())),
        at(8, What::Secrets { key: "dw_c".into(), before: 2 }),
        at(9, What::Owner("usr_1".into())),
        at(5, What::KeyDisabled("dw_a".into())),
    ];
    assert_eq!(ended(&lines, 3).unwrap(), expected);
}

#[test]
fn edits_come_to_what_was_last() {
    let user = |role, email| json!({"before": {}, "after": {"role": role, "email": email}});
    let lines = [
        line(5, "user.edit", "usr_1", &user("member", Some("Ada@new.example"))),
        line(4, "key.edit", "dw_a", &json!({"changed": {"scopes": ["b"], "description": true}})),
        line(3, "key.edit", "dw_a", &json!({"changed": {"scopes": ["a"], "ip_deny": []}})),
        line(2, "user.edit", "usr_1", &user("owner", None)),
    ];
    let fields = json!({"scopes": ["b"], "ip_deny": [], "description": true});
    let fields = fields.as_object().unwrap().clone();
    let expected = [
        at(4, What::Rights { key: "dw_a".into(), fields }),
        at(
            5,
            What::User {
                user: "usr_1".into(),
                role: "member".into(),
                folded: Some("ada@new.example".into()),
            },
        ),
    ];
    assert_eq!(ended(&lines, 1).unwrap(), expected);
}

#[test]
fn whatever_changed_a_sign_in_or_a_webhook_ends_the_one_of_the_backup() {
    for action in [
        "user.change_password",
        "user.reset_password",
        "user.accept_invitation",
        "second_factor.confirm",
        "second_factor.remove",
    ] {
        let what = What::SignIn { user: "usr_1".into(), set_at_us: None, confirmed_at_us: None };
        let lines = [line(2, action, "usr_1", &json!({}))];
        assert_eq!(ended(&lines, 1).unwrap(), [at(2, what)], "{action}");
    }
    for action in ["webhook.edit", "webhook.rotate", "webhook.delete"] {
        let lines = [line(2, action, "whk_1", &json!({}))];
        assert_eq!(ended(&lines, 1).unwrap(), [at(2, What::Webhook("whk_1".into()))], "{action}");
    }
    let begun = |factor| [line(2, "session.begin", "ses_1", &json!({"second_factor": factor}))];
    let codes = What::RecoveryCodes { user: "usr_actor".into(), left: 0 };
    assert_eq!(ended(&begun("recovery_code"), 1).unwrap(), [at(2, codes)]);
    assert!(ended(&begun("code"), 1).unwrap().is_empty());
}

#[test]
fn what_was_refused_has_ended_nothing() {
    let denied = json!({"outcome": "denied", "code": "exceeds_own_rights"});
    for action in ["user.remove", "user.disable", "key.edit", "key.revoke", "user.edit"] {
        let lines = [line(2, action, "usr_1", &denied)];
        assert!(ended(&lines, 1).unwrap().is_empty(), "{action}");
    }
}

#[test]
fn a_list_that_begins_after_the_backup_is_refused() {
    let lines = [line(9, "key.revoke", "dw_a", &json!({}))];
    assert!(matches!(ended(&lines, 7), Err(RestoreError::ListLacks { needed: 8, .. })));
    assert_eq!(ended(&lines, 8).unwrap().len(), 1);
    assert!(ended(&lines, 9).unwrap().is_empty() && ended(&[], 5).unwrap().is_empty());
}

#[test]
fn a_list_of_the_only_organization_has_each_entry_since_the_backup() {
    let revoke = |sequence| line(sequence, "key.revoke", "dw_a", &json!({}));
    let cases: [(&[i64], Option<i64>); 7] = [
        (&[9, 8, 7, 6], None),
        (&[8, 7, 6, 5, 2], None),
        (&[], None),
        (&[5, 4], None),
        (&[9, 8, 6], Some(7)),
        (&[9, 8, 7, 5], Some(6)),
        (&[9, 8], Some(6)),
    ];
    for (numbers, lacks) in cases {
        let lines: Vec<_> = numbers.iter().map(|number| revoke(*number)).collect();
        let needed = match ended_of_whole(&lines, 5) {
            Ok(ended) => {
                assert_eq!(ended.len(), numbers.iter().filter(|number| **number > 5).count());
                None
            }
            Err(RestoreError::ListLacks { needed, .. }) => Some(needed),
            Err(other) => panic!("{numbers:?}: {other}"),
        };
        assert_eq!(needed, lacks, "{numbers:?}");
    }
    let of_one_of_several = [revoke(9), revoke(7), revoke(5)];
    assert_eq!(ended(&of_one_of_several, 5).unwrap().len(), 2);
}

#[test]
fn a_line_that_is_none_is_named() {
    let lines = [line(9, "key.revoke", "dw_a", &json!({})), "{\"sequence\": 1".to_owned()];
    assert!(matches!(ended(&lines, 8), Err(RestoreError::List { line: 2, .. })));
}
