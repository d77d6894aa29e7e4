//! The names of models that belong to one project: `u-8105f7322477/test`.

use crate::id::ProjectId;

/// What the names of a project's models begin with: `u-`, 12 hexadecimal digits of the project's id, and a slash.
/// Always the same for a project; two projects share it once in 2^48.
pub fn model_prefix(project: ProjectId) -> String {
    let digits = u128::from_be_bytes(project.to_bytes()) & 0xffff_ffff_ffff;
    format!("u-{digits:012x}/")
}

/// The public name of a project's model. One that has the prefix already keeps it.
pub fn public_name(project: ProjectId, name: &str) -> String {
    let prefix = model_prefix(project);
    if name.starts_with(&prefix) { name.to_owned() } else { format!("{prefix}{name}") }
}

/// What the project itself calls its model: the public name without the prefix.
pub fn own_name(project: ProjectId, name: &str) -> &str {
    name.strip_prefix(&model_prefix(project)).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_a_projects_models_begin_with_digits_of_its_id() {
        let project = ProjectId::new(1, 0xff_8105_f732_2477);
        assert_eq!(model_prefix(project), "u-8105f7322477/");
        #[rustfmt::skip]
        let cases = [
            // wished                   public                                  the project's own
            ("test",                    "u-8105f7322477/test",                  "test"),
            ("a/b",                     "u-8105f7322477/a/b",                   "a/b"),
            ("u-8105f7322477/test",     "u-8105f7322477/test",                  "test"),
            ("u-8105f7322477",          "u-8105f7322477/u-8105f7322477",        "u-8105f7322477"),
            ("u-000000000001/test",     "u-8105f7322477/u-000000000001/test",   "u-000000000001/test"),
        ];
        for (name, public, own) in cases {
            assert_eq!((&*public_name(project, name), own_name(project, public)), (public, own));
        }
    }
}
