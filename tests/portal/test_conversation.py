"""The playground as a conversation: what was said before is shown and goes along, until it is begun anew."""
from playwright.sync_api import expect

from test_keys import create


def ask(visit, question):
    visit.put("prompt", question)
    visit.button("Send").click()
    expect(visit.page.locator("#asked")).to_have_text(question)
    expect(visit.page.locator("#answer")).to_contain_text(question)
    expect(visit.page.get_by_label("Prompt")).to_have_value("")


def test_a_conversation_goes_on_until_it_is_begun_anew(visit):
    create(visit, "to-talk")
    visit.go("/playground")
    said = visit.page.locator("[name=said]")
    for turn, question in enumerate(("What is one?", "And two?", "And three?"), 1):
        ask(visit, question)
        expect(said).to_have_count(2 * turn)
    expect(visit.page.locator("#turns .asked")).to_have_text(["What is one?", "And two?"])
    visit.page.get_by_text("The same as code").click()
    code = visit.page.locator("#code-curl")
    for question in ("What is one?", "And two?", "And three?"):
        expect(code).to_contain_text(f'"content":"{question}"')
    visit.button("Start anew").click()
    expect(said).to_have_count(0)
    expect(visit.page.locator("#turns")).to_be_hidden()
    ask(visit, "Once more?")
    expect(said).to_have_count(2)
