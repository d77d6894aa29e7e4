"""Signing in and out."""
from program import ADMIN, PASSWORD


def test_a_person_signs_in_and_out(guest):
    guest.go("/keys?status=active")
    guest.type("E-mail", ADMIN)
    guest.type("Password", PASSWORD)
    guest.press("Sign in")
    guest.at(r"/keys\?status=active$")
    guest.heading("API keys")
    guest.page.get_by_text("Account & API Keys").click()
    guest.page.get_by_role("button", name="Sign out").click()
    guest.at("/sign-in")
    guest.sees("You are signed out.")
    guest.go("/keys")
    guest.at("/sign-in")


def test_a_wrong_password_says_so_and_keeps_the_address(guest, program):
    guest.expected.append(401)
    guest.sign_in(ADMIN, "wrong horse battery")
    guest.sees("The e-mail address or the password is wrong.")
    assert guest.page.get_by_label("E-mail").input_value() == ADMIN
    assert guest.page.get_by_label("Password").input_value() == ""
    assert guest.cookie() is None


def test_no_link_leads_elsewhere_after_signing_in(guest, program):
    for next in ("https://evil.example/", "//evil.example/", "/\\evil.example/", "javascript:alert(1)"):
        guest.context.clear_cookies()
        guest.go(f"/sign-in?next={next}")
        guest.type("E-mail", ADMIN)
        guest.type("Password", PASSWORD)
        guest.press("Sign in")
        guest.at("/keys$")


def test_a_theme_is_chosen_and_kept(visit):
    for theme in ("dark", "light"):
        visit.go("/keys")
        visit.page.get_by_text("Account & API Keys").click()
        visit.page.get_by_role("button", name=theme.title()).click()
        visit.page.locator(f'html[data-theme="{theme}"]').wait_for()
        visit.go("/keys")
        visit.page.locator(f'html[data-theme="{theme}"]').wait_for()
