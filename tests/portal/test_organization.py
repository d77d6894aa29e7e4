"""What administrators see and set: settings, what the whole organization may spend, the audit log."""
import csv, io, json

from playwright.sync_api import expect


def setting(program, name):
    return next(one["value"] for one in program.ask("GET", "/v1/settings")["data"] if one["name"] == name)


def test_a_setting_is_changed_and_reset(visit, program):
    visit.go("/settings")
    before = setting(program, "keys-per-user-max")
    visit.type("Most keys of one owner", "7")
    visit.press("Save")
    visit.sees("Saved")
    assert setting(program, "keys-per-user-max") == 7
    visit.type("Most keys of one owner", "")
    visit.press("Save")
    visit.sees("Saved")
    assert setting(program, "keys-per-user-max") == before


def test_which_keys_outlive_a_cap_is_said_before_it_is_set(visit, program):
    program.ask("POST", "/v1/api-keys", {"name": "long-lived", "expires_in_days": 60})
    visit.go("/settings")
    visit.type("Longest life of a key, in minutes", "43200")
    visit.press("Save")
    visit.sees("long-lived")
    assert setting(program, "auth-token-max-ttl-minutes") != 43200
    visit.press("Set the cap")
    visit.sees("Saved")
    assert setting(program, "auth-token-max-ttl-minutes") == 43200


def test_what_all_keys_together_may_spend_is_set(visit, program):
    visit.go("/settings")
    visit.press("Edit organization")
    visit.put("budgets[0].amount", "5,000")
    visit.put("budgets[0].period", "month")
    visit.type("Tokens per day", "1000000")
    visit.press("Save")
    visit.sees("Saved.")
    visit.sees("1,000,000 tokens per day")
    organization = program.ask("GET", "/v1/organization")
    assert (organization["budgets"][0]["usd"], organization["limits"]["tokens_per_day"]) == ("5000.00", 1_000_000)


def test_the_audit_log_is_verified_and_searched(visit, program):
    project = program.ask("POST", "/v1/projects", {"name": "search"})["id"]
    program.person("ada")
    program.ask("POST", "/v1/api-keys", {"name": "hers"}, key=program.session("ada@example.com"))
    visit.go("/audit")
    visit.sees("Created a project")
    visit.press("Verify the chain")
    visit.sees("Chain verified")

    deeds = visit.page.locator("tbody td:first-child b")
    visit.go("/audit")
    visit.page.get_by_label("Action").select_option(label="Projects")
    if not visit.scripts:
        visit.press("Filter")
    expect(deeds).to_have_text(["Created a project"])
    visit.press("Show all")
    visit.press("Without sign-ins")
    expect(deeds.get_by_text("Created a project")).to_be_visible()
    expect(deeds.get_by_text("Signed in")).to_have_count(0)
    visit.press("All")
    visit.page.get_by_label("Who: name or id").fill("ada")
    visit.press("Filter")
    expect(deeds).to_have_text(["Created a key", "Signed in", "Accepted an invitation"])
    visit.press("Show all")
    visit.page.get_by_label("About: id").fill(project)
    visit.press("Filter")
    expect(deeds).to_have_text(["Created a project"])
    visit.press("Show all")
    visit.type("From", "2001-01-01")
    visit.type("To", "2001-12-31")
    visit.press("Filter")
    visit.sees("Nothing like that was done.")


def test_the_audit_log_leaves_as_tables_without_formulas(visit, program):
    formula = '=HYPERLINK("http://x")'
    program.ask("POST", "/v1/projects", {"name": formula})
    program.ask("POST", "/v1/service-accounts", {"name": "triage"})
    visit.go("/audit?action=project")
    name, text = visit.download("Download CSV")
    rows = list(csv.reader(io.StringIO(text.decode())))
    cells = [cell for row in rows for cell in row]
    assert name.endswith(".csv") and any(formula in cell for cell in cells)
    assert not any(cell[:1] in "=+-@\t\r" for cell in cells if cell)
    assert "service-account.create" not in cells  # the file is of what is shown
    name, text = visit.download("Download JSON lines")
    entries = [json.loads(line) for line in text.decode().splitlines()]
    assert name.endswith(".jsonl") and [entry["action"] for entry in entries] == ["project.create"]
