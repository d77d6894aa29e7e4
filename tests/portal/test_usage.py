"""What was used: seen, narrowed, taken along."""
import csv, datetime, io, json

import pytest
from playwright.sync_api import expect

from upstream import Upstream

FORMULA = '=HYPERLINK("http://x")'


@pytest.fixture
def used(visit, program):
    """Three calls of one key, one of another; the administrator looks at them."""
    for name, calls in ((FORMULA, 3), ("other", 1)):
        key = program.ask("POST", "/v1/api-keys", {"name": name, "owner": program.administrator()})["key"]
        for _ in range(calls):
            assert program.call(key)[0] == 200
    visit.go("/usage")
    visit.sees("doorward/echo")
    return visit


def by(visit, what):
    visit.button(what, visit.page.get_by_role("navigation", name="Usage by")).click()


def test_usage_is_narrowed_to_a_key_and_widened_again(used):
    by(used, "Key")
    used.sees("other")
    names = used.page.locator("tbody a.name")
    used.page.locator("table").last.get_by_role("link", name=FORMULA).click()
    expect(used.page.get_by_role("link", name="Show without this")).to_have_count(1)
    by(used, "Model")
    line = used.page.locator("tr").filter(has=used.page.get_by_role("link", name="doorward/echo"))
    expect(line.locator("td").nth(1)).to_have_text("3")
    used.page.get_by_role("link", name="Show without this").click()
    expect(line.locator("td").nth(1)).to_have_text("4")
    expect(names).to_have_text(["doorward/echo"])


def test_what_failed_is_told_by_how_it_did(used, program):
    expect(used.page.get_by_role("heading", name="What failed")).to_have_count(0)
    with Upstream(wanted="another") as upstream:
        program.ask("POST", "/v1/provider-keys", {"name": "first", "value": "sk-first-0123456789abcdef"})
        program.ask("POST", "/v1/providers", {"name": "first", "kind": "openai-compatible", "base_url": upstream.url,
                                              "provider_keys": ["first"]})
        program.ask("POST", "/v1/models", {"name": "house-model", "price": "free", "deployments": [{"provider": "first"}]})
        key = program.ask("POST", "/v1/api-keys", {"name": "app", "owner": program.administrator()})["key"]
        assert program.call(key, "house-model")[0] >= 400
    used.go("/usage")
    row = used.page.locator("section tr").filter(has_text="The provider could not be called (502)")
    expect(row.locator("td").nth(1)).to_have_text("1")
    used.go("/usage?model=doorward/echo")
    used.sees("doorward/echo")
    expect(used.page.get_by_role("heading", name="What failed")).to_have_count(0)


def test_usage_of_other_days_is_seen(used):
    used.page.get_by_label("Period").select_option("range")
    if not used.scripts:
        used.press("Show")
    used.type("From", "2001-01-01")
    used.type("through", "2001-01-31")
    used.press("Show")
    used.sees("No calls in this time")
    used.type("through", "2000-01-31")
    used.press("Show")
    assert used.refused("from")
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    used.type("From", today)
    used.type("through", today)
    used.press("Show")
    used.sees("doorward/echo")


def test_usage_leaves_as_tables_without_formulas(used):
    by(used, "Key")
    used.sees(FORMULA)
    name, text = used.download("Download CSV")
    cells = [cell for row in csv.reader(io.StringIO(text.decode())) for cell in row]
    assert name.endswith(".csv") and "'" + FORMULA in cells
    assert not any(cell[:1] in "=+-@\t\r" for cell in cells if cell)
    name, text = used.download("Download JSON lines")
    rows = [json.loads(line) for line in text.decode().splitlines()]
    assert name.endswith(".jsonl") and sorted(row["requests"] for row in rows) == [1, 3]
