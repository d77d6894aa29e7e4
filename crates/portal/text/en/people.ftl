## People

people-about = Who belongs to the organization, what they may do, and what all their keys together may spend.
people-search = Search by name or e-mail
people-none-found = Nobody is like that.
people-count = { $n ->
    [one] 1 person
   *[other] { $n } people
}
person-role = Role
role-any = Any role
status-invited = Invited
person-keys = Keys
person-seen = Last seen
person-signs-in = Signs in
person-no-password = no password yet
person-password = with a password
person-second-factor = with a second factor
person-invite = Invite somebody
person-invite-act = Invite
person-invite-mail = They get a mail with a link by which they set their password.
person-invite-link = You get a link to hand over, by which they set their password. No mail is sent from here yet.
person-name-help = As others know them. It stands at their keys and in the audit log.
person-email-help = What they sign in with.
person-email-edit-help = What they sign in with. Another address ends their sessions.
person-role-change = Another role holds at once: their keys can do no more than it, and they sign in again.
person-role-yours = This is you. A lower role holds at once, and only somebody above it can give it back.
person-above-you = Their role is above yours: only somebody of their role changes them.
person-bounds-help = What all their keys share, whatever each key has of its own.
person-no-projects = They are a member of no project. Projects let people in on their own pages.
person-no-sessions = They are not signed in anywhere.
person-access = Access
person-invitation-what = They have not set a password yet. A new link to do so ends the one before.
person-invitation-act = New invitation
person-reset-what = Lets them set a new password by a link that works once. The old one works until then.
person-reset-act = Reset password
person-second-factor-title = Remove the second factor of { $name }?
person-second-factor-what = For somebody who lost their phone and recovery codes: they sign in with the password alone, until they set up another.
person-second-factor-act = Remove second factor
person-disable-title = Disable { $name }?
person-disable-what = Disabled people cannot sign in, and none of their keys works until they are enabled again.
person-disable-keys = { $n ->
    [one] 1 key stops working now.
   *[other] { $n } keys stop working now.
}
person-disable-act = Disable
person-enable-what = They are disabled: they cannot sign in, and their keys do not work. What was deleted stays deleted.
person-enable-act = Enable
person-remove-title = Remove { $name }?
person-remove-what = Removed people leave every list and project, and their keys end for good. The audit log keeps what they did.
person-remove-keys = { $n ->
    [one] 1 key ends now, and cannot be brought back.
   *[other] { $n } keys end now, and cannot be brought back.
}
person-remove-act = Remove
person-is-you = This is you: you are signed out at once.

done-person-saved = Saved. It holds from now on.
done-person-disabled = Disabled. Their sessions are over, and their keys do not work.
done-person-enabled = Enabled. They can sign in, and their keys work.
done-person-removed = Removed, and their keys have ended.
done-second-factor-taken = The second factor is removed. The password alone lets them in.
done-person-sessions-ended = Their sessions are over.

## Links to set a password

link-invitation = { $name } is invited
link-reset = { $name } can set a new password
link-mailed = A mail with the link is on its way to { $address }.
link-good-until = It is good once, and ends { $when }.
link-copy-now = Copy it now, and hand it over.
link-once = The link is shown only this once.
link-shown-before = This link was made before, and was shown then. If it is lost, make another.
link-label = Link
link-whoever = Whoever has it can set the password.
link-done = I have handed it over

## Sessions

sessions-title = Sessions
sessions-end = End all sessions
sessions-end-yours = This one too: you sign in again.
session-client = Browser
session-address = Address
session-begun = Signed in
session-seen = Last seen
session-this = this one

## Roles

role-owner = Owner
role-owner-help = Everything, the owners included.
role-admin = Administrator
role-admin-help = Everything but what is of owners: people, providers, settings, all keys.
role-member = Member
role-member-help = Makes keys of their own, and sees what those used.
role-viewer = Viewer
role-viewer-help = Looks at their own keys and their use, and changes nothing.
