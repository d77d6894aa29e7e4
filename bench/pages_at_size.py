#!/usr/bin/env python3
"""Measures how long the server takes for each page of the portal, with many keys.

    pages_at_size.py BINARY [--keys 100000] [--postgres] [WORD…]

Starts BINARY on a folder of its own, makes the keys in the database itself, in bulk, as keys_at_size.py does, and
asks for every page as an administrator who is signed in, over one connection: milliseconds from the request to the
last byte. Each figure is the median of 21 requests, and the slowest of them. With words, only pages whose path has
one. Ends with 1 if a median is above 20 ms.
"""
import argparse, http.client, json, os, pathlib, statistics, sys, tempfile, time

from keys_at_size import Postgres, Sqlite, fill_sql, make_template, start, stop

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests/portal"))
from pages import GUESTS, PAGES

BOUND_MS = 20
TIMES = 21
PASSWORD = "correct horse battery"


class Api:
    """One connection to the server."""

    def __init__(self, ready):
        self.key = ready["admin_key"]
        self.connection = http.client.HTTPConnection(ready["endpoint"].split("/")[2], timeout=60)

    def ask(self, method, path, body=None):
        headers = {"authorization": f"Bearer {self.key}", "content-type": "application/json"}
        self.connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = self.connection.getresponse()
        text = answer.read()
        assert answer.status < 300, (path, answer.status, text)
        return json.loads(text) if text else None

    def page(self, path, session):
        """Status, milliseconds and bytes of a page."""
        begun = time.perf_counter()
        self.connection.request("GET", path, headers={"cookie": f"doorward={session}"})
        answer = self.connection.getresponse()
        size = len(answer.read())
        return answer.status, (time.perf_counter() - begun) * 1000, size


def some(api, template):
    """One thing of each noun that pages show."""
    make = lambda path, body: api.ask("POST", path, body)
    key = make("/v1/provider-keys", {"name": "some", "value": "sk-some-0123456789"})
    provider = make("/v1/providers", {"name": "some", "kind": "openai-compatible", "base_url": "http://127.0.0.1:9/v1"})
    make("/v1/models", {"name": "some", "price": "free", "deployments": [{"provider": "some"}]})
    account = make("/v1/service-accounts", {"name": "some"})
    agent = make("/v1/api-keys", {"name": "some", "owner": account["id"], "kind": "service"})
    webhook = make("/v1/webhooks", {"name": "some", "url": "https://hooks.example.com/some"})
    person = api.ask("GET", "/v1/users?limit=1")["data"][0]["id"]
    return {"keys": template["id"], "agent-keys": agent["id"], "general-keys": key["id"], "models": "some",
            "providers": provider["id"], "service-accounts": account["id"], "people": person,
            "projects": template["project"], "webhooks": webhook["id"], "notifications": webhook["id"]}


def session_of_administrator(api):
    me = api.ask("GET", "/v1/users/me")["id"]
    api.ask("PATCH", f"/v1/users/{me}", {"email": "admin@example.com"})
    token = api.ask("POST", f"/v1/users/{me}/invitation")["token"]
    api.ask("POST", "/v1/invitations/accept", {"token": token, "password": PASSWORD})
    return api.ask("POST", "/v1/sessions", {"email": "admin@example.com", "password": PASSWORD})["token"]


def paths(ids):
    """Pages, lists also as they are searched."""
    for path in PAGES:
        noun = path.split("/")[1]
        if path in GUESTS or "{" in path and noun not in ids:
            continue
        yield "/".join(ids[noun] if part.startswith("{") else part for part in path.split("/"))
    yield from ("/keys?q=zzzqqq", "/keys?status=expired", "/keys?q=nightly&sort=name", "/keys?of=all",
                "/keys?of=all&sort=-last_used", "/agent-keys?sort=name", "/agent-keys?q=zzzqqq")


def measure(api, session, ids, words):
    worst = 0
    for path in paths(ids):
        if words and not any(word in path for word in words):
            continue
        asked = [api.page(path, session) for _ in range(TIMES)]
        statuses = {status for status, _, _ in asked}
        median, slowest = statistics.median(took for _, took, _ in asked), max(took for _, took, _ in asked)
        note = "" if statuses == {200} else f"  answers {statuses}"
        print(f"  {path:60} {median:7.1f} ms  (slowest {slowest:.1f})  {asked[0][2] / 1000:6.1f} kB{note}", flush=True)
        worst = max(worst, median)
    return worst


def run(binary, count, engine, words):
    with tempfile.TemporaryDirectory(prefix="doorward-pages-") as home:
        folder = pathlib.Path(home) / "data"
        folder.mkdir(mode=0o700)
        database = engine(folder)
        env = {"PATH": os.environ["PATH"], "DOORWARD__LOG__LEVEL": "warn", **database.env}
        process, ready, _ = start(binary, folder, env)
        try:
            template, _ = make_template(ready)
            api = Api(ready)
            ids, session = some(api, template), session_of_administrator(api)
            stop(process)
            database.run(fill_sql(count, template["id"], engine is Sqlite))
            process, ready, _ = start(binary, folder, env)
            ready["admin_key"] = (folder / "admin.key").read_text().strip()
            print(f"{database.name}, {count} keys")
            return measure(Api(ready), session, ids, words)
        finally:
            if process.poll() is None:
                stop(process)
            database.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary")
    parser.add_argument("words", nargs="*")
    parser.add_argument("--keys", type=int, default=100_000)
    parser.add_argument("--postgres", action="store_true")
    args = parser.parse_args()
    worst = run(os.path.abspath(args.binary), args.keys, Postgres if args.postgres else Sqlite, args.words)
    if worst > BOUND_MS:
        sys.exit(f"a page takes {worst:.0f} ms")


if __name__ == "__main__":
    main()
