//! How many tokens a request has, between the dialects in which that can be asked.

use doorward_dialect::fault::Fault;
use doorward_dialect::unsupported::{Leave, Untranslatable};
use doorward_dialect::{Client, Dialect, Provider, Target, anthropic, google};

use super::{Between, broken, keep_our_own, place};
use crate::ask::Ask;

pub(super) fn request(
    ask: &Ask<'_>,
    (provider, to): (Provider, &Target<'_>),
    leave: &mut Leave,
) -> Result<Vec<u8>, Untranslatable> {
    let mut request = match ask.call.dialect() {
        Dialect::Google => google::read_count_request(ask.body(), place(ask)),
        // Nobody else has it, so that nobody of them comes here.
        Dialect::Anthropic | Dialect::OpenAi => anthropic::read_count_request(ask.body()),
    }?;
    keep_our_own(&mut request.extras);
    match provider {
        Provider::Dialect(Dialect::Google) => google::write_count_request(&request, to, leave),
        Provider::Dialect(Dialect::Anthropic | Dialect::OpenAi) | Provider::Bedrock => {
            anthropic::write_count_request(&request, to, leave)
        }
    }
}

pub(super) fn answer(between: Between, body: &[u8]) -> Result<Vec<u8>, Fault<'static>> {
    let tokens = match between.provider {
        Provider::Dialect(Dialect::Google) => google::read_count(body),
        Provider::Dialect(Dialect::Anthropic | Dialect::OpenAi) | Provider::Bedrock => {
            anthropic::read_count(body)
        }
    };
    let tokens = tokens.map_err(|error| broken(&error.to_string()))?;
    Ok(match between.client {
        Client::Dialect(Dialect::Google) => google::write_count(tokens),
        Client::Dialect(Dialect::Anthropic | Dialect::OpenAi)
        | Client::Responses
        | Client::Inference => anthropic::write_count(tokens),
    })
}
