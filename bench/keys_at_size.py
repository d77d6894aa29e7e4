#!/usr/bin/env python3
"""Measures lists of many keys over HTTP, and what they cost at the start.

    keys_at_size.py BINARY [--keys 100000] [--postgres]

Starts BINARY on a folder of its own (with --postgres on a PostgreSQL of its own, from the installed binaries),
makes the keys in the database itself, in bulk, starts again, and asks for lists: the worst ones too. Each figure
is the median of seven requests, and the slowest of them. Ends with 1 if a median is above 50 ms.
"""
import argparse, json, os, pathlib, shutil, signal, sqlite3, statistics, subprocess, sys, tempfile, time
import urllib.parse, urllib.request

BOUND_MS = 50
FEW = 100
USERS = 5000


def start(binary, folder, env):
    """A running server, what it printed, and how long it took until it was ready."""
    begun = time.monotonic()
    cmd = [binary, "quickstart", "--json", "--data", str(folder), "--listen", "127.0.0.1:0"]
    with open(folder.parent / "log", "a") as log:
        process = subprocess.Popen(cmd, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, stderr=log, env=env)
    line = process.stdout.readline()
    if not line:
        sys.exit((folder.parent / "log").read_text())
    return process, json.loads(line), time.monotonic() - begun


def stop(process):
    process.send_signal(signal.SIGTERM)
    process.wait()


def resident_mb(process):
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def ask(ready, key, path):
    """Milliseconds, and the answer."""
    request = urllib.request.Request(f"{ready['endpoint']}/{path}", headers={"authorization": f"Bearer {key}"})
    begun = time.monotonic()
    with urllib.request.urlopen(request) as answer:
        body = answer.read()
    return (time.monotonic() - begun) * 1000, json.loads(body)


def fill_sql(count, template, sqlite):
    """Copies of one key and of its user, made by the database: names, texts, makers and uses of their own."""
    numbers = f"(WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {count}) SELECT n FROM n) AS numbers"
    users = numbers.replace(f"n < {count}", f"n < {USERS}")
    pad = lambda text, size: f"substr('{'0' * size}' || {text}, length({text}) + 1)"
    n, u = "CAST(n AS TEXT)", f"CAST(n % {USERS} + 1 AS TEXT)"
    name = "'billing-batch-' || n"
    words = "'nightly report of the search agent ' || (n % 977)"
    identity = f"'dw_' || {pad(n, 16)}"
    return f"""
        INSERT INTO users (id, organization_id, name, search_text, role, bounds, created_at_us, updated_at_us)
        SELECT 'usr_' || {pad(n, 26)}, organization_id, 'user ' || n, 'user ' || n, 'member', '{{}}', 1, 1
        FROM users CROSS JOIN {users} WHERE id = (SELECT owner_id FROM api_keys WHERE id = '{template}');
        INSERT INTO api_keys (id, organization_id, project_id, owner_kind, owner_id, name, name_look, description,
            search_text, tail, rights, metadata, created_by, created_at_us, updated_at_us, expires_at_us,
            last_used_at_us, last_used_address)
        SELECT {identity}, organization_id, project_id, 'user', 'usr_' || {pad(u, 26)}, {name}, {name}, {words},
            {name} || '{chr(31)}' || {words} || '{chr(31)}' || {identity}, tail, rights, metadata, created_by,
            created_at_us - CAST(n AS BIGINT) * 1000000, updated_at_us, expires_at_us,
            CASE WHEN n % 3 > 0 THEN created_at_us END, CASE WHEN n % 3 > 0 THEN '192.0.2.7' END
        FROM api_keys CROSS JOIN {numbers} WHERE id = '{template}';
        UPDATE api_keys SET disabled_at_us = created_at_us WHERE name IN ('billing-batch-7', 'billing-batch-{count - 3}');
        {'ANALYZE;' if sqlite else 'VACUUM ANALYZE api_keys; CHECKPOINT;'}"""


def cases(member, administrator, project, last):
    q = urllib.parse.quote
    return [
        ("first page", administrator, "limit=50"),
        ("largest page", administrator, "limit=200"),
        ("last page", administrator, f"after={last}"),
        ("search, many match", administrator, "q=nightly"),
        ("search, few match", administrator, "q=batch-77777"),
        ("search, none matches", administrator, "q=zzzqqq"),
        ("search, one letter that none has", administrator, f"q={q('~')}"),
        ("search and a rare status", administrator, "q=nightly&status=disabled"),
        ("active", administrator, "status=active"),
        ("disabled (2)", administrator, "status=disabled"),
        ("expired (none)", administrator, "status=expired"),
        ("revoked (none)", administrator, "status=revoked"),
        ("kind service (none)", administrator, "kind=service"),
        ("project", administrator, f"project={project}"),
        ("project of none", administrator, "project=prj_00000000000000000000000000"),
        ("created_by none", administrator, "created_by=usr_00000000000000000000000000"),
        ("expires_before (none)", administrator, "expires_before=2020-01-01T00:00:00Z"),
        ("unused_since (all)", administrator, "unused_since=2099-01-01T00:00:00Z"),
        ("unused_since (none)", administrator, "unused_since=2001-01-01T00:00:00Z"),
        ("one owner", administrator, f"owner=usr_{7:026d}"),
        ("a member's own", member, "limit=50"),
        ("a member's own, searched", member, "q=zzzqqq"),
    ]


