## Words of many pages

name = Name
status = Status
status-any = Any status
status-active = Active
status-soon = Expires soon
status-disabled = Disabled
status-expired = Expired
status-revoked = Deleted
scopes = Scopes
last-used = Last used
expires = Expires
budget = Budget
no-budget = No budget
never = never
created-when = created { $when }
created = Created
created-by = by { $who }
owner = Owner
project = Project
project-any = All projects
key = Key
day = Day
when = When
tokens-count = { $n } tokens
copy = Copy
filter = Filter
filter-clear = Show all
refresh = Refresh
next-page = Next page
added = Added
changed = Changed
none = none
unknown = not known
edit = Edit
delete = Delete
deeds = What can be done
save = Save
back = Back
edit-title = Edit { $name }
delete-title = Delete { $name }?
base-url = Base URL
period-day = today
period-week = this week
period-month = this month
period-total = in total
gauge = { $spent } of { $of }
form-refused = Some of it cannot be done as it is.
form-part = { $whole }, { $label }
form-entry = { $label }, entry { $n }
wrong-number = must be a whole number
wrong-amount = must be an amount, such as 20 or 12.50

time-now = just now
time-soon = in a moment
time-ago-minutes = { $n ->
    [one] a minute ago
   *[other] { $n } minutes ago
}
time-ago-hours = { $n ->
    [one] an hour ago
   *[other] { $n } hours ago
}
time-ago-days = { $n ->
    [one] yesterday
   *[other] { $n } days ago
}
time-in-minutes = { $n ->
    [one] in a minute
   *[other] in { $n } minutes
}
time-in-hours = { $n ->
    [one] in an hour
   *[other] in { $n } hours
}
time-in-days = { $n ->
    [one] tomorrow
   *[other] in { $n } days
}

## Scopes

scope-inference-read = List models
scope-inference-read-help = See which models it can call.
scope-inference-write = Call models
scope-inference-write-help = Send prompts and get answers. This is what costs money.
scope-analytics-read = See usage
scope-analytics-read-help = Read requests, tokens and cost.
scope-keys-read = See keys
scope-keys-read-help = List API keys, never their secrets.
scope-keys-write = Manage keys
scope-keys-write-help = Make, edit and end API keys, none stronger than itself.
scope-keys-verify = Verify keys
scope-keys-verify-help = Ask whether another key is valid: for services that let keys in.
scope-audit-read = Read the audit log
scope-audit-read-help = See who did what in the organization.
scope-admin = Administer
scope-admin-help = Everything administrative: people, providers, settings. It does not call models.

## Words of forms

description = Description
models = Models
cancel = Cancel
copied = Copied
