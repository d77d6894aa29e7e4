"""The playground: a model is called with the rights of a key, and the answer comes as it is said."""
import pytest
from playwright.sync_api import expect

from program import ADMIN
from upstream import Upstream


@pytest.fixture
def upstream(program):
    with Upstream() as upstream:
        program.ask("POST", "/v1/providers", {"name": "house", "kind": "openai-compatible", "base_url": upstream.url})
        program.ask("POST", "/v1/models", {"name": "house-model", "price": {"input": "1000", "output": "10000"},
                                           "deployments": [{"provider": "house"}]})
        yield upstream


def key(program, **more):
    return program.ask("POST", "/v1/api-keys", {"owner": program.administrator(), **more})


def test_an_answer_is_shown_with_what_it_used_cost_and_took(visit, program, upstream):
    made = key(program, name="to-try", models=["house-model"])
    visit.go(f"/playground?key={made['id']}")
    visit.put("prompt", "Say hello.")
    visit.button("Send").click()
    expect(visit.page.locator("#answer")).to_contain_text("Hello from upstream.")
    facts = visit.page.locator("#facts")
    # 12 tokens at $1,000 and 5 at $10,000 a million.
    for fact in ("12 in, 5 out", "$0.062", "Took"):
        expect(facts).to_contain_text(fact)
    assert made["key"] not in visit.page.content()
    assert program.ask("GET", f"/v1/usage?key={made['id']}")["data"]


def test_a_key_calls_what_it_may_and_another_is_chosen(visit, program, upstream):
    key(program, name="echoes", models=["doorward/echo"])
    other = key(program, name="upstream-only", models=["house-model"])
    visit.go("/playground")
    models = visit.page.get_by_label("Model", exact=True).locator("option")
    visit.page.get_by_label("Key", exact=True).select_option(other["id"])
    if not visit.scripts:
        visit.press("Show its models")
    expect(models).to_have_text(["house-model"])
    visit.put("prompt", "Say hello.")
    visit.button("Send").click()
    expect(visit.page.locator("#answer")).to_contain_text("Hello from upstream.")


def test_the_call_is_copied_as_code(visit, program, upstream):
    key(program, name="to-try", models=["house-model"])
    if visit.scripts:
        visit.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=visit.url)
    visit.go("/playground")
    visit.put("prompt", "Say it's \"fine\".")
    visit.put("max_tokens", "9")
    visit.button("Send").click()
    expect(visit.page.locator("#answer")).to_contain_text("Hello from upstream.")
    visit.page.get_by_text("The same as code").click()
    code = visit.page.locator("#code-python")
    expect(code).to_contain_text('model="house-model"')
    expect(code).to_contain_text('"content":"Say it\'s \\"fine\\"."')
    expect(code).to_contain_text("max_tokens=9")
    if visit.scripts:
        visit.page.get_by_text("Python", exact=True).click()
        listing = visit.page.locator(".sample").filter(has=code)
        visit.button("Copy", listing).click()
        expect(visit.button("Copied", listing)).to_be_visible()
        assert visit.page.evaluate("navigator.clipboard.readText()") == code.inner_text()


def test_why_a_model_does_not_answer_is_said(visit, program, upstream):
    key(program, name="to-try", models=["house-model"], budgets=[{"usd": "0.000001", "period": "total"}])
    visit.expected += [402, 429]
    visit.go("/playground")
    visit.put("prompt", "Say hello.")
    visit.button("Send").click()
    expect(visit.page.locator("#answer .wrong")).to_contain_text("budget")
    assert upstream.credentials == []


def test_an_answer_comes_in_pieces_and_can_be_stopped(visitor, program, upstream):
    """With scripts: each word is shown when it is there, before the next one is."""
    key(program, name="to-try", models=["house-model"])
    visit = visitor(ADMIN)
    visit.go("/playground")
    visit.put("prompt", "Say hello.")
    answer = visit.page.locator("#answer")
    with upstream.word_by_word() as word:
        visit.button("Send").click()
        word()
        expect(answer).to_have_text("Hello")
        word()
        expect(answer).to_have_text("Hello from")
        visit.button("Stop").click()
        expect(answer).to_contain_text("Stopped.")
        expect(visit.button("Stop")).to_be_hidden()
    expect(visit.page.locator("#facts")).to_contain_text("Took")
    expect(answer).not_to_contain_text("upstream")
