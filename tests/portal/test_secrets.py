"""A key is seen once: not in an address, in what a browser keeps, in history, or in any page after that."""
from playwright.sync_api import Error

from test_keys import create

STORED = "() => JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, history.state])"


def test_a_key_is_nowhere_after_the_page_that_showed_it(visit, program):
    addresses = []
    visit.context.on("request", lambda request: addresses.append(request.url))
    key = create(visit, "canary")
    secret = key.rsplit("_", 1)[1]
    if visit.scripts:
        assert secret not in visit.page.evaluate(STORED)
    visit.page.get_by_role("link", name="I have saved it").click()
    # Its name stands on both pages: the address tells that this is the next one.
    visit.at("/keys/dw_[^/]+$")
    seen = [visit.page.content()]
    for path in ("/keys", "/keys/new"):
        visit.go(path)
        seen.append(visit.page.content())
    for _ in range(5):
        try:
            visit.page.go_back()
        except Error:  # Chromium does not show again what was the answer to a form
            pass
        seen.append(visit.page.locator("html").inner_html())
    assert not any(secret in page for page in seen)
    assert not any(secret in address for address in addresses)
    if visit.scripts:
        visit.go("/keys")
        assert secret not in visit.page.evaluate(STORED)
    asked = program.ask("GET", "/v1/api-keys?q=canary")["data"][0]
    assert secret not in str(asked) and asked["fingerprint"].endswith(secret[-4:])
    assert secret not in program.log()
    # Nor does the browser hold it in a cache on its own: the page said so.
    answer = visit.context.request.get("/keys")
    assert answer.headers["cache-control"] == "no-store"
