//! `doorward organization …`.

use serde_json::Value;

use super::catalog::Asked;
use super::{Body, Details, bounds, confirm, increases, instant, now, print_one, text};
use crate::cli::{OrganizationCommand, Remotely};
use crate::environment::Environment;

const PATH: [&str; 2] = ["v1", "organization"];

pub(crate) fn run(
    args: &Remotely<OrganizationCommand>,
    environment: &Environment,
) -> anyhow::Result<()> {
    let asked = Asked::new(&args.remote, environment)?;
    match &args.command {
        OrganizationCommand::Show => {
            let found = asked.client.get(&PATH, &[])?;
            print_one(asked.is_json, &found, || Ok(details(&found)))
        }
        OrganizationCommand::Increase(wish) => increases::raise_shared(&asked, &PATH, wish),
        OrganizationCommand::EndIncrease => increases::end_shared(&asked, &PATH),
        OrganizationCommand::Edit(wish) => {
            let found = asked.client.get(&PATH, &[])?;
            let mut body = Body::default();
            body.set_if("name", wish.rename.clone());
            bounds::set_edit(&mut body, &wish.bounds, &found);
            let edited = asked.client.patch(&PATH, &body.finish_edit()?)?;
            confirm(asked.is_json, &edited, &format!("Edited {}.", text(&edited, "name")))
        }
    }
}

fn details(organization: &Value) -> Details {
    let now = now();
    let mut details = vec![("id", text(organization, "id")), ("name", text(organization, "name"))];
    details.extend(bounds::details(organization));
    details.push(("created", instant(organization, "created_at", now, "")));
    details.push(("edited", instant(organization, "updated_at", now, "")));
    details
}
