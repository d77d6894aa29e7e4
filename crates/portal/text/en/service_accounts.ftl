## Service accounts

service-accounts-title = Service accounts
service-accounts-about = Identities of apps and agents. They never sign in; their keys act as them.
service-accounts-none-title = No service accounts yet
service-accounts-none = Give each app or agent an account of its own: its keys then do not end with a person's.
service-accounts-search = Search by name or description
service-accounts-none-found = No service account is like that.
service-account = Service account
service-accounts-count = { $n ->
    [one] 1 service account
   *[other] { $n } service accounts
}
service-account-create = Create service account
service-account-create-about = It belongs to one project, and its keys with it.
service-account-called = What the app or agent is called.
service-account-project-help = Where its calls are counted and billed. It cannot be changed later.
service-account-no-keys = It has no keys yet.
service-account-disable = Disable
service-account-disable-title = Disable { $name }?
service-account-disable-about = All its keys are refused at once. You can enable it again.
service-account-enable = Enable
service-account-enable-title = Enable { $name }
service-account-enable-about = Its keys work again as they did.
service-account-remove = Delete
service-account-remove-title = Delete { $name }?
service-account-remove-about = All its keys are refused at once, for good. What they consumed stays in the reports.
service-account-stops = { $n ->
    [one] This key stops working:
   *[other] These { $n } keys stop working:
}
service-account-unused = It has no key that works: no call will notice.
key-touched-used = last used { $when }
key-touched-unused = never used
done-service-account-made = The account is made. Give it a key.
done-service-account-edited = The account is changed.
done-service-account-disabled = The account is disabled. Its keys are refused from now on.
done-service-account-enabled = The account is enabled again.
done-service-account-removed = The account is deleted, and its keys with it.
