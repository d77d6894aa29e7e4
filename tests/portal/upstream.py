"""A provider of our own making on this machine: it lists models, answers chats and keeps what it was called with."""
import contextlib, http.server, json, threading

MODELS = ["gpt-5.1", "gpt-5.1-mini", "house-model", "text-embedding-3-large"]


class Upstream:
    """`credentials`: those of the calls that came, in their order. `wanted`: the one that is let in, if not any."""

    def __init__(self, wanted=None):
        self.credentials, self.wanted, self.turn = [], wanted, None
        upstream = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                self.answer({"object": "list", "data": [{"id": name, "object": "model"} for name in MODELS]})

            def do_POST(self):
                asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
                said, count = "Hello from upstream.", {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17}
                base = {"id": "c1", "created": 1, "model": asked["model"]}
                if not asked.get("stream"):
                    message = {"role": "assistant", "content": said}
                    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
                    return self.answer({**base, "object": "chat.completion", "choices": choices, "usage": count})
                words = [{"index": 0, "delta": {"content": word + " "}} for word in said.split()]
                last = {"index": 0, "delta": {}, "finish_reason": "stop"}
                events = [{**base, "object": "chat.completion.chunk", "choices": [part]} for part in [*words, last]]
                events.append({**base, "object": "chat.completion.chunk", "choices": [], "usage": count})
                lines = [*(f"data: {json.dumps(event)}\n\n".encode() for event in events), b"data: [DONE]\n\n"]
                if upstream.turn:
                    return self.answer_slowly(lines, upstream.turn)
                self.answer(b"".join(lines), "text/event-stream")

            def answer_slowly(self, lines, turn):
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.send_header("connection", "close")
                self.end_headers()
                with contextlib.suppress(OSError):  # the other side may leave
                    for line in lines:
                        turn.acquire()
                        self.wfile.write(line)

            def answer(self, body, kind="application/json"):
                credential = self.headers.get("authorization", "").removeprefix("Bearer ")
                upstream.credentials.append(credential)
                is_let_in = upstream.wanted in (None, credential)
                if not is_let_in:
                    body, kind = {"error": {"message": "Incorrect API key provided.", "code": "invalid_api_key"}}, "application/json"
                body = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(200 if is_let_in else 401)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"

    @contextlib.contextmanager
    def word_by_word(self):
        """While this lasts, an answer that streams says one more word each time that what is given is called."""
        self.turn = threading.Semaphore(0)
        yield self.turn.release
        self.turn.release(100)
        self.turn = None

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
