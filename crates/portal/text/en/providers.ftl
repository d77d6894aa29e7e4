## Providers: the APIs that models are called at

providers-title = Providers
providers-about = Where calls go: APIs that you buy, and model servers that you run.
providers-none-title = No provider yet
providers-none = Add the first one. Then choose which of its models may be called, and make a key that calls them.
providers-search = Search by name, kind or URL
providers-none-found = No provider is like that.
providers-count = { $n ->
    [one] 1 provider
   *[other] { $n } providers
}
provider = Provider
provider-is-empty = No model
provider-is-idle = Takes no calls
provider-is-unchecked = Not checked yet
provider-is-well = Healthy
provider-is-some = { $resting } of { $active } left alone
provider-is-open = Left alone
provider-test = Test it now
provider-test-works = It answers.
provider-test-fails = It does not work as it is.
provider-any = Any provider
provider-add = Add provider
provider-add-title = Add { $name }
provider-add-other = Add another provider
provider-name-help = What you call it here. Answers say in a header which provider gave them.
provider-kind = Speaks like
provider-region = Region
provider-region-help = Where Bedrock is called. Not needed where the base URL names it.
provider-url-help = Paths such as /chat/completions are put behind it.
provider-bedrock-url-help = Only for an endpoint of your own. Empty: that of the region.
provider-key = Its key
provider-keys = General keys
provider-key-help = What the provider gave you. It goes into the vault, is presented with each call, and is shown to nobody.
provider-key-own-help = Only if the server asks for one. Most that you run yourself do not.
provider-key-new = Paste a key
provider-key-new-help = It becomes a general key under the name above. If something is refused, paste it again: it is in no page.
provider-key-bedrock-help = A Bedrock API key, or access key id and secret access key joined by a colon, with :session token behind them if they are temporary.
provider-key-stored = Or one that is stored
provider-key-none = None
provider-keys-help = Those that are ticked share its calls. One that is refused or has had its share rests alone, and the others go on.
provider-keys-none = It is called without a key.
provider-keys-choose = Choose one
wrong-key-name-taken = There is already a general key of this name. Choose it below, or give the provider another name.
provider-check = Health check
provider-check-help = Asks the provider at times whether it is there, so that calls do not have to find out. After five failures in a row, calls pass it over until it answers again.
provider-check-interval = Every so many seconds
provider-check-interval-help = From 1 to 3600. Empty: no checks, only calls find out.
provider-check-path = Path
provider-check-path-help = From the server's root. Empty: its list of models.
provider-check-every = every { $n } s
provider-check-off = off
provider-edit-about = Calls go the new way as soon as this is saved.
provider-models = Models that go here
provider-models-none-title = No model goes here yet
provider-models-none = See which models it has, and choose those that may be called.
provider-models-none-listed = It has no list of models here. Add them by the names that it knows them by.
provider-models-all = All of them
provider-ask = See its models
provider-delete = Delete provider
provider-delete-about = Its base URL and settings are deleted. General keys stay in the vault.
provider-delete-unused = No model goes there. No call will notice.
provider-delete-used = These models go there. Remove it from them, or delete them, before it can be deleted:
done-provider-added = The provider is added.
done-provider-saved = The provider is changed.
done-provider-deleted = The provider is deleted.

## Which provider

presets-about = Choose the one that you have. Everything that is known of it is filled in.
presets-sold = As a service
presets-own = On your own machines
preset-openai = OpenAI
preset-openai-needs = An API key from platform.openai.com.
preset-anthropic = Anthropic
preset-anthropic-needs = An API key from console.anthropic.com.
preset-google = Google Gemini
preset-google-needs = An API key from aistudio.google.com.
preset-azure = Azure OpenAI
preset-azure-needs = The endpoint of your resource, https://NAME.openai.azure.com/openai/v1, and one of its keys. Models are called by the names of your deployments.
preset-bedrock = Amazon Bedrock
preset-bedrock-needs = A region, and a Bedrock API key or an access key. Models are added by their ids.
preset-mistral = Mistral
preset-mistral-needs = An API key from console.mistral.ai.
preset-groq = Groq
preset-groq-needs = An API key from console.groq.com.
preset-deepseek = DeepSeek
preset-deepseek-needs = An API key from platform.deepseek.com.
preset-openrouter = OpenRouter
preset-openrouter-needs = An API key from openrouter.ai.
preset-together = Together AI
preset-together-needs = An API key from api.together.ai.
preset-xai = xAI
preset-xai-needs = An API key from console.x.ai.
preset-vllm = vLLM
preset-vllm-needs = The address of its server. It listens on port 8000 unless told otherwise.
preset-llama-cpp = llama.cpp
preset-llama-cpp-needs = The address of llama-server. It listens on port 8080 unless told otherwise.
preset-ollama = Ollama
preset-ollama-needs = The address of its server. It listens on port 11434 unless told otherwise.
preset-lm-studio = LM Studio
preset-lm-studio-needs = The address of its server. It listens on port 1234 unless told otherwise.
preset-compatible = Another one
preset-compatible-needs = Anything that speaks as OpenAI's API does: its base URL, and a key if it asks for one.
kind-echo = Echo, built in
kind-openai = OpenAI
kind-openai-compatible = OpenAI, compatible
kind-azure = Azure OpenAI
kind-anthropic = Anthropic
kind-google = Google
kind-bedrock = Amazon Bedrock

## What a provider has

offer-title = Models of { $name }
offer-about = Tick those that may be called here. They get the names that the provider has for them; other names can be added later.
offer-search = Search by name
offer-price = Price, for a million tokens
offer-input = input
offer-output = output
offer-input-of = Price of a million input tokens of { $name }
offer-output-of = Price of a million output tokens of { $name }
offer-prices-help = A call needs a price before it is made: budgets count with it. Where the built-in table has none, say what it costs in dollars, or that it is free because you run it yourself.
offer-usual = what it costs where it is sold
offer-new = not added
offer-served = added as { $name }
offer-hidden = { $n ->
    [one] One more fits. Search for its name.
   *[other] { $n } more fit. Search for a part of the name.
}
offer-add = Add the ticked models
offer-none-chosen = Tick at least one model.
offer-wrong = { $n ->
    [one] One model could not be added. The others are there.
   *[other] { $n } models could not be added. The others are there.
}
offer-name-taken = there is already a model or alias of this name. Add this provider to that model on its page, or add it here under another name.
offer-unpriced = it has no price. Say what it costs, or that it is free.
offer-empty = The provider lists no such model.
offer-fails = The provider did not tell its models.
offer-fails-help = Look at its base URL and its key.
offer-again = Ask again
offer-mend = Change the provider
offer-by-hand = Add a model by name
