"""A mail server on this machine, and the letters that it was given."""
import email, email.policy, json, re, socket, sqlite3, subprocess, sys

from program import ADMIN, ROOT, Program


class Letters:
    """`options`: how a program is started so that its letters come here, and lead to its own pages."""

    def __enter__(self):
        self.process = subprocess.Popen([sys.executable, ROOT / "tests/clients/smtp_sink.py"], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        port = free_port()
        env = {"DOORWARD__MAIL__HOST": "127.0.0.1", "DOORWARD__MAIL__PORT": str(self.line()["port"]),
               "DOORWARD__MAIL__TLS": "none", "DOORWARD__SERVER__PUBLIC_URL": f"http://127.0.0.1:{port}"}
        self.options = {"env": env, "port": port}
        return self

    def line(self):
        return json.loads(self.process.stdout.readline())

    def next(self):
        """To whom the next letter goes, and its text; waits for it."""
        taken = self.line()
        letter = email.message_from_string(taken["data"], policy=email.policy.default)
        return taken["to"], letter.get_body().get_content()

    def __exit__(self, *_):
        self.process.communicate()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def link_in(text):
    """The path of the one link to a page of the portal that stands in a text."""
    return re.search(r"/(?:invitation|password-reset)\?token=dwl_\w+", text)[0]


class Mailing:
    """A program that sends letters, and has a second organization, so that whoever is not signed in names theirs."""

    def __init__(self):
        self.letters = Letters().__enter__()
        self.program = Program(**self.letters.options)
        self.program.administrator()
        self.program.ask("PATCH", "/v1/settings", {"mail-from": "doorward@example.com"})
        self.program.stop()
        with sqlite3.connect(self.program.folder / "data/doorward.db") as database:
            database.execute("INSERT INTO organizations (id, name, bounds, created_at_us, updated_at_us)"
                             " VALUES ('org_00000000000000000000000002', 'other', '{}', 1, 1)")
        self.program.start()

    def path(self, page):
        return page

    def reset(self):
        """The path of a link by which the administrator sets another password."""
        self.program.ask("POST", "/v1/password-resets", {"email": ADMIN})
        to, text = self.letters.next()
        assert to == [ADMIN]
        return link_in(text)

    def end(self):
        self.program.end()
        self.letters.__exit__()
