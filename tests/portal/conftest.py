"""What tests are given: a browser, a program, and somebody who visits it."""
import pytest
from playwright.sync_api import sync_playwright

from letters import Mailing
from program import ADMIN, Program
from visit import Visit, chromium
from world import World


def pytest_collection_modifyitems(items):
    """What is said of the whole run comes last."""
    items.sort(key=lambda item: item.path.name == "test_whole.py")


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        browser = chromium(playwright)
        yield browser
        browser.close()


@pytest.fixture
def options():
    """How the program is started, for tests that have a say in it."""
    return {}


@pytest.fixture
def program(options):
    """A program of this test's own, whose administrator can sign in."""
    program = Program(**options)
    program.administrator()
    yield program
    log = program.log()
    program.end()
    assert "internal error" not in log and "panicked" not in log, log


@pytest.fixture(scope="session")
def world():
    """An organization as there might be one, for tests that look at it, and leave what is in it as it is."""
    world = World()
    yield world
    world.end()


@pytest.fixture(scope="session")
def mailing():
    """A program that sends letters, for the same."""
    mailing = Mailing()
    yield mailing
    mailing.end()


@pytest.fixture(params=[True, False], ids=["scripts", "no-scripts"])
def scripts(request):
    """Each test that asks for this runs with JavaScript and without."""
    return request.param


@pytest.fixture
def visitor(browser, program):
    """Opens contexts: `visitor(email, scripts=True)`. At the end, none may have had anything to complain of."""
    visits = []

    def open(email=None, of=program, **more):
        visits.append(Visit(browser, of, email=email, **more))
        return visits[-1]

    yield open
    for visit in visits:
        visit.close()


@pytest.fixture
def visit(visitor, scripts):
    """The administrator, signed in, with JavaScript and without."""
    return visitor(ADMIN, scripts=scripts)


@pytest.fixture
def guest(visitor, scripts):
    """Nobody, with JavaScript and without."""
    return visitor(scripts=scripts)
