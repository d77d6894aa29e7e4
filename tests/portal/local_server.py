"""A server of our own making on a port of this machine, there while it is held."""
import http.server, threading


class Handler(http.server.BaseHTTPRequestHandler):
    """What answers. `owner`: whose handler it is."""

    owner = None

    def answer(self, body=b"", kind="text/plain", status=200):
        """Answers at once and in full."""
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class LocalServer:
    """Answers with `handler`, a `Handler`, as long as somebody is within."""

    handler = Handler

    def __init__(self):
        handler = type("Owned", (self.handler,), {"owner": self})
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.port = self.server.server_port

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
