"""Somebody who is no administrator: they do what is theirs, and see and may do nothing else."""
import re

import pytest
from playwright.sync_api import expect

from pages import FORMS, GUESTS, PAGES
from program import BY_THEMSELVES
from test_keys import create
from test_other_sites import TYPED

#: What is everybody's to open; of lists, what is theirs is on them.
THEIRS = [*GUESTS, "/account", "/account/password", "/account/second-factor", "/keys", "/keys/new", "/my-models", "/playground",
          "/requests", "/usage"]
#: What is everybody's to send: it is of themselves, of keys that they make, or of what they were shown.
THEIRS_TO_SEND = [*GUESTS, "/sign-out", "/theme", "/account/password", "/account/sessions/end",
                  "/account/sessions/{id}/end", "/account/second-factor", "/account/second-factor/confirm",
                  "/account/second-factor/remove", "/keys/new", "/keys/file", "/playground", "/playground/token"]


def test_a_member_makes_a_key_and_calls_with_it(visitor, program, scripts):
    program.person("ada")
    ada = visitor("ada@example.com", scripts=scripts)
    key = create(ada, "my-notebook")
    assert program.call(key)[0] == 200
    ada.press("I have saved it")
    ada.heading("my-notebook")
    ada.press("Edit")
    ada.type("Description", "On my desk")
    ada.press("Save")
    ada.sees("On my desk")
    ada.go("/usage")
    ada.sees("doorward/echo")


def test_a_member_is_shown_no_way_that_is_not_theirs(visitor, program, scripts):
    program.person("ada")
    ada = visitor("ada@example.com", scripts=scripts)
    ada.go("/keys")
    ways = ada.page.get_by_role("navigation", name="Main").get_by_role("link")
    expect(ways).to_have_text(["Doorward", "API keys", "Models", "Usage", "Playground", "Requests"])
    expect(ada.button("All keys")).to_have_count(0)
    ada.go("/keys/new")
    expect(ada.page.get_by_label("Owner", exact=True)).to_have_count(0)
    expect(ada.page.get_by_label("Administer")).to_have_count(0)


@pytest.fixture(scope="module")
def ada(world):
    """Headers of a member of the world, and what their forms carry."""
    world.program.person("ada.member")
    headers = {"cookie": f"doorward={world.program.session('ada.member@example.com')}", "accept": "text/html"}
    page = world.program.send("GET", "/keys/new", headers)[2].decode()
    return headers, re.search('name="csrf" value="([^"]+)"', page)[1]


@pytest.mark.parametrize("path", [path for path in PAGES if path not in THEIRS])
def test_a_page_that_is_not_theirs_is_not_shown(world, ada, path):
    status, _, page = world.program.send("GET", world.path(path), ada[0])
    assert status in (403, 404)
    assert b"<form" not in page.split(b"<main")[1], "the menus around it have forms"


def test_a_form_that_is_not_theirs_does_nothing(world, ada):
    headers, csrf = ada
    headers = {**headers, "sec-fetch-site": "same-origin", "content-type": "application/x-www-form-urlencoded"}
    body = "&".join(f"{name}={value}" for name, value in {**TYPED, "csrf": csrf, "act": "grant"}.items()).encode()
    # Who was refused is noted.
    stored = lambda: world.program.rows((*BY_THEMSELVES, "audit_entries", "audit_head"))
    before = stored()
    for form in (form for form in FORMS if form not in THEIRS_TO_SEND):
        status, _, _ = world.program.send("POST", world.path(form), headers, body)
        assert status in (403, 404, 422), form
        assert stored() == before, form
