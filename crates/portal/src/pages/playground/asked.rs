//! What is typed into the playground, as a call says it.

use serde_json::Value;

use super::turns::{Turn, fits, turns};
use crate::form::Form;
use crate::refusal::FieldError;

/// What is asked of a model.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) model: &'a str,
    system: &'a str,
    turns: Vec<Turn<'a>>,
    prompt: &'a str,
    temperature: &'a str,
    max_tokens: &'a str,
}

impl<'a> Asked<'a> {
    pub(super) fn of(form: &'a Form) -> Self {
        Self {
            model: form.value("model"),
            system: form.value("system").trim(),
            turns: turns(form),
            prompt: form.value("prompt"),
            temperature: form.value("temperature").trim(),
            max_tokens: form.value("max_tokens").trim(),
        }
    }

    /// The body of the call as JSON; or what is wrong with a field of it.
    pub(super) fn body(&self) -> Result<String, FieldError> {
        let needed = [("model", self.model), ("prompt", self.prompt.trim())];
        if let Some((name, _)) = needed.iter().find(|(_, text)| text.is_empty()) {
            return Err(FieldError::new(name, "wrong-empty"));
        }
        if !fits(&self.turns, self.prompt) {
            return Err(FieldError::new("prompt", "play-too-long"));
        }
        let members = self.members().into_iter().map(|(name, value)| match value {
            Ok(value) => Ok(format!("\"{name}\":{value}")),
            Err(wrong) => Err(FieldError::new(name, wrong)),
        });
        Ok(format!("{{{}}}", members.collect::<Result<Vec<_>, _>>()?.join(",")))
    }

    /// Each member as JSON, or the name of what is said of one that cannot be read.
    pub(super) fn members(&self) -> Vec<(&'static str, Result<String, &'static str>)> {
        let mut members = vec![
            ("model", Ok(Value::from(self.model).to_string())),
            ("messages", Ok(self.messages())),
        ];
        if !self.temperature.is_empty() {
            members.push(("temperature", temperature(self.temperature)));
        }
        if !self.max_tokens.is_empty() {
            members.push(("max_tokens", max_tokens(self.max_tokens)));
        }
        members
    }

    /// Spelled out, so that the role comes first for whoever reads it.
    fn messages(&self) -> String {
        let system = (!self.system.is_empty()).then_some(("system", self.system));
        let turns = self.turns.iter();
        let turns = turns.flat_map(|turn| [("user", turn.question), ("assistant", turn.answer)]);
        // What was just answered stands as code before the next question is typed.
        let is_asked = self.turns.is_empty() || !self.prompt.trim().is_empty();
        let prompt = is_asked.then_some(("user", self.prompt));
        let messages = system.into_iter().chain(turns).chain(prompt).map(|(role, content)| {
            // Forms end lines as mail does.
            let content = Value::from(content.replace("\r\n", "\n"));
            format!("{{\"role\":\"{role}\",\"content\":{content}}}")
        });
        format!("[{}]", messages.collect::<Vec<_>>().join(","))
    }
}

fn temperature(text: &str) -> Result<String, &'static str> {
    let value = text.parse::<f64>().ok().filter(|value| (0.0..=2.0).contains(value));
    value.map(|value| value.to_string()).ok_or("wrong-temperature")
}

fn max_tokens(text: &str) -> Result<String, &'static str> {
    let value = text.parse::<u32>().ok().filter(|value| *value > 0);
    value.map(|value| value.to_string()).ok_or("wrong-max-tokens")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn body(typed: &str) -> Result<Value, String> {
        let form = Form::read(typed.as_bytes()).unwrap();
        let body = Asked::of(&form).body().map_err(|error| error.field)?;
        Ok(serde_json::from_str(&body).unwrap())
    }

    #[test]
    fn what_is_typed_becomes_a_call() {
        let full = body("model=m&system=+be+brief+&prompt=%22hi%22&temperature=0.5&max_tokens=9");
        let expected = json!({
            "model": "m",
            "messages": [
                {"role": "system", "content": "be brief"},
                {"role": "user", "content": "\"hi\""},
            ],
            "temperature": 0.5,
            "max_tokens": 9,
        });
        assert_eq!(full.unwrap(), expected);
        let said = body("model=m&said=1%2B1%0D%0A%3F&said=2&prompt=and+so%3F").unwrap();
        let messages = json!([
            {"role": "user", "content": "1+1\n?"},
            {"role": "assistant", "content": "2"},
            {"role": "user", "content": "and so?"},
        ]);
        assert_eq!(said["messages"], messages);
        let little = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
        assert_eq!(body("model=m&prompt=hi&temperature=+").unwrap(), little);
    }

    #[test]
    fn what_no_model_could_take_is_refused_at_its_field() {
        let long =
            format!("model=m&prompt=hi{}", "&said=x".repeat(2 * super::super::turns::TURNS_MAX));
        assert_eq!(body(&long).unwrap_err(), "prompt");
        for (typed, field) in [
            ("prompt=hi", "model"),
            ("model=m&prompt=+%0A", "prompt"),
            ("model=m&prompt=hi&temperature=hot", "temperature"),
            ("model=m&prompt=hi&temperature=2.1", "temperature"),
            ("model=m&prompt=hi&temperature=NaN", "temperature"),
            ("model=m&prompt=hi&max_tokens=0", "max_tokens"),
            ("model=m&prompt=hi&max_tokens=1.5", "max_tokens"),
        ] {
            assert_eq!(body(typed).unwrap_err(), field, "{typed}");
        }
    }
}
