// The npm clients of OpenAI, Anthropic and Google, unmodified, each in its own dialect.
//
//   clients.mjs URL MODEL...      the key is in DOORWARD_API_KEY
//
// Prints one line of JSON for each call: who asked what, what was said, and the tokens that the client was
// told: of the input, and of the output.
import Anthropic from "@anthropic-ai/sdk";
import { GoogleGenAI } from "@google/genai";
import OpenAI from "openai";

const [url, ...models] = process.argv.slice(2);
const key = process.env.DOORWARD_API_KEY;
const TURNS = [["user", "Say one word: blue."], ["assistant", "Blue."], ["user", "And another colour?"]];

const messages = (turns) => turns.map(([role, content]) => ({ role, content }));

function openai() {
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
  const options = (model, turns) => ({ model, messages: messages(turns), max_tokens: 24, temperature: 0 });
  return {
    async text(model, turns) {
      const answer = await client.chat.completions.create(options(model, turns));
      return [answer.choices[0].message.content, answer.usage.prompt_tokens, answer.usage.completion_tokens];
    },
    async stream(model, turns) {
      const more = { stream: true, stream_options: { include_usage: true } };
      let text = "", usage = null;
      for await (const chunk of await client.chat.completions.create({ ...options(model, turns), ...more })) {
        text += chunk.choices[0]?.delta?.content ?? "";
        usage = chunk.usage ?? usage;
      }
      return [text, usage.prompt_tokens, usage.completion_tokens];
    },
  };
}

function anthropic() {
  const client = new Anthropic({ baseURL: url, apiKey: key, maxRetries: 0 });
  const options = (model, turns) => ({ model, messages: messages(turns), max_tokens: 24 });
  const told = ({ content, usage }) => {
    // This dialect tells what was read from a cache or written to it beside the rest.
    const input = usage.input_tokens + (usage.cache_read_input_tokens ?? 0) + (usage.cache_creation_input_tokens ?? 0);
    return [content[0].text, input, usage.output_tokens];
  };
  return {
    text: async (model, turns) => told(await client.messages.create(options(model, turns))),
    stream: async (model, turns) => told(await client.messages.stream(options(model, turns)).finalMessage()),
  };
}

function google() {
  const client = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: url } });
  const roles = { user: "user", assistant: "model" };
  const options = (model, turns) => ({
    model,
    contents: turns.map(([role, text]) => ({ role: roles[role], parts: [{ text }] })),
    config: { maxOutputTokens: 24, temperature: 0 },
  });
  return {
    async text(model, turns) {
      const answer = await client.models.generateContent(options(model, turns));
      const usage = answer.usageMetadata;
      return [answer.text, usage.promptTokenCount, usage.candidatesTokenCount];
    },
    async stream(model, turns) {
      let text = "", usage = null;
      for await (const piece of await client.models.generateContentStream(options(model, turns))) {
        text += piece.text ?? "";
        usage = piece.usageMetadata ?? usage;
      }
      return [text, usage.promptTokenCount, usage.candidatesTokenCount];
    },
  };
}

const clients = { "openai (npm)": openai(), "@anthropic-ai/sdk (npm)": anthropic(), "@google/genai (npm)": google() };
for (const [client, calls] of Object.entries(clients)) {
  for (const model of models) {
    for (const [what, call, turns] of [["text", "text", 1], ["stream", "stream", 1], ["multi-turn", "text", 3], ["multi-turn stream", "stream", 3]]) {
      const [text, input, output] = await calls[call](model, TURNS.slice(0, turns));
      console.log(JSON.stringify({ client, model, what, text, input, output }));
    }
  }
}
