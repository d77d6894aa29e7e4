"""What people type wrong: for each form of the portal, what is typed into which field, and where it is said to be
wrong."""
from dataclasses import dataclass, field
from datetime import date, timedelta

from pages import PASSWORD, created, second_factor, second_factor_removal
from program import ADMIN

LONG = "x" * 501
SOON = (date.today() + timedelta(days=20)).isoformat()
ALERT = "[role=alert]"
NOT_IT = "wrong horse battery"
BIDI = "a\u202eb"

#: Limits that a key has, or that keys share.
LIMITS = [{f"limits.{name}": typed} for name, typed in [
    ("requests_per_minute", "many"), ("requests_per_hour", "-1"), ("requests_per_day", "1.5"),
    ("tokens_per_minute", "0"), ("tokens_per_hour", "4294967296"), ("tokens_per_day", "1e9"), ("concurrency", "∞")]]
#: The same for one model.
MODEL_LIMITS = [{"model_limits[0].model": "gpt-*-[a] b"},
                *({f"model_limits[0].{name}": typed for name, typed in row.items()} for row in LIMITS)]
#: Of whoever sits there; the keys of service accounts are used elsewhere.
LOCKED_OUT = {"ip_deny": "127.0.0.0/8"}
#: Fields of a key, as it is made and edited.
KEY = [*LIMITS, {"description": LONG}, {"models": "gpt-*-*-[a]\nb c"}, {"budgets[0].amount": "five"},
       {"budgets[0].amount": "-5"}, {"expires_at": "2001-01-01"}, {"ip_allow": "10.0.0.0/8\nnot an address"},
       {"ip_deny": "300.1.1.1"}, LOCKED_OUT, {"allowed_origins": "not an origin"},
       *MODEL_LIMITS]  # the last: each of them brings a row more
#: One that is shown at once, and one of the others.
PRICES = [{"price.output": "cheap"}, {"price.audio_hour": "-1"}]


@dataclass
class Wrong:
    """How a form is refused. `press`: its button. `right`: what is typed besides. `rows`: what is typed wrong, field by
    field, each alone. `at`: where that is said, if not beside its field. `lead`: how a visitor comes to the form.
    `email`: who, or nobody. `notes`: tables that a refusal is noted in. `once`: what is good for one try, and not
    shown again. `mails`: whether it is there only where letters are sent."""
    press: str
    rows: list
    right: dict = field(default_factory=dict)
    at: dict = field(default_factory=dict)
    lead: object = None
    email: str | None = ADMIN
    notes: tuple = ()
    once: tuple = ()
    mails: bool = False


def page(path):
    return lambda visit, world: visit.go(world.path(path))


def invitation(visit, world):
    name = f"invited-{id(visit)}"
    body = {"name": name, "role": "member", "email": f"{name}@example.com", "invite": True}
    visit.go(f"/invitation?token={world.program.ask('POST', '/v1/users', body)['invitation']['token']}")


def reset(visit, mailing):
    visit.go(mailing.reset())


def file(visit, world):
    created(visit, world)
    visit.page.get_by_text("Save sealed, as .pak").click()


def offer(visit, world):
    visit.go(world.path("/providers/{id}"))
    visit.press("See its models")
    visit.row("house-model").get_by_label("free").uncheck()


#: Fields that take whatever is typed.
FREE = [("/playground", "system")]
SIGNING_IN = {"email": ADMIN, "password": PASSWORD}

