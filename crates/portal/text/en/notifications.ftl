## Notifications

notifications-about = Who is told when a key ends, a budget is nearly spent, or somebody asks for more: people by mail, programs by webhook.
mail-on = Mail is sent
mail-off = No mail is sent
mail-from = From { $address }
mail-no-sender = There is no address to send from yet.
mail-no-server = The sender is { $address }, but the server was started without a mail server: set [mail] in its configuration.
mail-settings = Sender of mails
mail-no-links = Mails to invite somebody or to set a password hold no link, only a code to paste. For links, set where people open this portal, in the server's configuration:
webhooks-title = Webhooks
webhooks-none = A webhook tells a program of yours, such as a chat or an alerting system. Every notice goes to each of them.
webhook-create = Create webhook
webhook-create-about = Every notice is sent to it by POST, as JSON, signed with its secret.
webhook-name-help = Such as chat or on-call.
webhook-url = URL
webhook-url-help = Where notices are sent. It begins with https://.
webhook-about = A program that every notice is sent to.
webhook-made = { $name } is ready
webhook-rotated = { $name } has a new secret
webhook-copy-now = Copy the secret now.
webhook-once = It is shown only this once. If it is lost, make a new one.
webhook-shown-before = The secret was shown before. If it is lost, make a new one.
webhook-secret = Secret
webhook-secret-use = The receiver checks signatures with it, as Standard Webhooks has it: webhook-id, webhook-timestamp and webhook-signature.
webhook-overlap = The one before signs along for another day.
webhook-tests = Test
webhook-test-what = Sends a notice that says nothing, to see whether it arrives.
webhook-test-act = Send a test
webhook-rotate-title = Make a new secret for { $name }?
webhook-rotate-what = A new secret is shown once. The one before signs along for another day, so that the receiver can change over.
webhook-rotate-act = New secret
webhook-delete-title = Delete { $name }?
webhook-delete-what = No notice is sent there any more, and what waits for it is dropped.
webhook-delete-act = Delete webhook

done-webhook-saved = Saved.
done-webhook-tested = A test is on its way. See below what became of it.
done-webhook-deleted = Deleted.
done-notice-retried = It is sent again now.

## Notices

notices-title = Notices
notices-none = Nothing had to be told yet. Notices stand here with what became of them.
notices-none-found = No notice is like that.
notices-count = { $n ->
    [one] 1 notice
   *[other] { $n } notices
}
notice-what = What it tells
notice-to = To
notice-made = Made
notice-retry = Send again
notice-kind = Kind
notice-kind-any = Any kind
notice-attempts = { $n ->
    [one] 1 attempt
   *[other] { $n } attempts
}
notice-next = again { $when }
notice-state-waiting = Waiting
notice-state-sent = Sent
notice-state-dead = Not delivered
notice-state-obsolete = Not needed any more
notice-kind-api-key-expiring = A key ends soon
notice-kind-api-key-rotation-due = A key should be rotated
notice-kind-budget-threshold = A budget is being spent
notice-kind-limit-increase-asked = Higher limits are asked for
notice-kind-limit-increase-granted = Higher limits are granted
notice-kind-limit-increase-declined = Higher limits are declined
notice-kind-limit-increase-ended = Higher limits have ended
notice-kind-user-invitation = An invitation
notice-kind-user-reset = A link to reset a password
notice-kind-user-requested-reset = A new password was asked for
notice-kind-webhook-test = A test
notice-fault-no-mail-server = there is no mail server, or no sender
notice-fault-bad-address = the address cannot be written to
notice-fault-not-resolved = the name of the host has no address
notice-fault-address-not-allowed = the host is where webhooks may not go
notice-fault-connection-failed = no connection, or it broke
notice-fault-timed-out = no answer in time
notice-fault-tls-failed = the other side has no trusted certificate
notice-fault-malformed = the answer could not be understood
notice-fault-redirected = it was sent elsewhere, where it does not go
notice-fault-bad-status = the answer was an error
notice-fault-gone = the receiver wants no more of them
notice-fault-mail-deferred = the mail server said: not now
notice-fault-mail-refused = the mail server said: never
notice-fault-mail-login = the mail server does not take user and password
