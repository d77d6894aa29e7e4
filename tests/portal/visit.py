"""Somebody with a browser of their own: what they do on pages, and everything that their browser complains of."""
import os, pathlib, re, shutil, urllib.parse

from playwright.sync_api import expect

from pages import form_of

#: How long something may take to come about; far above what it takes, for machines that are busy.
WAIT_MS = 30_000
expect.set_options(timeout=WAIT_MS)
LOOKS = [(scheme, width) for scheme in ("light", "dark") for width in (1280, 390)]
COOKIE = "doorward"
#: What Chromium says of every answer that is no success; a form that is refused is one.
REFUSED = "Failed to load resource: the server responded with a status of "


def chromium(playwright, **more):
    """The system's Chromium, without its window where there is one: that is lighter by half."""
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)))
    args = ["--no-sandbox"] if os.geteuid() == 0 else []
    return playwright.chromium.launch(executable_path=path, args=args, **more)


#: What was done with all visits: each form that was sent and taken, and each parameter by which a page was asked for
#: (`/keys?status`), with whether scripts ran.
DONE = set()


class Visit:
    """One context of the browser. `complaints`: dialogs, console errors, requests to other hosts; none is expected."""

    def __init__(self, browser, program, scripts=True, email=None, url=None, **more):
        self.program, self.scripts, self.url = program, scripts, url or program.url
        self.complaints, self.expected = [], [422]
        # Things that still move are measured and pressed where they are not.
        more.setdefault("reduced_motion", "reduce")
        self.context = browser.new_context(java_script_enabled=scripts, base_url=self.url, **more)
        self.context.set_default_timeout(WAIT_MS)
        self.context.on("request", self.on_request)
        self.context.on("response", self.on_response)
        self.context.on("console", self.on_console)
        self.context.on("dialog", self.on_dialog)
        self.context.on("weberror", lambda error: self.complaints.append(f"error: {error.error}"))
        self.page = self.context.new_page()
        if email:
            self.take(program.session(email))

    def take(self, session):
        """Holds the cookie of a session that was begun elsewhere."""
        self.context.add_cookies([{"name": COOKIE, "value": session, "url": self.url}])

    def cookie(self):
        return next((cookie["value"] for cookie in self.context.cookies(self.url) if cookie["name"] == COOKIE), None)

    def on_request(self, request):
        if not request.url.startswith(self.url + "/") and not request.url.startswith("about:"):
            self.complaints.append(f"request to {request.url}")

    def on_response(self, answer):
        if answer.request.method == "POST" and answer.status in (200, 303):
            DONE.add((form_of(urllib.parse.urlsplit(answer.url).path), self.scripts))
        elif answer.ok:
            self.note_query(answer.url)

    def note_query(self, url):
        url = urllib.parse.urlsplit(url)
        DONE.update((f"{url.path}?{name}", self.scripts) for name, _ in urllib.parse.parse_qsl(url.query))

    def on_console(self, message):
        expected = [f"{REFUSED}{status} " for status in self.expected]
        # A date field says so of an address that is no date, and shows nothing.
        expected.append("The specified value")
        if message.type in ("error", "warning") and not message.text.startswith(tuple(expected)):
            self.complaints.append(f"{message.type}: {message.text} at {message.page and message.page.url}")

    def on_dialog(self, dialog):
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def close(self):
        self.context.close()
        assert not self.complaints, "\n".join(self.complaints)

    # What people do.

    def go(self, path):
        return self.page.goto(path)

    def sign_in(self, email, password):
        self.go("/sign-in")
        self.page.get_by_label("E-mail").fill(email)
        self.page.get_by_label("Password").fill(password)
        self.press("Sign in")

    def type(self, label, text):
        """Types into the field of this label."""
        self.page.get_by_label(label, exact=True).fill(text)

    def put(self, name, text):
        """Types into the field of this name; chooses it, where there is a choice."""
        field = self.page.locator(f'main [name="{name}"]')
        kind = field.first.get_attribute("type")
        if kind in ("checkbox", "radio"):
            self.page.locator(f'main [name="{name}"][value="{text}"]').check()
        elif field.first.evaluate("field => field.localName") == "select":
            field.select_option(text)
        else:
            field.fill(text)

    def button(self, name, within=None):
        """The one button or link of this name in the middle of the page, or in a part of it."""
        main, exact = within or self.page.get_by_role("main"), re.compile(f"^{re.escape(name)}$")
        return main.get_by_role("button", name=exact).or_(main.get_by_role("link", name=exact))

    def press(self, name, within=None):
        """Presses what leads to another page, or to this one anew, and waits until that is there."""
        self.page.evaluate("document.body.dataset.left = ''")
        self.button(name, within).click()
        self.page.locator("body:not([data-left])").wait_for()
        self.page.wait_for_load_state("domcontentloaded")

    def row(self, name):
        """The row of a table that has this text."""
        return self.page.get_by_role("row").filter(has_text=name)

    def download(self, name):
        """Presses what gives a file; its name and its bytes."""
        with self.page.expect_download() as coming:
            self.button(name).click()
        self.note_query(coming.value.url)
        return coming.value.suggested_filename, pathlib.Path(coming.value.path()).read_bytes()

    def at(self, pattern):
        """Waits until the path is this one."""
        self.page.wait_for_url(re.compile(re.escape(self.url) + pattern))

    def sees(self, text):
        """Waits until the middle of the page has this text."""
        expect(self.page.get_by_role("main")).to_contain_text(text)

    def heading(self, text):
        expect(self.page.get_by_role("heading", level=1)).to_have_text(text)

    def look(self, scheme, width, height=800):
        self.page.emulate_media(color_scheme=scheme)
        self.page.set_viewport_size({"width": width, "height": height})

    def refused(self, field):
        """Waits until a form says beside this field what is wrong with it, and returns that."""
        wrong = self.page.locator(f'[id="{field}-wrong"]')
        expect(wrong).to_be_visible()
        return wrong.inner_text().strip()
