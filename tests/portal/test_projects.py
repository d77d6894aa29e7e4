"""Projects: made, bounded, with members, what they keep of prompts, removed."""
from playwright.sync_api import expect


def made(program, name="search"):
    return program.ask("POST", "/v1/projects", {"name": name})["id"]


def test_a_project_is_made_edited_and_removed(visit, program):
    visit.go("/projects")
    visit.press("Create project")
    visit.type("Name", "search")
    visit.type("Description", "Ranking and answers")
    visit.put("budgets[0].amount", "250")
    visit.put("budgets[0].period", "month")
    visit.type("Requests per minute", "600")
    visit.press("Create project")
    visit.sees("Created.")
    visit.sees("$250.00")
    visit.sees("600 requests per minute")
    project = next(one for one in program.ask("GET", "/v1/projects")["data"] if one["name"] == "search")

    visit.press("Edit")
    visit.heading("Edit search")
    visit.type("Name", "public-search")
    visit.put("budgets[0].amount", "")
    visit.type("Requests per minute", "60")
    visit.press("Save")
    visit.sees("Saved.")
    visit.heading("public-search")
    project = program.ask("GET", f"/v1/projects/{project['id']}")
    assert (project["budgets"], project["limits"]["requests_per_minute"]) == ([], 60)
    assert project["description"] == "Ranking and answers"

    visit.press("Delete project")
    visit.heading("Delete public-search?")
    visit.press("Delete project")
    visit.sees("The project is deleted.")
    expect(visit.page.get_by_role("link", name="public-search")).to_have_count(0)


def test_a_project_that_has_keys_is_not_deleted_and_it_is_said_why(visit, program):
    project = made(program)
    program.ask("POST", "/v1/api-keys", {"name": "app", "project": project})
    visit.go(f"/projects/{project}/remove")
    visit.heading("Delete search?")
    expect(visit.button("app")).to_be_visible()
    expect(visit.button("Delete project")).to_have_count(0)


def test_somebody_is_let_into_a_project_gets_a_role_and_is_taken_out(visit, program):
    project, _ = made(program), program.person("ada")
    session = program.session("ada@example.com")

    def role():
        projects = program.ask("GET", "/v1/users/me", key=session)["projects"]
        return next((one["role"] for one in projects if one["name"] == "search"), None)

    visit.go(f"/projects/{project}")
    visit.page.get_by_label("Name", exact=True).select_option(label="ada")
    visit.press("Add member")
    visit.sees("Added.")
    assert role() == "member"
    row = visit.row("ada")
    row.get_by_label("Role of ada").select_option("viewer")
    visit.press("Save", row)
    visit.sees("Saved.")
    assert role() == "viewer"
    visit.press("Remove ada")
    visit.sees("Removed.")
    assert role() is None


def test_what_a_project_keeps_of_prompts_is_set(visit, program):
    project = made(program)
    kept = lambda: program.ask("GET", f"/v1/projects/{project}")["prompts"]
    visit.go(f"/projects/{project}")
    visit.press("Change what is kept")
    visit.put("keep", "yes")
    visit.type("For how many days", "7")
    visit.put("prompts.redact", "on")
    visit.press("Save")
    visit.sees("They are kept for 7 days.")
    assert kept() == {"retention_days": 7, "redact": True}
    visit.press("Change what is kept")
    visit.put("keep", "no")
    visit.press("Save")
    visit.sees("They are not kept")
    assert kept() is None
