## Requests for higher limits

requests-title = Requests
requests-about = What you asked for, and what was decided. Ask on the page of a key.
requests-about-all = Who asks for higher limits. What is granted holds at once, for as long as you say.
requests-none-title = No requests
requests-none = Who reaches a limit or budget of a key can ask for more on the key's page.
requests-none-found = No request is like that.
request-title = Higher limits for { $name }
request-open = Waiting
request-granted = Granted
request-declined = Declined
request-withdrawn = Taken back
request-lapsed = Lapsed
request-asked = Asked for
request-was-granted = Granted
request-reason = Reason
request-by = Asked by
request-decided = Decided by
request-until = until { $when }
request-for-good = for good
request-days = { $n ->
    [1] for a day
   *[other] for { $n } days
}
request-how-long = How long
request-give = What to give
request-grant = Grant
request-decline = Decline
request-note = Note
request-note-help = Whoever asked reads it.
request-withdraw = Take back
request-withdraw-help = Nobody has decided yet.
request-end = End it now
request-end-help = The usual limits then hold again at once.
increase-ask = Ask for higher limits
increase-ask-title = Higher limits for { $name }
increase-ask-about = An administrator decides, and you are told. Fill in only what should be higher.
increase-nothing = This key has no limit or budget of its own that could be raised.
increase-now = Now { $now }
increase-reason-help = What the higher limits are for, and how long you need them.
increase-raised = { $raised } for a while, usually { $usual }
increase-holds = Higher limits hold, and end { $when }.
increase-usually = usually { $limit }
increase-waits = Higher limits are asked for, and nobody has decided yet.
increase-see = See the request
done-increase-asked = Asked. You are told when somebody decides.
done-increase-granted = Granted. It holds from now on.
done-increase-declined = Declined.
done-increase-withdrawn = Done. The usual limits hold.
request-from = { $asked }, now { $now }
requests-count = { $n ->
    [one] 1 request
   *[other] { $n } requests
}
request-for = For
request-decide = Decide
