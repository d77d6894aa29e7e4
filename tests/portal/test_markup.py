"""What people type is text on every page: no script of theirs runs, and no page even tries to run one."""
import html, re, urllib.parse

from pages import GUESTS, PAGES
from program import ADMIN, Refused

PAYLOADS = [
    "<script>alert(1)</script>",
    "\"><script>alert(2)</script>",
    "'><script>alert(3)</script>",
    "</script><script>alert(4)</script>",
    "</textarea><script>alert(5)</script>",
    "</title><script>alert(6)</script>",
    "</style><script>alert(7)</script>",
    "</option></select><img src=x onerror=alert(8)>",
    "<img src=x onerror=alert(9)>",
    "\"><img src=x onerror=alert(10)>",
    "<svg onload=alert(11)>",
    "<svg><script>alert(12)</script></svg>",
    "<svg><animate onbegin=alert(13) attributeName=x dur=1s>",
    "<math><mtext><script>alert(14)</script></mtext></math>",
    "<body onload=alert(15)>",
    "<details open ontoggle=alert(16)>",
    "<input autofocus onfocus=alert(17)>",
    "\" autofocus onfocus=alert(18) x=\"",
    "' autofocus onfocus=alert(19) x='",
    " onmouseover=alert(20) ",
    "<iframe src=javascript:alert(21)></iframe>",
    "<iframe srcdoc=\"<script>alert(22)</script>\"></iframe>",
    "<a href=javascript:alert(23) id=x>x</a>",
    "javascript:alert(24)",
    "<base href=//evil.localhost/>",
    "<meta http-equiv=refresh content=0;url=//evil.localhost/>",
    "<link rel=stylesheet href=//evil.localhost/x.css>",
    "<style>@import '//evil.localhost/x.css';</style>",
    "<form action=//evil.localhost/><button>x</button></form>",
    "{{7*7}}${alert(30)}<%= alert(30) %>[x](javascript:alert(30))<!--",
]
ALL = " ".join(PAYLOADS)
#: The same in pieces that fit where texts are at most 500 characters long.
PIECES = [" ".join(PAYLOADS[start:start + 10]) for start in range(0, len(PAYLOADS), 10)]
#: What addresses of pages say: each page reads some of them.
PARAMETERS = ["q", "status", "project", "sort", "after", "next", "organization", "done", "name", "token", "from", "to",
              "model", "key", "user", "actor", "action", "group_by", "since", "until", "role", "kind", "period", "id"]
#: What no page has of its own.
PLANTED = "main [onerror], main [onload], main [onfocus], main [ontoggle], main iframe, main script, main base, main style"


def plant(program):
    """Writes the payloads into every text that the API keeps, and returns how many it took; some it does not take
    as names."""
    me, taken = program.administrator(), 0

    def make(path, body):
        nonlocal taken
        try:
            made = program.ask("POST", path, body)
        except Refused as refused:
            assert refused.status in (400, 409, 422), refused
            return None
        taken += 1
        return made

    program.ask("PATCH", "/v1/settings", {"keys-per-user-max": 1000})
    for number, payload in enumerate(PAYLOADS):
        model = payload.replace(" ", "/").replace("*", "+")  # neither may be in a model's name
        name, piece = payload.strip(), PIECES[number % len(PIECES)]
        make("/v1/api-keys", {"name": name, "description": piece, "owner": me, "metadata": {"note": payload}})
        make("/v1/projects", {"name": name, "description": piece})
        make("/v1/users", {"name": name, "role": "member"})
        make("/v1/service-accounts", {"name": name, "description": piece})
        make("/v1/provider-keys", {"name": name, "value": f"sk-{model}", "note": piece})
        make("/v1/providers", {"name": name, "kind": "openai-compatible", "base_url": "http://127.0.0.1:9/v1"})
        make("/v1/models", {"name": model, "price": "free", "aliases": [f"{model}-alias"],
                            "deployments": [{"provider": "echo", "upstream_model": model}]})
        make("/v1/webhooks", {"name": name, "url": f"https://hooks.example.com/{payload}"})
        key = make("/v1/api-keys", {"name": f"asks-{number}", "limits": {"requests_per_minute": 1}, "models": [f"{model}+"]})
        if key:
            program.call(key["key"], model)  # a denial, with the name of the model in it
            body = {"reason": piece, "limits": {"requests_per_minute": 9}}
            program.ask("POST", "/v1/limit-increases", body, key=key["key"])
    return taken


def links(page):
    found = re.findall(r'href="(/[^"]*)"', page.content())
    return [html.unescape(link).split("#")[0] for link in found]


def shape(path):
    """What a path is one of: `/keys/{id}/edit` for each key."""
    parts = urllib.parse.urlsplit(path).path.split("/")
    return tuple(part if re.fullmatch("[a-z-]*", part) else "{}" for part in parts)


def test_what_was_typed_runs_on_no_page(visitor, program):
    assert plant(program) > 8 * len(PAYLOADS)
    visit = visitor(ADMIN)
    todo, seen, times = ["/keys"], set(), {}
    while todo:
        path = todo.pop(0)
        # Every list, and of each sort of page the first few: they show the same fields.
        if path in seen or times.get(shape(path), 0) >= 3 or path.startswith(("/assets", "/docs", "/v1")):
            continue
        seen.add(path)
        times[shape(path)] = times.get(shape(path), 0) + 1
        answer = visit.context.request.get(path, max_redirects=0)
        if not answer.headers.get("content-type", "").startswith("text/html"):
            continue
        visit.go(path)
        visit.page.wait_for_load_state()
        assert visit.page.locator(PLANTED).count() == 0
        todo += links(visit.page)
    assert len(seen) >= len([path for path in PAGES if "{" not in path and path not in GUESTS])


def test_what_a_link_says_runs_on_no_page(visitor, program):
    """Parameters that pages read, one by one, and in a browser several at once."""
    visit = visitor(ADMIN)
    visit.expected += [400, 404]
    quoted = urllib.parse.quote(ALL)
    for path in (path for path in PAGES if "{" not in path):
        for name in PARAMETERS:
            text = visit.context.request.get(f"{path}?{name}={quoted}").text()
            assert not any(payload in text for payload in PAYLOADS if payload[0] == "<"), (path, name)
        for number in range(len(PARAMETERS) // 8):
            piece = urllib.parse.quote(PIECES[number])
            visit.go(path + "?" + "&".join(f"{name}={piece}" for name in PARAMETERS[number * 8:][:8]))
            assert visit.page.locator(PLANTED).count() == 0


def test_what_was_typed_into_a_form_that_is_refused_runs_not(visit):
    """It is shown again, as it was typed."""
    visit.go("/keys/new")
    for field in visit.page.locator("main input:not([type]), main textarea").all():
        field.evaluate("(field, text) => { field.value = text; field.removeAttribute('maxlength'); }", ALL)
    visit.press("Create API key")
    visit.page.locator("main .wrong").first.wait_for()
    assert visit.page.get_by_label("Description", exact=True).input_value() == ALL
    assert visit.page.locator(PLANTED).count() == 0
