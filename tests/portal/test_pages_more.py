"""What only a browser shows of models, usage and sessions: dates that are filled, and what is sold."""
from playwright.sync_api import expect

from upstream import Upstream


def test_a_period_from_day_to_day_begins_as_the_one_before(visit):
    visit.go("/usage?last=7d")
    visit.page.locator('select[name="last"]').select_option("range")
    if not visit.scripts:
        visit.press("Show")
    expect(visit.page.locator("#from")).not_to_have_value("")
    expect(visit.page.locator("#to")).not_to_have_value("")


def test_what_is_sold_elsewhere_is_not_free_beforehand(visit, program):
    with Upstream() as upstream:
        body = {"name": "house", "kind": "openai-compatible", "base_url": upstream.url}
        provider = program.ask("POST", "/v1/providers", body)
        visit.go(f"/providers/{provider['id']}")
        visit.press("Test it now")
        visit.sees("It answers.")
        visit.press("See its models")
        for name, is_free in [("house-model", True), ("gpt-5.1", False)]:
            expect(visit.page.locator(f'[name="free"][value="{name}"]')).to_be_checked(checked=is_free)
        expect(visit.page.locator('[name="input gpt-5.1"]')).to_have_value("1.25")


def test_a_page_that_is_not_there_keeps_the_ways_to_the_others(visit):
    visit.expected += [404]
    visit.go("/nowhere")
    visit.heading("There is nothing here")
    expect(visit.page.get_by_role("navigation", name="Main").get_by_role("link", name="Usage")).to_have_count(1)
