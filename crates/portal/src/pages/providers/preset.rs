//! Providers that are known by name: what is filled in, and what they need.

use doorward_domain::catalog::ProviderKind;

use crate::frame::Frame;

/// A provider as many people have it.
#[derive(Debug)]
pub(super) struct Preset {
    /// In links, and in the names of its texts.
    pub(super) id: &'static str,
    pub(super) kind: ProviderKind,
    /// Empty: whoever adds it has one of their own, or needs none.
    pub(super) base_url: &'static str,
    pub(super) group: Group,
}

/// Which of them stand together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    /// Somebody sells them.
    Sold,
    /// Somebody here runs them.
    Own,
}

const fn sold(id: &'static str, kind: ProviderKind, base_url: &'static str) -> Preset {
    Preset { id, kind, base_url, group: Group::Sold }
}

const fn own(id: &'static str, base_url: &'static str) -> Preset {
    Preset { id, kind: ProviderKind::OpenAiCompatible, base_url, group: Group::Own }
}

/// The last one is for all others.
pub(super) const PRESETS: [Preset; 16] = [
    sold("openai", ProviderKind::OpenAi, "https://api.openai.com/v1"),
    sold("anthropic", ProviderKind::Anthropic, "https://api.anthropic.com/v1"),
    sold("google", ProviderKind::Google, "https://generativelanguage.googleapis.com/v1beta"),
    sold("azure", ProviderKind::Azure, ""),
    sold("bedrock", ProviderKind::Bedrock, ""),
    sold("mistral", ProviderKind::OpenAiCompatible, "https://api.mistral.ai/v1"),
    sold("groq", ProviderKind::OpenAiCompatible, "https://api.groq.com/openai/v1"),
    sold("deepseek", ProviderKind::OpenAiCompatible, "https://api.deepseek.com/v1"),
    sold("openrouter", ProviderKind::OpenAiCompatible, "https://openrouter.ai/api/v1"),
    sold("together", ProviderKind::OpenAiCompatible, "https://api.together.xyz/v1"),
    sold("xai", ProviderKind::OpenAiCompatible, "https://api.x.ai/v1"),
    own("vllm", "http://127.0.0.1:8000/v1"),
    own("llama-cpp", "http://127.0.0.1:8080/v1"),
    own("ollama", "http://127.0.0.1:11434/v1"),
    own("lm-studio", "http://127.0.0.1:1234/v1"),
    own("compatible", ""),
];

impl Preset {
    /// The one of this name.
    pub(super) fn find(id: &str) -> Option<&'static Self> {
        PRESETS.iter().find(|preset| preset.id == id)
    }

    /// Those that stand together.
    pub(super) fn of(group: Group) -> Vec<&'static Self> {
        PRESETS.iter().filter(|preset| preset.group == group).collect()
    }

    pub(super) fn name(&self, frame: &Frame) -> String {
        frame.t(&format!("preset-{}", self.id))
    }

    /// What it needs, in a sentence or two.
    pub(super) fn needs(&self, frame: &Frame) -> String {
        frame.t(&format!("preset-{}-needs", self.id))
    }

    pub(super) fn is_bedrock(&self) -> bool {
        self.kind == ProviderKind::Bedrock
    }

    /// Whether it is asked for a key, as a rule.
    pub(super) fn wants_key(&self) -> bool {
        self.group == Group::Sold
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::is_there;

    #[test]
    fn each_has_its_words_and_the_base_url_of_its_kind() {
        for preset in &PRESETS {
            for name in [format!("preset-{}", preset.id), format!("preset-{}-needs", preset.id)] {
                assert!(is_there(&name), "{name}");
            }
            if let Some(known) = preset.kind.default_base_url() {
                assert_eq!(preset.base_url, known, "{}", preset.id);
            }
            assert!(!preset.base_url.ends_with('/'), "{}", preset.id);
        }
        for kind in ProviderKind::ALL {
            assert!(is_there(&format!("kind-{kind}")), "{kind}");
        }
    }
}
