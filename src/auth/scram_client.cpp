#include "auth/scram.hpp"
#include "auth/scram_cache.hpp"
#include "auth/scram_message.hpp"
#include "auth/slow_question.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace pgweir::auth {

namespace {

using boost::system::in_place_value;
using detail::attribute_reader;

std::string_view gs2_header(channel_binding::use how) noexcept {
    switch (how) {
        case channel_binding::use::chosen:
            return "p=tls-server-end-point,,";
        case channel_binding::use::possible:
            return "y,,";
        case channel_binding::use::impossible:
            break;
    }
    return "n,,";
}

/// A server's text as it may stand in the log: bounded, and without control characters.
std::string printable(std::string_view text) {
    constexpr std::size_t limit = 100;
    std::string shown(text.substr(0, limit));
    std::replace_if(
        shown.begin(), shown.end(), [](char c) { return c < 0x20 || c > 0x7e; }, '?'
    );
    return shown;
}

struct server_first_message {
    std::string_view nonce;
    std::string salt;
    int iterations = 0;
};

result<server_first_message> read_server_first(std::string_view text, std::string_view our_nonce) {
    attribute_reader attributes(text);
    const auto nonce = attributes.take('r');
    const auto encoded_salt = attributes.take('s');
    const auto count = attributes.take('i');
    if (!nonce || !encoded_salt || !count || !attributes.skip_extensions()) {
        return failure{"the server's first SCRAM message is malformed"};
    }
    if (!detail::is_nonce(*nonce) || !nonce->starts_with(our_nonce) ||
        nonce->size() == our_nonce.size()) {
        return failure{"the server's SCRAM nonce does not continue ours"};
    }
    auto salt = from_base64(*encoded_salt);
    if (!salt) {
        return failure{"the server's SCRAM salt is malformed"};
    }
    const auto iterations = detail::read_iterations(*count);
    if (!iterations) {
        return failure{fmt::format(
            "the server's SCRAM iteration count \"{}\" is not between 1 and {}",
            printable(*count),
            scram_iterations_limit
        )};
    }
    return server_first_message{*nonce, *std::move(salt), *iterations};
}

}  // namespace

scram_client::scram_client(
    secret password, std::string user, scram_client_cache* cache, std::string nonce
)
    : password_(std::move(password)),
      user_(std::move(user)),
      cache_(cache),
      nonce_(std::move(nonce)) {}

scram_client::scram_client(scram_keys keys, std::string nonce)
    : keys_(std::move(keys)), nonce_(std::move(nonce)) {}

result<std::string> scram_client::first() {
    if (state_ != state::wants_start) {
        state_ = state::failed;
        return failure{"SCRAM messages out of order"};
    }
    state_ = state::wants_first;
    // The name is empty as in libpq: servers take the one of the startup packet.
    auth_message_ = "n=,r=" + nonce_;
    return result<std::string>(
        in_place_value, std::string(gs2_header(channel_.how)) + auth_message_
    );
}

std::optional<derive_keys> scram_client::wanted_keys(std::string_view server_first) const {
    const auto message = read_server_first(server_first, nonce_);
    if (keys_ || !message ||
        (cache_ != nullptr && cache_->find(user_, password_, message->salt, message->iterations))) {
        return std::nullopt;
    }
    return derive_keys{cache_, user_, password_, message->salt, message->iterations};
}

result<std::string> scram_client::next(std::string_view server_first) {
    if (state_ != state::wants_first) {
        state_ = state::failed;
        return failure{"SCRAM messages out of order"};
    }
    auto client_final = answer(server_first);
    state_ = client_final ? state::wants_final : state::failed;
    return client_final;
}

result<std::string> scram_client::answer(std::string_view server_first) {
    const auto message = read_server_first(server_first, nonce_);
    if (!message) {
        return message.error();
    }
    if (!keys_ && cache_ != nullptr) {
        keys_ = cache_->keys(user_, password_, message->salt, message->iterations);
    } else if (!keys_) {
        keys_ = derive_scram_keys(password_.view(), message->salt, message->iterations);
    }
    std::string bound(gs2_header(channel_.how));
    if (channel_.how == channel_binding::use::chosen) {
        bound += channel_.data;
    }
    std::string client_final = fmt::format("c={},r={}", to_base64(bound), message->nonce);
    auth_message_.append(",").append(server_first).append(",").append(client_final);

    const sha256_digest stored_key = sha256(view(keys_->client_key));
    sha256_digest proof = hmac_sha256(view(stored_key), {auth_message_});
    for (std::size_t i = 0; i < proof.size(); i++) {
        proof[i] = static_cast<char>(proof[i] ^ keys_->client_key[i]);
    }
    client_final.append(",p=").append(to_base64(view(proof)));
    return result<std::string>(in_place_value, std::move(client_final));
}

result<void> scram_client::verify(std::string_view server_final) {
    const bool in_order = state_ == state::wants_final;
    state_ = state::failed;
    if (!in_order) {
        return failure{"SCRAM messages out of order"};
    }
    if (server_final.starts_with("e=")) {
        return failure{fmt::format(
            "the server refused the SCRAM exchange: {}", printable(server_final.substr(2))
        )};
    }
    attribute_reader attributes(server_final);
    const auto encoded = attributes.take('v');
    const auto signature =
        encoded && attributes.skip_extensions() ? from_base64(*encoded) : std::nullopt;
    if (!signature) {
        return failure{"the server's final SCRAM message is malformed"};
    }
    const sha256_digest expected = hmac_sha256(view(keys_->server_key), {auth_message_});
    if (!equal_in_constant_time(*signature, view(expected))) {
        return failure{"the server did not prove that it knows the user's secret"};
    }
    state_ = state::verified;
    return {};
}

}  // namespace pgweir::auth
