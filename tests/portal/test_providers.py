"""Providers, their keys and their models: added, linked, called, drained, deleted."""
import re

from playwright.sync_api import expect

from upstream import Upstream

SECRET = "sk-canary-0123456789abcdef"


def test_a_provider_key_is_added_linked_and_called_through(visit, program):
    with Upstream(wanted=SECRET) as upstream:
        visit.go("/general-keys/new")
        visit.type("Name", "HOUSE_PRODUCTION")
        visit.put("value", SECRET)
        visit.press("Add general key")
        visit.sees("The key is in the vault.")
        assert SECRET not in visit.page.content()

        visit.go("/providers")
        visit.page.get_by_role("main").get_by_role("link", name="Add provider").first.click()
        visit.page.get_by_role("link", name=re.compile("^Another one")).click()
        visit.type("Name", "house")
        visit.put("base_url", upstream.url)
        visit.page.locator('[name="provider_key"]').select_option(label="HOUSE_PRODUCTION")
        visit.press("Add provider")
        visit.page.get_by_role("button", name="See its models").or_(visit.page.get_by_label("house-model", exact=True)).first.wait_for()
        if visit.page.get_by_role("button", name="See its models").count():
            visit.press("See its models")
        visit.page.get_by_label("house-model", exact=True).check()
        visit.put("free", "house-model")
        visit.press("Add the ticked models")
        visit.sees("The models are added.")

        key = program.ask("POST", "/v1/api-keys", {"name": "app"})["key"]
        status, answer = program.call(key, "house-model")
        assert status == 200 and "Hello from upstream." in answer
        assert upstream.credentials[-1] == SECRET

        visit.go("/models/show/house-model")
        visit.press("Drain")
        visit.sees("It takes no new calls.")
        assert program.call(key, "house-model")[0] >= 400
        visit.press("Enable")
        visit.sees("It takes calls again.")
        assert program.call(key, "house-model")[0] == 200
        visit.press("Delete")
        visit.press("Delete model")
        visit.sees("The model is deleted.")
        assert program.call(key, "house-model")[0] == 404


def test_a_key_that_its_provider_refuses_is_told_to_be_so(visit, program):
    with Upstream(wanted="another") as upstream:
        key = program.ask("POST", "/v1/provider-keys", {"name": "wrong", "value": SECRET})
        body = {"name": "house", "kind": "openai-compatible", "base_url": upstream.url, "provider_keys": ["wrong"]}
        program.ask("POST", "/v1/providers", body)
        visit.go(f"/general-keys/{key['id']}")
        visit.press("Test it now")
        visit.sees("Does not work")
        assert SECRET not in visit.page.content()


def test_what_is_wrong_with_a_provider_is_said_beside_the_field(visit, program):
    program.ask("POST", "/v1/provider-keys", {"name": "taken", "value": SECRET})
    before = program.rows()
    visit.go("/providers/new?preset=compatible")
    visit.type("Name", "house")
    visit.put("base_url", "not an address")
    visit.press("Add provider")
    assert visit.refused("base_url")
    expect(visit.page.locator('[name="base_url"]')).to_have_value("not an address")
    expect(visit.page.get_by_label("Name", exact=True)).to_have_value("house")
    visit.go("/general-keys/new")
    visit.type("Name", "taken")
    visit.put("value", "sk-another-0123456789")
    visit.put("note", "kept as typed")
    visit.press("Add general key")
    visit.page.locator(".refused, .wrong").first.wait_for()
    expect(visit.page.get_by_label("Name", exact=True)).to_have_value("taken")
    expect(visit.page.locator('[name="note"]')).to_have_value("kept as typed")
    assert "sk-another-0123456789" not in visit.page.content()
    assert program.rows() == before
