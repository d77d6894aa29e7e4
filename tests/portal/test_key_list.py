"""The list of keys: found, filtered, sorted, paged, opened."""
import pytest
from playwright.sync_api import expect

from program import ADMIN


def make(program, name, **more):
    return program.ask("POST", "/v1/api-keys", {"name": name, "owner": program.administrator(), **more})


@pytest.fixture
def names(visit):
    """The names that the list shows."""
    return visit.page.locator("tbody a.name")


def choose(visit, label, choice):
    """Chooses in a filter: with scripts, that is meant at once."""
    visit.page.get_by_label(label).select_option(**choice)
    if not visit.scripts:
        visit.press("Filter")


def test_keys_are_found_and_filtered(visit, names, program):
    project = program.ask("POST", "/v1/projects", {"name": "search"})["id"]
    make(program, "production-search", project=project)
    make(program, "hackathon", expires_in_days=3)
    program.ask("POST", f"/v1/api-keys/{make(program, 'load-test', expires_in_days=60)['id']}/disable")
    visit.go("/keys")
    visit.page.get_by_label("Search by name or key").fill("hack")
    visit.press("Filter")
    expect(names).to_have_text(["hackathon"])
    for label, choice, found in [("Status", {"value": "disabled"}, "load-test"), ("Status", {"value": "soon"}, "hackathon"),
                                 ("Project", {"label": "search"}, "production-search")]:
        visit.go("/keys")
        choose(visit, label, choice)
        expect(names).to_have_text([found])
    choose(visit, "Status", {"value": "revoked"})
    visit.sees("No key is like that.")
    visit.press("Show all")
    expect(names).to_have_count(5)  # with the two that were there


def test_what_can_be_done_with_a_key_is_in_its_row(visit, names, program):
    key = make(program, "load-test")["id"]
    visit.go("/keys?q=load-test")
    menu = visit.row("load-test").get_by_role("button", name="What can be done with load-test")
    expect(visit.page.get_by_role("link", name="Rotate")).to_have_count(0)
    menu.click()
    visit.press("Disable")
    visit.heading("Disable load-test?")
    visit.press("Disable")
    visit.sees("The key is disabled.")
    visit.go("/keys?q=load-test")
    menu.click()
    visit.press("Enable")
    visit.heading("load-test")
    assert program.ask("GET", f"/v1/api-keys/{key}")["status"] == "active"
    visit.go("/keys?q=load-test")
    menu.click()
    visit.press("Delete")
    visit.heading("Delete load-test?")
    visit.press("Delete")
    visit.sees("The key is deleted.")


def test_keys_are_sorted(visit, names, program):
    for name, days in (("key-b", 7), ("key-a", 30), ("key-c", 90)):
        make(program, name, expires_in_days=days)
    visit.go("/keys?q=key-")
    expect(names).to_have_text(["key-c", "key-a", "key-b"])
    for by, sorted_names in [("Name", ["key-a", "key-b", "key-c"]), ("Name", ["key-c", "key-b", "key-a"]),
                             ("Expires", ["key-b", "key-a", "key-c"])]:
        visit.press(by)
        expect(names).to_have_text(sorted_names)


def test_a_list_goes_on_after_fifty(visit, names, program):
    program.ask("PATCH", "/v1/settings", {"keys-per-user-max": 100})
    for number in range(52):
        make(program, f"key-{number:02}")
    visit.go("/keys?q=key-&sort=name")
    expect(names).to_have_count(50)
    visit.press("Next page")
    expect(names).to_have_text(["key-50", "key-51"])


def test_an_administrator_sees_the_keys_of_all_and_what_is_new(visit, names, program):
    program.person("ada")
    program.ask("POST", "/v1/api-keys", {"name": "hers"}, key=program.session("ada@example.com"))
    visit.go("/keys?q=hers")
    visit.sees("No key is like that.")
    visit.press("All keys")
    expect(names).to_have_text(["hers"])
    visit.sees("ada")
    program.ask("POST", "/v1/api-keys", {"name": "hers-too"}, key=program.session("ada@example.com"))
    visit.press("Refresh")
    expect(names).to_have_count(2)
    visit.press("My keys")
    visit.sees("No key is like that.")


def test_a_row_opens_its_key(visitor, program):
    """With scripts, all of it does."""
    make(program, "production-search")
    visit = visitor(ADMIN)
    visit.go("/keys")
    visit.row("production-search").locator("td").nth(2).click()
    visit.heading("production-search")
