"""What administrators see and set: settings, notifications, the audit log."""
from playwright.sync_api import expect


def test_a_setting_is_changed_and_a_wrong_one_is_not(visit, program):
    visit.go("/settings")
    visit.put("keys-per-user-max", "7")
    visit.press("Save")
    visit.sees("Saved")
    before = program.rows()
    visit.put("keys-per-user-max", "many")
    visit.press("Save")
    assert visit.refused("keys-per-user-max")
    expect(visit.page.locator('[name="keys-per-user-max"]')).to_have_value("many")
    assert program.rows() == before
    setting = next(one for one in program.ask("GET", "/v1/settings")["data"] if one["name"] == "keys-per-user-max")
    assert setting["value"] == 7


def test_what_was_done_is_in_the_audit_log_and_verified(visit, program):
    program.ask("POST", "/v1/projects", {"name": "search"})
    visit.go("/audit")
    visit.sees("Created a project")
    visit.press("Verify the chain")
    visit.sees("Chain verified")
    visit.go("/audit?action=project")
    visit.sees("Created a project")
    assert "Signed in" not in visit.page.locator("tbody").inner_text()


def test_a_webhook_is_added_and_its_secret_is_shown_once(visit, program):
    visit.go("/notifications")
    visit.press("Create webhook")
    visit.type("Name", "ops-channel")
    visit.put("url", "https://hooks.example.com/doorward")
    visit.press("Create webhook")
    secret = visit.page.locator("#secret").inner_text()
    assert len(secret) > 20
    visit.press("I have saved it")
    visit.heading("ops-channel")
    assert secret not in visit.page.content()
    before = program.rows()
    visit.put("url", "ftp://hooks.example.com/")
    visit.page.locator("main form").first.evaluate("form => { form.noValidate = true; }")
    visit.press("Save")
    assert visit.refused("url")
    assert program.rows() == before
