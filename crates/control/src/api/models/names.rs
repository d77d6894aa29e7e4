//! What a model is called: its name, its aliases, and the prefix of its project.

use doorward_domain::catalog::ALIASES_MAX;
use doorward_domain::id::ProjectId;
use doorward_domain::model_pattern::MODEL_NAME_BYTES_MAX;
use doorward_domain::project_model::{own_name, public_name};

use crate::Control;
use crate::api::projects;
use crate::caller::Caller;
use crate::faults::Faults;
use crate::problem::ApiError;

/// The project that a request names; what is wrong with it is noted.
pub(super) async fn project(
    control: &Control,
    caller: &Caller,
    text: Option<&str>,
    faults: &mut Faults,
) -> Result<Option<ProjectId>, ApiError> {
    let Some(text) = text else { return Ok(None) };
    let found = projects::find(control, caller.organization(), text).await?;
    if found.is_none() {
        faults.add("project", "not_found", "there is no such project");
    }
    Ok(found.map(|project| project.id))
}

/// What clients send: a project's model has the project's prefix.
pub(super) fn public(project: Option<ProjectId>, name: String) -> String {
    match project {
        None => name,
        Some(project) => public_name(project, &name),
    }
}

/// What providers are asked for where nothing else is said: they know of no prefix.
pub(super) fn upstream(project: Option<ProjectId>, name: &str) -> &str {
    match project {
        None => name,
        Some(project) => own_name(project, name),
    }
}

/// The aliases of the model that is called `name`; what is wrong with them is noted.
pub(super) fn aliases(
    (project, name): (Option<ProjectId>, &str),
    wished: Vec<String>,
    faults: &mut Faults,
) -> Vec<String> {
    faults.check_len("aliases", &wished, ALIASES_MAX);
    let mut aliases: Vec<String> = Vec::new();
    for (index, alias) in wished.into_iter().take(ALIASES_MAX).enumerate() {
        let (field, alias) = (format!("aliases[{index}]"), public(project, alias));
        faults.check(&field, check(&alias));
        if alias == name || aliases.contains(&alias) {
            faults.add(field, "duplicate", "the model is called so already");
        }
        aliases.push(alias);
    }
    aliases
}

/// The name of a model is also its path, and the listener takes no path that two readers could read
/// differently: a model that is named so could never be shown, edited or deleted.
pub(super) fn check(name: &str) -> Result<(), String> {
    check_upstream(name)?;
    let is_plain = |segment: &str| !matches!(segment, "" | "." | "..");
    if !name.contains([';', '\\']) && name.split('/').all(is_plain) {
        Ok(())
    } else {
        Err("must not hold `;`, `\\`, or an empty or dot segment between slashes".to_owned())
    }
}

/// A name that somebody sends, a client or we. `*` is left out: in a list of models it would mean all of them.
pub(super) fn check_upstream(name: &str) -> Result<(), String> {
    let fits = (1..=MODEL_NAME_BYTES_MAX).contains(&name.len());
    if fits && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'*') {
        Ok(())
    } else {
        Err(format!(
            "must have 1 to {MODEL_NAME_BYTES_MAX} visible ASCII characters, and no spaces or `*`"
        ))
    }
}
