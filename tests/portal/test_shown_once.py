"""What is shown once stays until somebody says that they have it: Escape, however often, takes nothing away."""
from test_keys import create


def test_escape_keeps_the_key_and_leads_to_the_way_on(visit):
    key = create(visit, "escaped")
    for _ in range(4):
        visit.page.keyboard.press("Escape")
        assert visit.page.locator("#plain").inner_text() == key
        assert visit.page.get_by_role("dialog").is_visible()
    if visit.scripts:
        assert visit.page.evaluate("document.activeElement.textContent") == "I have saved it"
        visit.page.keyboard.press("Enter")
        visit.at("/keys/dw_[^/]+$")
