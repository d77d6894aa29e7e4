//! The objects of a request, as clients send them. Whatever is in them is a setting that somebody must
//! take: what is left over cannot be carried over.

use serde_json::value::RawValue;

use crate::anthropic::json::{Str, TextOr, fields};

fields! {
    /// The body.
    Body<'a> {
        "model" => model: Str<'a>,
        "max_tokens" => max_tokens: u64,
        "messages" => messages: Vec<Message<'a>>,
        "system" => system: TextOr<'a, Block<'a>>,
        "stream" => stream: bool,
        "temperature" => temperature: f64,
        "top_p" => top_p: f64,
        "top_k" => top_k: u64,
        "stop_sequences" => stop_sequences: Vec<Str<'a>>,
        "tools" => tools: Vec<Tool<'a>>,
        "tool_choice" => tool_choice: ToolChoice<'a>,
        "thinking" => thinking: Thinking<'a>,
        "output_config" => output_config: OutputConfig<'a>,
        "output_format" => output_format: OutputFormat<'a>,
        "cache_control" => cache_control: CacheControl<'a>,
        "metadata" => metadata: Metadata<'a>,
        "speed" => speed: Str<'a>,
        "mcp_servers" => mcp_servers: Vec<&'a RawValue>,
        "context_management" => context_management: ContextManagement<'a>,
    }
}

fields! {
    /// What one side said.
    Message<'a> {
        "role" => role: Str<'a>,
        "content" => content: TextOr<'a, Block<'a>>,
    }
}

fields! {
    /// One piece of what was said, of whatever kind. What most have not is kept apart: pieces are moved about.
    Block<'a> {
        "type" => kind: Str<'a>,
        "cache_control" => cache_control: Box<CacheControl<'a>>,
        "text" => text: Str<'a>,
        "citations" => citations: &'a RawValue,
        "source" => source: Box<Source<'a>>,
        "title" => title: Str<'a>,
        "id" => id: Str<'a>,
        "name" => name: Str<'a>,
        "input" => input: &'a RawValue,
        "caller" => caller: Box<Caller<'a>>,
        "tool_use_id" => tool_use_id: Str<'a>,
        "content" => content: TextOr<'a, Block<'a>>,
        "is_error" => is_error: bool,
        "thinking" => thinking: Str<'a>,
        "signature" => signature: Str<'a>,
        "data" => data: Str<'a>,
    }
}

fields! {
    /// Where data are.
    Source<'a> {
        "type" => kind: Str<'a>,
        "media_type" => media_type: Str<'a>,
        "data" => data: Str<'a>,
        "url" => url: Str<'a>,
        "file_id" => file_id: Str<'a>,
        "content" => content: TextOr<'a, &'a RawValue>,
    }
}

fields! {
    /// Whether documents are to be cited.
    Citations<'a> {
        "enabled" => enabled: bool,
    }
}

fields! {
    /// Who called a function: the model itself, or a program that it wrote.
    Caller<'a> {
        "type" => kind: Str<'a>,
    }
}

fields! {
    /// What is to be kept for the next request.
    CacheControl<'a> {
        "type" => kind: Str<'a>,
        "ttl" => ttl: Str<'a>,
    }
}

fields! {
    /// A function, or a tool that the provider brings.
    Tool<'a> {
        "type" => kind: Str<'a>,
        "name" => name: Str<'a>,
        "description" => description: Str<'a>,
        "input_schema" => input_schema: &'a RawValue,
        "strict" => strict: bool,
        "cache_control" => cache_control: CacheControl<'a>,
        "defer_loading" => defer_loading: bool,
        "allowed_callers" => allowed_callers: Vec<Str<'a>>,
        "input_examples" => input_examples: Vec<&'a RawValue>,
    }
}

fields! {
    /// Whether functions must be called.
    ToolChoice<'a> {
        "type" => kind: Str<'a>,
        "name" => name: Str<'a>,
        "disable_parallel_tool_use" => disable_parallel_tool_use: bool,
    }
}

fields! {
    /// How much the model reasons.
    Thinking<'a> {
        "type" => kind: Str<'a>,
        "budget_tokens" => budget_tokens: u64,
        "display" => display: Str<'a>,
    }
}

fields! {
    /// What the answer must be.
    OutputConfig<'a> {
        "effort" => effort: Str<'a>,
        "format" => format: OutputFormat<'a>,
    }
}

fields! {
    /// What the text of the answer must be.
    OutputFormat<'a> {
        "type" => kind: Str<'a>,
        "schema" => schema: &'a RawValue,
    }
}

fields! {
    /// Who is served.
    Metadata<'a> {
        "user_id" => user_id: Str<'a>,
    }
}

fields! {
    /// What the provider may take out of a conversation that grows too long.
    ContextManagement<'a> {
        "edits" => edits: Vec<Edit<'a>>,
    }
}

fields! {
    /// One such change.
    Edit<'a> {
        "type" => kind: Str<'a>,
        "trigger" => trigger: &'a RawValue,
        "keep" => keep: &'a RawValue,
        "clear_at_least" => clear_at_least: &'a RawValue,
        "exclude_tools" => exclude_tools: &'a RawValue,
        "clear_tool_inputs" => clear_tool_inputs: &'a RawValue,
    }
}
