//! What signing in, and being signed in, is refused for.

use http::StatusCode;

/// Why somebody is not, or not any more, let in as a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SignInRefusal {
    /// Nobody with this e-mail address, or another password, or a user who is not active: one answer.
    #[error("The e-mail address or the password is wrong.")]
    InvalidCredentials,
    /// The password is right, and the user has a second factor.
    #[error("Send the code of the second factor as `code`, too.")]
    SecondFactorRequired,
    /// It is not the code of this moment, or was used already.
    #[error("The code of the second factor is wrong, or was used already.")]
    WrongCode,
    /// Whoever is signed in does not know their password.
    #[error("The current password is wrong.")]
    WrongPassword,
    /// The authenticator app has another secret, or another time.
    #[error("The code is wrong. Look at the clock of the device, and try the next code.")]
    WrongConfirmation,
    /// It was ended, or nobody had it.
    #[error("This session is over. Sign in again.")]
    SessionOver,
    /// A key asks for what only people do.
    #[error("Only a user who is signed in may do this; an API key may not.")]
    SessionRequired,
    /// The role does not have the scope.
    #[error("Your role does not allow this.")]
    RoleTooLow,
    /// It was used, replaced, is over, or never was: one answer.
    #[error("This link has been used, has expired, or is not one. Ask for a new one.")]
    LinkOver,
    /// Too much was tried.
    #[error("Too many attempts. Try again in {retry_after_seconds} s.")]
    TooManyAttempts { retry_after_seconds: u32 },
}

impl SignInRefusal {
    pub(crate) const fn face(self) -> (StatusCode, &'static str) {
        match self {
            Self::InvalidCredentials => (StatusCode::UNAUTHORIZED, "invalid_credentials"),
            Self::SecondFactorRequired => (StatusCode::UNAUTHORIZED, "second_factor_required"),
            Self::WrongCode => (StatusCode::UNAUTHORIZED, "invalid_code"),
            Self::WrongPassword => (StatusCode::FORBIDDEN, "wrong_password"),
            Self::WrongConfirmation => (StatusCode::BAD_REQUEST, "invalid_code"),
            Self::SessionOver => (StatusCode::UNAUTHORIZED, "invalid_session"),
            Self::SessionRequired => (StatusCode::FORBIDDEN, "session_required"),
            Self::RoleTooLow => (StatusCode::FORBIDDEN, "insufficient_scope"),
            Self::LinkOver => (StatusCode::BAD_REQUEST, "invalid_link"),
            Self::TooManyAttempts { .. } => (StatusCode::TOO_MANY_REQUESTS, "too_many_attempts"),
        }
    }

    /// The field that is wrong, where one is. Which of e-mail address and password is, nobody is told.
    pub(crate) const fn field(self) -> Option<&'static str> {
        match self {
            Self::WrongCode | Self::WrongConfirmation => Some("code"),
            Self::WrongPassword => Some("current_password"),
            Self::InvalidCredentials
            | Self::SecondFactorRequired
            | Self::SessionOver
            | Self::SessionRequired
            | Self::RoleTooLow
            | Self::LinkOver
            | Self::TooManyAttempts { .. } => None,
        }
    }

    /// When it is worth another try, where that is known.
    pub(crate) const fn retry_after_seconds(self) -> Option<u32> {
        match self {
            Self::TooManyAttempts { retry_after_seconds } => Some(retry_after_seconds),
            Self::InvalidCredentials
            | Self::SecondFactorRequired
            | Self::WrongCode
            | Self::WrongPassword
            | Self::WrongConfirmation
            | Self::SessionOver
            | Self::SessionRequired
            | Self::RoleTooLow
            | Self::LinkOver => None,
        }
    }
}
