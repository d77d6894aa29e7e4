//! The same call as code.

use super::asked::Asked;

/// A program that makes the call.
#[derive(Debug)]
pub(super) struct Snippet {
    pub(super) name: &'static str,
    /// Under which name it is copied, and how a script of ours spells the members of the call.
    pub(super) id: &'static str,
    /// What stands before the members, and behind them.
    pub(super) before: String,
    pub(super) members: String,
    pub(super) after: &'static str,
}

/// How a language spells the members of a call.
type Spelling = fn(&[(&str, String)]) -> String;

pub(super) fn snippets(endpoint: &str, asked: &Asked<'_>) -> Vec<Snippet> {
    let members = asked.members().into_iter();
    let members: Vec<_> = members.filter_map(|(name, value)| Some((name, value.ok()?))).collect();
    let snippet = |name, id, before, spell: Spelling, after| Snippet {
        name,
        id,
        before,
        members: spell(&members),
        after,
    };
    vec![
        snippet(
            "curl",
            "curl",
            format!(
                "curl {endpoint}/chat/completions \\\n  -H \"Authorization: Bearer $DOORWARD_API_KEY\" \\\n  \
                 -H \"Content-Type: application/json\" \\\n  -d '"
            ),
            shell,
            "'",
        ),
        snippet(
            "Python",
            "python",
            format!(
                "import os\nfrom openai import OpenAI\n\nclient = OpenAI(base_url=\"{endpoint}\", \
                 api_key=os.environ[\"DOORWARD_API_KEY\"])\nanswer = client.chat.completions.create(\n"
            ),
            python,
            "\n)\nprint(answer.choices[0].message.content)",
        ),
        snippet(
            "JavaScript",
            "javascript",
            format!(
                "import OpenAI from \"openai\";\n\nconst client = new OpenAI({{ baseURL: \"{endpoint}\", \
                 apiKey: process.env.DOORWARD_API_KEY }});\nconst answer = await \
                 client.chat.completions.create({{\n"
            ),
            javascript,
            "\n});\nconsole.log(answer.choices[0].message.content);",
        ),
    ]
}

/// JSON inside single quotes: one of its own ends them, and begins them again.
fn shell(members: &[(&str, String)]) -> String {
    let members = members.iter().map(|(name, value)| format!("\"{name}\": {value}"));
    format!("{{{}}}", members.collect::<Vec<_>>().join(", ")).replace('\'', "'\\''")
}

/// Texts, numbers, lists and objects of JSON mean the same in Python.
fn python(members: &[(&str, String)]) -> String {
    let members = members.iter().map(|(name, value)| format!("    {name}={value},"));
    members.collect::<Vec<_>>().join("\n")
}

fn javascript(members: &[(&str, String)]) -> String {
    let members = members.iter().map(|(name, value)| format!("  {name}: {value},"));
    members.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::form::Form;

    #[test]
    fn what_is_typed_stays_within_its_quotes() {
        let form = Form::read(b"model=m&prompt=it's+%22so%22%0A&max_tokens=9").unwrap();
        let [curl, python, javascript] =
            <[_; 3]>::try_from(snippets("https://d.test/v1", &Asked::of(&form))).unwrap();
        let said = r#"[{"role":"user","content":"it's \"so\"\n"}]"#;
        let quoted = said.replace('\'', r"'\''");
        assert_eq!(
            curl.members,
            format!(r#"{{"model": "m", "messages": {quoted}, "max_tokens": 9}}"#)
        );
        assert!(curl.before.starts_with("curl https://d.test/v1/chat/completions "));
        let lines = format!("    model=\"m\",\n    messages={said},\n    max_tokens=9,");
        assert_eq!(python.members, lines);
        let lines = format!("  model: \"m\",\n  messages: {said},\n  max_tokens: 9,");
        assert_eq!(javascript.members, lines);
    }
}
