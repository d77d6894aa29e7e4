"""General keys: what providers gave, kept in the vault."""
from playwright.sync_api import expect

from upstream import Upstream

SECRET = "sk-canary-0123456789abcdef"
NEWER = "sk-newer-0123456789abcdef"


def linked(program, upstream):
    """Adds a provider with one key and one model; the key's id."""
    key = program.ask("POST", "/v1/provider-keys", {"name": "HOUSE", "value": SECRET})
    program.ask("POST", "/v1/providers", {"name": "house", "kind": "openai-compatible", "base_url": upstream.url,
                                          "provider_keys": ["HOUSE"]})
    program.ask("POST", "/v1/models", {"name": "house-model", "price": "free", "deployments": [{"provider": "house"}]})
    return key["id"]


def test_a_general_key_is_edited_and_its_provider_gets_the_new_secret(visit, program):
    with Upstream() as upstream:
        linked(program, upstream)
        caller = program.ask("POST", "/v1/api-keys", {"name": "app"})["key"]
        visit.go("/general-keys")
        visit.press("HOUSE")
        visit.press("Edit")
        visit.type("Name", "HOUSE_PRODUCTION")
        visit.type("Note", "Paid for by the platform team")
        visit.type("New secret", NEWER)
        visit.press("Save")
        visit.sees("The key is changed.")
        visit.heading("HOUSE_PRODUCTION")
        visit.sees("Paid for by the platform team")
        assert NEWER not in visit.page.content() and SECRET not in visit.page.content()
        assert program.call(caller, "house-model")[0] == 200
        assert upstream.credentials[-1] == NEWER


def test_a_general_key_is_tested_as_it_is_now(visit, program):
    with Upstream(wanted=NEWER) as upstream:
        visit.go(f"/general-keys/{linked(program, upstream)}")
        visit.press("Test it now")
        visit.sees("Does not work")
        upstream.wanted = SECRET
        visit.press("Test it now")
        visit.sees("The provider takes the key.")
        assert SECRET not in visit.page.content()


def test_a_general_key_is_found_and_deleted_with_a_word_on_who_uses_it(visit, program):
    with Upstream() as upstream:
        linked(program, upstream)
        program.ask("POST", "/v1/provider-keys", {"name": "SPARE", "value": NEWER, "note": "for the worst"})
        visit.go("/general-keys")
        visit.page.get_by_label("Search by name or note").fill("worst")
        visit.press("Filter")
        expect(visit.page.get_by_role("link", name="HOUSE")).to_have_count(0)
        visit.press("SPARE")
        visit.press("Delete")
        visit.sees("No call will notice.")
        visit.go("/general-keys")
        visit.press("HOUSE")
        visit.press("Delete")
        visit.heading("Delete HOUSE?")
        expect(visit.page.get_by_role("main").get_by_role("link", name="house")).to_be_visible()
        visit.press("Delete general key")
        visit.sees("The key is deleted.")
        assert [key["name"] for key in program.ask("GET", "/v1/provider-keys")["data"]] == ["SPARE"]
        caller = program.ask("POST", "/v1/api-keys", {"name": "app"})["key"]
        program.call(caller, "house-model")
        assert SECRET not in upstream.credentials