def measure(ready, member, administrator, project, last):
    worst = 0
    for name, key, query in cases(member, administrator, project, last):
        times = []
        for _ in range(7):
            took, page = ask(ready, key, f"api-keys?{query}")
            times.append(took)
        median = statistics.median(times)
        worst = max(worst, median)
        print(f"  {name:34} {len(page['data']):4} rows  {median:7.1f} ms  (slowest {max(times):.1f})", flush=True)
    return worst


def make_template(ready):
    """A key of the administrator with a limit and a budget, as many have them, and one of a member."""
    def post(path, body):
        request = urllib.request.Request(f"{ready['endpoint']}/{path}", json.dumps(body).encode(), {
            "authorization": f"Bearer {ready['admin_key']}", "content-type": "application/json"})
        return json.load(urllib.request.urlopen(request))
    rights = {"scopes": ["inference:read", "inference:write", "keys:read"], "models": ["gpt-4o*", "claude-*"],
              "limits": {"requests_per_minute": 60}, "budgets": [{"usd": "5", "period": "month"}]}
    member = post("users", {"name": "a member", "role": "member"})["id"]
    own = post("api-keys", {"name": "own", "owner": member, "scopes": ["keys:read"]})["key"]
    return post("api-keys", {"name": "template", **rights}), own


class Sqlite:
    name, env = "SQLite", {}

    def __init__(self, folder):
        self.file = folder / "doorward.db"

    def run(self, sql):
        with sqlite3.connect(self.file) as database:
            database.executescript(sql)

    def stop(self):
        pass


class Postgres:
    name = "PostgreSQL"

    def __init__(self, folder):
        self.home = folder.parent / "postgres"
        self.home.mkdir()
        versions = sorted(pathlib.Path("/usr/lib/postgresql").iterdir())
        self.bin, self.user = versions[-1] / "bin", []
        if os.geteuid() == 0:
            shutil.chown(self.home, "nobody")
            folder.parent.chmod(0o755)
            self.user = ["setpriv", "--reuid", "nobody", "--clear-groups"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        data = self.home / "data"
        subprocess.run([*self.user, self.bin / "initdb", "-D", data, "-U", "doorward", "-A", "trust", "-E", "UTF8"],
                       check=True, **quiet)
        self.server = subprocess.Popen(
            [*self.user, self.bin / "postgres", "-D", data, "-k", self.home, "-c", "listen_addresses="], **quiet)
        self.env = {"DOORWARD__DATA__DATABASE_URL": f"postgres:///postgres?host={self.home}&user=doorward"}
        while subprocess.run([self.bin / "pg_isready", "-h", self.home], **quiet).returncode:
            time.sleep(0.1)

    def run(self, sql):
        subprocess.run(["psql", "-q", "-v", "ON_ERROR_STOP=1", "-h", self.home, "-U", "doorward", "postgres"],
                       input=sql, text=True, check=True)

    def stop(self):
        self.server.send_signal(signal.SIGINT)
        self.server.wait()


def run(binary, count, engine):
    with tempfile.TemporaryDirectory(prefix="doorward-size-") as home:
        folder = pathlib.Path(home) / "data"
        folder.mkdir(mode=0o700)
        database = engine(folder)
        env = {"PATH": os.environ["PATH"], "DOORWARD__LOG__LEVEL": "warn", **database.env}
        processes = []
        try:
            process, ready, _ = start(binary, folder, env)
            processes.append(process)
            template, member = make_template(ready)
            stop(process)
            for size in (FEW, count):
                database.run("DELETE FROM api_keys WHERE name LIKE 'billing-batch-%';"
                             "DELETE FROM users WHERE name LIKE 'user %';")
                database.run(fill_sql(size, template["id"], engine is Sqlite))
                process, ready, seconds = start(binary, folder, env)
                processes.append(process)
                administrator = (folder / "admin.key").read_text().strip()
                ask(ready, administrator, "api-keys")
                print(f"{database.name}, {size} keys: ready in {seconds:.2f} s, {resident_mb(process):.0f} MB resident")
                if size == FEW:
                    stop(process)
            last = cursor_of_last(ready, administrator, count, template)
            worst = measure(ready, member, administrator, template["project"], last)
            print(f"  after that {resident_mb(process):.0f} MB resident")
            return worst
        finally:
            for process in processes:
                if process.poll() is None:
                    stop(process)
            database.stop()


def cursor_of_last(ready, key, count, template):
    """The place of the last but twenty: a cursor is a place, not a look-up."""
    import base64, datetime
    made = datetime.datetime.fromisoformat(template["created_at"].replace("Z", "+00:00"))
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    us = (made - epoch) // datetime.timedelta(microseconds=1) - (count - 20) * 1_000_000
    place = f"{us} dw_{count - 20:016d}"
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary")
    parser.add_argument("--keys", type=int, default=100_000)
    parser.add_argument("--postgres", action="store_true")
    args = parser.parse_args()
    worst = run(os.path.abspath(args.binary), args.keys, Postgres if args.postgres else Sqlite)
    if worst > BOUND_MS:
        sys.exit(f"a list takes {worst:.0f} ms")


if __name__ == "__main__":
    main()
