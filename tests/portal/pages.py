"""The pages of the portal, read from its table of routes: what is measured, drawn and attacked is all of them."""
import re

from program import ROOT

TABLE = (ROOT / "crates/portal/src/routes.rs").read_text()
ROUTES = re.findall(r'^\s*(show|act)\s*\("([^"]+)"', TABLE, re.MULTILINE)
#: The paths of all forms, such as `/keys/{id}/delete`.
FORMS = [path for verb, path in ROUTES if verb == "act"]
#: Those that need nobody to be signed in.
GUESTS = ["/sign-in"]
#: What is shown, and is no page.
NO_PAGES = ["/", "/assets/{content}/{name}"]
PAGES = [path for verb, path in ROUTES if verb == "show" and path not in NO_PAGES]


def name(path):
    """What a file about this page is called: `keys-delete`."""
    return re.sub(r"\{[^}]*\}", "", path).strip("/").replace("//", "/").replace("/", "-")


# What is shown only after something was done: each leads a visitor there, and is drawn and measured as a page is.

def created(visit, world):
    visit.go("/keys/new")
    visit.type("Name", f"made-{id(visit)}")
    visit.press("Create API key")
    visit.page.locator("#plain").wait_for()


def refused(visit, world):
    visit.go("/keys/new")
    visit.page.locator("details.more").evaluate("node => { node.open = true; }")
    visit.type("Name", "production-search")
    visit.page.locator('[name="ip_allow"]').fill("not an address")
    visit.press("Create API key")
    visit.refused("ip_allow")


def menu(visit, world):
    visit.go("/keys")
    visit.page.get_by_text("Account & API Keys").click()


def none_found(visit, world):
    visit.go("/keys?q=nothing-is-called-so")


STATES = {f"state-{name.replace('_', '-')}": state for name, state in [
    ("keys-created", created), ("keys-refused", refused), ("menu", menu), ("keys-none-found", none_found),
]}
