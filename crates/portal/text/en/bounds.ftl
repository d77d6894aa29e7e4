## Limits and budgets that keys share

bounds-title = Limits and budgets
bounds-none = None: only what each key has of its own holds.
bounds-budgets = Budgets
bounds-budgets-help = All the keys together spend no more than this. To remove one, empty its amount; save to get a row for another.
bounds-amount = Amount
bounds-unit = Counted in
bounds-per-day = a day
bounds-per-week = a week
bounds-per-month = a month
bounds-per-total = in total
bounds-limits = Limits
bounds-limits-help = What all the keys together may call. Empty: no limit.
bounds-rph = Requests per hour
bounds-rpd = Requests per day
bounds-tph = Tokens per hour
bounds-tpd = Tokens per day
limited-requests-per-minute = { $n } requests per minute
limited-requests-per-hour = { $n } requests per hour
limited-requests-per-day = { $n } requests per day
limited-tokens-per-minute = { $n } tokens per minute
limited-tokens-per-hour = { $n } tokens per hour
limited-tokens-per-day = { $n } tokens per day
limited-concurrency = { $n } calls at once
