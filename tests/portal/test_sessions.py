"""A session is of one sign-in, ends when it is ended, and its pages are shown in no frame."""
import pytest
from playwright.sync_api import expect

from program import ADMIN, PASSWORD
from evil import Evil


def test_no_session_is_begun_before_the_sign_in(guest, program):
    """One that was planted is not taken over."""
    planted = program.session(program.ask("GET", f"/v1/users/{program.person('mallory')}")["email"])
    guest.take(planted)
    guest.sign_in(ADMIN, PASSWORD)
    guest.at("/keys$")
    assert guest.cookie() not in (None, planted)
    cookie = next(cookie for cookie in guest.context.cookies() if cookie["value"] == guest.cookie())
    assert cookie["httpOnly"] and cookie["sameSite"] == "Lax" and cookie["path"] == "/"


def test_the_cookie_of_somebody_who_is_not_signed_in_is_none(guest):
    guest.go("/sign-in")
    assert guest.cookie() is None


def sign_out(visit, program, me):
    visit.page.get_by_text("Account & API Keys").click()
    visit.page.get_by_role("button", name="Sign out").click()
    visit.at("/sign-in")


def change_password(visit, program, me):
    body = {"current_password": PASSWORD, "password": "another strange engine"}
    program.ask("POST", "/v1/users/me/password", body, key=program.session("ada@example.com"))


def disable(visit, program, me):
    program.ask("POST", f"/v1/users/{me}/disable")


def end_sessions(visit, program, me):
    program.ask("DELETE", f"/v1/users/{me}/sessions")


@pytest.mark.parametrize("end", [sign_out, change_password, disable, end_sessions], ids=lambda end: end.__name__)
def test_a_session_that_was_ended_is_over(visitor, program, scripts, end):
    me = program.person("ada")
    visit = visitor("ada@example.com", scripts=scripts)
    old = visit.cookie()
    visit.go("/keys")
    visit.heading("API keys")
    end(visit, program, me)
    visit.take(old)
    visit.go("/keys")
    visit.at("/sign-in")


def lose_the_session(visitor, program, scripts):
    """A form that is filled in by somebody whose session ends before it is sent."""
    me = program.person("ada")
    visit = visitor("ada@example.com", scripts=scripts)
    visit.go("/keys/new?name=from-a-link")
    visit.type("Name", "too-late")
    program.ask("DELETE", f"/v1/users/{me}/sessions")
    return visit


def test_a_form_of_a_session_that_is_over_leads_to_sign_in_and_back(visitor, program):
    visit = lose_the_session(visitor, program, scripts=False)
    visit.press("Create API key")
    visit.at("/sign-in")
    visit.sees("You were signed out, and what you sent was not done.")
    assert not program.ask("GET", "/v1/api-keys?q=too-late")["data"]
    visit.type("E-mail", "ada@example.com")
    visit.type("Password", PASSWORD)
    visit.press("Sign in")
    visit.at("/keys/new[?]name=from-a-link$")
    visit.heading("Create API key")


def test_what_was_typed_outlives_its_session(visitor, program):
    """The page that is left has it, and nothing else does: no storage, no address."""
    visit = lose_the_session(visitor, program, scripts=True)
    for _ in range(2):  # once more before anybody signed in
        visit.button("Create API key").click()
        visit.sees("You were signed out, and what you sent was not done. What you typed is still here")
        expect(visit.page.get_by_role("link", name="sign in in another tab")).to_be_focused()
        assert visit.page.locator("[data-kept]").count() == 1
        assert visit.page.get_by_label("Name", exact=True).input_value() == "too-late"
    assert not program.ask("GET", "/v1/api-keys?q=too-late")["data"]
    with visit.context.expect_page() as opened:
        visit.button("sign in in another tab").click()
    form, visit.page = visit.page, opened.value
    visit.type("E-mail", "ada@example.com")
    visit.type("Password", PASSWORD)
    visit.press("Sign in")
    visit.sees("What you typed waits in the other tab")
    visit.page.close()
    visit.page = form
    visit.press("Create API key")
    visit.heading("too-late is ready")
    assert len(program.ask("GET", "/v1/api-keys?q=too-late")["data"]) == 1


def test_what_was_done_is_not_said_to_be_undone_by_whoever_ended_their_own_session(visitor, program, scripts):
    me = program.person("ada", role="admin")
    visit = visitor("ada@example.com", scripts=scripts)
    visit.go(f"/people/{me}")
    visit.press("End all sessions")
    visit.at("/sign-in")
    visit.sees("Your session is over. Sign in again.")
    assert not program.ask("GET", f"/v1/users/{me}/sessions")["data"]


def test_whoever_leaves_after_their_session_is_led_to_sign_in(visitor, program):
    """What is worth keeping is what was typed: the menu has nothing of that."""
    visit = lose_the_session(visitor, program, scripts=True)
    visit.page.get_by_text("Account & API Keys").click()
    visit.page.get_by_role("button", name="Sign out").click()
    visit.at("/sign-in")


@pytest.mark.parametrize("frame", ["<iframe src='{}'></iframe>", "<object data='{}'></object>", "<embed src='{}'>"],
                         ids=["iframe", "object", "embed"])
def test_no_other_site_shows_a_page_in_a_frame(browser, visitor, program, frame):
    visit = visitor(ADMIN)
    with Evil() as evil, Evil() as other:
        other.page = "<main>Anybody may frame this.</main>"
        # Beside a page that shows what a frame that is let in looks like.
        evil.page = frame.format(f"{program.url}/keys") + frame.format(other.url("other.localhost"))
        asked = []
        visit.context.on("response", lambda answer: asked.append(answer.url))
        page = visit.context.new_page()
        page.goto(evil.url("evil.localhost"))
        page.wait_for_load_state("networkidle")
        assert f"{program.url}/keys" in asked
        shown = [of.locator("main").inner_text() for of in page.frames[1:] if of.locator("main").count()]
        assert shown == ["Anybody may frame this."]
        visit.complaints = [line for line in visit.complaints if "frame-ancestors" not in line
                            and evil.address not in line and other.address not in line]
