"""What holds of a whole run: every form of the portal was sent and taken, with scripts and without, and every page
that can be searched was."""
import pathlib

import pytest

from pages import FORMS
from visit import DONE

#: Where lists and reports are narrowed, and what takes them along.
SEARCHES = [
    "/keys?q", "/keys?status", "/keys?project", "/keys?sort", "/keys?of", "/keys?after", "/agent-keys?q", "/agent-keys?status",
    "/people?q", "/people?status", "/projects?q", "/providers?q", "/service-accounts?q", "/general-keys?q", "/models?q", "/models?provider", "/requests?state", "/notifications?state",
    "/notifications?kind", "/audit?actor", "/audit?subject", "/audit?action", "/audit?except", "/audit?from", "/audit?to",
    "/audit/download?format", "/usage?last", "/usage?from", "/usage?to", "/usage?by", "/usage?key", "/usage/export?format",
    "/playground?key"]
#: What only a script of ours sends.
BY_SCRIPTS = ["/playground/token"]


def is_whole(session):
    """Whether nothing was left out of the run."""
    files = set(pathlib.Path(__file__).parent.glob("test_*.py"))
    return not session.config.option.keyword and {item.path for item in session.items} == files


def test_every_form_was_sent_and_every_list_was_searched(request):
    if not is_whole(request.session):
        pytest.skip("of a whole run only")
    wanted = {(way, scripts) for way in FORMS + SEARCHES for scripts in (True, False) if scripts or way not in BY_SCRIPTS}
    missing = sorted(f"{way} {'with' if scripts else 'without'} scripts" for way, scripts in wanted - DONE)
    assert not missing, "\n".join(missing)
