"""An organization as there might be one: people, projects, keys of all states, providers, a month of use, denials.

Everything is made by the management API and by calls; then the program is stopped and times are moved back in
its database, so that pages show what takes weeks to come about.
"""
import math, sqlite3, time

from program import Program
from upstream import Upstream

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US

PEOPLE = [("ada.okafor", "admin"), ("jonas.lindqvist", "member"), ("mei.tanaka", "member"), ("priya.raman", "member"),
          ("tomás.herrera", "viewer")]
PROJECTS = {"search": "Ranking and answers of the public search", "support": "Drafts for the help desk",
            "research": "Experiments; nothing here is promised to anybody"}
ACCOUNTS = [("ticket-triage", "support", "Sorts new tickets and drafts a first answer"),
            ("nightly-evaluation", "research", "Scores every model on last week's questions")]
PROVIDERS = ["openai-eu", "anthropic", "on-premises"]
MODELS = {"gpt-5.1": ("openai-eu", "1.25", "10"), "gpt-5.1-mini": ("openai-eu", "0.25", "2"),
          "claude-sonnet-4-5": ("anthropic", "3", "15"), "llama-4-scout": ("on-premises", "0.1", "0.1")}
#: How calls failed, and the status that clients got; 0: none.
FAILURES = [("failed", 503), ("failed", 503), ("failed", 429), ("failed", 0), ("interrupted", 200), ("failed", 503)]
#: Name, models, state, dollars a month of which how many percent are spent, days until its end, calls an hour.
KEYS = [
    ("production-search", ["gpt-5.1", "gpt-5.1-mini"], "active", ("600", 69), 71, 60),
    ("staging-search", ["gpt-5.1-mini"], "active", ("50", 12), 71, 6),
    ("evaluation-harness", [], "active", ("200", 93), 9, 21),
    ("notebook", ["claude-*"], "active", None, None, 3),
    ("load-test", ["llama-4-scout"], "disabled", ("20", 100), 30, 0),
    ("hackathon-2026", [], "expired", ("25", 41), -2, 0),
    ("old-crawler", [], "revoked", None, 20, 0),
]


class World:
    """`program`, running; `ids`: of each noun of the paths, the thing that its pages show."""

    def __init__(self, env=None):
        self.upstream = Upstream().__enter__()
        self.program = Program(env=env)
        self.ids = {}
        try:
            self.fill()
        except BaseException:
            self.end()
            raise

    def fill(self):
        ask = self.program.ask
        me = self.program.administrator()
        people = {name: ask("POST", "/v1/users", {"name": name, "role": role, "email": f"{name}@example.com"
                            .replace("á", "a"), "limits": {"requests_per_minute": 600}})["id"] for name, role in PEOPLE}
        ask("PATCH", f"/v1/users/{me}", {"name": "Noor Haddad"})
        projects = {name: ask("POST", "/v1/projects", {"name": name, "description": words, "budgets": [
                    {"usd": "2500", "period": "month"}]})["id"] for name, words in PROJECTS.items()}
        for project in projects.values():
            for person in (me, *people.values()):
                ask("PUT", f"/v1/projects/{project}/members/{person}", {"role": "member"})
        accounts = {name: ask("POST", "/v1/service-accounts", {"name": name, "project": projects[project],
                              "description": words})["id"] for name, project, words in ACCOUNTS}
        for name in PROVIDERS:
            key = ask("POST", "/v1/provider-keys", {"name": name, "value": f"sk-{name}-0123456789abcdef",
                                                    "note": "From the vault of the platform team"})
            provider = ask("POST", "/v1/providers", {"name": name, "kind": "openai-compatible",
                           "base_url": self.upstream.url, "provider_keys": [name]})
        for name, (on, *price) in MODELS.items():
            ask("POST", "/v1/models", {"name": name, "price": dict(zip(("input", "output"), price)),
                                       "deployments": [{"provider": on}]})
        keys = {}
        for name, models, state, budget, days, _ in KEYS:
            keys[name] = ask("POST", "/v1/api-keys", {
                "name": name, "owner": me, "project": projects["search"], "models": models or None,
                "description": "Answers on the public search page" if "search" in name else "",
                "limits": {"requests_per_minute": 300, "concurrency": 16},
                **({"never_expires": True} if days is None else {"expires_in_days": max(days, 1)}),
                "budgets": [{"usd": budget[0], "period": "month"}] if budget else []})
        agents = [ask("POST", "/v1/api-keys", {"name": f"{name}-key", "owner": account, "kind": "service"})
                  for name, account in accounts.items()]
        ask("POST", "/v1/api-keys", {"name": "jonas-laptop", "owner": people["jonas.lindqvist"]})
        increase = ask("POST", "/v1/limit-increases", {
            "reason": "The launch on Thursday: we expect three times the usual visitors.",
            "limits": {"requests_per_minute": 900}}, key=keys["production-search"]["key"])
        webhook = ask("POST", "/v1/webhooks", {"name": "ops-channel", "url": "https://hooks.example.com/doorward"})
        for name in ("production-search", "staging-search", "evaluation-harness"):
            for model in MODELS:
                self.program.call(keys[name]["key"], model)  # of those that it may not call, denials come
        for _ in range(12):
            self.program.call(keys["production-search"]["key"], "claude-sonnet-4-5")
        ask("POST", f"/v1/api-keys/{keys['load-test']['id']}/disable")
        ask("DELETE", f"/v1/api-keys/{keys['old-crawler']['id']}")
        self.program.stop()
        with sqlite3.connect(self.program.folder / "data/doorward.db") as database:
            database.row_factory = sqlite3.Row
            age(database, {name: key["id"] for name, key in keys.items()})
            call = database.execute("SELECT id FROM usage_events WHERE outcome = 'done' ORDER BY started_at_us DESC").fetchone()[0]
        self.program.start()
        self.ids = {
            "keys": keys["production-search"]["id"], "agent-keys": agents[0]["id"], "general-keys": key["id"],
            "service-accounts": accounts["ticket-triage"], "providers": provider["id"], "models": "gpt-5.1",
            "projects": projects["search"], "people": people["jonas.lindqvist"], "members": people["jonas.lindqvist"],
            "requests": increase["id"], "webhooks": webhook["id"], "calls": call, "notices": "ntc_none",
        }

    def path(self, page):
        """A page's path with the ids of what there is: `/keys/{id}/edit`."""
        parts = page.split("/")
        for place, part in enumerate(parts):
            if part.startswith("{"):
                nouns = [noun for noun in reversed(parts[:place]) if noun in self.ids]
                assert nouns, f"say in world.py, in `ids`, which thing {page} shows"
                parts[place] = self.ids[nouns[0]]
        return "/".join(parts)

    def end(self):
        self.program.end()
        self.upstream.__exit__()


