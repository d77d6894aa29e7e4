## Models & routing

models-title = Models & routing
models-about = What clients may call, who serves it, and what it costs.
models-search = Search by name or alias
models-none-title = No model can be called yet
models-none-provider = Models come from providers. Add one first.
models-none = Choose among the models of your providers.
models-none-found = No model is like that.
models-count = { $n ->
    [one] 1 model
   *[other] { $n } models
}
models-next = Next: a key that calls them
models-next-help = Give each program a key of its own, with its own rights and budget.
my-models-about = What your keys may call, and what it costs. A key may call fewer: its page says which.
my-models-none = An administrator adds models. As soon as there are some, they are here.
my-models-by = May be called by
my-models-all = all your keys
my-models-of = keys of { $project }
model = Model
model-add = Add model
model-add-about = A model by hand: where its provider has no list, or it is to be called by a name of your own.
model-name-help = What clients send as model.
model-more = Aliases, project and bounds
model-also-called = Also called
model-aliases-help = One in each line. A call by an alias is a call of this model.
model-aliases = Also called { $names }
model-project = Project
model-project-all = all projects
model-project-help = A model of one project is there for that project's keys only, and its name begins with the project's prefix.
model-of-project = only { $name }
model-output-max = Longest answer, in tokens
model-output-max-help = What a call is held for that names no bound. Empty: not known.
model-edit-about = Calls go the new way as soon as this is saved; those that run go on.
model-delete = Delete model
model-delete-about = Calls of it are refused from then on, and running ones end. What it cost stays in the reports.
model-delete-called = It was called { $calls } times in the last 30 days. Those programs will be told that there is no such model.
model-delete-uncalled = Nobody called it in the last 30 days.
model-delete-aliases = It cannot be called as { $names } any more either.
done-models-added = The models are added.
done-model-added = The model is added.
done-model-saved = The model is changed.
done-model-deleted = The model is deleted.
done-deployment-active = It takes calls again.
done-deployment-draining = It takes no new calls. Those that run may end.
done-deployment-disabled = It takes no calls, and those that ran are ended.

## Deployments: one provider, one name there

deployments = Served by
deployments-help = The lowest number is asked first; the next one, where it fails. Those of the same number share the calls by their weights.
deployment-upstream = Name there
deployment-upstream-help = What the provider calls it. Empty: the same.
deployment-condition = State
deployment-turn = Order
deployment-priority = { $n ->
    [0] asked first
   *[other] order { $n }
}
deployment-priority-label = Order
deployment-weight = weight { $n }
deployment-weight-label = Weight
deployment-key = General key
deployment-key-own = those of the provider
deployment-listed = Built-in price
deployment-window = holds { $n } tokens
deployment-remove = Remove
deployment-add = One more provider
deployment-nobody = nobody
deployment-acts = What can be done
deployment-enable = Enable
deployment-drain = Drain
deployment-drain-help = No new calls; those that run may end.
deployment-disable = Disable
deployment-disable-title = Disable { $provider } for { $model }?
deployment-disable-what = It gets no calls any more, and those that run there are ended. It can be enabled again.
deployment-disable-only = It is the only one: nothing else serves { $model }: calls of it are refused from then on.
deployment-disable-others = { $n ->
    [one] One other takes its calls.
   *[other] { $n } others take its calls.
}
deployment-acts-help = Drain: no new calls, those that run may end. Disable: no calls, and those that run are ended.
condition-well = Healthy
condition-half-open = One call finds out
condition-open = Left alone
condition-draining = Draining
condition-disabled = Disabled
condition-unchecked = Not checked yet
rest-until = { $reason } { $since }. Left alone until { $until }.
rest-over = { $reason } { $since }. The next call finds out.
rest-failures = Calls failed
rest-asked = It asked to be left alone
rest-rate-limited = A key had its share (429)
rest-refused = A key was refused
rest-checks = Health checks began to fail
routing = Shared out
routing-one = one provider
routing-weighted = By weight
routing-weighted-help = Each gets its share of the calls.
routing-least-latency = To the quicker one
routing-least-latency-help = Of two that are drawn, the one that answers sooner gets the call.

## Prices

price = Price
price-per-million = Price, a million tokens
price-words = { $input } in · { $output } out
price-above = { $price } above { $tokens } tokens
price-label = { $kind }, { $per }
price-free = free
price-listed = built-in
price-listed-help = from the built-in table, and follows it
price-way-listed = From the built-in table
price-way-free = Free
price-way-set = As written here
price-help = In dollars, for a million tokens where nothing else is said. What is written counts only where it is chosen above. A kind without a price costs what it is closest to.
price-others = Other kinds
price-input = Input
price-input-audio = Sound in the input
price-input-image = Pictures in the input
price-input-video = Films in the input
price-cached-input = Input from the cache
price-cached-audio = Sound from the cache
price-cached-image = Pictures from the cache
price-cache-write = Input written to the cache
price-cache-write-1h = The same for an hour
price-output = Output
price-reasoning = Reasoning
price-output-audio = Sound in the output
price-output-image = Pictures in the output
price-output-video = Films in the output
price-web-searches-1k = Searches of the web
price-file-searches-1k = Searches in files
price-characters-1m = Text to be spoken
price-audio-hour = Sound to be written down
price-image = Pictures made
price-ranking-units-1k = Ranking
per-million-tokens = a million tokens
per-million-characters = a million characters
per-thousand-searches = a thousand
per-thousand-units = a thousand units
per-hour = an hour
per-picture = each
