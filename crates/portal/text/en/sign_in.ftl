## Sign in

sign-in-title = Sign in
sign-in-email = E-mail
sign-in-password = Password
sign-in-organization = Organization
sign-in-organization-help = Its name, if it is not the first one here.
sign-in-code = Code
sign-in-code-help = From your authenticator app, or one of your recovery codes.
sign-in-act = Sign in
sign-in-forgot = Forgot your password?
sign-in-other = Sign in as somebody else
