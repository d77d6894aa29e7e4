"""What becomes of keys: edited, rotated, disabled, deleted; why they are refused."""
from playwright.sync_api import expect


def test_a_key_is_edited_rotated_disabled_and_deleted(visit, program):
    made = program.ask("POST", "/v1/api-keys", {"name": "production-search", "owner": program.administrator()})
    old = made["key"]
    visit.go("/keys")
    visit.press("production-search")
    visit.heading("production-search")
    visit.press("Edit")
    visit.heading("Edit production-search")
    visit.type("Description", "Answers on the search page")
    visit.press("Save")
    visit.sees("The key is changed.")
    visit.sees("Answers on the search page")

    visit.press("Rotate")
    visit.put("overlap_seconds", "3600")
    visit.press("Make a new secret")
    visit.heading("production-search is ready")
    new = visit.page.locator("#plain").inner_text()
    assert (program.call(old)[0], program.call(new)[0]) == (200, 200)
    visit.press("I have saved it")
    visit.sees("Old secrets still work")
    visit.press("End old secrets")
    visit.heading("End the old secrets of production-search?")
    visit.press("End old secrets")
    visit.sees("Only the newest secret works now.")
    assert (program.call(old)[0], program.call(new)[0]) == (401, 200)

    visit.press("Disable")
    visit.heading("Disable production-search?")
    visit.press("Disable")
    visit.sees("The key is disabled.")
    assert program.call(new)[0] == 401
    visit.press("Enable")
    visit.sees("The key is enabled again.")
    assert program.call(new)[0] == 200

    visit.press("Delete")
    visit.heading("Delete production-search?")
    visit.press("Delete")
    visit.sees("The key is deleted.")
    assert program.call(new)[0] == 401
    expect(visit.page.get_by_role("link", name="production-search")).to_have_count(0)


def test_why_a_key_was_refused_is_on_its_page(visit, program):
    made = program.ask("POST", "/v1/api-keys", {"name": "picky", "owner": program.administrator(), "models": ["none-such"]})
    for _ in range(3):
        assert program.call(made["key"])[0] != 200
    visit.go(f"/keys/{made['id']}")
    visit.sees("Model not on its list")
    visit.sees("3 times")
