## Settings

settings-about = They hold from the next call on. Administrators may change them; to go back to a default, empty the field.
settings-keys = API keys
settings-sessions = Signing in
settings-notices = Notices
settings-records = Records
settings-calls = Calls
settings-other = Others
setting-auth-token-max-ttl-minutes = Longest life of a key, in minutes
setting-user-key-default-ttl-days = Life of a person's new key, in days
setting-service-key-default-ttl-days = Life of a service account's new key, in days
setting-keys-per-user-max = Most keys of one owner
setting-key-prefix = Prefix of new keys
setting-session-idle-minutes = Signed out when idle for, in minutes
setting-session-max-hours = Sign in again after, in hours
setting-spent-budget-status = HTTP status when a budget is spent
setting-notice-days = Days before a key ends at which its owner is told
setting-rotation-reminder-days = Days after which a key should be rotated
setting-mail-from = Sender of mails
setting-audit-retention-days = How long the audit log is kept
setting-usage-retention-days = Days that single calls are kept
setting-usage-sums-retention-days = Days that hourly sums are kept
setting-range = From { $min } to { $max }.
setting-default = Default: { $default }.
setting-default-empty = By default it is empty.
setting-now = It is { $span } now.
setting-days = { $n ->
    [one] 1 day
   *[other] { $n } days
}
setting-hours = { $n ->
    [one] 1 hour
   *[other] { $n } hours
}
setting-owners = You may only raise it.
setting-for-ever = for ever
organization-title = Organization { $name }
organization-help = What all keys of the organization together may spend and call, whatever people, projects and keys have of their own.
organization-edit = Edit organization
organization-name-help = Stands at the top of every page. Where a server has several organizations, people type it to sign in.
outliving-title = { $n ->
    [one] 1 key lives longer than this
   *[other] { $n } keys live longer than this
}
outliving-what = No new key will, and none that is edited or rotated. These stay as they are until they end. If they should not, set the cap, then open each and give it an earlier end.
outliving-more = { $n ->
    [one] And 1 more.
   *[other] And { $n } more.
}
outliving-act = Set the cap

done-settings-saved = Saved. It holds from now on.
done-organization-saved = Saved. Limits and budgets hold for every call from now on.
