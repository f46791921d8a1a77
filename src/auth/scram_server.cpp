#include "auth/scram.hpp"
#include "auth/scram_message.hpp"

#include <fmt/format.h>

namespace pgweir::auth {

namespace {

using boost::system::in_place_value;
using detail::attribute_reader;

/// The channel binding flag at the beginning of a client's first message, which has to fit the
/// mechanism that the client has chosen and what it was offered.
result<std::string_view> read_flag(std::string_view client_first, channel_binding::use how) {
    constexpr std::string_view end_point = "p=tls-server-end-point";
    const bool chosen = how == channel_binding::use::chosen;
    const std::string_view flag = client_first.substr(0, client_first.find(','));
    if (flag.starts_with("p=")) {
        if (!chosen) {
            return failure{"the client asks for channel binding, but not by its mechanism"};
        }
        if (flag != end_point) {
            return failure{"the client asks for a kind of channel binding that is not supported"};
        }
        return flag;
    }
    if (flag != "n" && flag != "y") {
        return failure{"the client's first SCRAM message has no channel binding flag"};
    }
    if (chosen) {
        return failure{"the client has chosen SCRAM-SHA-256-PLUS, but does not bind the channel"};
    }
    if (flag == "y" && how == channel_binding::use::possible) {
        return failure{
            "the client could bind the channel and believes that it was not offered: somebody may "
            "have taken the offer away"};
    }
    return flag;
}

/// The gs2 header of a client's first message, commas included.
result<std::string_view> read_gs2_header(std::string_view client_first, channel_binding::use how) {
    const auto flag = read_flag(client_first, how);
    if (!flag) {
        return flag.error();
    }
    if (client_first.substr(flag->size(), 2) != ",,") {
        return failure{"the client asks for an authorization identity, which is not supported"};
    }
    return client_first.substr(0, flag->size() + 2);
}

/// The nonce in the rest of a client's first message.
result<std::string_view> read_client_nonce(std::string_view bare) {
    attribute_reader attributes(bare);
    const auto user = attributes.take('n');
    const auto nonce = attributes.take('r');
    if (!user || !nonce || !detail::is_nonce(*nonce) || !attributes.skip_extensions()) {
        return failure{"the client's first SCRAM message is malformed"};
    }
    return *nonce;
}

struct final_message {
    std::string_view channel_binding;
    std::string_view nonce;
    std::string_view without_proof;
    sha256_digest proof{};
};

std::optional<final_message> read_client_final(std::string_view message) {
    attribute_reader attributes(message);
    const auto channel_binding = attributes.take('c');
    const auto nonce = attributes.take('r');
    if (!channel_binding || !nonce) {
        return std::nullopt;
    }
    while (!attributes.at_end()) {
        const std::size_t at = message.size() - attributes.rest().size();
        const auto next = attributes.take_any();
        if (!next) {
            return std::nullopt;
        }
        if (next->name != 'p') {
            continue;
        }
        const auto bytes = from_base64(next->value);
        const auto proof = bytes ? to_digest(*bytes) : std::nullopt;
        if (!proof || !attributes.at_end()) {
            return std::nullopt;
        }
        return final_message{*channel_binding, *nonce, message.substr(0, at - 1), *proof};
    }
    return std::nullopt;
}

sha256_digest exclusive_or(const sha256_digest& a, const sha256_digest& b) noexcept {
    sha256_digest both;
    for (std::size_t i = 0; i < both.size(); i++) {
        both[i] = static_cast<char>(a[i] ^ b[i]);
    }
    return both;
}

}  // namespace

scram_server::scram_server(scram_secret stored, mode how, std::string nonce)
    : stored_(std::move(stored)), mode_(how), nonce_(std::move(nonce)) {}

result<std::string> scram_server::first(std::string_view client_first) {
    if (state_ != state::wants_first) {
        state_ = state::over;
        return failure{"SCRAM messages out of order"};
    }
    state_ = state::over;
    const auto header = read_gs2_header(client_first, channel_.how);
    if (!header) {
        return header.error();
    }
    const std::string_view bare = client_first.substr(header->size());
    const auto client_nonce = read_client_nonce(bare);
    if (!client_nonce) {
        return client_nonce.error();
    }
    gs2_header_ = *header;
    nonce_.insert(0, *client_nonce);
    std::string server_first =
        fmt::format("r={},s={},i={}", nonce_, to_base64(stored_.salt), stored_.iterations);
    auth_message_ = fmt::format("{},{}", bare, server_first);
    state_ = state::wants_final;
    return result<std::string>(in_place_value, std::move(server_first));
}

result<scram_server::success> scram_server::finish(std::string_view client_final) {
    if (state_ != state::wants_final) {
        state_ = state::over;
        return failure{"SCRAM messages out of order"};
    }
    state_ = state::over;
    const auto message = read_client_final(client_final);
    if (channel_.how == channel_binding::use::chosen) {
        gs2_header_ += channel_.data;
    }
    if (!message || message->nonce != nonce_) {
        return failure{"the client's final SCRAM message is malformed"};
    }
    if (message->channel_binding != to_base64(gs2_header_)) {
        return failure{
            channel_.how == channel_binding::use::chosen
                ? "the client does not see our certificate: somebody sits in between"
                : "the client's final SCRAM message is malformed"};
    }
    auth_message_.append(",").append(message->without_proof);
    const sha256_digest signature = hmac_sha256(view(stored_.stored_key), {auth_message_});
    success done;
    done.keys.client_key = exclusive_or(message->proof, signature);
    done.keys.server_key = stored_.server_key;
    const sha256_digest proved = sha256(view(done.keys.client_key));
    const bool fits = equal_in_constant_time(view(proved), view(stored_.stored_key));
    if (!fits || mode_ == mode::mock) {
        return failure{"wrong password"};
    }
    done.server_final =
        "v=" + to_base64(view(hmac_sha256(view(stored_.server_key), {auth_message_})));
    return done;
}

}  // namespace pgweir::auth
