"""What was used, seen and taken along; and the playground."""
import csv, io

from playwright.sync_api import expect


def test_usage_is_seen_and_leaves_as_a_table_without_formulas(visit, program):
    formula = '=HYPERLINK("http://x")'
    key = program.ask("POST", "/v1/api-keys", {"name": formula, "owner": program.administrator()})["key"]
    for _ in range(3):
        assert program.call(key)[0] == 200
    visit.go("/usage")
    visit.sees("doorward/echo")
    visit.page.get_by_role("navigation", name="Usage by").get_by_role("link", name="Key").click()
    visit.sees(formula)
    path = visit.page.get_by_role("link", name="Download CSV").get_attribute("href")
    answer = visit.context.request.get(path)
    assert answer.headers["content-type"].startswith("text/csv")
    cells = [cell for row in csv.reader(io.StringIO(answer.text())) for cell in row]
    assert "'" + formula in cells
    assert not any(cell[:1] in "=+-@\t\r" for cell in cells if cell)


def test_the_playground_calls_a_model_with_the_rights_of_a_key(visit, program):
    me = program.administrator()
    made = program.ask("POST", "/v1/api-keys", {"name": "to-try", "owner": me, "models": ["doorward/echo"]})
    visit.go(f"/playground?key={made['id']}")
    visit.put("prompt", "Say it again, please.")
    visit.button("Send").click()
    expect(visit.page.locator("#answer")).to_contain_text("Say it again, please.")
    expect(visit.page.locator("#facts")).to_contain_text("$0")
    assert made["key"] not in visit.page.content()
