"""The built program, started in a folder of its own on a free port, and what is asked of it without a browser."""
import json, os, pathlib, shutil, signal, sqlite3, subprocess, tempfile, urllib.error, urllib.request

# Nothing here outlives a test; on a disk that others use too, waiting for it would be most of the time.
if os.access("/dev/shm", os.W_OK):
    os.environ.setdefault("TMPDIR", "/dev/shm")
ROOT = pathlib.Path(__file__).resolve().parents[2]
PASSWORD = "correct horse battery"
#: The address of the first administrator, who signs in with PASSWORD.
ADMIN = "admin@example.com"
#: Tables that change in time by themselves: notices go out or fail to, and answers with secrets are forgotten.
BY_THEMSELVES = ("notices", "idempotent_requests")


def binary():
    named = os.environ.get("DOORWARD")
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return named or target / "debug" / "doorward"


class Refused(Exception):
    """An answer of the management API that is no success."""

    def __init__(self, status, body):
        super().__init__(f"{status} {body}")
        self.status, self.body = status, body


class Program:
    """`doorward quickstart`, whose administrator has a password. `url`: `http://127.0.0.1:<port>`."""

    def __init__(self, folder=None, env=None, port=0):
        self.port, self.own = port, folder is None
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="doorward-portal-"))
        self.env = {"PATH": os.environ["PATH"], **(env or {})}
        self.start()

    def start(self):
        command = [binary(), "quickstart", "--json", "--data", self.folder / "data", "--listen", f"127.0.0.1:{self.port}"]
        with open(self.folder / "log", "a") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
                                            env=self.env)
        line = self.process.stdout.readline()
        assert line, self.log()
        self.ready = json.loads(line)
        self.url = self.ready["endpoint"].removesuffix("/v1")
        self.admin_key = (self.folder / "data/admin.key").read_text().strip()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        self.process.stdout.close()

    def end(self):
        """Kills it, and removes what it wrote."""
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        if self.own:
            shutil.rmtree(self.folder)

    def log(self):
        return (self.folder / "log").read_text()

    def send(self, method, path, headers=None, body=None):
        """Status, headers and bytes of one request; redirects are not followed."""
        request = urllib.request.Request(self.url + path, body, headers or {}, method=method)
        try:
            with opener.open(request, timeout=30) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as answer:
            with answer:
                return answer.code, answer.headers, answer.read()

    def ask(self, method, path, body=None, key=None):
        """What the management API answers, as the administrator unless another key is said."""
        headers = {"authorization": f"Bearer {key or self.admin_key}", "content-type": "application/json"}
        status, _, answer = self.send(method, path, headers, None if body is None else json.dumps(body).encode())
        if status >= 300:
            raise Refused(status, answer.decode())
        return json.loads(answer) if answer else None

    def call(self, key, model="doorward/echo"):
        """Status and body of a chat completion."""
        body = {"model": model, "max_tokens": 16, "messages": [{"role": "user", "content": "Say hello."}]}
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        status, _, answer = self.send("POST", "/v1/chat/completions", headers, json.dumps(body).encode())
        return status, answer.decode()

    def administrator(self):
        """The id of the first administrator, who can sign in from now on."""
        me = next(user for user in self.ask("GET", "/v1/users")["data"] if user["name"] == "administrator")
        if me["email"] != ADMIN:
            self.ask("PATCH", f"/v1/users/{me['id']}", {"email": ADMIN})
            self.accept(self.ask("POST", f"/v1/users/{me['id']}/invitation")["token"])
        return me["id"]

    def person(self, name, role="member"):
        """Adds somebody who can sign in; their id."""
        made = self.ask("POST", "/v1/users", {"name": name, "role": role, "email": f"{name}@example.com", "invite": True})
        self.accept(made["invitation"]["token"])
        return made["id"]

    def accept(self, token):
        self.ask("POST", "/v1/invitations/accept", {"token": token, "password": PASSWORD})

    def session(self, email=ADMIN, password=PASSWORD):
        """The token of a new session."""
        return self.ask("POST", "/v1/sessions", {"email": email, "password": password})["token"]

    def rows(self, but=()):
        """Every row of the database, by table: what an act that was refused must leave as it was. Left out is
        what each request changes: when a session or a key was last used; and the tables that are named."""
        with sqlite3.connect(f"file:{self.folder}/data/doorward.db?mode=ro", uri=True) as database:
            names = [name for name, in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return {name: sorted(map(repr, database.execute(f"SELECT * FROM {name}"))) for name in names
                    if name not in ("sessions", "key_uses", *but)}


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


opener = urllib.request.build_opener(NoRedirect)
