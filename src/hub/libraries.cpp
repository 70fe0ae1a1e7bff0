#include "hub/libraries.h"

#include <dlfcn.h>

#include "core/error.h"
#include "memory/base_memory.h"

namespace semblance {

SharedLibrary::SharedLibrary(const std::string& name, std::string package)
    : name_(name), package_(std::move(package)) {
  const std::lock_guard guard(mappings_mutex());
  handle_ = dlopen(name.c_str(), RTLD_NOW);
  if (handle_ == nullptr) {
    fail(ErrorKind::kMissing, "cannot open the library {}: {}\n  install Debian's package {}", name,
         dlerror(), package_);
  }
}

void* SharedLibrary::address(const char* name) const {
  void* const found = dlsym(handle_, name);
  if (found == nullptr) {
    fail(ErrorKind::kDevice, "cannot use the library {}: it has no {}\n  Debian's package {} has",
         name_, name, package_);
  }
  return found;
}

const Curl& Curl::get() {
  static const Curl curl = [] {
    const SharedLibrary library("libcurl.so.4", "libcurl4");
    Curl c{};
    library.find(c.global_init, "curl_global_init");
    library.find(c.easy_init, "curl_easy_init");
    library.find(c.easy_cleanup, "curl_easy_cleanup");
    library.find(c.easy_setopt, "curl_easy_setopt");
    library.find(c.easy_getinfo, "curl_easy_getinfo");
    library.find(c.easy_strerror, "curl_easy_strerror");
    library.find(c.multi_init, "curl_multi_init");
    library.find(c.multi_cleanup, "curl_multi_cleanup");
    library.find(c.multi_add_handle, "curl_multi_add_handle");
    library.find(c.multi_remove_handle, "curl_multi_remove_handle");
    library.find(c.multi_perform, "curl_multi_perform");
    library.find(c.multi_poll, "curl_multi_poll");
    library.find(c.multi_info_read, "curl_multi_info_read");
    library.find(c.slist_append, "curl_slist_append");
    library.find(c.slist_free_all, "curl_slist_free_all");
    library.find(c.getdate, "curl_getdate");
    library.find(c.url, "curl_url");
    library.find(c.url_cleanup, "curl_url_cleanup");
    library.find(c.url_set, "curl_url_set");
    library.find(c.url_get, "curl_url_get");
    library.find(c.free, "curl_free");
    c.global_init(CURL_GLOBAL_DEFAULT);
    return c;
  }();
  return curl;
}

const Crypto& Crypto::get() {
  static const Crypto crypto = [] {
    const SharedLibrary library("libcrypto.so.3", "libssl3");
    Crypto c{};
    library.find(c.md_ctx_new, "EVP_MD_CTX_new");
    library.find(c.md_ctx_free, "EVP_MD_CTX_free");
    library.find(c.digest_init, "EVP_DigestInit_ex");
    library.find(c.digest_update, "EVP_DigestUpdate");
    library.find(c.digest_final, "EVP_DigestFinal_ex");
    library.find(c.sha256, "EVP_sha256");
    library.find(c.sha1, "EVP_sha1");
    library.find(c.hmac, "HMAC");
    return c;
  }();
  return crypto;
}

}  // namespace semblance
