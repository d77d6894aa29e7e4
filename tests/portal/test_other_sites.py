"""A page of another site posts to each form, asks for it with scripts and in pictures: nothing is done."""
import html, json

import pytest

from evil import Evil
from pages import FORMS, GUESTS, bare
from program import ADMIN, PASSWORD

#: What an attacker would send: what forms are made of, but for what only a page of the session knows.
TYPED = {"name": "planted", "email": "evil@example.com", "password": PASSWORD, "current_password": PASSWORD,
         "role": "owner", "scopes": "admin", "ends": "never", "theme": "dark", "value": "sk-planted", "kind": "openai",
         "url": "http://evil.localhost/", "csrf": "", "once": "planted", "next": "/"}
#: Where the portal and the other site are: of other sites, and of one site, which gets the cookie sent.
SITES = [("127.0.0.1", "evil.localhost"), ("door.localhost", "evil.door.localhost"), ("door.localhost", "door.localhost")]


def form(action):
    fields = "".join(f'<input name="{name}" value="{html.escape(value)}">' for name, value in TYPED.items())
    return f'<form method="post" action="{action}">{fields}</form>'


@pytest.mark.parametrize("host, evil_host", SITES, ids=["of-another-site", "of-one-site", "of-one-host"])
def test_a_form_that_another_site_sends_is_refused(visitor, program, host, evil_host):
    port = program.url.rsplit(":", 1)[1]
    portal = f"http://{host}:{port}"
    visit = visitor(ADMIN, url=portal)
    visit.expected += [403, 404, 405]
    visit.go("/keys")
    visit.heading("API keys")
    before, session = program.rows(), visit.cookie()
    answers = {}
    visit.context.on("response", lambda answer: answers.setdefault((answer.request.method, answer.url), answer.status))
    with Evil() as evil:
        page = visit.context.new_page()
        for path in FORMS:
            url = portal + bare(path)
            evil.page = form(url)
            page.goto(evil.url(evil_host))
            with page.expect_navigation(url=url):
                page.evaluate("document.forms[0].submit()")
            assert answers[("POST", url)] == 403, path
    assert program.rows() == before
    assert visit.cookie() == session
    assert not any(cookie["name"] == "doorward-theme" for cookie in visit.context.cookies())
    visit.complaints = [line for line in visit.complaints if evil.address not in line]


@pytest.mark.parametrize("host, evil_host", SITES, ids=["of-another-site", "of-one-site", "of-one-host"])
def test_what_another_site_fetches_is_refused_and_not_read(visitor, program, host, evil_host):
    port = program.url.rsplit(":", 1)[1]
    portal = f"http://{host}:{port}"
    visit = visitor(ADMIN, url=portal)
    visit.go("/keys")
    before = program.rows()
    statuses = []
    visit.context.on("response", lambda answer: answer.request.method == "POST" and statuses.append(answer.status))
    urls = [portal + bare(path) for path in FORMS]
    with Evil() as evil:
        evil.page = "<p>nothing to see</p>"
        page = visit.context.new_page()
        page.goto(evil.url(evil_host))
        read = page.evaluate("""async ([urls, body]) => {
            const read = [];
            for (const url of urls) {
                for (const mode of ["no-cors", "cors"]) {
                    const sent = { method: "POST", mode, credentials: "include", body: new URLSearchParams(body) };
                    const text = await fetch(url, sent).then((answer) => answer.text(), () => "");
                    if (text) read.push(url);
                }
                await new Promise((done) => {
                    const picture = new Image();
                    picture.onload = picture.onerror = done;
                    picture.src = url + "?" + new URLSearchParams(body);
                });
            }
            return read;
        }""", [urls, TYPED])
    assert read == []
    assert len(statuses) >= len(urls) and set(statuses) == {403}
    assert program.rows() == before
    visit.complaints.clear()  # each of these requests is complained of, and is meant


def test_a_form_without_the_mark_of_its_session_is_refused(program):
    """Even of this very origin: a link that plants a form, a page of the API that shows what was sent to it."""
    session = program.session()
    before = program.rows()
    body = "&".join(f"{name}={value}" for name, value in TYPED.items()).encode()
    for path in FORMS:
        if path in (*GUESTS, "/theme"):
            continue  # nobody is signed in there, or nothing is kept
        for marks in ({"sec-fetch-site": "same-origin"}, {"origin": program.url}):
            headers = {"cookie": f"doorward={session}", "content-type": "application/x-www-form-urlencoded", **marks}
            status, _, _ = program.send("POST", bare(path), headers, body)
            assert status == 403, (path, marks)
    assert program.rows() == before


def test_the_cookie_of_the_portal_is_no_credential_of_the_api(program):
    """Else a page of this site could ask the API in its visitors' names, where no form is."""
    session = program.session()
    for name in ("doorward", "__Host-doorward"):
        for site in ({}, {"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}):
            headers = {"cookie": f"{name}={session}", **site}
            for path in ("/v1/users/me", "/v1/api-keys", "/v1/models", "/v1/sessions"):
                assert program.send("GET", path, headers)[0] == 401, (name, path)
            headers["content-type"] = "application/json"
            body = json.dumps({"name": "planted"}).encode()
            assert program.send("POST", "/v1/api-keys", headers, body)[0] == 401
