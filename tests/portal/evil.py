"""A site of somebody who means harm: one page, on a port of this machine, under any name of `localhost`."""
import http.server, threading


class Evil:
    """`page`: the HTML that it shows. `came`: the paths that were asked for."""

    def __init__(self):
        self.page, self.came = "", []
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                site.came.append(self.path)
                body = site.page.encode()
                self.send_response(200)
                self.send_header("content-type", "text/html; charset=utf-8")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f":{self.server.server_port}/"

    def url(self, name):
        return f"http://{name}:{self.server.server_port}/"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
