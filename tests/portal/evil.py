"""A site of somebody who means harm: one page, on a port of this machine, under any name of `localhost`."""
from local_server import Handler, LocalServer


class Page(Handler):
    def do_GET(self):
        self.owner.came.append(self.path)
        self.answer(self.owner.page.encode(), "text/html; charset=utf-8")


class Evil(LocalServer):
    """`page`: the HTML that it shows. `came`: the paths that were asked for."""

    handler = Page

    def __init__(self):
        super().__init__()
        self.page, self.came = "", []
        self.address = f":{self.port}/"

    def url(self, name):
        return f"http://{name}:{self.port}/"
