"""Lists that are narrowed by one text: projects, providers, service accounts."""
import pytest
from playwright.sync_api import expect

LISTS = {"/projects": {}, "/providers": {"kind": "echo"}, "/service-accounts": {}}


@pytest.mark.parametrize("path", LISTS)
def test_a_list_is_searched_looked_at_afresh_and_shown_whole_again(visit, program, path):
    for name in ("ranking", "drafts"):
        program.ask("POST", f"/v1{path}", {"name": name, **LISTS[path]})
    names = visit.page.locator("tbody a.name")
    visit.go(path)
    expect(names.filter(has_text="drafts")).to_have_count(1)
    visit.page.get_by_role("searchbox").fill("RANK")
    visit.press("Filter")
    expect(names).to_have_text(["ranking"])
    program.ask("POST", f"/v1{path}", {"name": "frankly", **LISTS[path]})
    visit.press("Refresh")
    expect(names).to_have_text(["frankly", "ranking"])
    visit.page.get_by_role("searchbox").fill("nothing like that")
    visit.press("Filter")
    visit.press("Show all")
    expect(names.filter(has_text="drafts")).to_have_count(1)
