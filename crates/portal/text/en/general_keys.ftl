## General keys: the credentials of providers

general-keys-title = General keys
general-keys-about = What providers gave you to call them. Each is kept in the vault: it is presented to its provider, and shown to nobody.
general-keys-search = Search by name or note
general-keys-none-title = No general keys yet
general-keys-none = A general key is what a provider gave you, such as OpenAI's sk-…. It is stored once, and calls use it without anybody seeing it. The quickest way to one is to add its provider.
general-keys-none-found = No general key is like that.
general-keys-count = { $n ->
    [one] 1 general key
   *[other] { $n } general keys
}
general-key-add = Add general key
general-key-add-about = Paste what the provider gave you. Afterwards, choose it at the provider that it is for.
general-key-name-help = What you call it, such as OPENAI_PRODUCTION.
general-key-value = Secret
general-key-value-help = As the provider shows it. For Amazon Bedrock: the API key, or access key id and secret access key joined by a colon. It goes into the vault and never comes out.
general-key-note = Note
general-key-note-help = What it is for, or who pays for it.
general-key-edit-about = Whatever uses the key goes on using it, with the new secret if there is one.
general-key-new-value = New secret
general-key-new-value-help = Empty: { $masked } stays. A new one is used from the next call on.
general-key-masked = Key
general-key-used-by = Used by
general-key-unused = nothing yet
general-key-unused-help = Nothing yet. Choose it at the provider that it is for.
general-key-models = { $n ->
    [one] one model of its own
   *[other] { $n } models of their own
}
general-key-tested = Last test
general-key-untested = not tested
general-key-works = Works
general-key-fails = Does not work
general-key-test-title = Does it work?
general-key-test = Test it now
general-key-test-at = Try it at
general-key-test-help = The provider is asked for its models with this key. That costs nothing.
general-key-test-none = There is no provider yet that it could be tried at.
general-key-delete = Delete general key
general-key-delete-about = The secret is deleted from the vault. It cannot be brought back from here.
general-key-delete-used = It is taken from these. Their calls go out without it, and most providers refuse that:
general-key-delete-unused = Nothing is called with it. No call will notice.
done-general-key-added = The key is in the vault. Nobody will see it again.
done-general-key-saved = The key is changed.
done-general-key-works = The provider takes the key.
done-general-key-deleted = The key is deleted.
