"""Keys, from their making to their end, as people do it."""
import re

from playwright.sync_api import expect

from program import ADMIN


def create(visit, name, **typed):
    """Makes a key by the form; leaves the page that shows it."""
    visit.go("/keys")
    visit.press("Create API key")
    visit.heading("Create API key")
    visit.type("Name", name)
    for label, text in typed.items():
        visit.type(label, text)
    visit.press("Create API key")
    visit.heading(f"{name} is ready")
    return visit.page.locator("#plain").inner_text()


def test_a_key_is_made_copied_and_used(visit, program):
    if visit.scripts:
        visit.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=visit.url)
    key = create(visit, "production-search")
    if visit.scripts:
        visit.page.get_by_role("button", name="Copy").first.click()
        expect(visit.page.get_by_text("Copied").first).to_be_visible()
        assert visit.page.evaluate("navigator.clipboard.readText()") == key
    assert program.call(key)[0] == 200
    visit.page.get_by_role("link", name="I have saved it").click()
    visit.at("/keys/dw_[^/]+$")
    visit.sees("production-search")
    visit.sees("Active")
    visit.go("/keys")
    visit.sees("just now")


def test_the_keyboard_alone_makes_a_key(visitor, program):
    visit = visitor(ADMIN)
    visit.go("/keys")
    keys = visit.page.keyboard

    def reach(role, name):
        """Goes on with Tab until this has the focus, which must be seen."""
        wanted = visit.page.get_by_role(role, name=name)
        for _ in range(60):
            keys.press("Tab")
            if wanted.evaluate("node => node === document.activeElement"):
                return
        raise AssertionError(f"Tab does not reach {name}")

    keys.press("Tab")
    expect(visit.page.get_by_role("link", name="Skip to the content")).to_be_focused()
    keys.press("Enter")
    reach("link", "Create API key")
    keys.press("Enter")
    visit.heading("Create API key")
    expect(visit.page.get_by_label("Name", exact=True)).to_be_focused()
    keys.type("by-keyboard")
    reach("textbox", "Description")
    keys.type("Nothing was clicked")
    reach("checkbox", re.compile("^See usage"))
    keys.press("Space")
    reach("radio", "in 90 days")
    keys.press("ArrowLeft")
    reach("button", "Create API key")
    keys.press("Enter")
    visit.heading("by-keyboard is ready")
    key = visit.page.locator("#plain").inner_text()
    assert program.call(key)[0] == 200
    made = program.ask("GET", "/v1/api-keys?q=by-keyboard")["data"][0]
    assert "analytics:read" in made["scopes"] and made["expires_at"]
    assert made["description"] == "Nothing was clicked"


#: What is typed, and the field that is then said to be wrong.
WRONG = [
    ("name", " ", "name"),
    ("name", "production-search", "name"),
    ("name", "prоduction-search", "name"),  # a Cyrillic о
    ("name", "a\u202eb", "name"),
    ("ip_allow", "10.0.0.0/8\nnot an address", "ip_allow"),
    ("ip_deny", "300.1.1.1", "ip_deny"),
    ("limits.requests_per_minute", "many", "limits.requests_per_minute"),
    ("limits.concurrency", "-1", "limits.concurrency"),
    ("budgets[0].amount", "five", "budgets[0].amount"),
    ("expires_at", "2001-01-01", "expires_at"),
]


def test_what_is_wrong_with_a_new_key_is_said_beside_the_field(visit, program):
    program.ask("POST", "/v1/api-keys", {"name": "production-search", "owner": program.administrator()})
    before = program.rows()
    visit.go("/keys/new")
    visit.type("Name", "a-name-that-is-free")
    visit.type("Description", "kept as typed")
    for name, typed, field in WRONG:
        visit.page.locator("details.more").evaluate_all("nodes => { for (const node of nodes) node.open = true; }")
        if name == "expires_at":
            visit.page.locator('[name="ends"][value="date"]').check()
        box = visit.page.locator(f'[name="{name}"]')
        right = box.input_value()
        box.fill(typed)
        visit.press("Create API key")
        assert visit.refused(field), typed
        assert box.input_value() == typed
        assert visit.page.get_by_label("Description", exact=True).input_value() == "kept as typed"
        assert program.rows() == before, typed
        box.fill("2027-01-31" if name == "expires_at" else right)
    visit.press("Create API key")
    visit.heading("a-name-that-is-free is ready")
