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
