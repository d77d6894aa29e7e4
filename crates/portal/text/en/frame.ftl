## What stands around every page

skip = Skip to the content
nav-label = Main
nav-menu = Menu
nav-keys = API keys
nav-usage = Usage
nav-playground = Playground
nav-requests = Requests
nav-models = Models
nav-routing = Models & routing
nav-providers = Providers
nav-general-keys = General keys
nav-organization = Organization
nav-agent-keys = Agent keys
nav-service-accounts = Service accounts
nav-projects = Projects
nav-people = People
nav-audit = Audit log
nav-notifications = Notifications
nav-settings = Settings
nav-account = Account
nav-docs = API reference
who = Account & API keys
theme = Theme
theme-light = Light
theme-dark = Dark
theme-system = System
sign-out = Sign out

## What was just done

done-signed-out = You are signed out.

## Where something is not shown

refusal-missing-title = There is nothing here
refusal-missing-text = The page does not exist, or it is not yours to see.
refusal-forbidden-title = Your role does not allow this
refusal-forbidden-text = Ask an administrator of your organization.
refusal-stale-form-title = This form is too old
refusal-stale-form-text = It belongs to a session that is over, or another site sent it. Nothing was done. Open the page again.
refusal-unavailable-title = One moment
refusal-unavailable-text = The database does not answer right now. Nothing was done. Try again in a moment.
refusal-refused-title = That cannot be done
refusal-refused-text = The request could not be understood. Nothing was done.
refusal-fault-title = Something went wrong
refusal-fault-text = That is a fault of ours. It is in the log of the server.
refusal-home = To the first page
