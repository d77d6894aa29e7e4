"""A program that webhooks tell: it keeps what it was told, and answers as it is to."""
import json, queue

from local_server import Handler, LocalServer


class Notices(Handler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.owner.came.put((self.headers, json.loads(body)))
        self.answer(status=self.owner.status)


class Receiver(LocalServer):
    """`came`: headers and bodies, in their order. `status`: what it answers."""

    handler = Notices

    def __init__(self):
        super().__init__()
        self.came, self.status = queue.Queue(), 204
        self.url = f"http://127.0.0.1:{self.port}/notices"
