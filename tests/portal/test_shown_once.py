"""What is shown once stays until somebody says that they have it: Escape, however often, takes nothing away."""
from playwright.sync_api import expect

from test_keys import create


def test_escape_keeps_the_key_and_leads_to_the_way_on(visit):
    key = create(visit, "escaped")
    for _ in range(4):
        visit.page.keyboard.press("Escape")
        assert visit.page.locator("#plain").inner_text() == key
        expect(visit.page.get_by_role("dialog")).to_be_visible()
    if visit.scripts:
        expect(visit.page.get_by_role("link", name="I have saved it")).to_be_focused()
        visit.page.keyboard.press("Enter")
        visit.at("/keys/dw_[^/]+$")
