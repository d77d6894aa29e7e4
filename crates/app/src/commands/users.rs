//! `doorward users …`.

use serde_json::{Value, json};

use super::catalog::{Asked, Noun};
use super::sign_in::link_words;
use super::{Body, Details, bounds, confirm, increases, instant, now, path_of, people, rows, text};
use crate::cli::{CreateUser, EditUser, InviteUser, Remotely, UsersCommand};
use crate::environment::Environment;
use crate::output::{self, Table};

const PATH: [&str; 2] = ["v1", "users"];

const NOUN: Noun<CreateUser, EditUser> = Noun {
    path: PATH,
    query: &[],
    create: |client, wish, _| {
        let answer = client.post(&PATH, &create_body(wish))?;
        let mut said = format!("Added {} as {}.", wish.name, text(&answer, "role"));
        if let Some(link) = answer.get("invitation") {
            let email = text(&answer, "email");
            said = format!("{said}\n{}", link_words(link, &wish.name, &email));
        }
        Ok((answer, said))
    },
    edit: |client, wish, _| {
        let path = path_of(PATH, &wish.user.name);
        client.patch(&path, &edit_body(wish, &client.get(&path, &[])?)?)
    },
    table: |_, list| Ok(table(list)),
    details: |_, user| Ok(details(user)),
};

pub(crate) fn run(args: &Remotely<UsersCommand>, environment: &Environment) -> anyhow::Result<()> {
    let asked = Asked::new(&args.remote, environment)?;
    match &args.command {
        UsersCommand::Owner(verb) => people::run(&NOUN, verb, &asked),
        UsersCommand::Increase(wish) => {
            increases::raise_shared(&asked, &path_of(PATH, &wish.whose.name), &wish.raise)
        }
        UsersCommand::EndIncrease(named) => {
            increases::end_shared(&asked, &path_of(PATH, &named.name))
        }
        UsersCommand::Invite(wish) => invite(&asked, wish),
        UsersCommand::ResetPassword(named) => link(&asked, &named.name, "password-reset"),
        UsersCommand::RemoveSecondFactor(named) => {
            end(&asked, &named.name, "second-factor", "has no second factor any more")
        }
        UsersCommand::EndSessions(named) => {
            end(&asked, &named.name, "sessions", "is signed out everywhere")
        }
    }
}

fn invite(asked: &Asked<'_>, wish: &InviteUser) -> anyhow::Result<()> {
    let name = &wish.user.name;
    if let Some(email) = &wish.email {
        asked.client.patch(&path_of(PATH, name), &json!({ "email": email }))?;
    }
    link(asked, name, "invitation")
}

fn link(asked: &Asked<'_>, name: &str, kind: &str) -> anyhow::Result<()> {
    let [version, users] = PATH;
    let user = asked.client.get(&path_of(PATH, name), &[])?;
    let made = asked.client.post(&[version, users, name, kind], &json!({}))?;
    if asked.is_json {
        return output::json(&made);
    }
    Ok(output::line(&link_words(&made, &text(&user, "name"), &text(&user, "email")))?)
}

fn end(asked: &Asked<'_>, name: &str, what: &str, said: &str) -> anyhow::Result<()> {
    let [version, users] = PATH;
    let answer = asked.client.delete(&[version, users, name, what])?;
    confirm(asked.is_json, &answer, &format!("{name} {said}."))
}

fn create_body(wish: &CreateUser) -> Value {
    let mut body = Body::default();
    body.set("name", wish.name.clone());
    body.set_if("email", wish.email.clone());
    body.set("role", wish.role.clone());
    body.set_if("invite", wish.invite.then_some(true));
    bounds::set_new(&mut body, &wish.bounds);
    body.finish()
}

fn edit_body(wish: &EditUser, before: &Value) -> anyhow::Result<Value> {
    let mut body = Body::default();
    body.set_if("name", wish.rename.clone());
    body.set_if("email", wish.email.clone());
    body.set_if("email", wish.no_email.then_some(Value::Null));
    body.set_if("role", wish.role.clone());
    bounds::set_edit(&mut body, &wish.bounds, before);
    body.finish_edit()
}

fn table(list: &Value) -> Table {
    let mut table = Table::new(&["name", "role", "status", "email", "id"], "There are no users.")
        .with_spare(&["id"]);
    for row in rows(list) {
        table.push(&["name", "role", "status", "email", "id"].map(|field| text(row, field)));
    }
    table
}

fn details(user: &Value) -> Details {
    let now = now();
    let mut details = vec![
        ("id", text(user, "id")),
        ("name", text(user, "name")),
        ("email", text(user, "email")),
        ("role", text(user, "role")),
        ("status", text(user, "status")),
        ("disabled", instant(user, "disabled_at", now, "")),
    ];
    details.extend(bounds::details(user));
    details.push(("created", instant(user, "created_at", now, "")));
    details.push(("edited", instant(user, "updated_at", now, "")));
    details
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{EditBoundsArgs, Named};

    fn edited(email: Option<&str>, no_email: bool) -> anyhow::Result<Value> {
        let user = Named { name: "ada".to_owned() };
        let (email, bounds) = (email.map(str::to_owned), EditBoundsArgs::default());
        let edit = EditUser { user, rename: None, email, no_email, role: None, bounds };
        edit_body(&edit, &json!({}))
    }

    #[test]
    fn an_address_is_left_set_or_forgotten() {
        assert!(edited(None, false).is_err());
        let set = edited(Some("ada@example.com"), false).unwrap();
        assert_eq!(set, json!({"email": "ada@example.com"}));
        assert_eq!(edited(None, true).unwrap(), json!({"email": null}));
    }

    #[test]
    fn users_as_a_table() {
        let user = |name: &str, role: &str, status: &str, email: Value| {
            json!({"id": "usr_01K36M4YZX0123456789ABCDEF", "name": name, "role": role,
                "status": status, "email": email})
        };
        let list = json!({"data": [
            user("administrator", "owner", "active", json!(null)),
            user("Ada \u{1b}[31m<script>", "member", "disabled", json!("ada@example.com")),
        ]});
        insta::assert_snapshot!(table(&list).render(Some(100)));
        insta::assert_snapshot!(table(&json!({"data": []})).render(Some(100)), @"There are no users.");
    }
}
