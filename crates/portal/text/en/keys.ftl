## API keys

keys-title = API keys
keys-about = Keys that act as you. Each one has its own rights, limits and bill.
keys-search = Search by name or key
keys-whose = Whose keys
keys-mine = My keys
keys-all = All keys
keys-none-title = No keys yet
keys-none = A key lets a program call models in your name. Give each program its own.
keys-none-found = No key is like that.
keys-count = { $n ->
    [one] 1 key
   *[other] { $n } keys
}
keys-quota = { $count } of { $max } keys that you may have
agent-keys-title = Agent keys
agent-keys-about = Keys of service accounts, for apps and agents that nobody signs in as.
agent-keys-none-title = No agent keys yet
agent-keys-none = An agent key belongs to a service account, so it keeps working when people come and go.
agent-key-create = Create agent key
key-create = Create API key
endpoint = API endpoint
endpoint-clients = Works with
endpoint-clients-names = OpenAI · Anthropic · Google clients

## Making and editing a key

key-create-about = It is shown once, and can be ended at any time.
key-edit-title = Edit { $name }
key-edit-about = Its secret stays the same. Programs that use it notice changes at once.
key-name-help = What will use it, such as production-search. It cannot be changed later.
key-owner-help = The person it acts as, by name. Empty: yourself.
key-project-help = Where its calls are counted and billed.
service-account = Service account
service-account-along = Make a new one
service-account-help = The key acts as this account.
service-account-name = Name of the new account
service-account-name-help = What the app or agent is called. Empty: as the key.
key-may = What it may do
key-models-about = Choose none for every model of its project, those of tomorrow too.
key-models-more = There are more; type their names below.
key-models-patterns = Other models, by pattern
key-models-help = One in each line; * stands for any part of a name, as in gpt-*.
key-models-all = Every model of its project
key-models-none = None
key-ends = Expires
key-ends-as-it-is = as it is
key-ends-days = in { $n } days
key-ends-date = on a day
key-ends-cap = Keys live { $n } days at most here. Administrators set that.
never-expires = never
budgets = Budget
budget-help = Calls stop when it is spent. Empty: no budget.
budget-more = More budgets
budget-amount = Budget { $n }, amount
budget-unit = Budget { $n }, unit
budget-period = Budget { $n }, period
budget-usd = Dollars
budget-tokens = Tokens
budget-overrun = Finish the last call
per-day = a day
per-week = a week
per-month = a month
per-total = in total
key-more = Addresses, web pages and limits
key-where = Where it may be used
key-address-now = Your address now is { $address }.
ip-allow = Only from these addresses
ip-allow-help = One address or block in each line. Empty: from anywhere.
ip-allow-nobody = From nowhere: the list is empty
ip-anywhere = From anywhere
ip-deny = Never from these addresses
ip-deny-help = They are refused even where the other list has them.
ip-allow-locks-out = leaves out the address that you use now. Add it, or tick below that you mean it
ip-deny-locks-out = holds the address that you use now. Take it away, or tick below that you mean it
ip-allow-emptied = without a list, the key works from anywhere. Tick below that you mean it
ip-anyway = I mean it
origins = In these web pages
origins-help = For keys that live in a page, where everybody can read them: one origin in each line. Such a key calls models only, and needs a limit and a budget.
limits = Limits
limits-help = What is above is refused until later. Empty: no limit.
limit-requests-per-minute = Requests per minute
limit-requests-per-hour = Requests per hour
limit-requests-per-day = Requests per day
limit-tokens-per-minute = Tokens per minute
limit-tokens-per-hour = Tokens per hour
limit-tokens-per-day = Tokens per day
limit-concurrency = Calls at once
wrong-date = must be a day, such as 2027-01-31

## The page that shows a key, once

