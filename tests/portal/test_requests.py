"""Requests for higher limits: asked for on a key's page, granted, declined, taken back."""
import pytest
from playwright.sync_api import expect


@pytest.fixture
def key(program):
    """The id of a key of ada's, who is a member."""
    program.person("ada")
    wish = {"name": "busy", "limits": {"requests_per_minute": 5}, "budgets": [{"usd": "20", "period": "month"}]}
    return program.ask("POST", "/v1/api-keys", wish, key=program.session("ada@example.com"))["id"]


@pytest.fixture
def ada(visitor, scripts):
    return visitor("ada@example.com", scripts=scripts)


def ask(ada, key, reason, **figures):
    ada.go(f"/keys/{key}")
    ada.press("Ask for higher limits")
    for name, figure in figures.items():
        ada.put(name, figure)
    ada.put("reason", reason)
    ada.press("Ask for higher limits")
    ada.sees("Asked.")


def limit(program, key):
    """How many requests a minute the key may make now."""
    made = program.ask("GET", f"/v1/api-keys/{key}")
    return (made["increase"] or made)["limits"]["requests_per_minute"]


def test_higher_limits_are_asked_for_and_granted_in_one_click(key, ada, visit, program):
    ask(ada, key, "The launch on Thursday", **{"limits.requests_per_minute": "500"})
    ada.sees("nobody has decided yet")
    visit.go("/requests")
    visit.sees("The launch on Thursday")
    visit.press("Grant")
    visit.sees("Granted.")
    ada.go(f"/keys/{key}")
    ada.sees("Higher limits hold")
    ada.sees("500")
    visit.go("/requests?state=open")
    visit.sees("No request is like that.")
    visit.page.get_by_label("Status").select_option("granted")
    if not visit.scripts:
        visit.press("Filter")
    visit.sees("The launch on Thursday")


def test_other_limits_than_those_asked_for_are_granted_and_ended_by_whoever_asked(key, ada, visit, program):
    ask(ada, key, "The launch on Thursday", **{"limits.requests_per_minute": "500", "budgets[0]": "90"})
    visit.go("/requests")
    visit.press("busy")
    visit.heading("Higher limits for busy")
    visit.put("limits.requests_per_minute", "50")
    visit.put("budgets[0]", "")
    visit.put("ends_in_days", "7")
    visit.put("note", "Enough for a launch")
    visit.press("Grant")
    visit.sees("Granted.")
    ada.go(f"/keys/{key}")
    ada.sees("50")
    ada.press("See the request")
    ada.sees("Enough for a launch")
    ada.press("End it now")
    ada.sees("The usual limits hold.")
    assert limit(program, key) == 5


def test_a_request_is_declined_with_a_word_on_why(key, ada, visit, program):
    ask(ada, key, "Because", **{"limits.requests_per_minute": "100000"})
    visit.go("/requests")
    visit.press("busy")
    visit.put("note", "Say what for")
    visit.press("Decline")
    visit.sees("Declined.")
    ada.go("/requests")
    ada.press("busy")
    ada.sees("Say what for")
    expect(ada.button("Grant")).to_have_count(0)
    assert limit(program, key) == 5


def test_a_request_is_taken_back(key, ada, visit):
    ask(ada, key, "A mistake", **{"budgets[0]": "2000"})
    ada.press("See the request")
    ada.press("Take back")
    ada.sees("Done.")
    visit.go("/requests?state=withdrawn")
    visit.sees("A mistake")
    expect(visit.button("Grant")).to_have_count(0)
