## Projects

projects-about = Each project has keys, members and models of its own, and a budget that they share.
projects-search = Search by name or description
projects-none-found = No project is like that.
projects-count = { $n ->
    [one] 1 project
   *[other] { $n } projects
}
project-create = Create project
project-create-about = A team, an application, a customer: what is to be billed and bounded together.
project-name-help = Such as search or customer-support.
project-keys = Keys of this project
project-bounds-help = What all keys of the project share, whatever each key has of its own.
project-models = Models of this project
project-models-help = Models whose names begin with { $prefix } can be called by keys of this project only; for all others there are none such.
project-models-none = It has none. Its keys call the models of the organization.
project-remove-title = Delete { $name }?
project-remove-what = A project can be deleted once it has no keys, service accounts and models. Its members stay in the organization, and the audit log keeps what happened in it.
project-remove-holds = This is in it. Delete it, or leave the project as it is:
project-remove-default = This one stays: keys go to it that name no project.
project-remove-act = Delete project
no-limits = No limits

done-project-made = Created. Let people in, or make its first key.
done-project-saved = Saved. It holds for every call from now on.
done-project-removed = The project is deleted.

## Members of a project

members-title = Members
members-help = Members make keys in the project. Administrators of the organization may do so everywhere.
members-who = Name
members-add = Add member
members-all = Everybody of the organization is a member.
members-remove = Remove
members-remove-name = Remove { $name }
members-role-of = Role of { $name }
member-unknown = is nobody of the organization

done-member-added = Added.
done-member-saved = Saved.
done-member-removed = Removed. Their keys in the project stay.

## Whether prompts are kept

project-prompts = Prompts and answers
prompts-title = Prompts and answers
prompts-about = What programs ask the models and what they are answered can hold anything that people type.
prompts-not-kept = not kept
prompts-kept-days = { $n ->
    [one] kept for a day
   *[other] kept for { $n } days
}
prompts-none = They are not kept: nothing of what is asked and answered is stored, only how much it was and what it cost.
prompts-kept = { $n ->
    [one] They are kept for a day.
   *[other] They are kept for { $n } days.
}
prompts-redacted = E-mail addresses and the numbers of cards and phones are taken out, and so are keys.
prompts-not-redacted = Keys are taken out; all else is kept as it is.
prompts-change = Change what is kept
prompts-keep-no = Keep nothing
prompts-keep-no-help = Only counts and costs are stored. What was kept so far is deleted.
prompts-keep-yes = Keep prompts and answers
prompts-keep-yes-help = They are stored encrypted. Administrators can read them call by call, and each reading is in the audit log.
prompts-days = For how many days
prompts-days-help = From 1 to 365. After that they are deleted.
prompts-redact = Take personal data out
prompts-redact-help = E-mail addresses and the numbers of cards and phones are replaced before anything is stored. Keys always are.

done-prompts-saved = Saved. It holds for every call from now on.
