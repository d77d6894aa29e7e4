"""The pages of the portal, read from its table of routes: what is measured, drawn and attacked is all of them."""
import re

from program import PASSWORD, ROOT
from second_factor import second_factor as set_up_second_factor

TABLE = (ROOT / "crates/portal/src/routes.rs").read_text()
ROUTES = re.findall(r'^\s*(show|act)\s*\("([^"]+)"', TABLE, re.MULTILINE)
#: The paths of all forms, such as `/keys/{id}/delete`.
FORMS = [path for verb, path in ROUTES if verb == "act"]
#: Those that need nobody to be signed in.
GUESTS = ["/sign-in", "/welcome", "/invitation", "/password-reset"]
#: What is shown, and is no page.
NO_PAGES = ["/", "/assets/{content}/{name}", "/usage/export", "/audit/download", "/playground/calls/{id}",
            "/providers/{id}/offer"]
#: What is shown to those only who have something: drawn among the states below.
CONDITIONAL = ["/account/second-factor/remove", "/models/disable/{*name}"]
PAGES = [path for verb, path in ROUTES if verb == "show" and path not in NO_PAGES + CONDITIONAL]


#: What is sent to each form, those that name nothing first: `/general-keys/new` is no id.
SENT_TO = [(path, re.compile(re.sub(r"\{[^}]*\}", "[^/]+", re.sub(r"\{\*[^}]*\}", ".+", path))))
           for path in sorted(FORMS, key=lambda path: path.count("{"))]


def form_of(path):
    """The form that takes what is sent to this path."""
    return next((form for form, pattern in SENT_TO if pattern.fullmatch(path)), None)


def bare(path):
    """The path with something in place of each name in braces."""
    return re.sub(r"\{[^}]*\}", "some", path)


def name(path):
    """What a file about this page is called: `keys-one-delete`."""
    return re.sub(r"\{[^}]*\}", "one", path).strip("/").replace("/", "-")


# What is shown only after something was done: each leads a visitor there, and is drawn and measured as a page is.

def created(visit, world):
    visit.go("/keys/new")
    visit.type("Name", f"made-{id(visit)}")
    visit.press("Create API key")
    visit.page.locator("#plain").wait_for()


def refused(visit, world):
    visit.go("/keys/new")
    visit.page.locator("details.more").evaluate_all("nodes => { for (const node of nodes) node.open = true; }")
    visit.type("Name", "production-search")
    visit.page.locator('[name="ip_allow"]').fill("not an address")
    visit.press("Create API key")
    visit.refused("ip_allow")


def menu(visit, world):
    visit.go("/keys")
    visit.page.get_by_text("Account & API Keys").click()


def deeds(visit, world):
    visit.go("/keys")
    visit.row("load-test").get_by_role("button").click()
    visit.page.get_by_role("link", name="Rotate").wait_for()


def none_found(visit, world):
    visit.go("/keys?q=nothing-is-called-so")


def invited(visit, world):
    visit.go("/people/new")
    visit.type("Name", f"invited-{id(visit)}")
    visit.put("email", f"invited-{id(visit)}@example.com")
    visit.put("role", "member")
    visit.press("Invite")
    visit.page.locator("#link").wait_for()


def offered(visit, world):
    visit.go(world.path("/providers/{id}"))
    visit.press("See its models")
    visit.page.get_by_label("house-model", exact=True).wait_for()


def answered(visit, world):
    visit.go(f"/playground?key={world.ids['keys']}")
    visit.put("model", "gpt-5.1")
    visit.put("prompt", "Say hello.")
    visit.button("Send").click()
    visit.sees("Hello from upstream.")


def second_factor(visit, world):
    visit.go("/account/second-factor")
    visit.put("current_password", PASSWORD)
    visit.press("Go on")
    visit.page.locator('[name="code"]').wait_for()


def second_factor_removal(visit, world):
    name = f"careful-{id(visit)}"
    world.program.person(name)
    session = world.program.session(f"{name}@example.com")
    set_up_second_factor(world.program, session)
    visit.take(session)
    visit.go("/account/second-factor/remove")
    visit.heading("Remove the second factor")


def deployment_off(visit, world):
    visit.go(world.path("/models/show/{*name}"))
    visit.press("Disable")
    visit.heading("Disable openai-eu for gpt-5.1?")


def webhook_made(visit, world):
    visit.go("/notifications/webhooks/new")
    visit.type("Name", f"made-{id(visit)}")
    visit.put("url", "https://hooks.example.com/doorward")
    visit.press("Create webhook")
    visit.page.locator("#secret").wait_for()


STATES = {f"state-{name.replace('_', '-')}": state for name, state in [
    ("keys-created", created), ("keys-refused", refused), ("menu", menu), ("keys-deeds", deeds), ("keys-none-found", none_found),
    ("invited", invited), ("offered", offered), ("answered", answered), ("second-factor", second_factor),
    ("second-factor-removal", second_factor_removal),
    ("webhook-made", webhook_made), ("deployment-off", deployment_off),
]}
