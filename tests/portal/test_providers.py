"""Providers, their keys and their models: added, linked, called, edited, deleted."""
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


def test_a_provider_is_edited_and_its_calls_go_the_new_way(visit, program):
    with Upstream() as old, Upstream(wanted=SECRET) as new:
        for name, value in (("OLD", "sk-old-0123456789abcdef"), ("NEW", SECRET)):
            program.ask("POST", "/v1/provider-keys", {"name": name, "value": value})
        body = {"name": "house", "kind": "openai-compatible", "base_url": old.url, "provider_keys": ["OLD"]}
        program.ask("POST", "/v1/providers", body)
        program.ask("POST", "/v1/models", {"name": "house-model", "price": "free", "deployments": [{"provider": "house"}]})
        visit.go("/providers")
        visit.press("house")
        visit.press("Edit")
        visit.type("Name", "house-eu")
        visit.type("Base URL", new.url)
        visit.page.get_by_role("checkbox", name="OLD").uncheck()
        visit.page.get_by_role("checkbox", name="NEW").check()
        visit.type("Every so many seconds", "3600")
        visit.press("Save")
        visit.sees("The provider is changed.")
        visit.heading("house-eu")
        visit.sees("every 3600 s")
        key = program.ask("POST", "/v1/api-keys", {"name": "app"})["key"]
        assert program.call(key, "house-model")[0] == 200
        assert (len(old.credentials), SECRET in new.credentials) == (0, True)


def test_a_provider_is_deleted_once_no_model_goes_there(visit, program):
    with Upstream() as upstream:
        body = {"name": "house", "kind": "openai-compatible", "base_url": upstream.url}
        provider = program.ask("POST", "/v1/providers", body)["id"]
        program.ask("POST", "/v1/models", {"name": "house-model", "price": "free", "deployments": [{"provider": "house"}]})
        visit.go(f"/providers/{provider}")
        visit.press("Delete")
        visit.sees("These models go there.")
        expect(visit.button("Delete provider")).to_have_count(0)
        program.ask("DELETE", "/v1/models/house-model")
        visit.press("Back")
        visit.press("Delete")
        visit.press("Delete provider")
        visit.sees("The provider is deleted.")
        assert "house" not in [one["name"] for one in program.ask("GET", "/v1/providers")["data"]]


def test_among_the_models_of_a_provider_one_is_found_priced_and_added(visit, program):
    with Upstream() as upstream:
        body = {"name": "house", "kind": "openai-compatible", "base_url": upstream.url}
        provider = program.ask("POST", "/v1/providers", body)["id"]
        visit.go(f"/providers/{provider}")
        visit.press("See its models")
        visit.page.get_by_label("Search by name").fill("house")
        visit.press("Filter")
        expect(visit.page.locator("tbody tr")).to_have_count(1)
        visit.page.get_by_label("house-model", exact=True).check()
        visit.page.get_by_label("free").uncheck()
        visit.page.get_by_label("Price of a million input tokens of house-model").fill("0.5")
        visit.page.get_by_label("Price of a million output tokens of house-model").fill("2")
        visit.press("Add the ticked models")
        visit.sees("The models are added.")
        assert program.ask("GET", "/v1/models/house-model?view=routes")["price"] == {"input": "0.50", "output": "2.00"}
