## Sign in

sign-in-title = Sign in
sign-in-email = E-mail
sign-in-password = Password
sign-in-code = Code
sign-in-code-help = From your authenticator app, or one of your recovery codes.
sign-in-act = Sign in
