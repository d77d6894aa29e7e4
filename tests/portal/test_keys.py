"""Keys, from their making to their end, as people do it."""
import datetime, json, os, re, subprocess

from playwright.sync_api import expect

from program import ADMIN, binary


def create(visit, name, **typed):
    """Makes a key by the form; leaves the page that shows it."""
    visit.go("/keys")
    visit.press("Create API key", visit.page.locator("main .head"))
    visit.heading("Create API key")
    visit.type("Name", name)
    for label, text in typed.items():
        visit.type(label, text)
    visit.press("Create API key")
    visit.heading(f"{name} is ready")
    return visit.page.locator("#plain").inner_text()


def test_a_key_is_made_copied_and_used(visit, program):
    if visit.scripts:
        visit.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=visit.url)
    key = create(visit, "production-search")
    if visit.scripts:
        visit.page.get_by_role("button", name="Copy").first.click()
        expect(visit.page.get_by_text("Copied").first).to_be_visible()
        assert visit.page.evaluate("navigator.clipboard.readText()") == key
    assert program.call(key)[0] == 200
    visit.page.get_by_role("link", name="I have saved it").click()
    visit.at("/keys/dw_[^/]+$")
    visit.sees("production-search")
    visit.sees("Active")
    visit.go("/keys")
    visit.sees("just now")


def test_the_keyboard_alone_makes_a_key(visitor, program):
    visit = visitor(ADMIN)
    visit.go("/keys")
    keys = visit.page.keyboard

    def reach(role, name):
        """Goes on with Tab until this has the focus, which must be seen."""
        wanted = visit.page.get_by_role(role, name=name)
        for _ in range(60):
            keys.press("Tab")
            if wanted.evaluate("node => node === document.activeElement"):
                return
        raise AssertionError(f"Tab does not reach {name}")

    keys.press("Tab")
    expect(visit.page.get_by_role("link", name="Skip to the content")).to_be_focused()
    keys.press("Enter")
    reach("link", "Create API key")
    keys.press("Enter")
    visit.heading("Create API key")
    expect(visit.page.get_by_label("Name", exact=True)).to_be_focused()
    keys.type("by-keyboard")
    reach("textbox", "Description")
    keys.type("Nothing was clicked")
    reach("checkbox", re.compile("^See usage"))
    keys.press("Space")
    reach("radio", "in 90 days")
    keys.press("ArrowLeft")
    reach("button", "Create API key")
    keys.press("Enter")
    visit.heading("by-keyboard is ready")
    key = visit.page.locator("#plain").inner_text()
    assert program.call(key)[0] == 200
    made = program.ask("GET", "/v1/api-keys?q=by-keyboard")["data"][0]
    assert "analytics:read" in made["scopes"] and made["expires_at"]
    assert made["description"] == "Nothing was clicked"


def test_a_key_is_saved_as_a_file_that_opens(visit, program):
    key = create(visit, "ci")
    for name, save in (("ci.env", "Save as .env"), ("ci.json", "Save as .json")):
        assert visit.download(save)[0] == name
        assert opened(program, visit.download(save)) == key
    visit.page.get_by_text("Save sealed, as .pak").click()
    visit.type("Passphrase", "canary passphrase")
    visit.type("The same again", "canary passphrase")
    name, sealed = visit.download("Save as .pak")
    assert name == "ci.pak" and key.encode() not in sealed
    assert opened(program, (name, sealed), "canary passphrase") == key
    visit.press("I have saved it")
    visit.heading("ci")


def opened(program, file, passphrase=""):
    """The key in a file, as `doorward keys open` prints it."""
    path = program.folder / file[0]
    path.write_bytes(file[1])
    command = [binary(), "keys", "open", path]
    told = subprocess.run(command, env={"DOORWARD_PASSPHRASE": passphrase}, capture_output=True, text=True, check=True)
    return told.stdout.strip()


def test_the_first_call_is_ready_to_be_made(visit, program):
    key = create(visit, "first")
    code = visit.page.locator("#snippet-curl").inner_text()
    told = subprocess.run(["sh", "-c", code], env={**os.environ, "DOORWARD_API_KEY": key}, capture_output=True, text=True, check=True)
    assert json.loads(told.stdout)["choices"]
    for language in ("Python", "JavaScript"):
        visit.page.get_by_label(language).check()
        expect(visit.page.locator(f"#snippet-{language.lower()}")).to_contain_text(program.url)
    visit.press("Make a first call")
    visit.heading("Playground")
    visit.button("Send").click()
    expect(visit.page.locator("#answer")).to_contain_text("Say hello in three languages.")


def test_a_list_of_addresses_that_leaves_one_out_is_meant_or_a_mistake(visit, program):
    visit.go("/keys/new")
    visit.type("Name", "elsewhere")
    visit.page.get_by_text("Addresses, web pages and limits").click()
    visit.sees("Your address now is 127.0.0.1.")
    visit.type("Only from these addresses", "10.0.0.0/8")
    visit.press("Create API key")
    assert "leaves out the address that you use now" in visit.refused("ip_allow")
    visit.put("anyway", "yes")
    visit.press("Create API key")
    visit.heading("elsewhere is ready")
    assert program.call(visit.page.locator("#plain").inner_text())[0] == 403


def test_a_key_has_the_rights_the_models_the_owner_and_the_bounds_that_were_chosen(visit, program):
    ada = program.person("ada")
    project = program.ask("POST", "/v1/projects", {"name": "search"})["id"]
    visit.go("/keys/new")
    visit.type("Name", "chosen")
    visit.page.get_by_label("Owner", exact=True).select_option(label="ada")
    visit.page.get_by_label("Project").select_option(label="search")
    visit.put("scopes", "analytics:read")
    visit.put("models.chosen", "doorward/echo")
    visit.put("models", "gpt-*")
    visit.put("ends", "7")
    visit.put("budgets[0].amount", "20.00")
    visit.put("budgets[0].period", "week")
    visit.page.get_by_text("Addresses, web pages and limits").click()
    visit.put("limits.concurrency", "3")
    visit.press("Create API key")
    visit.heading("chosen is ready")
    made = program.ask("GET", "/v1/api-keys?q=chosen")["data"][0]
    assert (made["owner"], made["project"]) == (ada, project)
    days = datetime.datetime.fromisoformat(made["expires_at"]) - datetime.datetime.fromisoformat(made["created_at"])
    assert days == datetime.timedelta(days=7)
    assert made["models"] == ["doorward/echo", "gpt-*"] and "analytics:read" in made["scopes"]
    assert (made["budgets"][0]["period"], made["limits"]["concurrency"]) == ("week", 3)
