"""Service accounts and their keys, as apps and agents have them."""
from playwright.sync_api import expect


def test_a_service_account_is_made_edited_switched_off_and_on_and_removed(visit, program):
    visit.go("/service-accounts")
    visit.page.get_by_role("link", name="Create service account").first.click()
    visit.type("Name", "ticket-triage")
    visit.press("Create service account")
    visit.sees("The account is made.")
    visit.press("Create agent key")
    visit.type("Name", "triage-key")
    visit.press("Create agent key")
    visit.heading("triage-key is ready")
    key = visit.page.locator("#plain").inner_text()
    assert program.call(key)[0] == 200
    visit.go("/service-accounts")
    visit.press("ticket-triage")
    visit.sees("triage-key")

    visit.type("Name", "ticket-sorting")
    visit.type("Description", "Sorts new tickets")
    visit.press("Save")
    visit.sees("The account is changed.")
    visit.heading("ticket-sorting")
    assert program.ask("GET", "/v1/service-accounts")["data"][0]["description"] == "Sorts new tickets"

    visit.press("Disable")
    visit.heading("Disable ticket-sorting?")
    visit.press("Disable")
    visit.sees("The account is disabled.")
    assert program.call(key)[0] == 401
    visit.press("Enable")
    visit.sees("The account is enabled again.")
    assert program.call(key)[0] == 200
    visit.press("Delete")
    visit.heading("Delete ticket-sorting?")
    visit.press("Delete")
    visit.sees("The account is deleted, and its keys with it.")
    assert program.call(key)[0] == 401


def test_an_agent_key_is_made_along_with_its_account_and_found(visit, program):
    visit.go("/agent-keys")
    visit.page.get_by_role("main").get_by_role("link", name="Create agent key").first.click()
    visit.type("Name", "nightly-key")
    visit.type("Name of the new account", "nightly-evaluation")
    visit.press("Create agent key")
    visit.heading("nightly-key is ready")
    assert program.call(visit.page.locator("#plain").inner_text())[0] == 200
    program.ask("POST", "/v1/api-keys", {"name": "other-key", "kind": "service",
                "owner": program.ask("POST", "/v1/service-accounts", {"name": "other"})["id"]})
    visit.go("/agent-keys")
    visit.sees("other-key")
    visit.page.get_by_label("Search by name or key").fill("nightly")
    visit.press("Filter")
    expect(visit.page.get_by_role("link", name="other-key")).to_have_count(0)
    visit.sees("nightly-evaluation")
    visit.page.get_by_label("Status").select_option("disabled")
    if not visit.scripts:
        visit.press("Filter")
    visit.sees("No key is like that.")
