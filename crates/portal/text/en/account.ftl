## Ways in: links, the first administrator, forgotten passwords

link-welcome-title = Welcome to Doorward
link-invitation-title = Set your password
link-reset-title = Set a new password
link-for = You are { $name } in the organization { $organization }.
link-email-help = What you sign in with from now on.
link-email-of = You sign in as { $email }.
link-password = New password
link-password-help = 12 characters or more. A few words that do not belong together are good.
link-until = The link is good once, until { $when }.
link-act = Set password and sign in
link-token = Link or token
link-token-about = Paste the link that you were given, or the token in it.
link-token-help = A token begins with dwl_.
link-token-act = Go on
link-welcome-other = Use the administrator's key instead
link-reset-other = Ask for a new letter
to-sign-in = To the sign-in page
welcome-title = Set up sign-in
welcome-about = Choose how the administrator of this Doorward signs in. Others are invited from here later.
welcome-key = Administrator's key
welcome-key-help = It is in the file admin.key in the data directory of the server, ./doorward-data unless another one was named.
welcome-wrong-key = is no key of an administrator that works here
welcome-other-email = The user of this key signs in as { $email }. Take that address here; another one can be set once you are in.
welcome-have-link = I have a link
reset-title = Forgot your password?
reset-about = We send a letter with a link to set a new one.
reset-act = Send the letter
reset-no-mail = This server sends no mail. Ask an administrator for a link: they make one on the page of people, or by doorward users reset-password.
done-password-set = Your password is set.
done-link-mailed = A letter with a link is on its way to your address. Open it to set your password.
done-reset-asked = If somebody here has that address, a letter is on its way to it. Its link is good for an hour.
done-session-over = Your session is over. Sign in again.
done-form-not-sent = You were signed out, and what you sent was not done. Sign in, and you are back where you were.
done-signed-in-again = You are signed in. What you typed waits in the other tab: send it again there.
sign-in-kept = You were signed out, and what you sent was not done. What you typed is still here:
sign-in-kept-act = sign in in another tab
sign-in-kept-then = , come back, and send it again.
too-many-seconds = Too many attempts. Try again in { $n ->
    [one] a second
   *[other] { $n } seconds
}.
too-many-minutes = Too many attempts. Try again in { $n ->
    [one] a minute
   *[other] { $n } minutes
}.

## Account

account-title = Account
account-about = Who you are here, how you sign in, and where you are signed in.
account-you = You
account-name = Name
account-email = E-mail
account-role = Role
account-role-owner = Owner
account-role-owner-help = May do everything.
account-role-admin = Administrator
account-role-admin-help = May do everything but what concerns owners.
account-role-member = Member
account-role-member-help = May make and manage keys of their own.
account-role-viewer = Viewer
account-role-viewer-help = May look, and change nothing.
account-organization = Organization
account-projects = Projects
account-no-projects = None of your own
account-keys = API keys
account-keys-of = { $count } of { $max } that you may have
account-keys-for-ever = A key may live for ever.
account-keys-minutes = No key lives longer than { $n ->
    [one] a minute
   *[other] { $n } minutes
}.
account-keys-days = No key lives longer than { $n ->
    [one] a day
   *[other] { $n } days
}.
account-signing-in = Signing in
account-password = Password
account-password-about = Changing it ends your sessions everywhere else.
account-password-change = Change password
account-current-password = Current password
account-new-password = New password
account-password-save = Change password
account-factor = Second factor
account-factor-on = On
account-factor-off = Off
account-factor-on-about = Signing in takes a code of your authenticator app, too.
account-factor-off-about = With it, your password alone lets nobody in.
account-factor-set-up = Set up
account-factor-remove = Remove
account-sessions = Where you are signed in
account-sessions-about = A session that is not used ends by itself. Each visit puts that off, up to the time after which everybody signs in again.
account-device = { $browser } on { $system }
account-device-unknown = Unknown
account-session-device = Device
account-session-address = Address
account-session-begun = Signed in
account-session-seen = Last seen
account-session-ends = Ends
account-session-this = This one
account-session-end = End
account-session-end-label = End the session on { $device } from { $address }
account-sessions-end = End all others
factor-title = Set up a second factor
factor-about = You need an authenticator app on your phone, such as Aegis, Google Authenticator, 1Password or Bitwarden.
factor-remove-title = Remove the second factor
factor-remove-about = Then your password alone is enough to sign in, and your recovery codes work no more.
factor-next = Go on
factor-scan-title = Scan this with your app
factor-scan-about = The app then shows six digits that change every half minute. Type those that it shows now.
factor-qr = A code for the camera of your phone. The text beside it says the same.
factor-secret = Or type this into the app
factor-code = Code
factor-code-help = Six digits, as the app shows them.
factor-confirm = Turn it on
recovery-title = Keep these recovery codes
recovery-once = They are shown only this once.
recovery-about = Each lets you in once in place of a code, should you lose your phone. Keep them where you keep your passwords.
recovery-codes = Recovery codes
recovery-saved = I have saved them
done-password-changed = Your password is changed. All your other sessions are over.
done-second-factor-on = The second factor is on. The next time you sign in you are asked for a code.
done-second-factor-off = The second factor is removed.
done-session-ended = The session is over.
done-sessions-ended = All your other sessions are over.
