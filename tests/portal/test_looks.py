"""What holds for every page in every look: nobody is kept out, nothing is cut off, little is sent, all of it from here."""
import html, pathlib, re

import axe_playwright_python
import pytest

from pages import GUESTS, PAGES, STATES
from program import ADMIN
from visit import LOOKS, Visit

AXE = (pathlib.Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
RULES = "axe.run(document, { resultTypes: ['violations'], rules: { 'target-size': { enabled: true } } })"
#: What can be scrolled sideways.
SIDEWAYS = """() => [document.documentElement, ...document.querySelectorAll("body *:not(input, textarea)")]
    .filter((node) => node.scrollWidth > node.clientWidth + 1 && node.clientWidth > 0)
    .filter((node) => node.localName === "html" || ["auto", "scroll"].includes(getComputedStyle(node).overflowX))
    .map((node) => `${node.localName}.${node.className} is ${node.scrollWidth} wide, and ${node.clientWidth} is seen`)"""
PAGE_BYTES_MAX = 150_000
#: The widths at which nothing may stick out.
WIDTHS = [360, 390, 1280, 2560]


@pytest.fixture
def open(browser):
    visits = []

    def open(program, email):
        visits.append(Visit(browser, program, email=email))
        return visits[-1]

    yield open
    for visit in visits:
        visit.close()


def violations(page):
    """What axe-core has to say of a page."""
    found = page.evaluate(RULES)["violations"]
    return [f"{rule['id']}: {node['target']} {node['failureSummary']}" for rule in found for node in rule["nodes"]]


def look_at(visit, looks=LOOKS):
    """Everything that is wrong with the page that is shown, in these looks."""
    page, wrong = visit.page, []
    page.evaluate(AXE)
    for scheme, width in looks:
        visit.look(scheme, width)
        wrong += [f"{scheme} {width}: {line}" for line in violations(page)]
    for width in WIDTHS:
        visit.look("light", width)
        wrong += [f"{width}: {line}" for line in page.evaluate(SIDEWAYS)]
    if page.get_by_role("heading", level=1).count() != 1:
        wrong.append("there is not one first heading")
    if not page.title().endswith(" · Doorward") or page.title().startswith(" "):
        wrong.append(f"the title is {page.title()}")
    return "\n".join(wrong)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_for_everybody_and_small(world, open, path):
    visit = open(world.program, None if path in GUESTS else ADMIN)
    sizes = {}
    visit.context.on("response", lambda answer: sizes.update({answer.url: len(answer.body()) if answer.ok else 0}))
    answer = visit.go(world.path(path))
    assert answer.status == 200 and answer.request.redirected_from is None, path
    visit.page.wait_for_load_state("networkidle")
    assert sum(sizes.values()) <= PAGE_BYTES_MAX, sizes
    wrong = look_at(visit)
    assert not wrong, wrong


@pytest.mark.parametrize("name", STATES)
def test_what_is_shown_after_an_act_is_for_everybody(world, open, name):
    visit = open(world.program, ADMIN)
    STATES[name](visit, world)
    wrong = look_at(visit)
    assert not wrong, wrong


def test_pages_of_which_nothing_is_there_yet_are_for_everybody(program, open):
    """A list that is empty says what it is for."""
    visit = open(program, ADMIN)
    wrong = []
    for path in (path for path in PAGES if "{" not in path and path not in GUESTS):
        visit.go(path)
        wrong += [f"{path}: {line}" for line in look_at(visit, [("light", 1280)]).splitlines()]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("role", ["owner", "member", "viewer"])
def test_every_link_leads_somewhere(world, open, role):
    """Whoever is shown a way may go it; the ways out, and what is not of the portal, are left alone."""
    email = ADMIN if role == "owner" else f"link.{role}@example.com"
    if role != "owner":
        world.program.person(f"link.{role}", role)
    visit = open(world.program, email)
    todo, seen = ["/"], set()
    while todo:
        path = todo.pop()
        if path in seen or len(seen) > 500:
            continue
        seen.add(path)
        answer = visit.context.request.get(path)
        assert answer.status == 200, (path, answer.status)
        if answer.headers["content-type"].startswith("text/html"):
            for link in re.findall(r'(?:href|src)="([^"]*)"', answer.text()):
                link = html.unescape(link).split("#")[0]
                assert link == "" or link.startswith("/"), f"{link} on {path}"
                # One page of each sort is enough: a list may have many.
                if link and not link.startswith("/docs"):
                    todo.append(link)
    assert len(seen) > 5
