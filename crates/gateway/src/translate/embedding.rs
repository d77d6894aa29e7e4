//! Texts as vectors, between the dialects that have them.

use doorward_dialect::embedding::{Request, Shape};
use doorward_dialect::fault::Fault;
use doorward_dialect::unsupported::{Leave, Malformed, Untranslatable};
use doorward_dialect::{Dialect, Provider, Target, google, openai};

use super::{Between, broken, keep_our_own, place};
use crate::ask::Ask;
use crate::route::Call;

pub(super) fn request(
    ask: &Ask<'_>,
    (provider, to): (Provider, &Target<'_>),
    leave: &mut Leave,
) -> Result<Vec<u8>, Untranslatable> {
    let mut request = read(ask)?;
    keep_our_own(&mut request.extras);
    match provider {
        Provider::Dialect(Dialect::Google) => google::embedding::write_request(&request, to, leave),
        // Anthropic has none, nor has Bedrock in this form, so that nobody comes here.
        Provider::Dialect(Dialect::OpenAi | Dialect::Anthropic) | Provider::Bedrock => {
            openai::embedding::write_request(&request, to, leave)
        }
    }
}

fn read<'a>(ask: &'a Ask<'_>) -> Result<Request<'a>, Malformed> {
    match ask.call {
        Call::EmbedContent => google::embedding::read_request(ask.body(), place(ask)),
        Call::BatchEmbedContents => google::embedding::read_batch_request(ask.body(), place(ask)),
        Call::Embeddings
        | Call::ChatCompletions
        | Call::Completions
        | Call::Responses
        | Call::Inference
        | Call::Moderations
        | Call::Images
        | Call::Speech
        | Call::Transcriptions
        | Call::Translations
        | Call::Rerank
        | Call::Messages
        | Call::MessageTokens
        | Call::GenerateContent
        | Call::StreamGenerateContent
        | Call::ContentTokens => openai::embedding::read_request(ask.body()),
    }
}

pub(super) fn answer(
    between: Between,
    body: &[u8],
    ask: &Ask<'_>,
) -> Result<Vec<u8>, Fault<'static>> {
    let answer = match between.provider {
        Provider::Dialect(Dialect::Google) => google::embedding::read_answer(body),
        Provider::Dialect(Dialect::OpenAi | Dialect::Anthropic) | Provider::Bedrock => {
            openai::embedding::read_answer(body)
        }
    };
    let answer = answer.map_err(|error| broken(&error.to_string()))?;
    // It was read once already, so it can be read again.
    let shape = read(ask).map_or(Shape::Lists, |request| request.shape);
    match ask.call.dialect() {
        Dialect::Google => Ok(google::embedding::write_answer(&answer, shape)),
        Dialect::OpenAi | Dialect::Anthropic => {
            openai::embedding::write_answer(&answer, &ask.model, shape)
        }
    }
}
