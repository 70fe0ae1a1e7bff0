// How a request is known when it comes again: a client that was cut off must not pay for two jobs.
#pragma once

#include "service/http.h"
#include "service/jobs.h"

namespace semblance::service {

/// Sets what submit() needs to know the request again: the Idempotency-Key, or for OpenAI's
/// clients, which send none but count their tries, the request itself. Of both the digest goes with
/// the job, so that a key that comes with another request is refused. Reads the body. Throws
/// HttpError(400) for a key that is none, HttpError(503) where libcrypto is missing.
void take_repeat_key(NewJob& job, const HttpRequest& request);

/// SHA-256 of the path and all that was sent, in hex. The boundaries of a form are no part of it:
/// they are another at each try.
std::string digest_of(const HttpRequest& request);

}  // namespace semblance::service