#: By form; what stands behind it tells two pages apart that have the same form.
WRONGS = {
    "/sign-in": Wrong("Sign in", [{"email": "nobody@example.com"}, {"password": NOT_IT}], SIGNING_IN, email=None,
                      at={"email": ALERT, "password": ALERT}, notes=("audit_entries", "audit_head")),
    "/sign-in organization": Wrong("Sign in", [{"organization": BIDI}, {"organization": "nowhere"}],
                                   {"organization": "default", **SIGNING_IN}, email=None, mails=True,
                                   at={"organization": ALERT}),
    "/welcome": Wrong("Set password and sign in", [
        {"key": "dw_0123456789abcdef_nothing"}, {"email": "another@example.com"}, {"password": "short"}],
        {"key": lambda world: world.program.admin_key, **SIGNING_IN}, email=None,
        notes=("api_keys", "key_secrets")),  # the key is used
    "/invitation token": Wrong("Go on", [{"token": "nothing"}], email=None, at={"token": ALERT}, once=("token",)),
    "/invitation": Wrong("Set password and sign in", [{"password": "short"}], lead=invitation, email=None),
    "/password-reset": Wrong("Send the letter", [{"email": "not an address"}, {"email": ""}, {"email": "a@x.test\r\nBcc: b@y.test"},
                                                 {"organization": BIDI}, {"organization": "x" * 81}],
                             {"email": ADMIN, "organization": "default"}, email=None, mails=True),
    "/password-reset token": Wrong("Set password and sign in", [{"password": "short"}], lead=reset, email=None, mails=True),
    "/account/password": Wrong("Change password", [{"current_password": NOT_IT}, {"password": "short"}],
                               {"current_password": PASSWORD, "password": "another strange engine"}),
    "/account/second-factor": Wrong("Go on", [{"current_password": NOT_IT}]),
    "/account/second-factor/confirm": Wrong("Turn it on", [{"code": "000000"}, {"code": "letters"}], lead=second_factor, once=("code",)),
    "/account/second-factor/remove": Wrong("Remove", [{"current_password": NOT_IT}], lead=second_factor_removal),
    "/keys/new": Wrong("Create API key", [*({"name": name} for name in (
                           " ", "production-search", "prоduction-search", BIDI, "x" * 81)),
                           {"owner": "nobody"}, {"project": "prj_none"}, {"scopes": "everything"}, *KEY],
                       {"name": "a-name-that-is-free", "ends": "date", "expires_at": SOON}),
    "/agent-keys/new account": Wrong("Create agent key", [
        {"account": BIDI}, {"account": "ticket-triage"}, *(row for row in KEY if row != LOCKED_OUT)],
        {"name": "a-name-that-is-free", "ends": "date", "expires_at": SOON}),
    "/agent-keys/new": Wrong("Create agent key", [
        {"name": " "}, {"owner": "nobody"}, *(row for row in KEY if row != LOCKED_OUT)],
        {"owner": "ticket-triage", "name": "a-name-that-is-free", "ends": "date", "expires_at": SOON}),
    "/keys/{id}/edit": Wrong("Save", KEY, {"ends": "date", "expires_at": SOON}),
    "/keys/{id}/rotate": Wrong("Make a new secret", [{"overlap_seconds": "a while"}]),
    "/keys/{id}/ask": Wrong("Ask for higher limits", [
        {"limits.requests_per_minute": "many"}, {"limits.concurrency": "1"}, {"budgets[0]": "lots"}, {"reason": " "}],
        {"reason": "The launch", "limits.requests_per_minute": "900"}),
    "/keys/file": Wrong("Save as .pak", [{"passphrase": "short"}, {"passphrase_again": "another passphrase"}],
                        {"passphrase": "canary passphrase", "passphrase_again": "canary passphrase"}, lead=file),
    "/people/new": Wrong("Invite", [{"name": "ada.okafor"}, {"name": BIDI}, {"name": "ada.оkafor"}, {"name": ""},
                                    {"email": "not an address"}, {"email": "a@x.test\r\nBcc: b@y.test"},
                                    {"role": "king"}], {"name": "new", "email": "new@example.com"}),
    "/people/{id}/edit": Wrong("Save", [{"name": "ada.okafor"}, {"email": "not an address"},
                                        *LIMITS, {"budgets[0].amount": "five"}]),
    "/projects/new": Wrong("Create project", [{"name": "support"}, {"name": " "}, {"description": LONG},
                                              *LIMITS, {"budgets[0].amount": "five"}], {"name": "new"}),
    "/projects/{id}/edit": Wrong("Save", [{"name": "support"}, {"description": LONG}, *LIMITS, {"budgets[0].amount": "-1"}]),
    "/projects/{id}/prompts": Wrong("Save", [{"prompts.retention_days": typed} for typed in ("0", "366", "many", "")],
                                    {"keep": "yes"}),
    "/projects/{id}/members": Wrong("Add member", [{"user": "nobody"}, {"user": ""}], lead=page("/projects/{id}")),
    "/service-accounts/new": Wrong("Create service account", [{"name": "ticket-triage"}, {"name": ""}, {"description": LONG}],
                                   {"name": "new"}),
    "/service-accounts/{id}": Wrong("Save", [{"name": "nightly-evaluation"}, {"name": BIDI}, {"description": LONG}]),
    "/general-keys/new": Wrong("Add general key", [{"name": "anthropic"}, {"name": ""}, {"value": ""}, {"note": LONG}],
                               {"name": "NEW", "value": "sk-new-0123456789abcdef"}),
    "/general-keys/{id}/edit": Wrong("Save", [{"name": "anthropic"}, {"value": "a\tb"}, {"note": LONG}]),
    "/providers/new": Wrong("Add provider", [
        {"name": "anthropic"}, {"name": ""}, {"base_url": "not an address"}, {"base_url": "ftp://x.example/"},
        {"value": "a\tb"}, {"health_check.interval_seconds": "often"}, {"health_check.path": "no slash"}],
        {"name": "new", "base_url": "https://models.example.com/v1", "health_check.interval_seconds": "60"},
        lead=lambda visit, world: visit.go("/providers/new?preset=compatible")),
    "/providers/{id}/edit": Wrong("Save", [
        {"name": "anthropic"}, {"base_url": "not an address"}, {"health_check.interval_seconds": "0"},
        {"health_check.path": "no slash"}],
        {"health_check.interval_seconds": "60"}),
    "/providers/{id}/offer": Wrong("Add the ticked models", [{"input house-model": "many"}, {"output house-model": "-1"}],
                                   {"input house-model": "1", "output house-model": "1", "models": "house-model"},
                                   dict.fromkeys(["input house-model", "output house-model"], "td:has(:checked) .wrong"),
                                   lead=offer, notes=("provider_keys", "audit_entries", "audit_head")),
    "/models/new": Wrong("Add model", [
        {"name": "gpt-5.1"}, {"name": "a b"}, {"deployments[0].upstream_model": BIDI}, {"aliases": "gpt-5.1"},
        {"aliases": "a b"}, {"output_tokens_max": "many"}, *PRICES],
        {"name": "new-model", "price_is": "set", "price.input": "1", "price.output": "1"}),
    "/models/edit/{*name}": Wrong("Save", [
        {"aliases": "claude-sonnet-4-5"}, {"output_tokens_max": "many"}, {"deployments[0].weight": "heavy"},
        {"deployments[0].priority": "-1"}, {"deployments[1].upstream_model": BIDI},
        *PRICES], {"price_is": "set", "deployments[1].provider": lambda world: world.ids["providers"]}),
    "/notifications/webhooks/new": Wrong("Create webhook", [{"name": "ops-channel"}, {"name": ""}, {"url": "nowhere"},
                                                            {"url": "http://127.0.0.1/"}],
                                         {"name": "new", "url": "https://hooks.example.com/"}),
    "/notifications/webhooks/{id}": Wrong("Save", [{"name": ""}, {"url": "ftp://hooks.example.com/"}]),
    "/requests/{id}": Wrong("Grant", [{"limits.requests_per_minute": "many"}, {"limits.concurrency": "1"},
                                      {"budgets[0]": "lots"}, {"note": LONG}, {"ends_in_days": "some"}]),
    "/settings": Wrong("Save", [
        {"auth-token-max-ttl-minutes": "many"}, {"user-key-default-ttl-days": "-1"}, {"service-key-default-ttl-days": "x"},
        {"session-idle-minutes": "4"}, {"session-max-hours": "0"}, {"keys-per-user-max": "many"}, {"key-prefix": "not a prefix!"}, {"mail-from": "not an address"},
        {"notice-days": "often"}, {"rotation-reminder-days": "never"}, {"usage-retention-days": "x"},
        {"usage-sums-retention-days": "x"}, {"audit-retention-days": "1"}, {"spent-budget-status": "200"}]),
    "/settings/organization": Wrong("Save", [{"name": " "}, {"name": BIDI}, *LIMITS, {"budgets[0].amount": "five"}]),
    "/playground": Wrong("Send", [{"temperature": "hot"}, {"temperature": "3"}, {"max_tokens": "0"}, {"prompt": " "}]),
}
