"""A provider of our own making on this machine: it lists models, answers chats and keeps what it was called with."""
import contextlib, json, threading

from local_server import Handler, LocalServer

MODELS = ["gpt-5.1", "gpt-5.1-mini", "house-model", "text-embedding-3-large"]
REFUSAL = {"error": {"message": "Incorrect API key provided.", "code": "invalid_api_key"}}


class Provider(Handler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.say({"object": "list", "data": [{"id": name, "object": "model"} for name in MODELS]})

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        said, count = "Hello from upstream.", {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17}
        base = {"id": "c1", "created": 1, "model": asked["model"]}
        if not asked.get("stream"):
            message = {"role": "assistant", "content": said}
            choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
            return self.say({**base, "object": "chat.completion", "choices": choices, "usage": count})
        words = [{"index": 0, "delta": {"content": word + " "}} for word in said.split()]
        last = {"index": 0, "delta": {}, "finish_reason": "stop"}
        events = [{**base, "object": "chat.completion.chunk", "choices": [part]} for part in [*words, last]]
        events.append({**base, "object": "chat.completion.chunk", "choices": [], "usage": count})
        lines = [*(f"data: {json.dumps(event)}\n\n".encode() for event in events), b"data: [DONE]\n\n"]
        if self.owner.turn:
            return self.say_slowly(lines, self.owner.turn)
        self.say(b"".join(lines), "text/event-stream")

    def say_slowly(self, lines, turn):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        with contextlib.suppress(OSError):  # the other side may leave
            for line in lines:
                turn.acquire()
                self.wfile.write(line)

    def say(self, body, kind="application/json"):
        credential = self.headers.get("authorization", "").removeprefix("Bearer ")
        self.owner.credentials.append(credential)
        if self.owner.wanted not in (None, credential):
            return self.answer(json.dumps(REFUSAL).encode(), "application/json", 401)
        self.answer(body if isinstance(body, bytes) else json.dumps(body).encode(), kind)


class Upstream(LocalServer):
    """`credentials`: those of the calls that came, in their order. `wanted`: the one that is let in, if not any."""

    handler = Provider

    def __init__(self, wanted=None):
        super().__init__()
        self.credentials, self.wanted, self.turn = [], wanted, None
        self.url = f"http://127.0.0.1:{self.port}/v1"

    @contextlib.contextmanager
    def word_by_word(self):
        """While this lasts, an answer that streams says one more word each time that what is given is called."""
        self.turn = threading.Semaphore(0)
        yield self.turn.release
        self.turn.release(100)
        self.turn = None
