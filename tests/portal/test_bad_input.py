"""Bad input on every form: the field is named, what was typed is kept, nothing is stored."""
import re

import pytest

from pages import GUESTS, PAGES, form_of
from program import ADMIN, BY_THEMSELVES
from wrongs import FREE, WRONGS, page

#: What is typed and chosen in a form, but for passwords, which are never shown again.
VALUES = """form => Object.fromEntries([...form.elements]
    .filter((field) => field.name && !["hidden", "password", "submit"].includes(field.type))
    .map((field) => ["checkbox", "radio"].includes(field.type) ? [`${field.name}=${field.value}`, field.checked]
                                                                : [field.name, field.value]))"""
PASSWORDS = "form => [...form.elements].filter((field) => field.type === 'password').map((field) => field.value)"
#: Types into a field; of a choice, makes one that was never offered.
TYPE = """(fields, text) => {
    const field = fields.find((field) => field.checked) ?? fields[0];
    if (field.localName === "select") field.add(new Option(text, text));
    field.value = text;
    if (["checkbox", "radio"].includes(field.type)) field.checked = true;
}"""
#: What is in a field; of a choice, what is chosen.
VALUE = """fields => fields[0].type === "radio" || fields[0].type === "checkbox" ? fields.find((field) => field.checked)?.value
                                                                           : fields[0].value"""
IS_CHOICE = "fields => fields[0].localName === 'select' || ['checkbox', 'radio'].includes(fields[0].type)"


class Form:
    """A form that somebody fills in."""

    def __init__(self, visit, wrong):
        self.visit, self.wrong = visit, wrong

    def here(self):
        page = self.visit.page
        return page.locator("main form").filter(has=page.get_by_role("button", name=self.wrong.press, exact=True)).last

    def field(self, name):
        return self.here().locator(f'[name="{name}"]')

    def put(self, values):
        """Fills it in as people do."""
        self.here().locator("details").evaluate_all("details => { for (const detail of details) detail.open = true; }")
        for name, text in values.items():
            if text is not None:
                self.visit.put(name, text)

    def send(self, row):
        """Types what is wrong, whatever the browser would say of it, and sends it. What was there, what is typed now,
        and in which fields a choice was made that was not offered."""
        self.here().evaluate("form => { form.noValidate = true; }")
        was = {name: self.field(name).evaluate_all(VALUE) for name in row}
        for name, text in row.items():
            self.field(name).evaluate_all(TYPE, text)
        typed, choices = self.here().evaluate(VALUES), [name for name in row if self.field(name).evaluate_all(IS_CHOICE)]
        self.visit.press(self.wrong.press)
        return was, {name: text for name, text in typed.items() if name.split("=")[0] not in choices + [*self.wrong.once]}

    def faults(self, row, typed):
        """What is not as it should be once this was refused."""
        for name in row:
            if not self.visit.page.locator(self.wrong.at.get(name, f'[id="{name}-wrong"]')).count():
                yield f"nothing is said of {name}"
        shown = self.here().evaluate(VALUES)
        yield from (f"{name} is {shown.get(name)} now" for name in typed if shown.get(name, False) != typed[name])
        if any(self.here().evaluate(PASSWORDS)):
            yield "a password is shown again"


@pytest.mark.parametrize("name", WRONGS)
def test_what_is_wrong_is_said_kept_and_not_stored(request, visitor, scripts, name):
    wrong = WRONGS[name]
    world = request.getfixturevalue("mailing" if wrong.mails else "world")
    right = {field: text(world) if callable(text) else text for field, text in wrong.right.items()}
    visit = visitor(wrong.email, of=world.program, scripts=scripts)
    visit.expected += [401]
    (wrong.lead or page(name.split()[0]))(visit, world)
    form = Form(visit, wrong)
    form.put(right)
    before, faults = world.program.rows((*BY_THEMSELVES, *wrong.notes)), []
    for row in wrong.rows:
        was, typed = form.send(row)
        if not form.here().count():
            faults.append(f"{row}: it is taken")
            break
        faults += [f"{row}: {fault}" for fault in form.faults(row, typed)]
        now = world.program.rows((*BY_THEMSELVES, *wrong.notes))
        faults += [f"{row}: {table} is changed" for table in now if now[table] != before[table]]
        form.put({**right, **was})
    assert not faults, "\n".join(faults)


#: Where each form of a page goes, and the fields of it that are typed into.
FIELDS = """() => [...document.querySelectorAll("form[method=post]")].map((form) => [new URL(form.getAttribute("action"), location)
    .pathname, [...form.elements].filter((field) => field.localName === "textarea" || field.localName === "input"
    && !["hidden", "checkbox", "radio", "submit", "search"].includes(field.type)).map((field) => field.name)])"""


def kind(name):
    """One of some fields that are alike stands for all: of `budgets[1].amount`, `input gpt-5.1`, `price.image`."""
    return re.sub(r"\[\d+\]", "[0]", re.sub(r"^price\..*", "price", name)).split(" ")[0]


def test_every_field_that_is_typed_into_is_wrong_once(world, mailing, visitor):
    typed = {(form.split()[0], kind(name)) for form, wrong in WRONGS.items() for row in wrong.rows for name in row}
    admin, guest, other = visitor(ADMIN, of=world.program), visitor(of=world.program), visitor(of=mailing.program)
    leads = [(world, guest if path in GUESTS else admin, page(path)) for path in PAGES]
    leads += [(mailing, other, page(path)) for path in GUESTS]
    for wrong in WRONGS.values():
        if wrong.lead:
            of = mailing if wrong.mails else world
            leads.append((of, visitor(wrong.email, of=of.program), wrong.lead))
    missing = set()
    for of, visit, lead in leads:
        lead(visit, of)
        for path, names in visit.page.evaluate(FIELDS):
            missing |= {(form_of(path), kind(name)) for name in names} - typed - {*FREE}
    assert not missing, "\n".join(map(str, sorted(missing)))
