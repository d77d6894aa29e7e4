"""People: invited, let in, given another role, and seen to be able to do less."""
import urllib.parse

from playwright.sync_api import expect

from program import PASSWORD


def invite(visit, name, role):
    """Invites somebody; the path of the link that they are handed."""
    visit.go("/people")
    visit.press("Invite somebody")
    visit.type("Name", name)
    visit.put("email", f"{name}@example.com")
    visit.put("role", role)
    visit.press("Invite")
    visit.heading(f"{name} is invited")
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


def test_what_is_wrong_with_a_person_is_said_beside_the_field(visit, program):
    program.person("ada")
    before = program.rows()
    visit.go("/people/new")
    for name, email, field in (("ada", "new@example.com", "name"), ("eve", "not an address", "email"),
                               ("\u202eeve", "new@example.com", "name"), ("аda", "new@example.com", "name")):
        visit.page.locator("main form").evaluate("form => { form.noValidate = true; }")
        visit.type("Name", name)
        visit.put("email", email)
        visit.put("role", "member")
        visit.press("Invite")
        assert visit.refused(field), (name, email)
        expect(visit.page.get_by_label("Name", exact=True)).to_have_value(name)
        expect(visit.page.locator('main [name="email"]')).to_have_value(email)
        assert program.rows() == before
