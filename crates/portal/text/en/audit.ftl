## The audit log

audit-about = Everything that was done to the organization. Entries are chained: none can be changed or removed unnoticed.
audit-csv = Download CSV
audit-jsonl = Download JSON lines
audit-actor = Who: name or id
audit-subject = About: id
audit-action = Action
audit-action-any = Any action
audit-views = What is shown
audit-view-all = All
audit-view-quiet = Without sign-ins
audit-from = From
audit-to = To
audit-none-found = Nothing like that was done.
audit-count = { $n ->
    [one] 1 entry
   *[other] { $n } entries
}
audit-older = Older entries
audit-what = What
audit-about-what = About
audit-who = Who
audit-when = When
audit-details = Details
audit-sequence = Entry
audit-system = The server
audit-change = { $before } → { $after }
chain-verify = Verify the chain
chain-unknown = Chain not verified yet
chain-help = Walks all entries, and finds any that was changed, moved or removed.
chain-whole = Chain verified
chain-broken = The chain is broken
chain-unfinished = Verified so far
chain-entries = { $n ->
    [one] 1 entry fits
   *[other] { $n } entries fit
}

## What actions are about

audit-group-key = Keys
audit-group-user = People
audit-group-session = Signing in
audit-group-second-factor = Second factors
audit-group-service-account = Service accounts
audit-group-project = Projects
audit-group-project-member = Members of projects
audit-group-settings = Settings
audit-group-organization = Organization
audit-group-provider = Providers
audit-group-provider-key = General keys
audit-group-model = Models
audit-group-limit-increase = Higher limits
audit-group-token = Tokens
audit-group-prompt = Prompts
audit-group-webhook = Webhooks
audit-group-notice = Notices
audit-group-installation = Backups

## What was done

audit-did-audit-cut = Old entries were forgotten
audit-did-installation-backup = Made a backup
audit-did-installation-restore = Restored a backup
audit-did-key-create = Created a key
audit-did-key-deny = A key was refused
audit-did-key-disable = Disabled a key
audit-did-key-edit = Edited a key
audit-did-key-enable = Enabled a key
audit-did-key-end-overlap = Ended the old secret of a key
audit-did-key-end-secrets = Old secrets of keys ended
audit-did-key-forget = Forgot ended keys
audit-did-key-revoke = Deleted a key
audit-did-key-rotate = Rotated a key
audit-did-key-sweep = Took ended keys off the lists
audit-did-key-sweep-secrets = Deleted replaced secrets
audit-did-limit-increase-ask = Asked for higher limits
audit-did-limit-increase-decline = Declined higher limits
audit-did-limit-increase-end = Ended higher limits
audit-did-limit-increase-grant = Granted higher limits
audit-did-limit-increase-lapse = Higher limits ended
audit-did-limit-increase-withdraw = Withdrew a request for higher limits
audit-did-model-create = Added a model
audit-did-model-delete = Deleted a model
audit-did-model-edit = Edited a model
audit-did-notice-retry = Sent a notice again
audit-did-organization-create = Set the organization up
audit-did-organization-edit = Edited the organization
audit-did-project-create = Created a project
audit-did-project-edit = Edited a project
audit-did-project-remove = Deleted a project
audit-did-project-member-remove = Removed a member from a project
audit-did-project-member-set = Set a member of a project
audit-did-prompt-read = Read a prompt
audit-did-prompt-sweep = Forgot old prompts
audit-did-provider-create = Added a provider
audit-did-provider-delete = Deleted a provider
audit-did-provider-edit = Edited a provider
audit-did-provider-key-create = Added a general key
audit-did-provider-key-delete = Deleted a general key
audit-did-provider-key-edit = Edited a general key
audit-did-provider-key-test = Tested a general key
audit-did-second-factor-begin = Began to set up a second factor
audit-did-second-factor-confirm = Set up a second factor
audit-did-second-factor-remove = Removed a second factor
audit-did-service-account-create = Created a service account
audit-did-service-account-disable = Disabled a service account
audit-did-service-account-edit = Edited a service account
audit-did-service-account-enable = Enabled a service account
audit-did-service-account-remove = Deleted a service account
audit-did-session-begin = Signed in
audit-did-session-end = Ended a session
audit-did-session-refuse = Signing in was refused
audit-did-settings-edit = Changed settings
audit-did-token-create = Made a token
audit-did-token-revoke = Revoked a token
audit-did-usage-sweep = Forgot old calls
audit-did-user-accept-invitation = Accepted an invitation
audit-did-user-change-password = Changed a password
audit-did-user-create = Added somebody
audit-did-user-deny = Somebody was refused
audit-did-user-disable = Disabled somebody
audit-did-user-drop-recovery-codes = Dropped recovery codes
audit-did-user-edit = Edited somebody
audit-did-user-enable = Enabled somebody
audit-did-user-end-sessions = Ended all sessions of somebody
audit-did-user-end-sign-in = Ended signing in
audit-did-user-invite = Invited somebody
audit-did-user-make-reset = Made a link to reset a password
audit-did-user-remove = Removed somebody
audit-did-user-request-reset = Asked for a new password
audit-did-user-reset-password = Reset a password
audit-did-webhook-create = Created a webhook
audit-did-webhook-delete = Deleted a webhook
audit-did-webhook-edit = Edited a webhook
audit-did-webhook-rotate = Gave a webhook a new secret
audit-did-webhook-test = Tested a webhook
