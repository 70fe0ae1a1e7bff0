// Recognises a repeated request: a client that was cut off and tries again gets one job, not two.
#pragma once

#include "service/job_request.h"

namespace semblance::service {

/// Sets what submit() needs to know the request again: the Idempotency-Key, or for OpenAI's
/// clients, which send none but count their tries, the request itself. Of both the digest goes with
/// the job, so that a key that comes with another request is refused. Reads the body. Throws
/// HttpError(400) for a key that is none, HttpError(503) where libcrypto is missing.
void take_repeat_key(JobRequest& job, const HttpRequest& request);

/// SHA-256 of the path and the body, in hex. A form's boundary is left out: it changes with each
/// try.
std::string digest_of(const HttpRequest& request);

}  // namespace semblance::service
