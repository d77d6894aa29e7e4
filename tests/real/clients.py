"""The Python clients of OpenAI, Anthropic and Google, unmodified, each in its own dialect.

Every call yields what it said and the tokens that the client was told: of the input, and of the output.
"""
import anthropic
import openai
from google import genai

TURNS = [("user", "Say one word: blue."), ("assistant", "Blue."), ("user", "And another colour?")]


class OpenAi:
    name = "openai (Python)"

    def __init__(self, url, key):
        self.client = openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)

    def ask(self, model, turns, **more):
        messages = [{"role": role, "content": text} for role, text in turns]
        return self.client.chat.completions.create(model=model, messages=messages, max_tokens=24,
                                                   temperature=0, **more)

    def text(self, model, turns):
        answer = self.ask(model, turns)
        return answer.choices[0].message.content, answer.usage.prompt_tokens, answer.usage.completion_tokens

    def stream(self, model, turns):
        text, usage = "", None
        for chunk in self.ask(model, turns, stream=True, stream_options={"include_usage": True}):
            text += "".join(choice.delta.content or "" for choice in chunk.choices)
            usage = chunk.usage or usage
        return text, usage.prompt_tokens, usage.completion_tokens

    def refused(self, model):
        try:
            self.text(model, TURNS[:1])
        except openai.NotFoundError as error:
            return error.code == "model_not_found" and bool(error.request_id)


class Anthropic:
    name = "anthropic (Python)"

    def __init__(self, url, key):
        self.client = anthropic.Anthropic(base_url=url, api_key=key, max_retries=0)

    def options(self, model, turns):
        messages = [{"role": role, "content": text} for role, text in turns]
        return {"model": model, "messages": messages, "max_tokens": 24}

    def text(self, model, turns):
        answer = self.client.messages.create(**self.options(model, turns))
        return answer.content[0].text, whole_input(answer.usage), answer.usage.output_tokens

    def stream(self, model, turns):
        with self.client.messages.stream(**self.options(model, turns)) as stream:
            text = "".join(stream.text_stream)
            usage = stream.get_final_message().usage
        return text, whole_input(usage), usage.output_tokens

    def refused(self, model):
        try:
            self.text(model, TURNS[:1])
        except anthropic.NotFoundError as error:
            return error.body["error"]["type"] == "not_found_error" and bool(error.request_id)


def whole_input(usage):
    """This dialect tells what was read from a cache or written to it beside the rest."""
    return usage.input_tokens + (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)


class Google:
    name = "google-genai (Python)"

    def __init__(self, url, key):
        self.client = genai.Client(api_key=key, http_options={"base_url": url})

    def options(self, model, turns):
        roles = {"user": "user", "assistant": "model"}
        contents = [{"role": roles[role], "parts": [{"text": text}]} for role, text in turns]
        return {"model": model, "contents": contents, "config": {"max_output_tokens": 24, "temperature": 0}}

    def text(self, model, turns):
        answer = self.client.models.generate_content(**self.options(model, turns))
        usage = answer.usage_metadata
        return answer.text, usage.prompt_token_count, usage.candidates_token_count

    def stream(self, model, turns):
        text, usage = "", None
        for piece in self.client.models.generate_content_stream(**self.options(model, turns)):
            text += piece.text or ""
            usage = piece.usage_metadata or usage
        return text, usage.prompt_token_count, usage.candidates_token_count

    def refused(self, model):
        try:
            self.text(model, TURNS[:1])
        except genai.errors.ClientError as error:
            return error.code == 404 and error.status == "NOT_FOUND"


ALL = [OpenAi, Anthropic, Google]
