// SCRAM in all its places: the stored secret, a client that we verify, a server that we log in to,
// and both log-ins around them. The first byte chooses the place; what follows are messages with a
// | between them.

#include "auth/client_auth.hpp"
#include "auth/scram.hpp"
#include "auth/server_auth.hpp"
#include "auth/slow_question.hpp"
#include "auth/stored_secret.hpp"
#include "protocol/message.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace pgweir;
using namespace pgweir::auth;

constexpr std::string_view salt = "salt";
constexpr int iterations = 2;

void require(bool property) {
    if (!property) {
        __builtin_trap();
    }
}

std::vector<std::string_view> split(std::string_view text) {
    std::vector<std::string_view> messages;
    while (true) {
        const std::size_t end = text.find('|');
        messages.push_back(text.substr(0, end));
        if (end == text.npos) {
            return messages;
        }
        text.remove_prefix(end + 1);
    }
}

/// What is read is what would be written, and the kind says whether it can be read.
void stored_secret(std::string_view text) {
    const auto stored = parse_scram_secret(text);
    require(stored.has_value() == (classify(text) == secret_kind::scram));
    if (stored) {
        const auto again = parse_scram_secret(format_scram_secret(*stored));
        require(again && again->iterations == stored->iterations && again->salt == stored->salt);
        require(again->stored_key == stored->stored_key);
        require(again->server_key == stored->server_key);
    }
    const auto bytes = from_base64(text);
    require(!bytes || to_base64(*bytes) == text);
}

/// Nobody gets in whose proof is not that of the secret, and at a mock nobody at all.
void hostile_client(
    const std::vector<std::string_view>& messages,
    scram_server::mode how,
    const channel_binding& channel = {}
) {
    const scram_secret stored = make_scram_secret("pencil", iterations, salt);
    scram_server server(stored, how, "server");
    server.bind(channel);
    bool failed = false;
    for (std::size_t i = 0; i < messages.size(); i++) {
        if (i == 0) {
            const auto reply = server.first(messages[i]);
            failed = !reply;
            require(!reply || reply->starts_with("r="));
            const bool bound = channel.how == channel_binding::use::chosen;
            require(!reply || messages[i].starts_with("p=") == bound);
            continue;
        }
        const auto done = server.finish(messages[i]);
        require(!done || (i == 1 && !failed && how == scram_server::mode::real));
        require(!done || sha256(view(done->keys.client_key)) == stored.stored_key);
    }
}

/// No server is believed whose signature is not that of the secret.
void hostile_server(const std::vector<std::string_view>& messages) {
    const scram_keys keys = derive_scram_keys("pencil", salt, iterations);
    scram_client client(keys, "client");
    const std::string bare = client.first()->substr(3);
    if (messages.size() < 2) {
        return;
    }
    const auto proof = client.next(messages[0]);
    const bool verified = client.verify(messages[1]).has_value();
    require(verified == client.verified());
    require(proof || !verified);
    if (!proof) {
        return;
    }
    require(proof->starts_with("c=biws,r=client"));
    const std::string without_proof = proof->substr(0, proof->rfind(",p="));
    const std::string signature = to_base64(
        view(hmac_sha256(view(keys.server_key), {bare, ",", messages[0], ",", without_proof}))
    );
    const bool right = messages[1] == "v=" + signature;
    const bool extended = messages[1].starts_with("v=" + signature + ",");
    require(verified ? right || extended : !right);
}

/// A refused client stays refused, and gets nothing to read.
void client_log_in(
    const std::vector<std::string_view>& messages, auth_method method, std::string end_point = ""
) {
    static scram_verifier_cache verifiers("process key");
    const secret known("pencil");
    client_auth_request request;
    request.method = method;
    request.user = "user";
    request.stored = messages[0].empty() ? nullptr : &known;
    request.verifiers = &verifiers;
    request.scram_iterations = iterations;
    request.end_point = std::move(end_point);
    client_auth auth(request);
    std::string out;
    require(auth.start(out) == client_auth::step::send_and_wait);
    bool over = false;
    for (std::string_view message : messages) {
        out.clear();
        auto next = auth.on_password_message(message, out);
        if (next == client_auth::step::ask) {
            next = auth.on_answer(compute(auth.take_question()), out);
        }
        require(!over || next == client_auth::step::refused);
        require(next != client_auth::step::refused || out.empty());
        require(next != client_auth::step::accepted || request.stored != nullptr);
        require(next != client_auth::step::send_and_wait || !out.empty());
        over = over || next != client_auth::step::send_and_wait;
    }
}

/// Once SASL has begun, the server's word is taken only after its signature.
void server_log_in(const std::vector<std::string_view>& messages, std::string end_point = "") {
    server_credentials known{"user", secret(), derive_scram_keys("pencil", salt, iterations)};
    server_auth auth(known, nullptr, "client");
    auth.set_end_point(std::move(end_point));
    bool sasl = false;
    bool over = false;
    int signatures = 0;
    for (std::string_view body : messages) {
        const auto asked = protocol::read_authentication(body);
        std::string out;
        const auto next = auth.on_request(asked, out);
        using kind = protocol::authentication_request::kind;
        const bool went_on = next == server_auth::step::send_and_wait;
        sasl = sasl || (went_on && asked.what == kind::sasl);
        signatures += went_on && asked.what == kind::sasl_final;
        require(!over || next == server_auth::step::failed);
        require(next != server_auth::step::done || !sasl || signatures == 1);
        require((next == server_auth::step::failed) == !auth.why().empty() || over);
        require(next != server_auth::step::failed || out.empty());
        over = over || !went_on;
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    const auto messages = split(text);
    switch (data[0]) {
        case 's':
            stored_secret(text);
            break;
        case 'c':
            hostile_client(messages, scram_server::mode::real);
            break;
        case 'b':
            hostile_client(
                messages, scram_server::mode::real, {channel_binding::use::chosen, "end point"}
            );
            break;
        case 'o':
            hostile_client(
                messages, scram_server::mode::real, {channel_binding::use::possible, "end point"}
            );
            break;
        case 'm':
            hostile_client(messages, scram_server::mode::mock);
            break;
        case 'v':
            hostile_server(messages);
            break;
        case 'S':
            client_log_in(messages, auth_method::scram);
            break;
        case 'T':
            client_log_in(messages, auth_method::scram, "end point");
            break;
        case 'K':
            server_log_in(messages, "end point");
            break;
        case '5':
            client_log_in(messages, auth_method::md5);
            break;
        case 'p':
            client_log_in(messages, auth_method::plain);
            break;
        case 'L':
            server_log_in(messages);
            break;
        default:
            break;
    }
    return 0;
}
