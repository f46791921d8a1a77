#include "auth/stored_secret.hpp"

#include "auth/scram.hpp"

namespace pgweir::auth {

namespace {

bool is_md5(std::string_view stored) noexcept {
    constexpr std::string_view digits = "0123456789abcdef";
    return stored.size() == 35 && stored.starts_with("md5") &&
           stored.find_first_not_of(digits, 3) == std::string_view::npos;
}

}  // namespace

secret_kind classify(std::string_view stored) {
    if (is_md5(stored)) {
        return secret_kind::md5;
    }
    return parse_scram_secret(stored) ? secret_kind::scram : secret_kind::plain;
}

}  // namespace pgweir::auth
