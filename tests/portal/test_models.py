"""Models: added by hand, edited, routed, drained, found, deleted."""
import pytest
from playwright.sync_api import expect

from upstream import Upstream


@pytest.fixture
def upstreams(program):
    """Two providers that are there, `first` and `second`."""
    with Upstream() as first, Upstream() as second:
        for name, upstream in (("first", first), ("second", second)):
            program.ask("POST", "/v1/provider-keys", {"name": name, "value": f"sk-{name}-0123456789abcdef"})
            program.ask("POST", "/v1/providers", {"name": name, "kind": "openai-compatible", "base_url": upstream.url,
                                                  "provider_keys": [name]})
        yield first, second


def test_a_model_is_added_by_hand_and_called_by_its_alias(visit, program, upstreams):
    visit.go("/models")
    visit.press("Add model")
    visit.type("Name", "house-model")
    visit.page.get_by_label("Provider", exact=True).select_option(label="first")
    visit.type("Name there", "gpt-5.1")
    visit.put("price_is", "set")
    visit.type("Input", "1.25")
    visit.type("Output", "10")
    visit.page.get_by_text("Aliases, project and bounds").click()
    visit.type("Also called", "house\nthe-house")
    visit.type("Longest answer, in tokens", "4096")
    visit.press("Add model")
    visit.sees("The model is added.")
    visit.sees("house, the-house")
    visit.sees("$10.00")
    key = program.ask("POST", "/v1/api-keys", {"name": "app"})["key"]
    assert "Hello from upstream." in program.call(key, "the-house")[1]
    assert upstreams[0].credentials == ["sk-first-0123456789abcdef"]


def test_a_model_goes_another_way_once_it_is_edited(visit, program, upstreams):
    program.ask("POST", "/v1/models", {"name": "house-model", "price": "free", "deployments": [{"provider": "first"}]})
    key = program.ask("POST", "/v1/api-keys", {"name": "app"})["key"]
    visit.go("/models/show/house-model")
    visit.press("Edit")
    visit.heading("Edit house-model")
    visit.put("deployments[0].remove", "on")
    visit.page.get_by_text("One more provider").click()
    visit.page.locator('[name="deployments[1].provider"]').select_option(label="second")
    visit.put("deployments[1].upstream_model", "house-model")
    visit.put("routing", "least_latency")
    visit.put("price_is", "set")
    visit.type("Input", "0.5")
    visit.type("Output", "2")
    visit.put("aliases", "house")
    visit.press("Save")
    visit.sees("The model is changed.")
    assert program.call(key, "house")[0] == 200
    assert [len(upstream.credentials) for upstream in upstreams] == [0, 1]
    model = program.ask("GET", "/v1/models/house-model?view=routes")
    assert (model["routing"], model["price"]["output"], len(model["deployments"])) == ("least_latency", "2.00", 1)


def test_a_provider_of_a_model_is_drained_switched_off_and_on(visit, program, upstreams):
    program.ask("POST", "/v1/models", {"name": "house-model", "price": "free",
                                       "deployments": [{"provider": "first"}, {"provider": "second", "priority": 2}]})
    key = program.ask("POST", "/v1/api-keys", {"name": "app"})["key"]

    def called():
        """How many calls each of the two has had, after one more."""
        assert program.call(key, "house-model")[0] == 200
        return [len(upstream.credentials) for upstream in upstreams]

    assert called() == [1, 0]
    visit.go("/models/show/house-model")
    visit.press("Drain", visit.row("first"))
    visit.sees("It takes no new calls.")
    assert called() == [1, 1]
    visit.press("Disable", visit.row("first"))
    visit.heading("Disable first for house-model?")
    visit.press("Disable")
    visit.sees("It takes no calls, and those that ran are ended.")
    visit.press("Enable", visit.row("first"))
    visit.sees("It takes calls again.")
    assert called() == [2, 1]


def test_models_are_found_and_deleted(visit, program, upstreams):
    for name, provider in (("house-model", "first"), ("gpt-5.1", "second")):
        program.ask("POST", "/v1/models", {"name": name, "price": "free", "deployments": [{"provider": provider}]})
    visit.go("/models")
    names = visit.page.locator("tbody a.name")
    visit.page.get_by_label("Search by name or alias").fill("house")
    visit.press("Filter")
    expect(names).to_have_text(["house-model"])
    visit.go("/models")
    visit.page.get_by_label("Provider").select_option(label="second")
    if not visit.scripts:
        visit.press("Filter")
    expect(names).to_have_text(["gpt-5.1"])
    visit.press("gpt-5.1")
    visit.press("Delete")
    visit.heading("Delete gpt-5.1?")
    visit.sees("Nobody called it")
    visit.press("Delete model")
    visit.sees("The model is deleted.")
    key = program.ask("POST", "/v1/api-keys", {"name": "app"})["key"]
    assert program.call(key, "gpt-5.1")[0] == 404
