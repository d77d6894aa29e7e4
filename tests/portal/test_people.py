"""People: invited, let in, given another role, and seen to be able to do less."""
import urllib.parse

import pytest
from playwright.sync_api import expect

from program import PASSWORD, Refused
from second_factor import second_factor


def invite(visit, name, role):
    """Invites somebody; the path of the link that they are handed."""
    visit.go("/people")
    visit.press("Invite somebody")
    visit.type("Name", name)
    visit.put("email", f"{name}@example.com")
    visit.put("role", role)
    visit.press("Invite")
    visit.heading(f"{name} is invited")
    return handed(visit)


def handed(visit):
    """The path of the link that is shown once."""
    link = urllib.parse.urlsplit(visit.page.locator("#link").inner_text())
    return f"{link.path}?{link.query}"


def test_somebody_is_invited_comes_in_and_may_do_less_then(visit, visitor, program):
    path = invite(visit, "ada", "admin")
    ada = visitor(scripts=visit.scripts)
    ada.go(path)
    ada.put("password", PASSWORD)
    ada.press("Set password and sign in")
    ada.at("/keys")
    ways = ada.page.get_by_role("navigation", name="Main")
    expect(ways.get_by_role("link", name="People")).to_be_visible()

    for role, makes_keys in (("member", 1), ("viewer", 0)):
        visit.go("/people?q=ada")
        visit.press("ada")
        visit.press("Edit")
        visit.put("role", role)
        visit.press("Save")
        visit.sees("Saved.")
        ada.sign_in("ada@example.com", PASSWORD)
        ada.at("/keys")
        expect(ways.get_by_role("link", name="People")).to_have_count(0)
        expect(ada.page.locator('main a.primary[href="/keys/new"]')).to_have_count(makes_keys)
    ada.expected += [403, 404]
    ada.go("/people")
    expect(ada.page.get_by_role("link", name="Invite somebody")).to_have_count(0)


def test_whoever_never_came_is_found(visit, program):
    program.person("ada")
    program.ask("POST", "/v1/users", {"name": "bob", "role": "member"})
    visit.go("/people")
    visit.page.get_by_label("Status").select_option(label="Invited")
    if not visit.scripts:
        visit.press("Filter")
    expect(visit.page.locator("tbody a.name")).to_have_text(["bob"])


def test_a_link_lets_in_once(visit, visitor, program):
    path = invite(visit, "ada", "member")
    for times in range(2):
        ada = visitor(scripts=visit.scripts)
        ada.expected += [400, 401, 404, 409, 410]
        ada.go(path)
        if times == 0:
            ada.put("password", PASSWORD)
            ada.press("Set password and sign in")
            ada.at("/keys")
        else:
            assert ada.page.locator('[name="password"]').count() == 0
            assert ada.cookie() is None


def test_somebody_who_is_disabled_is_out(visit, visitor, program):
    me = program.person("ada")
    key = program.ask("POST", "/v1/api-keys", {"name": "app"}, key=program.session("ada@example.com"))["key"]
    assert program.call(key)[0] == 200
    visit.go(f"/people/{me}")
    visit.press("Disable")
    visit.heading("Disable ada?")
    visit.press("Disable")
    visit.sees("Disabled.")
    assert program.call(key)[0] == 401
    visit.press("Enable")
    visit.sees("Enabled.")
    assert program.call(key)[0] == 200


def test_somebody_is_edited_and_what_their_keys_share_is_bounded(visit, program):
    ada = program.person("ada")
    visit.go(f"/people/{ada}")
    visit.press("Edit")
    visit.heading("Edit ada")
    visit.type("Name", "ada.okafor")
    visit.type("E-mail", "ada@example.org")
    visit.put("budgets[0].amount", "50")
    visit.put("budgets[0].period", "month")
    visit.put("limits.concurrency", "4")
    visit.press("Save")
    visit.sees("Saved.")
    visit.heading("ada.okafor")
    visit.sees("$50.00")
    visit.sees("4 calls at once")
    now = program.ask("GET", f"/v1/users/{ada}")
    assert (now["email"], now["role"], now["limits"]["concurrency"]) == ("ada@example.org", "member", 4)


def test_somebody_is_signed_out_everywhere(visit, visitor, program):
    ada = program.person("ada")
    theirs = visitor("ada@example.com", scripts=visit.scripts)
    theirs.go("/keys")
    visit.go(f"/people/{ada}")
    visit.press("End all sessions")
    visit.sees("Their sessions are over.")
    theirs.go("/keys")
    theirs.at("/sign-in")


def test_a_new_invitation_ends_the_one_before(visit, visitor, program):
    first = invite(visit, "ada", "member")
    visit.press("I have handed it over")
    visit.press("New invitation")
    visit.heading("ada is invited")
    second = handed(visit)
    ada = visitor(scripts=visit.scripts)
    ada.go(first)
    ada.sees("Paste the link that you were given")
    ada.go(second)
    ada.put("password", PASSWORD)
    ada.press("Set password and sign in")
    ada.at("/keys")


def test_a_link_lets_somebody_set_a_new_password(visit, visitor, program):
    person = program.person("ada")
    visit.go(f"/people/{person}")
    visit.press("Reset password")
    visit.heading("ada can set a new password")
    link = handed(visit)
    ada = visitor(scripts=visit.scripts)
    ada.go(link)
    ada.put("password", "another strange engine")
    ada.press("Set password and sign in")
    ada.at("/keys")
    program.session("ada@example.com", "another strange engine")


def test_the_second_factor_of_somebody_who_lost_it_is_taken_away(visit, program):
    ada = program.person("ada")
    second_factor(program, program.session("ada@example.com"))
    with pytest.raises(Refused):
        program.session("ada@example.com")
    visit.go(f"/people/{ada}")
    visit.press("Remove second factor")
    visit.heading("Remove the second factor of ada?")
    visit.press("Remove second factor")
    visit.sees("The password alone lets them in.")
    assert program.session("ada@example.com")


def test_somebody_is_removed_and_their_keys_with_them(visit, program):
    ada = program.person("ada")
    key = program.ask("POST", "/v1/api-keys", {"name": "app"}, key=program.session("ada@example.com"))["key"]
    visit.go("/people")
    visit.page.get_by_label("Search by name or e-mail").fill("ada@")
    visit.press("Filter")
    expect(visit.page.locator("tbody a.name")).to_have_text(["ada"])
    visit.press("ada")
    visit.press("Remove")
    visit.heading("Remove ada?")
    visit.sees("1 key ends now")
    visit.press("Remove")
    visit.sees("Removed, and their keys have ended.")
    assert program.call(key)[0] == 401
    with pytest.raises(Refused):
        program.session("ada@example.com")
