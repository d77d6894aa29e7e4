"""What only a browser shows of the forms of keys."""
from playwright.sync_api import expect

from program import ADMIN


def test_a_day_that_is_typed_is_the_end_of_the_key(visit, program):
    """With scripts it chooses its own button; without them, the form says that two ends are chosen."""
    visit.go("/keys/new")
    visit.type("Name", "ends-on-a-day")
    visit.page.locator('[name="expires_at"]').fill("2027-01-31")
    if not visit.scripts:
        visit.press("Create API key")
        assert "another end is chosen" in visit.refused("expires_at")
        assert program.ask("GET", "/v1/api-keys?q=ends-on-a-day")["data"] == []
        visit.put("ends", "date")
    visit.press("Create API key")
    visit.heading("ends-on-a-day is ready")
    made = program.ask("GET", "/v1/api-keys?q=ends-on-a-day")["data"][0]
    assert made["expires_at"] == "2027-02-01T00:00:00Z"


def test_another_end_forgets_the_day_that_was_typed(visitor):
    visit = visitor(ADMIN)
    visit.go("/keys/new")
    day = visit.page.locator('[name="expires_at"]')
    day.fill("2027-01-31")
    expect(visit.page.locator('[name="ends"][value="date"]')).to_be_checked()
    visit.put("ends", "30")
    expect(day).to_have_value("")
    expect(visit.page.locator('[name="ends"][value="30"]')).to_be_checked()


def test_a_key_that_may_do_nothing_is_not_made(visit, program):
    visit.go("/keys/new")
    visit.type("Name", "may-nothing")
    for box in visit.page.locator('[name="scopes"]').all():
        box.uncheck()
    before = program.rows()
    visit.press("Create API key")
    assert visit.refused("scopes")
    assert program.rows() == before


def test_models_are_found_by_a_part_of_their_names_and_counted(visitor, program):
    provider = program.ask("POST", "/v1/providers", {"name": "echoes", "kind": "echo"})["id"]
    for name in ("llama-8b", "llama-70b", "mistral-small"):
        program.ask("POST", "/v1/models", {"name": name, "price": "free", "deployments": [{"provider": provider}]})
    visit = visitor(ADMIN)
    visit.go("/keys/new")
    visit.type("Name", "sifted")
    box = lambda name: visit.page.locator(f'[name="models.chosen"][value="{name}"]')
    box("mistral-small").check()
    chosen = visit.page.locator("[data-counts]")
    expect(chosen).to_have_text("1")
    find = visit.page.get_by_label("Find a model")
    find.fill("70B")
    expect(box("llama-70b")).to_be_visible()
    expect(box("llama-8b")).to_be_hidden()
    # What is chosen stays in sight, and Enter sends nothing.
    expect(box("mistral-small")).to_be_visible()
    find.press("Enter")
    box("llama-70b").check()
    expect(chosen).to_have_text("2")
    visit.press("Create API key")
    visit.heading("sifted is ready")
    made = program.ask("GET", "/v1/api-keys?q=sifted")["data"][0]
    assert sorted(made["models"]) == ["llama-70b", "mistral-small"]


def test_a_member_sees_names_and_what_was_done_to_their_key(visitor, program):
    ada = program.person("ada")
    key = program.ask("POST", "/v1/api-keys", {"name": "hers", "owner": ada})
    program.ask("PATCH", f"/v1/api-keys/{key['id']}", {"description": "for the site"})
    visit = visitor("ada@example.com")
    visit.go(f"/keys/{key['id']}")
    visit.sees("default")
    visit.sees("Edited")
    assert "prj_" not in visit.page.get_by_role("main").inner_text()
    visit.go("/keys")
    assert "prj_" not in visit.page.get_by_role("main").inner_text()


def test_a_key_is_made_like_another(visit, program):
    old = program.ask("POST", "/v1/api-keys", {"name": "old", "description": "for CI"})
    visit.go(f"/keys/new?like={old['id']}")
    expect(visit.page.get_by_label("Description", exact=True)).to_have_value("for CI")
    visit.type("Name", "new")
    visit.press("Create API key")
    visit.heading("new is ready")