key-ready = { $name } is ready
key-copy-now = Copy it now.
key-once = The secret is shown only this once. If it is lost, rotate the key.
key-once-ends = The key works through { $when }.
key-shown-before = This key was made before, and its secret was shown then. If it is lost, rotate the key.
key-clamped = It expires sooner than you asked for: keys may not live longer here.
key-string = API key
key-parts = Access key and secret key apart
key-access = Access key
key-secret = Secret key
key-saved = I have saved it
key-first-call = Make a first call
save-env = Save as .env
save-json = Save as .json
save-pak = Save sealed, as .pak
save-pak-act = Save as .pak
save-pak-help = The file opens with a passphrase only, by doorward keys open or age -d. At least 12 characters.
passphrase = Passphrase
passphrase-again = The same again
passphrase-differs = is not the same
passphrase-unfit = must have from 12 to 1,024 characters

## One key

key-facts = About this key
key-try = Try it
key-rotated = Last rotated
key-rotate = Rotate
key-rotate-title = Rotate { $name }
key-rotate-about = It gets a new secret and keeps its name, rights and bill. It then lives as long again as it was to live.
key-rotate-act = Make a new secret
key-was-used = It was last used { $when }
key-was-never-used = It was never used.
used-from = from { $address }
overlap-length = How long the old secret still works
overlap-length-help = Put the new one in place during this time. The key's page shows who still uses the old one.
overlap-none = not any longer
overlap-hour = for an hour
overlap-day = for a day
overlap-week = for a week
overlap-title = Old secrets still work
overlap-about = Once nobody uses them any more, they can be ended.
overlap-ends = Ends
overlap-with-key = with the key
overlap-unused = not since the rotation
secret = Secret
key-end-overlap = End old secrets
key-end-overlap-title = End the old secrets of { $name }
key-end-overlap-about = From then on only the newest secret works. Programs that still use an old one are refused at once.
key-disable = Disable
key-disable-title = Disable { $name }
key-disable-about = Programs that use it are refused at once. You can enable it again.
key-enable = Enable
key-enable-title = Enable { $name }
key-enable-about = It works again as it did.
key-delete = Delete
key-delete-title = Delete { $name }
key-delete-about = Programs that use it are refused at once, for good. What it consumed stays in the reports.
key-unused = Not used for a month: { $what }.
key-unused-act = Take it away
limits-and-budgets = Limits and budgets
limits-none = Nothing bounds it but what its owner, project and organization have.
denials-title = Refused lately
denials-none = Nothing was refused in the last 30 days.
denial-why = Why
denial-often = How often
denial-last = Last
denial-times = { $n ->
    [one] once
   *[other] { $n } times
}
denial-key-expired = The key or its old secret had expired
denial-key-disabled = The key was disabled
denial-key-revoked = The key was deleted
denial-owner-inactive = Its owner was not active
denial-ip-not-allowed = Address not allowed
denial-origin-not-allowed = Web page not allowed
denial-insufficient-scope = Right not among its scopes
denial-model-not-found = Model not on its list, or not there
denial-rate-limit-exceeded = Limit reached
denial-insufficient-quota = Budget spent
denial-budget-held = Rest of the budget held by other calls
key-usage = Usage in the last 30 days
key-usage-none = No call was made in the last 30 days.
usage-by-day = Day by day
usage-input = Tokens in
usage-output = Tokens out
key-audit = What was done to it
key-audit-none = Nothing is in the audit log any more.
key-audit-all = All of it in the audit log
what-was-done = What
by-whom = Who
deed-key-create = Created
deed-key-edit = Edited
deed-key-rotate = Rotated
deed-key-disable = Disabled
deed-key-enable = Enabled
deed-key-revoke = Deleted
deed-key-end-overlap = Old secrets ended
deed-key-sweep-secrets = Old secrets expired
deed-key-sweep = Put away
deed-key-deny = Refused
deed-limit-increase-ask = Higher limits asked for
deed-limit-increase-grant = Higher limits granted
deed-limit-increase-decline = Higher limits declined
deed-limit-increase-withdraw = Request taken back
deed-limit-increase-end = Higher limits ended

## What was just done

done-key-edited = The key is changed.
done-key-disabled = The key is disabled. It is refused from now on.
done-key-enabled = The key is enabled again.
done-key-deleted = The key is deleted. It is refused from now on.
done-overlap-ended = Only the newest secret works now.
