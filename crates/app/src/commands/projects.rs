//! `doorward projects …`.

use serde_json::{Value, json};

use super::catalog::{Asked, Noun};
use super::{
    Body, Details, bounds, confirm, increases, instant, now, path_of, print_list, rows, text,
};
use crate::cli::{
    CreateProject, EditProject, KeptDays, MembersCommand, ProjectsCommand, PromptArgs, Remotely,
};
use crate::environment::Environment;
use crate::output::Table;

const PATH: [&str; 2] = ["v1", "projects"];

const NOUN: Noun<CreateProject, EditProject> = Noun {
    path: PATH,
    query: &[],
    create: |client, wish, _| {
        Ok((client.post(&PATH, &create_body(wish))?, format!("Created {}.", wish.name)))
    },
    edit: |client, wish, _| {
        let path = path_of(PATH, &wish.project.name);
        client.patch(&path, &edit_body(wish, &client.get(&path, &[])?)?)
    },
    table: |_, list| Ok(table(list)),
    details: |_, project| Ok(details(project)),
};

pub(crate) fn run(
    args: &Remotely<ProjectsCommand>,
    environment: &Environment,
) -> anyhow::Result<()> {
    let asked = Asked::new(&args.remote, environment)?;
    match &args.command {
        ProjectsCommand::Create(wish) => NOUN.create(&asked, wish),
        ProjectsCommand::List => NOUN.list_some(&asked, &[("counts", "true")]),
        ProjectsCommand::Show(named) => NOUN.show(&asked, &named.name),
        ProjectsCommand::Edit(wish) => NOUN.edit(&asked, wish),
        ProjectsCommand::Increase(wish) => {
            increases::raise_shared(&asked, &path_of(PATH, &wish.whose.name), &wish.raise)
        }
        ProjectsCommand::EndIncrease(named) => {
            increases::end_shared(&asked, &path_of(PATH, &named.name))
        }
        ProjectsCommand::Remove(named) => NOUN.end(&asked, &named.name, "Removed"),
        ProjectsCommand::Members { command } => members(&asked, command),
    }
}

fn members(asked: &Asked<'_>, command: &MembersCommand) -> anyhow::Result<()> {
    let [version, noun] = PATH;
    match command {
        MembersCommand::List { project } => {
            let list = asked.client.list(&[version, noun, project, "members"], &[])?;
            print_list(asked.is_json, &list, || Ok(members_table(&list)))
        }
        MembersCommand::Set { member, role } => {
            let path = [version, noun, &member.project, "members", &member.user];
            let answer = asked.client.put(&path, &json!({ "role": role }))?;
            let said = format!("{} is {role} in {} now.", text(&answer, "name"), member.project);
            confirm(asked.is_json, &answer, &said)
        }
        MembersCommand::Remove(member) => {
            let path = [version, noun, &member.project, "members", &member.user];
            let answer = asked.client.delete(&path)?;
            let said = format!("{} is not in {} any more.", member.user, member.project);
            confirm(asked.is_json, &answer, &said)
        }
    }
}

fn create_body(wish: &CreateProject) -> Value {
    let mut body = Body::default();
    body.set("name", wish.name.clone());
    body.set_if("description", wish.description.clone());
    bounds::set_new(&mut body, &wish.bounds);
    body.finish()
}

fn edit_body(wish: &EditProject, before: &Value) -> anyhow::Result<Value> {
    let mut body = Body::default();
    body.set_if("name", wish.rename.clone());
    body.set_if("description", wish.description.clone());
    bounds::set_edit(&mut body, &wish.bounds, before);
    if let Some(days) = wish.prompts.store_prompts {
        body.set("prompts", prompts(days, &wish.prompts));
    }
    body.finish_edit()
}

fn prompts(days: KeptDays, wish: &PromptArgs) -> Value {
    match days {
        KeptDays::Off => Value::Null,
        KeptDays::Days(days) => json!({ "retention_days": days, "redact": !wish.no_redaction }),
    }
}

fn prompts_told(project: &Value) -> String {
    let Some(policy) = project.get("prompts").filter(|policy| !policy.is_null()) else {
        return "not kept".to_owned();
    };
    let days = text(policy, "retention_days");
    let redacted = if text(policy, "redact") == "true" { ", redacted" } else { "" };
    format!("kept for {days} days{redacted}")
}

fn table(list: &Value) -> Table {
    const COLUMNS: [&str; 5] = ["name", "description", "keys", "members", "id"];
    let mut table =
        Table::new(&COLUMNS, "There are no projects.").with_spare(&["description", "members"]);
    for row in rows(list) {
        table.push(&COLUMNS.map(|field| text(row, field)));
    }
    table
}

fn members_table(list: &Value) -> Table {
    let mut table =
        Table::new(&["name", "role", "user"], "The project has no members.").with_spare(&["user"]);
    for row in rows(list) {
        table.push(&["name", "role", "user"].map(|field| text(row, field)));
    }
    table
}

fn details(project: &Value) -> Details {
    let now = now();
    let mut details = vec![
        ("id", text(project, "id")),
        ("name", text(project, "name")),
        ("description", text(project, "description")),
        ("model prefix", text(project, "model_prefix")),
        ("keys", text(project, "keys")),
        ("members", text(project, "members")),
    ];
    details.extend(bounds::details(project));
    details.push(("prompts", prompts_told(project)));
    details.push(("created", instant(project, "created_at", now, "")));
    details.push(("edited", instant(project, "updated_at", now, "")));
    details
}
