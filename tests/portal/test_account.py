"""One's own account: the password, the second factor, where one is signed in."""
import base64, hmac, struct, time

from playwright.sync_api import expect

from program import PASSWORD, Program
from visit import Visit


def code(secret, step=0):
    """The one-time code of a secret now (RFC 6238), or some steps from now."""
    key = base64.b32decode(secret.replace(" ", "") + "=" * (-len(secret.replace(" ", "")) % 8))
    digest = hmac.digest(key, struct.pack(">Q", int(time.time()) // 30 + step), "sha1")
    at = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[at:at + 4])[0] & 0x7FFFFFFF) % 1_000_000:06}"


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

    again = visitor(scripts=scripts)
    again.expected.append(401)
    again.sign_in("ada@example.com", PASSWORD)
    again.page.locator('[name="code"]').wait_for()
    assert again.cookie() is None
    again.put("code", recovery[0])
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


def test_the_key_of_the_server_is_asked_for_before_anybody_comes_in(visitor, program, scripts):
    guest = visitor(scripts=scripts)
    before = program.rows()
    guest.go("/welcome")
    guest.put("key", "dw_0123456789abcdef_nothing")
    guest.put("email", "root@example.com")
    guest.put("password", "another strange engine")
    guest.press("Set password and sign in")
    assert guest.refused("key")
    assert guest.page.locator('[name="email"]').input_value() == "root@example.com"
    assert guest.page.locator('[name="password"]').input_value() == ""
    assert program.rows() == before


def test_the_first_administrator_comes_in_with_the_key_of_the_server(browser, scripts):
    new = Program()
    guest = Visit(browser, new, scripts=scripts)
    guest.go("/welcome")
    guest.put("key", new.admin_key)
    guest.put("email", "root@example.com")
    guest.put("password", PASSWORD)
    guest.press("Set password and sign in")
    guest.at("/keys")
    assert new.admin_key not in guest.page.content()
    guest.close()
    new.end()
