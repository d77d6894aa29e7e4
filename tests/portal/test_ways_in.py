"""Ways in: the first administrator, invitations and forgotten passwords, by link and by letter."""
import pytest

from letters import Letters, link_in
from program import ADMIN, PASSWORD, Program
from visit import Visit

NEW = "another strange engine"


@pytest.fixture
def letters():
    with Letters() as letters:
        yield letters


@pytest.fixture
def options(letters):
    return letters.options


def send_mail(program):
    program.ask("PATCH", "/v1/settings", {"mail-from": "doorward@example.com"})


def set_password(visit, password):
    visit.put("password", password)
    visit.press("Set password and sign in")
    visit.at("/keys")
    visit.sees("Your password is set.")


def test_whoever_forgot_their_password_gets_a_letter_and_sets_another(guest, visitor, program, letters):
    program.person("ada")
    send_mail(program)
    guest.go("/sign-in")
    guest.press("Forgot your password?")
    guest.type("E-mail", "ada@example.com")
    guest.press("Send the letter")
    guest.sees("a letter is on its way to it")
    to, text = letters.next()
    assert to == ["ada@example.com"]
    guest.go(link_in(text))
    guest.sees("You sign in as ada@example.com.")
    if guest.scripts:
        assert "token" not in guest.page.url
    set_password(guest, NEW)
    assert program.session("ada@example.com", NEW)
    again = visitor(scripts=guest.scripts)
    again.go(link_in(text))
    assert again.page.locator('[name="password"]').count() == 0


def test_whoever_is_nobody_here_is_told_the_same(guest, program, letters):
    send_mail(program)
    before = program.rows()
    guest.go("/password-reset")
    guest.type("E-mail", "nobody@example.com")
    guest.press("Send the letter")
    guest.sees("a letter is on its way to it")
    assert {name for name, rows in program.rows().items() if rows != before[name]} <= {"audit_entries"}


def test_an_invitation_comes_by_letter_and_its_link_can_be_pasted(visit, visitor, program, letters):
    send_mail(program)
    visit.go("/people/new")
    visit.sees("They get a mail with a link")
    visit.type("Name", "ada")
    visit.type("E-mail", "ada@example.com")
    visit.press("Invite")
    visit.sees("on its way to ada@example.com")
    assert "token=" not in visit.page.content()
    to, text = letters.next()
    assert to == ["ada@example.com"]
    ada = visitor(scripts=visit.scripts)
    ada.go("/invitation")
    ada.type("Link or token", f"https://doorward.example.com{link_in(text)}")
    ada.press("Go on")
    ada.sees("You sign in as ada@example.com.")
    set_password(ada, NEW)


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


@pytest.fixture
def new(browser, scripts):
    """A visit to a program that nobody has signed in to yet."""
    program = Program()
    visit = Visit(browser, program, scripts=scripts)
    yield visit
    visit.close()
    program.end()


def test_the_first_administrator_comes_in_with_the_key_of_the_server(new):
    new.go("/welcome")
    new.put("key", new.program.admin_key)
    new.put("email", "root@example.com")
    new.put("password", PASSWORD)
    new.press("Set password and sign in")
    new.at("/keys")
    assert new.program.admin_key not in new.page.content()


def test_the_first_administrator_comes_in_by_the_link_that_the_program_prints(new):
    new.go(new.program.ready["portal"].removeprefix(new.program.url))
    new.sees("Welcome to Doorward")
    new.put("email", "root@example.com")
    set_password(new, PASSWORD)
    assert new.program.session("root@example.com")
