"""What scripts add to going about: the way back, what was done, what is copied, the menu."""
import re

import pytest
from playwright.sync_api import expect

from program import ADMIN, ROOT


@pytest.fixture
def admin(visitor):
    return visitor(ADMIN)


def test_whoever_goes_back_is_where_they_were_on_that_page(admin):
    admin.look("light", 1280, 300)
    admin.go("/audit")
    admin.page.evaluate("scrollTo(0, 200)")
    admin.page.locator("tbody a").last.dispatch_event("click")  # a click would first scroll there
    admin.at(r"/audit\?")
    admin.page.go_back()
    admin.page.wait_for_function("() => !location.search && scrollY === 200")


def test_a_link_to_a_place_on_another_page_leads_there(admin):
    admin.look("light", 1280, 300)
    admin.go("/notifications")
    admin.press("Sender of mails")
    admin.at("/settings#mail-from")
    field = admin.page.locator("#mail-from")
    expect(field).to_be_focused()
    expect(field).to_be_in_viewport()


def test_what_was_done_is_said_once(admin, program):
    key = program.ask("POST", "/v1/api-keys", {"name": "ends"})["id"]
    admin.go(f"/keys/{key}/disable")
    admin.press("Disable")
    expect(admin.page.locator(".notice")).to_be_visible()
    assert "done" not in admin.page.url
    admin.page.reload()
    admin.heading("ends")
    expect(admin.page.locator(".notice")).to_have_count(0)


@pytest.mark.parametrize("has_clipboard", [True, False])
def test_what_is_copied_is_heard_and_moves_nothing(admin, has_clipboard):
    """Without TLS there is no clipboard for scripts; the text is marked then, and copied all the same."""
    admin.context.grant_permissions(["clipboard-read", "clipboard-write"])
    admin.go("/keys")
    endpoint, copy = admin.page.locator("#endpoint"), admin.page.locator("[data-copy=endpoint]")
    width = copy.bounding_box()["width"]
    read = admin.page.evaluate_handle("() => { const held = navigator.clipboard; return () => held.readText(); }")
    if not has_clipboard:
        admin.page.evaluate("() => Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    copy.click()
    expect(admin.page.locator("main > [role=status]")).to_have_text("Copied")
    assert copy.bounding_box()["width"] == width
    assert read.evaluate("read => read()") == endpoint.text_content()
    expect(copy).to_have_text("Copy")


def test_escape_closes_the_menu_and_stays_at_it(admin):
    admin.go("/keys")
    summary = admin.page.locator(".who summary")
    summary.click()
    admin.page.locator(".menu a").first.focus()
    admin.page.keyboard.press("Escape")
    expect(admin.page.locator(".who")).not_to_have_attribute("open", "")
    expect(summary).to_be_focused()


def test_the_menu_of_a_phone_opens_below_what_opened_it(admin):
    admin.look("light", 390)
    admin.go("/keys")
    brand = admin.page.locator(".brand")
    before = brand.bounding_box()
    admin.page.locator(".ways summary").click()
    expect(admin.page.locator(".links")).to_be_visible()
    assert brand.bounding_box() == before


def test_a_form_is_checked_where_it_says_what_is_wrong_beside_the_field(visit):
    """No bubble of the browser comes before that, and who listens still hears what is required."""
    visit.go("/keys/new")
    assert visit.page.locator('[name="name"]').get_attribute("required") is not None
    visit.press("Create API key")
    visit.refused("name")


def test_no_form_that_a_browser_would_check_is_checked_by_it():
    checked = re.compile(r'required|minlength|type=\\"(email|url|number|date)')
    for file in (ROOT / "crates/portal/templates").rglob("*.html"):
        for tag, body in re.findall(r'(<form\b[^>]*method="post"[^>]*>)(.*?)</form>', file.read_text(), re.DOTALL):
            assert "novalidate" in tag or not checked.search(body), (file.name, tag)


def test_a_link_to_a_field_that_is_wrong_keeps_what_was_typed(admin, program):
    admin.go("/keys/new")
    admin.type("Name", "kept as typed")
    admin.page.get_by_text("Addresses, web pages and limits").click()
    admin.put("ip_allow", "not an address")
    admin.press("Create API key")
    admin.refused("ip_allow")
    with admin.page.expect_event("framenavigated"):
        admin.page.get_by_role("alert").get_by_role("link").first.click()
    expect(admin.page.locator("#ip_allow")).to_be_focused()
    admin.put("ip_allow", "")
    admin.press("Create API key")
    admin.heading("kept as typed is ready")
