"""Lists fit their page at every width, however long the names in them are."""
import pytest

from pages import GUESTS, PAGES
from program import ADMIN
from visit import Visit
from world import World

WIDTHS = [1280, 1024, 768, 390, 320]
LISTS = [path for path in PAGES if "{" not in path and path not in GUESTS and not path.endswith("/new")]
#: What shows the things of one other.
INNER = ["/keys/{id}", "/models/show/{name}", "/people/{id}", "/projects/{id}", "/providers/{id}", "/service-accounts/{id}"]
#: How far the page, and what scrolls in itself, goes beyond what is seen of it.
BEYOND = """() => [document.scrollingElement, ...document.querySelectorAll(".table, main, .rail, dialog")]
    .filter((node) => node.scrollWidth > node.clientWidth)
    .map((node) => `${node.localName}.${node.className} by ${node.scrollWidth - node.clientWidth}`)"""
LONG = "a-name-without-any-place-to-break-it-that-somebody-thought-was-a-good-idea-".replace("-", "")


def long(start, length=64):
    """A name as long as names may be, in one word."""
    return (start + LONG * 2)[:length]


def lengthen(program):
    """Adds to each list things with long names, which belong to one another."""
    ask = program.ask
    ask("PATCH", "/v1/settings", {"keys-per-user-max": 1000})
    person = ask("POST", "/v1/users", {"name": long("person"), "role": "member", "email": f"{long('p')}@example.com"})["id"]
    me = next(user["id"] for user in ask("GET", "/v1/users")["data"] if user["email"] == ADMIN)
    project = ask("POST", "/v1/projects", {"name": long("project"), "description": long("what", 200),
                                           "budgets": [{"usd": "123456.78", "period": "month"}]})["id"]
    for one in (person, me):
        ask("PUT", f"/v1/projects/{project}/members/{one}", {"role": "member"})
    account = ask("POST", "/v1/service-accounts", {"name": long("account"), "project": project,
                                                   "description": long("what", 200)})["id"]
    more = {"project": project, "limits": {"requests_per_minute": 1000000}, "budgets": [{"usd": "123456.78", "period": "month"}]}
    keys = [ask("POST", "/v1/api-keys", {"name": long("key"), "owner": owner, **more}) for owner in (me, person)]
    ask("POST", "/v1/api-keys", {"name": long("agent"), "owner": account, "kind": "service", **more})
    ask("POST", "/v1/limit-increases", {"reason": long("because", 300), "limits": {"requests_per_minute": 9000000}},
        key=keys[1]["key"])
    ask("POST", "/v1/provider-keys", {"name": long("provider-key"), "value": "sk-0123456789abcdef", "note": long("note", 200)})
    ask("POST", "/v1/providers", {"name": long("provider"), "kind": "openai-compatible", "provider_keys": [long("provider-key")],
                                  "base_url": f"http://127.0.0.1:9/{long('path', 200)}"})
    model = long("model")
    ask("POST", "/v1/models", {"name": model, "price": "free", "aliases": [long("alias")],
                               "deployments": [{"provider": long("provider"), "upstream_model": model}]})
    ask("POST", "/v1/webhooks", {"name": long("webhook"), "url": f"https://hooks.example.com/{long('path', 200)}"})
    program.call(keys[0]["key"], model)


@pytest.fixture(scope="module")
def world():
    world = World()
    lengthen(world.program)
    yield world
    world.end()


def test_lists_of_long_names_do_not_scroll_sideways(world, browser):
    visit = Visit(browser, world.program, email=ADMIN)
    wrong = []
    for path in [*LISTS, "/keys?of=all", *INNER]:
        visit.go(world.path(path))
        for width in WIDTHS:
            visit.look("light", width)
            wrong += [f"{path} at {width}: {line}" for line in visit.page.evaluate(BEYOND)]
    visit.close()
    assert not wrong, "\n".join(wrong)
