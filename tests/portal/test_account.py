"""One's own account: the password, the second factor, where one is signed in."""
from playwright.sync_api import expect

from program import PASSWORD
from second_factor import code, second_factor


def test_a_password_is_changed_and_other_sessions_end(visitor, program, scripts):
    program.person("ada")
    other = visitor("ada@example.com", scripts=scripts)
    ada = visitor("ada@example.com", scripts=scripts)
    ada.go("/account")
    ada.press("Change password")
    ada.put("current_password", "wrong horse battery")
    ada.put("password", "another strange engine")
    ada.press("Change password")
    assert ada.refused("current_password")
    ada.put("current_password", PASSWORD)
    ada.put("password", "another strange engine")
    ada.press("Change password")
    ada.sees("Your password is changed.")
    other.go("/keys")
    other.at("/sign-in")
    other.sign_in("ada@example.com", "another strange engine")
    other.at("/keys$")


def test_a_second_factor_is_set_up_and_asked_for(visitor, program, scripts):
    program.person("ada")
    ada = visitor("ada@example.com", scripts=scripts)
    ada.go("/account")
    ada.press("Set up")
    ada.put("current_password", PASSWORD)
    ada.press("Go on")
    secret = ada.page.locator("#shown").inner_text()
    ada.put("code", "000000" if code(secret) != "000000" else "000001")
    ada.press("Turn it on")
    assert ada.refused("code")
    ada.put("code", code(secret))
    ada.press("Turn it on")
    ada.heading("Keep these recovery codes")
    recovery = ada.page.locator("#codes").inner_text().split()
    assert len(recovery) >= 8
    ada.press("I have saved them")
    ada.sees("The second factor is on.")
    assert not any(one in ada.page.content() for one in [secret, *recovery])

    for lost in (False, True):
        again = visitor(scripts=scripts)
        again.expected.append(401)
        again.sign_in("ada@example.com", PASSWORD)
        again.page.locator('[name="code"]').wait_for()
        assert again.cookie() is None
        again.put("code", recovery[0] if lost else code(secret, 1))
        again.press("Sign in")
        again.at("/keys$")


def test_a_session_elsewhere_is_ended(visitor, program, scripts):
    program.person("ada")
    other = visitor("ada@example.com", scripts=scripts)
    ada = visitor("ada@example.com", scripts=scripts)
    ada.go("/account")
    ada.press("End all others")
    ada.sees("All your other sessions are over.")
    expect(ada.page.get_by_role("row")).to_have_count(2)
    other.go("/keys")
    other.at("/sign-in")


def test_one_session_elsewhere_is_ended_and_the_others_go_on(visitor, program, scripts):
    program.person("ada")
    others = [visitor("ada@example.com", scripts=scripts, user_agent=f"Firefox/{number}.0") for number in (1, 2)]
    ada = visitor("ada@example.com", scripts=scripts)
    for other in others:
        other.go("/keys")
    ada.go("/account")
    ada.page.get_by_role("button", name="End the session").first.click()
    ada.sees("The session is over.")
    expect(ada.page.get_by_role("row")).to_have_count(3)
    ended = []
    for other in others:
        other.go("/keys")
        ended.append("/sign-in" in other.page.url)
    assert sorted(ended) == [False, True]


def test_a_second_factor_is_removed_with_the_password(visitor, program, scripts):
    program.person("ada")
    session = program.session("ada@example.com")
    ada = visitor(scripts=scripts)
    ada.take(session)
    second_factor(program, session)
    ada.go("/account")
    ada.press("Remove")
    ada.heading("Remove the second factor")
    ada.put("current_password", PASSWORD)
    ada.press("Remove")
    ada.sees("The second factor is removed.")
    assert program.session("ada@example.com")