def copies(database, table, row, changes):
    """Writes a row again and again, each time with other values in some columns."""
    names = list(row.keys())
    slots = ", ".join("?" * len(names))
    rows = [[{**dict(row), **change}[name] for name in names] for change in changes]
    database.executemany(f"INSERT OR REPLACE INTO {table} ({', '.join(names)}) VALUES ({slots})", rows)


def age(database, keys):
    """Moves times back, and makes a month of use out of the calls of a moment."""
    now = time.time_ns() // 1000
    this_hour = now // HOUR_US * HOUR_US
    for number, (name, _, state, budget, days, _) in enumerate(KEYS):
        made = now - (28 + 17 * number) * DAY_US
        used = None if name == "notebook" else now - (number ** 3 * 40 + 2) * 60_000_000
        database.execute("UPDATE api_keys SET created_at_us = ?, last_used_at_us = ?, last_used_address = ? WHERE id = ?",
                         (made, used, used and f"10.4.{number}.17", keys[name]))
        if days is not None and days < 0:
            database.execute("UPDATE api_keys SET expires_at_us = ? WHERE id = ?", (now + days * DAY_US, keys[name]))
    for sample in database.execute("SELECT * FROM usage_hours WHERE requests > 0").fetchall():
        rate = next((rate for name, *_, rate in KEYS if keys[name] == sample["key_id"]), 0)
        changes = []
        for hour in range(1, 30 * 24):
            at = this_hour - hour * HOUR_US
            wave = 1.2 + math.sin(at / DAY_US * 2 * math.pi) - 0.5 * (at // DAY_US % 7 in (2, 3))
            requests = round(rate * max(wave, 0.05))
            if requests:
                tokens = requests * 900
                changes.append({
                    "hour_us": at, "requests": requests, "attempts": requests, "errors": requests // 40,
                    "input_tokens": tokens, "output_tokens": tokens // 4, "cost_nanousd": tokens * 2_600})
        copies(database, "usage_hours", sample, changes)
    for sample in database.execute("SELECT * FROM usage_events WHERE outcome = 'done'").fetchall():
        copies(database, "usage_events", sample, [
            {"id": f"req_{number:026d}", "started_at_us": now - number * HOUR_US // 3, "duration_us": 400_000 + 37_000 * (number % 29),
             "first_byte_us": 210_000 + 9_000 * (number % 17)} for number in range(60)])
        copies(database, "usage_events", sample, [
            {"id": f"req_{number:026d}", "started_at_us": now - number * HOUR_US // 3, "is_error": 1,
             "outcome": FAILURES[number % len(FAILURES)][0], "status": FAILURES[number % len(FAILURES)][1]}
            for number in range(60, 99)])
    starts = {period: start for period, start in database.execute(
        "SELECT period, MAX(period_start_us) FROM spend GROUP BY period")}
    organization = database.execute("SELECT id FROM organizations").fetchone()[0]
    for name, _, _, budget, _, _ in KEYS:
        if budget and "month" in starts:
            spent = int(budget[0]) * budget[1] * 10_000_000
            database.execute("INSERT OR REPLACE INTO spend VALUES (?, 'month', ?, ?, ?, ?)",
                             (f"key:{keys[name]}", starts["month"], organization, spent, spent // 2_600))
