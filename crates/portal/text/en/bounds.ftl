## Limits and budgets that keys share

bounds-title = Limits and budgets
bounds-none = None: only what each key has of its own holds.
bounds-budgets-help = All the keys together spend no more than this. Empty: no budget.
bounds-limits-help = What all the keys together may call. Empty: no limit.
limited-requests-per-minute = { $n } requests per minute
limited-requests-per-hour = { $n } requests per hour
limited-requests-per-day = { $n } requests per day
limited-tokens-per-minute = { $n } tokens per minute
limited-tokens-per-hour = { $n } tokens per hour
limited-tokens-per-day = { $n } tokens per day
limited-concurrency = { $n } calls at once
