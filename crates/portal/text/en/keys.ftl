## API keys

keys-title = API keys
keys-about = Keys that act as you. Each one has its own rights, limits and bill.
keys-search = Search by name or key
keys-none-title = No keys yet
keys-none = A key lets a program call models in your name. Give each program its own.
keys-none-found = No key is like that.
keys-count = { $n ->
    [one] 1 key
   *[other] { $n } keys
}
key-create = Create API key
endpoint = API endpoint
endpoint-clients = Works with
endpoint-clients-names = OpenAI · Anthropic · Google clients
key-create-about = It is shown once, and can be ended at any time.
key-name-help = What will use it, such as production-search. It cannot be changed later.
key-may = What it may do
key-ends = Expires
key-ends-days = in { $n } days
key-ends-date = on a day
never-expires = never
key-more = Models, addresses and limits
key-models-help = One in each line; * stands for any part of a name. Empty: every model of the project.
key-ready = { $name } is ready
key-copy-now = Copy it now.
key-once = The secret is shown only this once. If it is lost, rotate the key.
key-shown-before = This key was made before, and its secret was shown then. If it is lost, rotate the key.
key-clamped = It expires sooner than you asked for: keys may not live longer here.
key-string = API key
key-parts = Access key and secret key apart
key-access = Access key
key-secret = Secret key
key-saved = I have saved it
wrong-date = must be a day, such as 2027-01-31
